// Tests of the outbox: what waits for a connection, over cuts and restarts of both sides, and its bounds.

import assert from "node:assert/strict";
import { test } from "node:test";
import { WseClient } from "wse-client";
import { OUTBOX_ERROR, outbox } from "wse-client/outbox";
import { stopTime, testServer } from "wse-client/testing";
import { refusal, tick } from "../tools/fake.js";

/** A `localStorage` that may refuse. */
class Storage {
  entries = new Map();
  full = false;
  get length() {
    return this.entries.size;
  }
  key(index) {
    return [...this.entries.keys()].reverse()[index] ?? null; // the order is the browser's
  }
  getItem(key) {
    return this.entries.get(key) ?? null;
  }
  setItem(key, value) {
    if (this.full) throw new Error("QuotaExceededError");
    this.entries.set(key, `${value}`);
  }
  removeItem(key) {
    this.entries.delete(key);
  }
}

/** Returns a server, a function that makes clients of it, and time that stands still until the test ends. */
function setUp(t, options) {
  const time = stopTime();
  const server = testServer(options);
  const clients = [];
  const page = (more) => {
    const client = new WseClient({ url: "ws://test/", re: true, WebSocket: server.WebSocket, ...more });
    clients.push(client);
    return client;
  };
  t.after(() => (clients.forEach((client) => client.close()), time.end()));
  return { time, server, page };
}

/** Registers `say` on a server that knows ids. Returns what it has done, and how often it was told what it knew. */
function knowsIds(server) {
  const done = [];
  const known = new Set();
  const told = { done, again: 0 };
  server.register("say", ([id, text]) => {
    if (known.has(id)) return void told.again++;
    if (text === "bad") throw Object.assign(new Error("No."), { code: "bad-words", details: {} });
    known.add(id);
    done.push(text);
  });
  return told;
}

const texts = (box) => box.getSnapshot().map(({ payload }) => payload);

test("what is sent before the first welcome goes out with it, once and in order", async (t) => {
  const { time, server, page } = setUp(t);
  const client = page();
  const box = outbox(client);
  const sent = [box.send("say", "a"), box.send("typing"), box.send("say", { b: [1] })];
  assert.deepEqual(box.getSnapshot().map(({ type, payload }) => [type, payload]), [["say", "a"], ["typing", null], ["say", { b: [1] }]]);
  assert.equal(new Set(box.getSnapshot().map(({ id }) => id)).size, 3);
  await client.connect("ann");
  await Promise.all(sent);
  await box.send("say", "c");
  client.close();
  await tick();
  assert.deepEqual(server.received, [["say", "a"], ["typing", null], ["say", { b: [1] }], ["say", "c"]]);
  assert.deepEqual(box.getSnapshot(), []);
  void box.send("say", "d");
  await time.pass(60_000);
  await client.connect();
  await tick();
  assert.deepEqual(server.received.slice(4), [["say", "d"]]);
});

test("what is sent is a copy", async (t) => {
  const { server, page } = setUp(t);
  const client = page();
  const payload = { text: "a" };
  void outbox(client).send("say", payload);
  payload.text = "changed";
  await client.connect();
  await tick();
  assert.deepEqual(server.received, [["say", { text: "a" }]]);
});

test("with ids it is kept until it was answered, also when the server is started anew", async (t) => {
  const { time, server, page } = setUp(t);
  const client = page();
  const told = knowsIds(server);
  const box = outbox(client, { ids: true });
  await client.connect("ann");
  let done = 0;
  for (const text of ["a", "b", "c"]) void box.send("say", text).then(() => done++);
  server.restart(); // nothing of it has come
  await tick();
  assert.deepEqual([told.done, texts(box)], [[], ["a", "b", "c"]]);
  await time.pass(20_000);
  await time.pass(0);
  assert.deepEqual([told.done, texts(box), done, told.again], [["a", "b", "c"], [], 3, 0]);
  const last = box.send("say", "d");
  await server.next("say");
  server.restart(); // it has come, and its answer is lost
  await time.pass(20_000);
  await last;
  assert.deepEqual([told.done, told.again], [["a", "b", "c", "d"], 1]);
});

