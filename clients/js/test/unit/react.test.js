// Tests of the hooks, rendered on a server and on a page.

import assert from "node:assert/strict";
import { test } from "node:test";
import { act, createElement, StrictMode, useState } from "react";
import { renderToString } from "react-dom/server";
import { WseClient } from "wse-client";
import { useCall, useLatest, useMessage, usePresence, useRoom, useStatus, useStore, useWse, WseContext } from "wse-client/react";
import { createStore } from "wse-client/stores";
import { testServer } from "wse-client/testing";
import { page } from "../tools/dom.js";
import { fakeClient, readyClient, tick } from "../tools/fake.js";

/** Renders a component in strict mode on a page, with a client in the context. */
async function render(t, client, component) {
  const { container, shown } = page();
  const { createRoot } = await import("react-dom/client");
  const root = createRoot(container, { onUncaughtError: (error) => { throw error; } });
  const draw = () => act(async () => root.render(createElement(StrictMode, null, createElement(WseContext, { value: client }, createElement(component)))));
  await draw();
  const unmount = () => act(async () => root.unmount());
  t.after(() => (delete globalThis.window, delete globalThis.document));
  return { shown, unmount };
}

test("on a server the status is IDLE, there is no message, and nothing is listened to", () => {
  const { client } = fakeClient();
  const on = client.channel.on;
  let listened = 0;
  client.channel.on = (...args) => (listened++, on(...args));
  function Page() {
    const wse = useWse();
    const { pending } = useCall(wse, "add");
    const { joined, members } = useRoom(wse, "r");
    return `${useStatus(wse).status} ${useMessage(wse, "line")} ${useLatest(wse, "line")} ${pending} ${joined} ${members.size} ${usePresence(wse, "r").size}`;
  }
  assert.equal(renderToString(createElement(WseContext, { value: client }, createElement(Page))), "IDLE undefined undefined false false 0 0");
  assert.equal(listened, 0);
});

test("useWse prefers the client given, and throws when there is none", () => {
  const { client } = fakeClient();
  const Page = ({ given }) => (useWse(given) === client ? "ours" : "other");
  assert.equal(renderToString(createElement(Page, { given: client })), "ours");
  assert.throws(() => renderToString(createElement(Page)), /no client in WseContext/);
});

test("useStatus follows the client, says why it ended, and stops when the component is gone", async (t) => {
  const { client, socket } = await readyClient();
  const { shown, unmount } = await render(t, client, () => Object.values(useStatus(useWse())).join(" "));
  assert.equal(shown(), "READY");
  await act(async () => socket.end(1000, "wse.clients-concurrency"));
  assert.equal(shown(), "OFFLINE 1000 wse.clients-concurrency");
  await unmount();
  client.connect().catch(() => {});
});

test("useMessage shows the last message and gives every one to its latest listener", async (t) => {
  const { client, socket, told } = await readyClient();
  const heard = [];
  const { shown, unmount } = await render(t, client, () => {
    const wse = useWse();
    const [count, setCount] = useState(0);
    const line = useMessage(wse, "line", (message) => (heard.push([count, message]), setCount(count + 1)));
    return `${line} ${count}`;
  });
  assert.equal(shown(), "undefined 0");
  await act(async () => {
    socket.say("line", "a");
    socket.say("line", "b");
  });
  assert.equal(shown(), "b 1");
  await act(async () => socket.say("line", "c"));
  assert.deepEqual(heard, [[0, "a"], [0, "b"], [1, "c"]]);
  await unmount();
  socket.say("line", "d");
  assert.deepEqual(told, ["ignored line \"d\""].map((line) => line.replaceAll('"', "")));
});

test("useCall shows pending, result and error, keeps the newest call only, and never rejects", async (t) => {
  const { client, socket } = await readyClient();
  let ask;
  const { shown, unmount } = await render(t, client, () => {
    const { call, pending, result, error } = useCall(useWse(), "add");
    ask = call;
    return `${pending} ${result} ${error?.code}`;
  });
  assert.equal(shown(), "false undefined undefined");
  let first, second;
  await act(async () => { first = ask([1, 2]); });
  assert.equal(shown(), "true undefined undefined");
  await act(async () => { second = ask([3, 4]); });
  const [, [, payload, stamp]] = socket.take();
  assert.deepEqual(payload, [3, 4]);
  await act(async () => socket.say("~wse:response", 7, stamp));
  assert.deepEqual(await Promise.all([first, second]), [undefined, 7]);
  assert.equal(shown(), "false 7 undefined");
  await act(async () => { first = ask([0]); });
  await act(async () => socket.say("~wse:response-err", { code: "no" }, socket.take()[0][2]));
  assert.equal(await first, undefined);
  assert.equal(shown(), "false undefined no");
  await act(async () => { first = ask([5]); });
  await unmount();
  await tick();
  assert.equal(await first, undefined);
});

/** Returns a client that is connected to a server in memory with rooms, and the server. */
async function connected(t) {
  const server = testServer();
  const client = new WseClient({ url: "ws://test/", WebSocket: server.WebSocket });
  t.after(() => client.close());
  server.register("join", (room, device) => device.send("wse:presence", { room, all: [["ann", "online"]] }));
  await client.connect("ann");
  return { server, client };
}

test("useLatest shows what came while no component was there, and useMessage does not", async (t) => {
  const { server, client } = await connected(t);
  let draws = 0;
  const component = () => (draws++, `${useLatest(useWse(), "line")} ${useMessage(useWse(), "line")}`);
  const first = await render(t, client, component);
  await act(async () => server.send("line", "a"));
  assert.equal(first.shown(), "a a");
  await first.unmount();
  draws = 0;
  server.send("line", "b");
  await tick();
  assert.equal(draws, 0);
  const second = await render(t, client, component);
  assert.equal(second.shown(), "b undefined");
  await second.unmount();
});

test("usePresence and useRoom follow the room, which strict mode joins once and the last component leaves", async (t) => {
  const { server, client } = await connected(t);
  const { shown, unmount } = await render(t, client, () => {
    const { joined, members } = useRoom(useWse(), "r");
    return `${joined} ${[...members]} ${usePresence(useWse(), "r").get("bob")}`;
  });
  await act(tick);
  assert.equal(shown(), "true ann,online undefined");
  await act(async () => server.send("wse:presence", { room: "r", cid: "bob", status: "away" }));
  assert.equal(shown(), "true ann,online,bob,away away");
  await unmount();
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual(server.received, [["join", "r"], ["leave", "r"]]);
});

test("a component that shows another room leaves the one before", async (t) => {
  const { server, client } = await connected(t);
  let move;
  const { unmount } = await render(t, client, () => {
    const [room, setRoom] = useState("one");
    move = setRoom;
    return `${useRoom(useWse(), room).joined}`;
  });
  await act(tick);
  await act(async () => move("two"));
  await act(() => new Promise((resolve) => setTimeout(resolve, 20)));
  assert.deepEqual(server.received.toSorted(), [["join", "one"], ["join", "two"], ["leave", "one"]]);
  await unmount();
});

test("useStore renders any store again when it changes", async (t) => {
  const store = createStore(1);
  const { shown, unmount } = await render(t, null, () => `${useStore(store)}`);
  await act(async () => store.set(2));
  assert.equal(shown(), "2");
  await unmount();
  assert.equal(store.watched(), false);
});
