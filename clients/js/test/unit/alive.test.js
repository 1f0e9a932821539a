// Tests of how client and server see that the other is there: beats, announced bytes, probes.

import assert from "node:assert/strict";
import { test } from "node:test";
import { readyClient, tick } from "../tools/fake.js";
import { browserPage } from "../tools/page.js";
import { again, resumed, sessionClient, still } from "../tools/session.js";

const isProbe = ([type, payload, stamp]) => type === "~wse:ping" && payload === null && typeof stamp === "string" && stamp !== "";

test("in a session the client says something at every beat", async (t) => {
  const pass = still(t);
  const { client, socket } = await sessionClient({ beat: 25_000 });
  const beats = [];
  for (let n = 0; n < 4; n++) {
    await pass(24_999);
    beats.push(socket.take());
    await pass(1);
    beats.push(socket.take());
    socket.say("~wse:ack", 0, null);
  }
  assert.deepEqual(beats, Array(4).fill([[], [["~wse:ack", 0, null]]]).flat());
  client.close();
  await pass(100_000);
  assert.deepEqual(socket.take(), []);
});

test("a beat goes on over a resumed connection, and not over one that is closing", async (t) => {
  const pass = still(t);
  const fake = await sessionClient({ beat: 25_000 });
  fake.socket.end();
  const { socket } = await again(fake, pass);
  resumed(socket, 0, "T2", { beat: 25_000 });
  socket.take();
  await pass(25_000);
  assert.deepEqual(socket.take(), [["~wse:ack", 0, null]]);
  for (const readyState of [2, 3]) {
    socket.readyState = readyState;
    socket.say("m", 1, null);
    await pass(25_000);
    assert.deepEqual(socket.take(), [], "Chromium would print an error");
    socket.say("~wse:ack", 0, null);
  }
});

test("a socket that throws for an ack does no harm", async (t) => {
  const pass = still(t);
  const { client, socket } = await sessionClient({ beat: 25_000 });
  socket.send = () => { throw new Error("broken"); };
  await pass(25_000);
  socket.say("m", 1, null);
  client.close();
  assert.equal(client.status, "OFFLINE");
  assert.ok(socket.closedWith);
});

test("bytes that were announced may take a second for each kilobyte before the client calls it silence", async (t) => {
  const pass = still(t);
  for (const [announced, silent] of [["200000", 235_000], [null, 35_000]]) {
    const { client, socket } = await sessionClient({ beat: 25_000 });
    socket.say("~wse:ack", 0, announced);
    for (let waited = 0; waited < silent - 9000; waited += 1000) await pass(1000);
    assert.equal(client.status, "READY", `${announced}`);
    for (let waited = 0; waited < 18_000; waited += 1000) await pass(1000);
    assert.equal(client.status, "RE_CONNECTING", `${announced}`);
    client.close();
  }
});

test("each message that arrives takes its bytes from what was announced, not its characters", async (t) => {
  const pass = still(t);
  const { client, socket } = await sessionClient({ beat: 25_000 });
  const text = "ü€😀".repeat(20_000);
  const bytes = Buffer.byteLength(JSON.stringify(["m", text, null]));
  socket.say("~wse:ack", 0, `${bytes + 20_000}`);
  socket.say("m", text, null);
  for (let waited = 0; waited < 40_000; waited += 1000) await pass(1000);
  assert.equal(client.status, "READY");
  for (let waited = 0; waited < 34_000; waited += 1000) await pass(1000);
  assert.equal(client.status, "RE_CONNECTING");
});

test("what was announced over a connection that was cut is not waited for over the next", async (t) => {
  const pass = still(t);
  const fake = await sessionClient({ beat: 25_000 });
  fake.socket.say("~wse:ack", 0, "10000000");
  fake.socket.end();
  const { socket } = await again(fake, pass);
  resumed(socket, 0, "T2", { beat: 25_000 });
  for (let waited = 0; waited < 45_000; waited += 1000) await pass(1000);
  assert.equal(fake.client.status, "RE_CONNECTING");
});

const wakes = [
  ["online", ({ scope }) => scope.dispatchEvent(new Event("online"))],
  ["offline", ({ scope }) => scope.dispatchEvent(new Event("offline"))],
  ["pageshow", ({ scope }) => scope.dispatchEvent(Object.assign(new Event("pageshow"), { persisted: true }))],
  ["visibilitychange", ({ document }) => document.dispatchEvent(new Event("visibilitychange"))],
];

test("when the network changes or the page is shown, a READY client asks the server, with a session and without one", async (t) => {
  const page = browserPage(t);
  const pass = still(t);
  for (const [name, wake] of wakes) {
    for (const make of [readyClient, sessionClient]) {
      const { client, socket, told } = await make({ re: true, client: {} });
      socket.take();
      wake(page);
      wake(page);
      const sent = socket.take();
      assert.ok(sent.length === 1 && isProbe(sent[0]), `${name}: one call of ~wse:ping`);
      await pass(2999);
      assert.equal(client.status, "READY", name);
      await pass(1);
      assert.deepEqual([client.status, ...told], ["RE_CONNECTING", "closed 1006 wse.silent", "updated RE_CONNECTING"], name);
      client.close();
    }
  }
});

