// Tests of the stores: what they know, how long they know it, and that nothing listens twice.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import { WseClient } from "wse-client";
import { createStore, keep, latestOf, presenceOf, roomOf, statusOf } from "wse-client/stores";
import { stopTime, testServer } from "wse-client/testing";
import { tick } from "../tools/fake.js";

/** Returns a server, a client that is not connected yet, and time that stands still until the test ends. */
function setUp(t, options) {
  const time = stopTime();
  const server = testServer(options);
  const client = new WseClient({ url: "ws://test/", re: true, WebSocket: server.WebSocket });
  t.after(() => (client.close(), time.end()));
  return { time, server, client };
}

/** Subscribes, and returns every value that was told, and what ends it. */
function watched(store) {
  const values = [];
  const off = store.subscribe((value) => values.push(value));
  return { values, off };
}

/** Counts the listeners that a client has on its channel. */
function counted(client) {
  const { on, off } = client.channel;
  const names = [];
  client.channel.on = (name, listener) => (names.push(name), on(name, listener));
  client.channel.off = (name, listener) => (names.splice(names.indexOf(name), 1), off(name, listener));
  return names;
}

const shown = (members) => [...members].map((member) => member.join(" "));

test("a store tells each subscriber at once, and all of them of a new value, also behind one that throws", (t) => {
  const errors = t.mock.method(console, "error", () => {});
  let changes = 0;
  const store = createStore(1, () => changes++);
  const { values, off } = watched(store);
  const bad = store.subscribe(() => { throw new Error("no"); });
  const same = (value) => values.push(-value);
  const [one, two] = [store.subscribe(same), store.subscribe(same)];
  store.set(2);
  assert.deepEqual([values, store.getSnapshot(), errors.mock.callCount()], [[1, -1, -1, 2, -2, -2], 2, 2]);
  one();
  one();
  store.set(3);
  assert.deepEqual(values.slice(6), [3, -3]);
  assert.equal(changes, 1);
  for (const end of [two, bad, off]) end();
  assert.deepEqual([changes, store.watched()], [2, false]);
  store.set(4);
  assert.equal(values.length, 8);
  const nested = [];
  store.subscribe(() => nested.length < 3 && store.subscribe((value) => nested.push(value)));
  store.set(5);
  assert.deepEqual(nested, [4, 5, 5], "who subscribes while it tells is told once");
});

test("the status has the code and the reason of the last end, until the client is ready again", async (t) => {
  const { time, server, client } = setUp(t);
  const { values } = watched(statusOf(client));
  await client.connect("ann");
  server.reachable = false;
  server.cut();
  await time.pass(10_000);
  server.reachable = true;
  await time.pass(20_000);
  server.close(1000, "wse.clients-concurrency");
  await tick();
  assert.deepEqual(values, [
    { status: "IDLE" },
    { status: "CONNECTING", code: undefined, reason: undefined },
    { status: "READY" },
    { status: "RE_CONNECTING", code: 1006, reason: "" },
    { status: "READY" },
    { status: "OFFLINE", code: 1000, reason: "wse.clients-concurrency" },
  ], "attempts that fail alike are no news");
  server.accept(() => { throw new Error(); });
  await client.connect().catch(() => {});
  assert.deepEqual(statusOf(client).getSnapshot(), { status: "OFFLINE", code: 1000, reason: "wse.not-authorized" });
});

test("the last message is there without a subscriber, over a cut, and not after the end", async (t) => {
  const { time, server, client } = setUp(t);
  const line = latestOf(client, "line");
  assert.equal(line.getSnapshot(), undefined);
  await client.connect("ann");
  server.send("line", "a");
  await tick();
  assert.equal(line.getSnapshot(), "a");
  const { values, off } = watched(line);
  server.cut();
  await time.pass(20_000);
  server.send("line", "b");
  await tick();
  off();
  server.send("line", "c");
  await tick();
  assert.deepEqual([values, latestOf(client, "line").getSnapshot()], [["a", "b"], "c"]);
  server.close();
  await tick();
  assert.equal(line.getSnapshot(), "c", "the page shows it still");
  await client.connect("bob");
  assert.equal(line.getSnapshot(), undefined, "the next user does not see it");
});

test("each client has each store once, also for another copy of the module", async (t) => {
  const { client } = setUp(t);
  const names = counted(client);
  const again = createRequire(import.meta.url)("wse-client/stores");
  assert.notEqual(again.latestOf, latestOf);
  for (const ask of [latestOf, again.latestOf]) for (let n = 0; n < 3; n++) assert.equal(ask(client, "line"), latestOf(client, "line"));
  assert.equal(again.presenceOf(client, "r"), presenceOf(client, "r"));
  assert.equal(again.roomOf(client, "r"), roomOf(client, "r", { join: "join" }));
  assert.notEqual(roomOf(client, "r", { join: "enter" }), roomOf(client, "r"));
  assert.equal(again.statusOf(client), statusOf(client));
  assert.notEqual(latestOf(client, "line"), latestOf(new WseClient({ url: "ws://test/" }), "line"));
  assert.deepEqual(names, ["line", "wse:presence"]);
});