test("a message that the server refuses is an error, and does not keep the next from being sent", async (t) => {
  const { server, page } = setUp(t);
  const client = page();
  const told = knowsIds(server);
  const box = outbox(client, { ids: true });
  const sent = ["a", "bad", "b"].map((text) => refusal(box.send("say", text)));
  const none = refusal(box.send("shout", "c"));
  await client.connect("ann");
  assert.deepEqual(await Promise.all(sent), ["resolved undefined", "bad-words No.", "resolved undefined"]);
  assert.match(await none, /^wse\.server\.rp\.not-registered/);
  assert.deepEqual([told.done, box.getSnapshot()], [["a", "b"], []]);
  const plain = outbox(client, { name: "plain" });
  assert.match(await refusal(plain.send("~wse:ping")), /^wse\.client\.rp\.invalid/);
  await plain.send("say", "d");
});

test("a call that is not answered in time is made again, and not without a pause", async (t) => {
  const { time, server, page } = setUp(t);
  const client = page({ tO: 5 });
  let calls = 0;
  server.register("say", () => (++calls < 3 ? new Promise(() => {}) : null));
  await client.connect();
  const sent = outbox(client, { ids: true }).send("say", "a");
  await time.pass(5999);
  assert.equal(calls, 1);
  await time.pass(6001);
  await sent;
  assert.equal(calls, 3);
  calls = 0;
  server.register("say", () => { calls++; throw Object.assign(new Error(), { code: "wse.client.rp.timeout", details: {} }); });
  void refusal(outbox(client, { ids: true }).send("say", "b"));
  await time.pass(10_000);
  assert.ok(calls > 5 && calls < 12, `${calls} calls`);
});

test("with a storage what waits outlives the page, in order, and each user has an own", async (t) => {
  const { server, page } = setUp(t);
  const storage = new Storage();
  const told = knowsIds(server);
  storage.setItem("another", "thing");
  storage.setItem('wse-outbox "ann" 000000000-broken', "{");
  for (const name of ["ann", "ann b", "bob"]) void outbox(page(), { ids: true, storage, name }).send("say", `of ${name}`);
  for (let n = 0; n < 20; n++) void outbox(page(), { ids: true, storage, name: "ann" }).send("say", n);
  const errors = [];
  void outbox(page(), { ids: true, storage, name: "ann" }).send("say", "bad");
  const client = page();
  const box = outbox(client, { ids: true, storage, name: "ann", onError: (error, { payload }) => errors.push([error.code, payload]) });
  const all = ["of ann", ...Array(20).keys()];
  assert.deepEqual(texts(box), [...all, "bad"]);
  void box.send("say", "newest");
  await client.connect("ann");
  await tick();
  assert.deepEqual([told.done, errors], [[...all, "newest"], [["bad-words", "bad"]]]);
  assert.equal(told.again, 0);
  assert.deepEqual([...storage.entries.keys()].map((key) => key.replace(/ \w+-\S+$/, "")).sort(), ["another", 'wse-outbox "ann b"', 'wse-outbox "bob"']);
});

test("two pages with one storage lose nothing and are told by the ids", async (t) => {
  const { server, page } = setUp(t);
  const storage = new Storage();
  const told = knowsIds(server);
  const [one, two] = [page(), page()];
  const options = { ids: true, storage, name: "ann" };
  void outbox(one, options).send("say", "a");
  void outbox(two, options).send("say", "b");
  await two.connect("ann");
  await one.connect("ann");
  await tick();
  assert.deepEqual([told.done, told.again, storage.length], [["a", "b"], 1, 0]);
});

test("an outbox is bounded, and what does not fit or cannot be stored is an error that says what to do", async (t) => {
  const { server, page } = setUp(t);
  const client = page();
  const box = outbox(client, { most: 900 });
  const sent = Array.from({ length: 1000 }, (_, n) => refusal(box.send("say", "x".repeat(80))));
  const outcomes = await Promise.all(sent.slice(10));
  assert.equal(box.getSnapshot().length, 10);
  assert.deepEqual([...new Set(outcomes)], [`${OUTBOX_ERROR.FULL} The outbox keeps no more than 900 characters: send again when less waits.`]);
  await client.connect();
  await Promise.all(sent.slice(0, 10));
  await box.send("say", "there is room again");
  await tick();
  assert.equal(server.received.length, 11);

  const storage = new Storage();
  storage.full = true;
  const stored = outbox(client, { ids: true, storage, name: "stored" });
  assert.match(await refusal(stored.send("say", "a")), /^wse\.client\.outbox-storage The storage does not take the message/);
  assert.deepEqual(stored.getSnapshot(), []);
  for (const payload of [NaN, new Map(), 1n, Array(130).fill().reduce((inner) => [inner], 1)]) assert.match(await refusal(box.send("say", payload)), /^wse\.client\.rp\.invalid/);
  assert.throws(() => outbox(client, { name: "no ids", storage }), /needs ids/);
  assert.equal(server.received.length, 11);
});

