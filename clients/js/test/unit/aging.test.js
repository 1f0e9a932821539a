// Tests of what ages while the connection is lost: messages with `latest` and `ttl`, and calls.

import assert from "node:assert/strict";
import { test } from "node:test";
import { CAN, readyClient, refusal, tick } from "../tools/fake.js";
import { again, resumed, sessionClient, still } from "../tools/session.js";

const able = { can: CAN };

/** Cuts the connection, comes back, and returns what is sent then. */
async function back(fake, pass, seen, more = able, socket = fake.sockets.at(-1)) {
  if (socket.readyState < 2) socket.end();
  const next = await again(fake, pass);
  resumed(next.socket, seen, "T2", more);
  return next.socket.take();
}

test("twenty seconds of positions in a tunnel are one, the last, in the place of the first", async (t) => {
  const pass = still(t);
  for (const can of [CAN, undefined]) {
    const fake = await sessionClient({ can });
    fake.socket.end();
    fake.client.send("say", "before");
    for (let n = 0; n < 200; n++) {
      fake.client.send("pos", n, { latest: "me" });
      if (n === 100) fake.client.send("say", "between");
    }
    assert.deepEqual(await back(fake, pass, 0, { can }), [["~wse:ack", 0, null], ["say", "before", null], ["pos", 199, null], ["say", "between", null]]);
    fake.socket = fake.sockets.at(-1);
    fake.socket.say("~wse:ack", 3, null);
    assert.equal(fake.client.status, "READY", "the counts agree");
    fake.client.close();
  }
});

test("what was written and not confirmed is skipped once a newer one is there, and the counts agree", async (t) => {
  const pass = still(t);
  const fake = await sessionClient(able);
  fake.client.send("pos", 1, { latest: "me" });
  fake.client.send("pos", 2, { latest: "me" });
  fake.client.send("say", "hello");
  fake.client.send("pos", 3, { latest: "me" });
  assert.deepEqual(fake.socket.take().map(([, payload]) => payload), [1, 2, "hello", 3], "an open connection sends each at once");
  fake.socket.end();
  fake.client.send("pos", 4, { latest: "me" });
  assert.deepEqual(await back(fake, pass, 0), [
    ["~wse:ack", 0, null], ["~wse:skip", 2, null], ["say", "hello", null], ["~wse:skip", 1, null], ["pos", 4, null],
  ]);
  const socket = fake.sockets.at(-1);
  socket.say("~wse:ack", 5, null);
  assert.equal(fake.client.status, "READY");
  socket.say("~wse:ack", 6, null);
  assert.deepEqual(socket.closedWith, [1000, "wse.protocol-error"], "five places, and not one more");
});

test("a skip at the end is told too, and only what the server has not seen is skipped", async (t) => {
  const pass = still(t);
  const fake = await sessionClient(able);
  for (const n of [1, 2, 3]) fake.client.send("pos", n, { latest: 0, ttl: 1000 });
  fake.socket.end();
  await pass(1000);
  assert.deepEqual(await back(fake, pass, 1), [["~wse:ack", 0, null], ["~wse:skip", 2, null]]);
});

test("a server that cannot skip is sent everything that it may have seen a part of", async (t) => {
  const pass = still(t);
  const fake = await sessionClient();
  fake.client.send("pos", 1, { latest: "me" });
  fake.client.send("pos", 2, { latest: "me", ttl: 10 });
  const call = refusal(fake.client.call("x", 1, { timeout: 10 }));
  const [, , [, , stamp]] = fake.socket.take();
  fake.socket.end();
  for (const n of [3, 4]) fake.client.send("pos", n, { latest: "me" });
  await pass(100);
  assert.match(await call, /^wse.client.rp.timeout/);
  assert.match(stamp, /^[A-Za-z0-9+/]{16}$/, "it does not understand the time either");
  assert.deepEqual(await back(fake, pass, 0, {}), [["~wse:ack", 0, null], ["pos", 1, null], ["pos", 2, null], ["x", 1, stamp], ["pos", 4, null]]);
});

test("only messages of the same type and key take each other's place", async (t) => {
  const pass = still(t);
  const fake = await sessionClient(able);
  fake.socket.end();
  const sent = [["a", 1, "x"], ["a", 2, "y"], ["b", 3, "x"], ["a", 4, 1], ["a", 5, "1"], ["a", 6], ["a", 7], ["a", 8, "x"], ["b", 9, "x"], ["a", 10, ""], ["a", 11, ""]];
  for (const [type, payload, latest] of sent) fake.client.send(type, payload, { latest });
  assert.deepEqual((await back(fake, pass, 0)).slice(1).map(([, payload]) => payload), [8, 2, 9, 4, 5, 6, 7, 11]);
});