test("a client with a name is made once, and knows its end and the presence that nobody has asked for", async (t) => {
  const { server, client } = setUp(t);
  let made = 0;
  const make = () => (made++, client);
  assert.equal(keep("of this test", make), client);
  assert.equal(createRequire(import.meta.url)("wse-client/stores").keep("of this test", make), client);
  assert.equal(made, 1);
  await client.connect("ann");
  server.send("wse:presence", { room: "r", all: [["ann", "online"]] });
  server.close(1000, "wse.revoked");
  await tick();
  assert.deepEqual(statusOf(client).getSnapshot(), { status: "OFFLINE", code: 1000, reason: "wse.revoked" });
  assert.deepEqual(shown(presenceOf(client, "r").getSnapshot()), ["ann online"]);
});

test("stores that nobody watches are bounded, and those that are watched, and the status, stay", async (t) => {
  const { server, client } = setUp(t);
  const names = counted(client);
  await client.connect("ann");
  const status = statusOf(client);
  const first = latestOf(client, "first");
  const { values } = watched(first);
  latestOf(client, "second");
  for (let n = 0; n < 5000; n++) {
    latestOf(client, `n${n}`);
    presenceOf(client, `r${n}`);
    latestOf(client, "asked for");
  }
  assert.ok(names.includes("asked for"));
  assert.equal(latestOf(client, "first"), first);
  assert.equal(statusOf(client), status);
  assert.ok(names.length > 50 && names.length <= 258, `${names.length} listeners`);
  assert.deepEqual([names.includes("second"), names.includes("first"), names.includes("wse:presence")], [false, true, true]);
  server.send("first", 1);
  await tick();
  assert.deepEqual(values, [undefined, 1]);
});

test("presence is what the server tells: all, some that have changed, or one", async (t) => {
  const { server, client } = setUp(t);
  const { values } = watched(presenceOf(client, "r"));
  const tell = async (message) => (server.send("wse:presence", { room: "r", ...message }), await tick());
  await client.connect("ann");
  await tell({ all: [["ann", "online"], ["bob", "away"]] });
  await tell({ cid: "bob", status: "online" });
  await tell({ cid: "ann", status: "offline" });
  await tell({ room: "other", cid: "eve", status: "online" });
  await tell({ more: [["cid", "online"], ["bob", "offline"], ["cid", "away"], ["dan", "online"]] });
  await tell({ cid: "nobody", status: "offline" });
  await tell({ all: [["dan", "away"]] });
  await tell({ all: [] });
  assert.deepEqual(values.map(shown), [
    [],
    ["ann online", "bob away"],
    ["ann online", "bob online"],
    ["bob online"],
    ["cid away", "dan online"],
    ["cid away", "dan online"],
    ["dan away"],
    [],
  ]);
  assert.deepEqual(shown(presenceOf(client, "other").getSnapshot()), ["eve online"]);
});

test("presence outlives a cut, and not the session", async (t) => {
  const { time, server, client } = setUp(t);
  const members = presenceOf(client, "r");
  await client.connect("ann");
  server.send("wse:presence", { room: "r", all: [["ann", "online"]] });
  await tick();
  server.cut();
  server.send("wse:presence", { room: "r", cid: "bob", status: "online" });
  await time.pass(20_000);
  assert.deepEqual(shown(members.getSnapshot()), ["ann online", "bob online"]);
  server.restart();
  await tick();
  assert.deepEqual(shown(members.getSnapshot()), ["ann online", "bob online"], "what was true last");
  await time.pass(20_000);
  assert.equal(client.status, "READY");
  assert.deepEqual(shown(members.getSnapshot()), []);
  server.send("wse:presence", { room: "r", cid: "bob", status: "online" });
  await tick();
  assert.deepEqual(shown(members.getSnapshot()), ["bob online"]);
});

/** A server with rooms: who joins is told who is there. */
function withRooms(t, options) {
  const made = setUp(t, options);
  const { server } = made;
  server.register("join", (room, device) => {
    if (room === "secret") throw Object.assign(new Error("No."), { code: "no-entry", details: {} });
    device.send("wse:presence", { room, all: [[device.identity, "online"]] });
  });
  return { ...made, said: () => server.received.splice(0).map(([name, room]) => `${name} ${room}`) };
}

