// Tests of the hooks, rendered on a server and on a page.

import assert from "node:assert/strict";
import { test } from "node:test";
import { act, createElement, StrictMode, useState } from "react";
import { renderToString } from "react-dom/server";
import { useCall, useMessage, useStatus, useWse, WseContext } from "../../dist/react.js";
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
    return `${useStatus(wse)} ${useMessage(wse, "line")} ${pending}`;
  }
  assert.equal(renderToString(createElement(WseContext, { value: client }, createElement(Page))), "IDLE undefined false");
  assert.equal(listened, 0);
});

test("useWse prefers the client given, and throws when there is none", () => {
  const { client } = fakeClient();
  const Page = ({ given }) => (useWse(given) === client ? "ours" : "other");
  assert.equal(renderToString(createElement(Page, { given: client })), "ours");
  assert.throws(() => renderToString(createElement(Page)), /no client in WseContext/);
});

test("useStatus follows the client and stops when the component is gone", async (t) => {
  const { client, socket } = await readyClient();
  const { shown, unmount } = await render(t, client, () => useStatus(useWse()));
  assert.equal(shown(), "READY");
  await act(async () => socket.end());
  assert.equal(shown(), "OFFLINE");
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