test("a page that is left for good closes, and one that is kept does not", async (t) => {
  const { scope } = browserPage(t);
  for (const persisted of [true, false]) {
    const { client, socket } = await sessionClient();
    scope.dispatchEvent(Object.assign(new Event("pagehide"), { persisted }));
    assert.deepEqual(socket.closedWith, persisted ? undefined : [1000, "wse.by-client"]);
    client.close();
  }
});

test("any message answers the probe, and the next event asks again", async (t) => {
  const page = browserPage(t);
  const pass = still(t);
  for (const answer of [(stamp) => ["~wse:response", null, stamp], (stamp) => ["~wse:response-err", { code: "wse.server.rp.not-registered" }, stamp], () => ["m", 1, null]]) {
    const { client, socket, told } = await readyClient({ re: true });
    const stamps = [];
    for (let n = 0; n < 3; n++) {
      wakes[0][1](page);
      const [probe] = socket.take();
      stamps.push(probe[2]);
      await pass(2999);
      socket.say(...answer(probe[2]));
      await pass(10_000);
    }
    assert.deepEqual([client.status, told.filter((line) => !line.startsWith("ignored"))], ["READY", []]);
    client.close();
  }
});

test("hiding the page asks nothing, nor does a client that is not READY, and no listener stays", async (t) => {
  const page = browserPage(t);
  const pass = still(t);
  const { client, socket } = await readyClient();
  page.document.hidden = true;
  wakes[3][1](page);
  assert.deepEqual(socket.take(), []);
  client.close();
  wakes[0][1](page);
  await pass(10_000);
  assert.deepEqual([socket.take(), [...page.listeners]], [[], []]);
});

test("a probe is counted as a call, and parks the session when it is not answered", async (t) => {
  const page = browserPage(t);
  const pass = still(t);
  const fake = await sessionClient();
  fake.client.send("m", 1);
  wakes[0][1](page);
  fake.socket.say("~wse:ack", 2, null);
  assert.equal(fake.client.status, "READY", "both were sent");
  wakes[0][1](page);
  await pass(3000);
  assert.equal(fake.socket.closedWith, undefined, "a close frame would end the session");
  const { asked } = await again(fake, pass);
  assert.deepEqual(asked, { resume: "T1", seen: 0 });
});

test("a probe waits longer for bytes that were announced", async (t) => {
  const page = browserPage(t);
  const pass = still(t);
  const { client, socket } = await sessionClient();
  socket.say("~wse:ack", 0, "20000");
  wakes[1][1](page);
  await pass(22_999);
  assert.equal(client.status, "READY");
  await pass(1);
  assert.equal(client.status, "RE_CONNECTING");
});

test("a timer that fires much later than set is a reason to ask", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  let now = Date.now();
  t.mock.method(Date, "now", () => now);
  const { client, socket } = await sessionClient({ beat: 25_000 });
  const pass = async (ms, more = 0) => {
    now += ms + more;
    t.mock.timers.tick(ms);
    await tick();
  };
  await pass(8750);
  assert.deepEqual(socket.take(), []);
  await pass(8750, 3_600_000);
  assert.ok(isProbe(socket.take()[0]));
  socket.say("~wse:response", null, "x");
  await pass(8750);
  assert.equal(client.status, "READY");
  await pass(8750, 3_600_000);
  await pass(3000);
  assert.equal(client.status, "RE_CONNECTING");
});

test("the name of the probe is the library's", async () => {
  const { client, socket } = await readyClient();
  assert.throws(() => client.send("~wse:ping"), { code: "wse.client.rp.invalid" });
  assert.throws(() => client.register("~wse:ping", () => 1), { code: "wse.client.rp.invalid" });
  await assert.rejects(client.call("~wse:ping"), { code: "wse.client.rp.invalid" });
  socket.say("~wse:ping", null, "S");
  await tick();
  assert.deepEqual(socket.take(), [["~wse:response-err", { code: "wse.server.rp.not-registered", details: { rp: "~wse:ping" } }, "S"]]);
});

test("3,000 messages whose listener calls back, and 3,000 calls in a burst, are all answered", async () => {
  for (const make of [readyClient, sessionClient]) {
    const { client, socket } = await make();
    const results = [];
    client.channel.on("m", async (n) => results.push(await client.call("twice", n)));
    client.register("back", async (n) => (await client.call("twice", n)) + 1);
    for (let n = 0; n < 3000; n++) {
      socket.say("m", n, null);
      socket.say("back", n, `S${n}`);
    }
    await tick();
    for (const [type, n, stamp] of socket.take()) if (type === "twice") socket.say("~wse:response", 2 * n, stamp);
    await tick();
    assert.deepEqual(results, Array.from({ length: 3000 }, (_, n) => 2 * n));
    const answers = socket.take().filter(([type]) => type === "~wse:response");
    assert.deepEqual(answers, Array.from({ length: 3000 }, (_, n) => ["~wse:response", 2 * n + 1, `S${n}`]));
    client.close();
  }
});