test("what is sent while the connection is about to end waits for the next", async (t) => {
  const { time, server, page } = setUp(t, { sessions: false });
  const client = page();
  const box = outbox(client);
  await client.connect();
  server.cut();
  assert.equal(client.status, "READY");
  const sent = box.send("say", "a");
  await tick();
  assert.deepEqual(texts(box), ["a"]);
  await time.pass(20_000);
  await sent;
  await tick();
  assert.deepEqual(server.received, [["say", "a"]]);
});

test("no more than 16 calls are under way", async (t) => {
  const { server, page } = setUp(t);
  const client = page();
  const box = outbox(client, { ids: true });
  const answers = [];
  server.register("say", () => new Promise((resolve) => answers.push(resolve)));
  const sent = Array.from({ length: 100 }, (_, n) => box.send("say", n));
  await client.connect();
  for (let most = 16; answers.length < 100; most++) {
    await tick();
    assert.equal(answers.length, Math.min(most, 100));
    answers[most - 16]();
  }
  answers.forEach((answer) => answer());
  await Promise.all(sent);
});

test("many messages that wait are sent without a deep stack", async (t) => {
  const { server, page } = setUp(t);
  for (const ids of [false, true]) {
    const client = page();
    if (ids) server.register("say", () => null);
    const box = outbox(client, { ids });
    const sent = Array.from({ length: 5000 }, (_, n) => box.send("say", n));
    server.received.length = 0;
    await client.connect();
    await Promise.all(sent);
    await tick();
    assert.deepEqual(server.received.map(([, payload]) => (ids ? payload[1] : payload)), [...Array(5000).keys()]);
  }
});

test("an outbox is found again by its name, and cleared for the next user", async (t) => {
  const { server, page } = setUp(t);
  const client = page();
  const storage = new Storage();
  const box = outbox(client, { ids: true, storage });
  assert.equal(outbox(client), box);
  assert.notEqual(outbox(client, { name: "other" }), box);
  const one = refusal(box.send("say", "a"));
  box.clear();
  assert.equal(await one, "wse.client.rp.aborted the outbox was cleared");
  assert.deepEqual([box.getSnapshot(), storage.length], [[], 0]);
  let answer, cancelled;
  server.register("say", (payload, device, signal) => new Promise((resolve) => ((answer = resolve), (cancelled = signal))));
  await client.connect();
  const two = refusal(box.send("say", "b"));
  await tick();
  box.clear();
  assert.equal(await two, "wse.client.rp.aborted the outbox was cleared");
  await tick();
  assert.equal(cancelled.aborted, true);
  answer();
  server.register("say", () => null);
  await box.send("say", "c");
  assert.deepEqual(server.received.map(([, [, text]]) => text), ["b", "c"]);
});

test("whatever breaks and restarts, each message is done once, and in order", async (t) => {
  const { time, server, page } = setUp(t);
  let seed = 7;
  const chance = (n) => (seed = (seed * 48271) % 2147483647) % n;
  const faults = { cuts: 0, restarts: 0, pages: 0 };
  const storage = new Storage();
  const told = knowsIds(server);
  let client, box;
  const open = () => {
    client = page();
    box = outbox(client, { ids: true, storage, name: "ann" });
    client.connect("ann").catch(() => {});
  };
  open();
  for (let n = 0; n < 1000; n++) {
    void box.send("say", n).catch(() => {});
    for (let steps = chance(6); steps--; ) await Promise.resolve();
    const fault = chance(20);
    if (fault === 0) faults.cuts++, server.cut();
    if (fault === 1) faults.restarts++, server.restart();
    if (fault === 2) {
      faults.pages++;
      if (chance(2)) server.cut(); // a page that is killed says nothing
      client.close();
      open();
    }
    if (fault < 6) await time.pass(chance(800));
  }
  await time.pass(60_000);
  assert.deepEqual(told.done, [...Array(1000).keys()]);
  assert.deepEqual([box.getSnapshot(), storage.length], [[], 0]);
  assert.ok(told.again > 0 && Math.min(...Object.values(faults)) > 20, JSON.stringify([faults, told.again]));
});