test("a message is not sent after its ttl, and one without a bound is", async (t) => {
  const pass = still(t);
  const fake = await sessionClient(able);
  fake.socket.end();
  for (const ttl of [100, 500, 501, Infinity, NaN, undefined]) fake.client.send("m", `${ttl}`, { ttl });
  assert.deepEqual(await back(fake, pass, 0), [["~wse:ack", 0, null], ["~wse:skip", 2, null], ...["501", "Infinity", "NaN", "undefined"].map((ttl) => ["m", ttl, null])]);
});

test("over an open connection and without a session every message goes at once, and none is kept", async () => {
  const { client, socket } = await readyClient();
  for (const n of [1, 2]) client.send("pos", n, { latest: "me", ttl: 0 });
  assert.deepEqual(socket.take().map(([, payload]) => payload), [1, 2]);
  socket.readyState = 3;
  assert.throws(() => client.send("pos", 3, { latest: "me" }), { code: "wse.client.not-ready" });
});

test("what is given up takes no room and is not lost", async (t) => {
  const pass = still(t);
  const fake = await sessionClient(able);
  const big = "x".repeat(400_000);
  for (let n = 0; n < 10; n++) fake.client.send("pos", big, { latest: "me" });
  fake.socket.end();
  for (let n = 0; n < 10; n++) fake.client.send("pos", big, { latest: "me" });
  fake.client.send("say", big);
  const { socket, asked } = await again(fake, pass);
  assert.deepEqual(asked, { resume: "T1", seen: 0 }, "it has ended otherwise: more than 1 MiB");
  socket.say("~wse:welcome", null, { ...able, session: "T9", cid: "ann", seen: 0, resumed: false, beat: 0, window: 60_000 });
  assert.deepEqual(fake.arrivals, [{ resumed: false, lost: 2 }]);
});

test("a session with more than 1 MiB goes on where what was too much was given up", async (t) => {
  const pass = still(t);
  const fake = await sessionClient(able);
  fake.client.send("say", "x".repeat(900_000));
  fake.client.send("pos", "x".repeat(900_000), { latest: "me" });
  fake.client.send("pos", 1, { latest: "me" });
  assert.deepEqual((await back(fake, pass, 1)).slice(1), [["~wse:skip", 1, null], ["pos", 1, null]]);
});

test("a call that timed out or was aborted while the connection was lost is never sent", async (t) => {
  const pass = still(t);
  for (const can of [CAN, undefined]) {
    const fake = await sessionClient({ can, client: { re: { min: 20_000 } } });
    fake.socket.end();
    const controller = new AbortController();
    const calls = [fake.client.call("offer", 1, { timeout: 1000 }), fake.client.call("offer", 2, { signal: controller.signal }), fake.client.call("offer", 3, { timeout: 60_000 })].map(refusal);
    fake.client.send("say", "hello");
    await pass(1000);
    controller.abort();
    assert.match(await calls[0], /^wse.client.rp.timeout/);
    assert.match(await calls[1], /^wse.client.rp.aborted/);
    assert.deepEqual((await back(fake, pass, 0, { can })).map(([type, payload]) => [type, payload]), [["~wse:ack", 0], ["offer", 3], ["say", "hello"]]);
    fake.client.close();
  }
});

test("a call that was written is skipped when it is over, and cancelled where it may have arrived", async (t) => {
  const pass = still(t);
  for (const seen of [0, 1]) {
    const fake = await sessionClient({ ...able, client: { re: { min: 5000 } } });
    const call = refusal(fake.client.call("offer", 1, { timeout: 1000 }));
    const [[, , stamp]] = fake.socket.take();
    fake.socket.end();
    await pass(1000);
    assert.match(await call, /^wse.client.rp.timeout/);
    const cancel = ["~wse:cancel", null, stamp.slice(0, 16)];
    assert.deepEqual(await back(fake, pass, seen), [["~wse:ack", 0, null], ...(seen ? [] : [["~wse:skip", 1, null]]), cancel]);
    fake.client.close();
  }
});

