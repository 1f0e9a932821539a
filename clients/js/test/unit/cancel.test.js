// Tests of calls whose caller waits no more, in both directions.

import assert from "node:assert/strict";
import { test } from "node:test";
import { CAN, fakeClient, readyClient, refusal, tick } from "../tools/fake.js";
import { again, grant, resumed, sessionClient, still } from "../tools/session.js";

/** A client without a session whose server understands these words. */
async function able(can = CAN) {
  const fake = fakeClient();
  const welcome = fake.client.connect("ann");
  await tick();
  fake.sockets[0].open();
  fake.sockets[0].say("~wse:welcome", null, { can });
  await welcome;
  fake.sockets[0].take();
  return { ...fake, socket: fake.sockets[0] };
}

test("a timeout and an abort are told to a server that understands it, with the stamp but not the time", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  for (const make of [able, () => sessionClient({ can: CAN })]) {
    const { client, socket } = await make();
    const controller = new AbortController();
    const calls = [client.call("a", 1, { timeout: 100 }), client.call("b", 2, { signal: controller.signal })].map(refusal);
    const stamps = socket.take().map(([, , stamp]) => stamp);
    t.mock.timers.tick(100);
    controller.abort();
    assert.deepEqual(socket.take(), stamps.map((stamp) => ["~wse:cancel", null, stamp.slice(0, 16)]));
    assert.match((await Promise.all(calls)).join(), /^wse.client.rp.timeout.*wse.client.rp.aborted/);
    client.close();
  }
});

test("a server that does not understand it is told nothing, nor of a call that was answered, not sent or ended with its connection", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const old = await able(["skip", 5, null]);
  const late = refusal(old.client.call("a", 1, { timeout: 100 }));
  old.socket.take();
  t.mock.timers.tick(100);
  assert.match(await late, /^wse.client.rp.timeout/);
  assert.deepEqual(old.socket.take(), []);

  const { client, socket } = await able();
  const controller = new AbortController();
  const answered = client.call("a", 1, { signal: controller.signal });
  socket.say("~wse:response", 1, socket.take()[0][2]);
  await answered;
  controller.abort();
  assert.match(await refusal(client.call("a", 1, { signal: controller.signal })), /^wse.client.rp.aborted/);
  assert.match(await refusal(client.call("a", 1n)), /^wse.client.rp.send-failed/);
  const cut = refusal(client.call("a"));
  socket.take();
  client.close();
  t.mock.timers.tick(30_000);
  assert.match(await cut, /^wse.client.rp.disconnect/);
  assert.deepEqual(socket.take(), []);
});

test("words that are no list are none", async () => {
  for (const can of [null, 5, {}, [], [[]], "x"]) {
    const { client, socket } = await able(can);
    const controller = new AbortController();
    refusal(client.call("a", 1, { signal: controller.signal }));
    controller.abort();
    assert.deepEqual([client.status, socket.take().length], ["READY", 1], JSON.stringify(can));
  }
});

test("a socket that throws for a cancel does no harm", async () => {
  const { client, socket } = await able();
  const controller = new AbortController();
  const call = refusal(client.call("a", 1, { signal: controller.signal }));
  socket.send = () => { throw new Error("broken"); };
  controller.abort();
  assert.match(await call, /^wse.client.rp.aborted/);
});

test("a cancel is counted in a session", async (t) => {
  const pass = still(t);
  const fake = await sessionClient({ can: CAN });
  const controller = new AbortController();
  refusal(fake.client.call("a", 1, { signal: controller.signal }));
  controller.abort();
  const [, cancel] = fake.socket.take();
  fake.socket.say("~wse:cancel", null, "nobody's");
  fake.socket.end();
  const { socket, asked } = await again(fake, pass);
  assert.deepEqual(asked, { resume: "T1", seen: 1 });
  resumed(socket, 1, "T2", { can: CAN });
  assert.deepEqual(socket.take(), [["~wse:ack", 1, null], cancel]);
});

/** Registers a procedure that runs until it is told to finish, and keeps its signals. */
const slow = (client) => {
  const signals = [];
  let finish;
  client.register("slow", (payload, stamp, signal) => {
    signals.push(signal);
    return new Promise((resolve, reject) => {
      finish = resolve;
      signal.addEventListener("abort", () => payload === "obeys" && reject(signal.reason));
    });
  });
  return { signals, finish: (result) => finish(result) };
};

