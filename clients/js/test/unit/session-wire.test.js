// Tests of what sessions send and receive: grants and acks.

import assert from "node:assert/strict";
import { test } from "node:test";
import { CAN, fakeClient, readyClient, refusal, tick } from "../tools/fake.js";
import { again, grant, resumed, sessionClient, still } from "../tools/session.js";

test("without re, and with resume: false, nothing of a session is asked for, and a grant is not taken", async () => {
  for (const options of [{}, { re: true, resume: false }]) {
    const { client, sockets } = fakeClient(options);
    client.connect("ann").catch(() => {});
    await tick();
    sockets[0].open();
    assert.equal(sockets[0].sent.shift(), '["~wse:hi",{"identity":"ann","meta":{}},null]');
    sockets[0].say("~wse:welcome", null, grant({ resumed: true }));
    assert.equal(client.status, "READY");
    for (let n = 0; n < 40; n++) sockets[0].say("m", n, null);
    assert.deepEqual(sockets[0].take(), []);
    client.close();
  }
});

test("a server that grants nothing leaves everything as it was", async (t) => {
  const pass = still(t);
  const fake = await readyClient({ re: true });
  const call = refusal(fake.client.call("slow"));
  for (let n = 0; n < 40; n++) fake.socket.say("m", n, null);
  assert.equal(fake.socket.take().length, 1);
  fake.socket.end();
  assert.match(await call, /^wse.client.rp.disconnect/);
  assert.throws(() => fake.client.send("m"), { code: "wse.client.not-ready" });
  assert.deepEqual((await again(fake, pass)).asked, {});
});

test("the stamp of every envelope but the welcome is text, and a welcome's that is neither text nor a grant is none", async (t) => {
  still(t);
  const { socket, client } = await sessionClient();
  socket.say("m", null, grant());
  assert.deepEqual(socket.closedWith, [1000, "wse.protocol-error"]);
  assert.equal(client.status, "OFFLINE");
  for (const stamp of ["S1", {}, [], 5, { session: "" }]) {
    const fake = fakeClient({ re: true });
    fake.client.connect("ann").catch(() => {});
    await tick();
    fake.sockets[0].open();
    fake.sockets[0].say("~wse:welcome", null, stamp);
    fake.sockets[0].take();
    for (let n = 0; n < 40; n++) fake.sockets[0].say("m", n, null);
    assert.deepEqual([fake.client.status, fake.sockets[0].take()], ["READY", []]);
    fake.client.close();
  }
});

test("when.ready tells late listeners too what became of the session", async (t) => {
  still(t);
  const { client } = await sessionClient();
  const late = new Promise((resolve) => client.when.ready((...args) => resolve(args)));
  assert.deepEqual(await late, [{ hey: 1 }, { resumed: false, lost: 0 }]);
});

test("when.ready tells of the welcome alone where the server grants no session", async (t) => {
  still(t);
  const { client, sockets } = fakeClient({ re: true });
  const told = [];
  client.when.ready((...args) => told.push(args));
  const connected = client.connect();
  await tick();
  sockets[0].open();
  sockets[0].say("~wse:welcome", { hey: 1 });
  await connected;
  assert.deepEqual(told, [[{ hey: 1 }]]);
  client.close();
});

test("an ack goes out after 32 envelopes, 64 KiB or one second", async (t) => {
  const pass = still(t);
  const { socket, client } = await sessionClient();
  client.register("r", () => 1);
  for (let n = 0; n < 31; n++) socket.say("m", n, null);
  assert.deepEqual(socket.take(), []);
  socket.say("~wse:response", 1, "nobody's");
  assert.deepEqual(socket.take(), [["~wse:ack", 32, null]]);
  socket.say("m", "x".repeat(65_600), null);
  assert.deepEqual(socket.take(), [["~wse:ack", 33, null]]);
  await pass(2000);
  assert.deepEqual(socket.take(), [], "nothing to tell");
  socket.say("m", 1, null);
  await pass(600);
  socket.say("m", 2, null);
  socket.say("~wse:ack", 0, null);
  await pass(399);
  assert.deepEqual(socket.take(), []);
  await pass(1);
  assert.deepEqual(socket.take(), [["~wse:ack", 35, null]]);
  await pass(2000);
  assert.deepEqual(socket.take(), []);
});

test("an ack beyond what was sent, that is no count, or without a session is a protocol error", async (t) => {
  still(t);
  for (const [n, fine] of [[0, true], [1, true], [2, true], [3], [-1], [1.5], ["1"], [null], [{}]]) {
    const { socket, client } = await sessionClient();
    client.send("m");
    client.send("m");
    socket.say("~wse:ack", n, null);
    assert.deepEqual(socket.closedWith, fine ? undefined : [1000, "wse.protocol-error"], `${n}`);
    client.close();
  }
  const { socket } = await readyClient();
  socket.say("~wse:ack", 0, null);
  assert.deepEqual(socket.closedWith, [1000, "wse.protocol-error"]);
});

test("an older ack changes nothing", async (t) => {
  const pass = still(t);
  const fake = await sessionClient();
  for (const n of [1, 2, 3]) fake.client.send("m", n);
  for (const n of [2, 1, 2]) fake.socket.say("~wse:ack", n, null);
  fake.socket.end();
  const { socket } = await again(fake, pass);
  resumed(socket, 2);
  assert.deepEqual(socket.take(), [["~wse:ack", 0, null], ["m", 3, null]]);
});

test("the ack is reserved: a message or call of that name is an error", async (t) => {
  still(t);
  const { client } = await sessionClient();
  assert.throws(() => client.send("~wse:ack", 1), { code: "wse.client.rp.invalid" });
  assert.match(await refusal(client.call("~wse:ack", 1)), /^wse.client.rp.invalid/);
});

test("a grant may come as its text, and protocols of one's own may name the ack or not", async (t) => {
  const pass = still(t);
  for (const ack of [undefined, "a"]) {
    const protocol = {
      name: "mine",
      internal_types: { hi: "h", challenge: "c", welcome: "w", response: "r", response_error: "e", ...(ack && { ack }) },
      pack: ({ type, payload, stamp }) => new TextEncoder().encode(JSON.stringify({ type, payload, stamp })),
      unpack: (data) => JSON.parse(data),
    };
    const fake = fakeClient({ re: true, protocol });
    const sent = (socket) => socket.sent.splice(0).map((bytes) => JSON.parse(new TextDecoder().decode(bytes)));
    const say = (socket, type, payload, stamp) => socket.raw(JSON.stringify({ type, payload, stamp }));
    const welcome = fake.client.connect("ann");
    await tick();
    fake.sockets[0].open();
    assert.deepEqual(sent(fake.sockets[0])[0].payload, { identity: "ann", meta: {}, session: {}, can: CAN });
    say(fake.sockets[0], "w", 1, JSON.stringify(grant()));
    assert.equal(await welcome, 1);
    fake.client.send("m", 1);
    say(fake.sockets[0], "n", 1);
    fake.sockets[0].end();
    await pass(500);
    fake.sockets[1].open();
    assert.deepEqual(sent(fake.sockets[1])[0].payload.session, { resume: "T1", seen: 1 });
    say(fake.sockets[1], "w", 2, JSON.stringify(grant({ session: "T2", resumed: true })));
    assert.deepEqual(sent(fake.sockets[1]), [{ type: ack ?? "~wse:ack", payload: 1, stamp: null }, { type: "m", payload: 1, stamp: null }]);
    fake.client.close();
  }
});