test("a timer that is late lets no call out after its time", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  let now = Date.now();
  t.mock.method(Date, "now", () => now);
  t.mock.method(Math, "random", () => 1);
  const pass = async (ms) => (t.mock.timers.tick(ms), await tick());
  const fake = await sessionClient(able);
  const call = refusal(fake.client.call("offer", 1, { timeout: 15_000 }));
  fake.socket.end();
  now += 15_000; // the computer has slept, and the timers did not run
  assert.deepEqual(await back(fake, pass, 0), [["~wse:ack", 0, null], ["~wse:skip", 1, null]]);
  await pass(15_000);
  assert.match(await call, /^wse.client.rp.timeout/);
});

test("a call says what is left of its time, and less when it is sent again", async (t) => {
  const pass = still(t);
  const fake = await sessionClient(able);
  const calls = [undefined, 5000, 0, Infinity, 2 ** 31].map((timeout) => fake.client.call("x", "~00001388", { timeout }));
  const times = (sent) => sent.filter(([type]) => type === "x").map(([, payload, stamp]) => [payload, stamp.slice(16)]);
  const same = (digits) => digits.map((left) => ["~00001388", left]);
  const first = fake.socket.take();
  assert.deepEqual(times(first), same(["~00004e20", "~00001388", "", "", ""]));
  fake.socket.end();
  const sent = await back(fake, pass, 0);
  assert.deepEqual(times(sent), same(["~00004c2c", "~00001194", "", "", ""]), "500 ms later");
  const socket = fake.sockets.at(-1);
  socket.say("~wse:response", "as it came last", sent[1][2]);
  socket.say("~wse:response", "as it came first", first[1][2]);
  assert.deepEqual(await Promise.all(calls.slice(0, 2)), ["as it came last", "as it came first"]);
  fake.client.close();
  await Promise.allSettled(calls);
});

test("the time of a call stays as it was in a format that is not text", async (t) => {
  const pass = still(t);
  const protocol = {
    name: "bytes",
    internal_types: { hi: "~wse:hi", challenge: "c", welcome: "~wse:welcome", response: "r", response_error: "e" },
    pack: ({ type, payload, stamp }) => new TextEncoder().encode(JSON.stringify([type, payload, stamp])),
    unpack: (data) => JSON.parse(data),
  };
  const { fakeClient } = await import("../tools/fake.js");
  const { grant } = await import("../tools/session.js");
  const fake = fakeClient({ re: true, protocol });
  const taken = (socket) => socket.sent.splice(0).map((bytes) => JSON.parse(new TextDecoder().decode(bytes)));
  fake.client.connect("ann");
  await tick();
  fake.sockets[0].open();
  fake.sockets[0].say("~wse:welcome", 1, grant(able));
  const call = fake.client.call("x", 1);
  const [, [, , stamp]] = taken(fake.sockets[0]);
  fake.sockets[0].end();
  await pass(500);
  fake.sockets[1].open();
  fake.sockets[1].say("~wse:welcome", 1, grant({ ...able, session: "T2", resumed: true }));
  assert.deepEqual(taken(fake.sockets[1]).slice(1), [["~wse:ack", 0, null], ["x", 1, stamp]]);
  fake.sockets[1].say("r", 5, stamp);
  assert.equal(await call, 5);
});

test("what the server skips is counted as taken in", async (t) => {
  const pass = still(t);
  const fake = await sessionClient(able);
  const { socket, client, told } = fake;
  socket.say("m", 1, null);
  socket.say("~wse:skip", 30, null);
  socket.say("m", 2, null);
  await pass(1000);
  assert.deepEqual(socket.take(), [["~wse:ack", 32, null]]);
  socket.say("~wse:skip", 1, null);
  await pass(1000);
  assert.deepEqual(socket.take(), [["~wse:ack", 33, null]], "a skip alone is acknowledged too");
  socket.end();
  const { asked } = await again(fake, pass);
  assert.deepEqual(asked, { resume: "T1", seen: 33 });
  assert.deepEqual(told.filter((line) => line.startsWith("ignored")), ["ignored m 1", "ignored m 2"]);
  client.close();
});

test("a skip of nothing, of what is no count, or without a session is a protocol error", async (t) => {
  still(t);
  for (const n of [0, -1, 1.5, "1", null, {}, 2 ** 32]) {
    const { socket } = await sessionClient(able);
    socket.say("~wse:skip", n, null);
    assert.deepEqual(socket.closedWith, [1000, "wse.protocol-error"], `${n}`);
  }
  const { socket } = await readyClient();
  socket.say("~wse:skip", 1, null);
  assert.deepEqual(socket.closedWith, [1000, "wse.protocol-error"]);
});