test("a procedure gets a signal, which is aborted when the caller waits no more, and answers nothing then", async () => {
  for (const suffix of ["", "~00001388"]) {
    const { client, socket, told } = await able();
    const { signals, finish } = slow(client);
    socket.say("slow", 1, `AAAAAAAAAAAAAAA1${suffix}`);
    socket.say("slow", 2, `AAAAAAAAAAAAAAA2${suffix}`);
    assert.deepEqual(signals.map(({ aborted }) => aborted), [false, false]);
    socket.say("~wse:cancel", null, "AAAAAAAAAAAAAAA2");
    assert.deepEqual(signals.map(({ aborted }) => aborted), [false, true]);
    finish("too late");
    await tick();
    assert.deepEqual([socket.take(), told.filter((line) => line.startsWith("error"))], [[], []]);
    assert.equal(client.status, "READY");
  }
});

test("a procedure that rejects with the reason of its signal is no failure", async () => {
  const { client, socket, told } = await able();
  slow(client);
  socket.say("slow", "obeys", "S1");
  socket.say("~wse:cancel", null, "S1");
  await tick();
  assert.deepEqual([socket.take(), told.filter((line) => line.startsWith("error"))], [[], []]);
});

test("an answer stands, and a cancel of it is ignored", async () => {
  const { client, socket } = await able();
  const { signals, finish } = slow(client);
  socket.say("slow", 1, "S1");
  finish(5);
  await tick();
  assert.deepEqual(socket.take(), [["~wse:response", 5, "S1"]]);
  socket.say("~wse:cancel", null, "S1");
  assert.equal(signals[0].aborted, false);
});

test("the signals are aborted when the connection ends, and in a session when that does", async (t) => {
  const pass = still(t);
  const plain = await readyClient();
  const one = slow(plain.client);
  plain.socket.say("slow", 1, "S1");
  plain.socket.end();
  await tick();
  assert.equal(one.signals[0].aborted, true);

  const fake = await sessionClient();
  const two = slow(fake.client);
  fake.socket.say("slow", 1, "S1");
  fake.socket.end();
  const { socket } = await again(fake, pass);
  resumed(socket, 0);
  assert.equal(two.signals[0].aborted, false, "it goes on");
  socket.end();
  const next = await again(fake, pass);
  next.socket.say("~wse:welcome", null, grant({ session: "T9" }));
  await tick();
  assert.equal(two.signals[0].aborted, true);
});

test("a listener of a signal may close and connect, whatever ended the session", async () => {
  const { client, socket, sockets } = await able();
  client.register("slow", (payload, stamp, signal) => new Promise(() => signal.addEventListener("abort", () => client.connect("bob").catch(() => {}))));
  socket.say("slow", 1, "S1");
  client.close();
  assert.equal(client.status, "OFFLINE");
  await tick();
  assert.deepEqual([client.status, sockets.length], ["CONNECTING", 2]);
});

test("a call whose time is over is not started, is counted and is not answered", async (t) => {
  const pass = still(t);
  const { client, socket } = await sessionClient({ can: CAN });
  const heard = [];
  client.register("rp", (payload, stamp) => void heard.push([payload, stamp]));
  socket.say("rp", 1, "AAAAAAAAAAAAAAA1~00000000");
  socket.say("rp", 2, "AAAAAAAAAAAAAAA1~00000001");
  await tick();
  assert.deepEqual(heard, [[2, "AAAAAAAAAAAAAAA1~00000001"]], "the stamp is whole");
  assert.deepEqual(socket.take(), [["~wse:response", null, "AAAAAAAAAAAAAAA1~00000001"]]);
  await pass(1000);
  assert.deepEqual(socket.take(), [["~wse:ack", 2, null]]);
});

test("the names of the protocol cannot be sent or registered", async () => {
  const { client } = await able();
  for (const name of ["~wse:skip", "~wse:cancel", "~wse:identity", "~wse:ping", "~wse:ack", "~wse:hi", "~wse:later"]) {
    assert.throws(() => client.send(name), { code: "wse.client.rp.invalid" });
    await assert.rejects(client.call(name), { code: "wse.client.rp.invalid" });
    assert.throws(() => client.register(name, () => 1), { code: "wse.client.rp.invalid" });
  }
});