test("a client is in a room while somebody watches, joins once, and leaves once", async (t) => {
  const { time, client, said } = withRooms(t);
  const one = watched(roomOf(client, "r"));
  assert.deepEqual(one.values.map(({ joined }) => joined), [false]);
  await client.connect("ann");
  await tick();
  assert.deepEqual([said(), one.values.at(-1).joined, shown(one.values.at(-1).members)], [["join r"], true, ["ann online"]]);
  const two = watched(roomOf(client, "r"));
  one.off();
  await time.pass(100);
  two.off();
  const three = watched(roomOf(client, "r"));
  await time.pass(100);
  assert.deepEqual([said(), three.values.at(-1).joined], [[], true], "a component that is mounted anew at once");
  three.off();
  await time.pass(100);
  assert.deepEqual([said(), roomOf(client, "r").getSnapshot().joined], [["leave r"], false]);
  watched(roomOf(client, "r"));
  await time.pass(100);
  assert.deepEqual([said(), roomOf(client, "r").getSnapshot().joined], [["join r"], true]);
});

test("it stays in the room over a cut, and joins again in a new session", async (t) => {
  const { time, server, client, said } = withRooms(t);
  const { values } = watched(roomOf(client, "r"));
  await client.connect("ann");
  await tick();
  said();
  server.cut();
  await time.pass(20_000);
  assert.deepEqual([client.status, said(), values.at(-1).joined], ["READY", [], true]);
  server.restart();
  await time.pass(20_000);
  await tick();
  assert.deepEqual([client.status, said(), values.at(-1).joined, shown(values.at(-1).members)], ["READY", ["join r"], true, ["ann online"]]);
  assert.ok(values.some(({ joined }, n) => n > 4 && !joined), "it was told that it was outside");
  server.close();
  await tick();
  assert.equal(values.at(-1).joined, false);
  await client.connect();
  await tick();
  assert.deepEqual([said(), values.at(-1).joined], [["join r"], true]);
});

test("a room that was left without a connection is left when the session goes on", async (t) => {
  const { time, server, client, said } = withRooms(t);
  const { off } = watched(roomOf(client, "r"));
  await client.connect("ann");
  await tick();
  said();
  server.reachable = false;
  server.cut();
  await time.pass(100);
  off();
  await time.pass(10_000);
  server.reachable = true;
  await time.pass(20_000);
  assert.deepEqual([client.status, said()], ["READY", ["leave r"]]);
});

test("a room that is left while the server decides is left when it has decided", async (t) => {
  const { time, server, client, said } = withRooms(t);
  let letIn;
  server.register("join", () => new Promise((resolve) => (letIn = resolve)));
  await client.connect("ann");
  const { off } = watched(roomOf(client, "r"));
  await tick();
  off();
  await time.pass(100);
  assert.deepEqual(said(), ["join r"]);
  letIn();
  await tick();
  assert.deepEqual(said(), ["leave r"]);
});

test("a join whose session ends before the answer is made again, and its end is no refusal", async (t) => {
  const { time, server, client, said } = withRooms(t);
  server.register("join", () => new Promise(() => {}));
  await client.connect("ann");
  const { values } = watched(roomOf(client, "r"));
  await tick();
  server.register("join", () => null);
  server.restart();
  await time.pass(20_000);
  await time.pass(0);
  assert.deepEqual([said(), values.at(-1).joined], [["join r", "join r"], true]);
  assert.ok(values.every(({ error }) => !error));
});

test("a refusal is told, and not asked for again until somebody new comes or the client does", async (t) => {
  const { time, server, client, said } = withRooms(t);
  await client.connect("ann");
  const { values, off } = watched(roomOf(client, "secret"));
  await time.pass(60_000);
  assert.deepEqual([said(), values.at(-1).joined, values.at(-1).error.code], [["join secret"], false, "no-entry"]);
  off();
  await time.pass(100);
  assert.deepEqual(said(), [], "who is not in does not leave");
  const again = watched(roomOf(client, "secret"));
  await tick();
  assert.deepEqual(said(), ["join secret"]);
  server.register("join", () => null);
  server.restart();
  await time.pass(20_000);
  await tick();
  assert.deepEqual([said(), again.values.at(-1).joined, again.values.at(-1).error], [["join secret"], true, undefined]);
});

test("the names of the procedure and of the message are the application's", async (t) => {
  const { time, server, client, said } = withRooms(t);
  server.register("enter", () => null);
  await client.connect("ann");
  const { values, off } = watched(roomOf(client, "r", { join: "enter", leave: "exit" }));
  await tick();
  assert.equal(values.at(-1).joined, true);
  off();
  await time.pass(100);
  assert.deepEqual(said(), ["enter r", "exit r"]);
});
