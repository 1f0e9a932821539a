// Tests of what ends a session: close frames, its window and its bound. Silence does not end it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { refusal, tick } from "../tools/fake.js";
import { again, grant, resumed, sessionClient, still } from "../tools/session.js";

test("when the window is over, calls reject, nothing is kept any more, and a new session is asked for", async (t) => {
  const pass = still(t);
  const fake = await sessionClient({ window: 3000, client: { re: { min: 10_000, max: 10_000 }, tO: 0 } });
  const call = refusal(fake.client.call("x"));
  fake.socket.end();
  await pass(2999);
  fake.client.send("m");
  await pass(1);
  assert.match(await call, /^wse.client.rp.disconnect/);
  assert.throws(() => fake.client.send("m"), { code: "wse.client.not-ready" });
  const { socket, asked } = await again(fake, pass);
  assert.deepEqual(asked, {});
  socket.say("~wse:welcome", null, grant());
  assert.deepEqual(fake.arrivals, [{ resumed: false, lost: 2 }]);
});

test("failed attempts do not lengthen the window", async (t) => {
  const pass = still(t);
  const fake = await sessionClient({ window: 3000, client: { re: { min: 1000, max: 1000 }, tO: 0 } });
  const call = refusal(fake.client.call("x"));
  fake.socket.end();
  await pass(1000);
  fake.sockets[1].end();
  await pass(1000);
  fake.sockets[2].end();
  await pass(999);
  fake.client.send("m");
  await pass(1);
  assert.match(await call, /^wse.client.rp.disconnect/);
  assert.throws(() => fake.client.send("m"), { code: "wse.client.not-ready" });
});

test("a session that is resumed after its window is given back, and the next is a new one", async (t) => {
  const pass = still(t);
  const fake = await sessionClient({ window: 3000, client: { re: { min: 1000, max: 1000 } } });
  fake.socket.end();
  await pass(1000);
  const late = fake.sockets[1];
  late.open();
  assert.deepEqual(late.take()[0][1].session, { resume: "T1", seen: 0 });
  await pass(2000);
  resumed(late, 0);
  assert.deepEqual([fake.client.status, late.closedWith], ["RE_CONNECTING", [1000, "wse.by-client"]]);
  const { asked } = await again(fake, pass);
  assert.deepEqual(asked, {});
});

test("close frames of the server end a session, whatever follows", async (t) => {
  const pass = still(t);
  for (const code of [1005, 1012, 1013, 4000]) {
    const fake = await sessionClient();
    const call = refusal(fake.client.call("x"));
    fake.client.send("m");
    fake.socket.end(code, "why");
    assert.match(await call, new RegExp(`^wse.client.rp.disconnect`), `${code}`);
    assert.throws(() => fake.client.send("m"), { code: "wse.client.not-ready" });
    const { socket, asked } = await again(fake, pass);
    assert.deepEqual(asked, {});
    socket.say("~wse:welcome", null, grant());
    assert.deepEqual(fake.arrivals, [{ resumed: false, lost: 2 }]);
    fake.client.close();
  }
});

test("one that says that the session has moved does not end it, and the client comes back in its turn", async (t) => {
  const pass = still(t);
  for (const [reason, goes] of [["wse.moved after=3000", true], ["wse.movement after=3000", false], ["x wse.moved after=3000", false]]) {
    const fake = await sessionClient({ client: { re: { min: 10, max: 10 } } });
    fake.client.send("m");
    fake.socket.end(1012, reason);
    await pass(2999);
    assert.equal(fake.sockets.length, 1, reason);
    await pass(101);
    const socket = fake.sockets[1];
    socket.open();
    assert.deepEqual(socket.take()[0][1].session, goes ? { resume: "T1", seen: 0 } : {}, reason);
    fake.client.close();
  }
});

test("close, jump, a drop and a refusal end a session at once, also while the connection is lost", async (t) => {
  const pass = still(t);
  for (const [leave, lost] of [["close", false], ["close", true], ["jump", false], ["jump", true], ["drop", false], ["refused", true]]) {
    const fake = await sessionClient();
    const { client, socket } = fake;
    const call = client.call("x").catch((error) => error);
    if (lost) socket.end();
    if (leave === "close") client.close("bye");
    if (leave === "jump") client.jump("ws://b.test/").catch(() => {});
    if (leave === "drop") socket.end(1000, "bye");
    if (leave === "refused") (await again(fake, pass)).socket.end(1000, "wse.not-authorized");
    const { code, details } = await call;
    assert.equal(code, "wse.client.rp.disconnect", leave);
    assert.equal(details.reason, { close: "bye", jump: "jump", drop: "bye", refused: "wse.not-authorized" }[leave]);
    assert.throws(() => client.send("m"), { code: "wse.client.not-ready" });
    client.connect("ann").catch(() => {});
    await tick();
    fake.sockets.at(-1).open();
    assert.deepEqual(fake.sockets.at(-1).take()[0][1].session, {}, leave);
    client.close();
  }
});

test("before it closes or leaves, the client tells what has come, once and only what the server does not know", async (t) => {
  const pass = still(t);
  for (const leave of [(client) => client.close("bye"), (client) => void client.jump("ws://b.test/").catch(() => {})]) {
    const { client, socket } = await sessionClient();
    socket.say("m", 1, null);
    socket.say("m", 2, null);
    leave(client);
    assert.deepEqual(socket.take(), [["~wse:ack", 2, null]]);
    assert.ok(socket.closedWith, "then it closes");
    await pass(2000);
    assert.deepEqual(socket.take(), [], "no timer is left behind");
    client.close();
  }
  const { client, socket } = await sessionClient();
  socket.say("m", 1, null);
  await pass(1000);
  assert.deepEqual(socket.take(), [["~wse:ack", 1, null]]);
  client.close();
  assert.deepEqual(socket.take(), []);
  const cut = await sessionClient();
  cut.socket.say("m", 1, null);
  cut.socket.end();
  cut.client.close();
  await pass(2000);
  assert.deepEqual(cut.socket.take(), [], "the connection was cut");
});

test("an attempt that the server closes before its welcome costs no session", async (t) => {
  const pass = still(t);
  for (const code of [1005, 1011, 1013]) {
    const fake = await sessionClient();
    const call = fake.client.call("x");
    fake.socket.end();
    const held = await again(fake, pass);
    held.socket.end(code, "wse.slow");
    fake.client.send("m");
    const { socket, asked } = await again(fake, pass);
    assert.deepEqual(asked, { resume: "T1", seen: 0 }, `${code}`);
    resumed(socket, 0);
    const [, [, , stamp], [sent]] = socket.take();
    assert.equal(sent, "m");
    socket.say("~wse:response", 3, stamp);
    assert.equal(await call, 3);
    fake.client.close();
  }
});

test("over 1 MiB that is not acknowledged the session ends with the next cut, unless it is acknowledged until then", async (t) => {
  const pass = still(t);
  for (const acked of [false, true]) {
    const fake = await sessionClient();
    const { client, socket } = fake;
    for (let n = 0; n < 5; n++) client.send("m", "x".repeat(250_000));
    client.send("m", "small");
    const call = client.call("x").catch((error) => error.code);
    assert.equal(socket.take().length, 7);
    if (acked) socket.say("~wse:ack", 6, null);
    socket.end();
    if (!acked) {
      assert.equal(await call, "wse.client.rp.disconnect");
      assert.throws(() => client.send("m"), { code: "wse.client.not-ready" });
    }
    const { asked, socket: next } = await again(fake, pass);
    assert.deepEqual(asked, acked ? { resume: "T1", seen: 0 } : {});
    if (acked) resumed(next, 6);
    else next.say("~wse:welcome", null, grant());
    assert.deepEqual(next.take().map(([type]) => type), acked ? ["~wse:ack", "x"] : []);
    assert.deepEqual(fake.arrivals, [acked ? { resumed: true, lost: 0 } : { resumed: false, lost: 7 }]);
    client.close();
  }
});

test("while the connection is lost at most 1 MiB is kept, and what is more is an error for its sender", async (t) => {
  const pass = still(t);
  const fake = await sessionClient();
  const { client } = fake;
  fake.socket.end();
  const text = "x".repeat(262_144 - '["m","",null]'.length);
  for (let n = 0; n < 4; n++) client.send("m", text);
  assert.throws(() => client.send("m", 1), { code: "wse.client.not-ready" });
  assert.match(await refusal(client.call("x")), /^wse.client.not-ready/);
  const { socket, asked } = await again(fake, pass);
  assert.deepEqual(asked, { resume: "T1", seen: 0 });
  resumed(socket, 0);
  assert.equal(socket.take().length, 5);
});

test("what is acknowledged takes no room", async (t) => {
  const pass = still(t);
  const fake = await sessionClient();
  for (let n = 1; n <= 3; n++) {
    fake.client.send("m", "x".repeat(900_000));
    fake.socket.say("~wse:ack", n, null);
  }
  fake.socket.end();
  fake.client.send("m", "x".repeat(900_000));
  assert.deepEqual((await again(fake, pass)).asked, { resume: "T1", seen: 0 });
});

test("an answer that does not fit beside what is kept ends the session", async (t) => {
  const pass = still(t);
  const fake = await sessionClient();
  const { client, socket } = fake;
  let finish;
  client.register("big", () => new Promise((resolve) => (finish = resolve)));
  socket.say("big", null, "S1");
  const call = client.call("x").catch((error) => error.code);
  socket.end();
  finish("x".repeat(1_100_000));
  assert.equal(await call, "wse.client.rp.disconnect");
  assert.deepEqual((await again(fake, pass)).asked, {});
});

test("a connection that is silent for beat and 10 s is cut, and its socket closed only when that does not end the session", async (t) => {
  const pass = still(t);
  const fake = await sessionClient({ beat: 25_000 });
  const { client, socket, told } = fake;
  client.send("m", 1);
  for (let n = 0; n < 10; n++) {
    await pass(30_000);
    socket.say("~wse:ack", 0, null);
  }
  assert.equal(client.status, "READY");
  socket.take();
  await pass(34_999);
  assert.equal(client.status, "READY");
  await pass(9000);
  assert.equal(client.status, "RE_CONNECTING");
  assert.deepEqual(told, ["closed 1006 wse.silent", "updated RE_CONNECTING"]);
  assert.equal(socket.closedWith, undefined, "a close frame would end the session");
  const { socket: next, asked } = await again(fake, pass);
  assert.deepEqual(asked, { resume: "T1", seen: 0 });
  socket.say("m", "the old socket has no reader", null);
  resumed(next, 0, "T2", { beat: 25_000 });
  assert.deepEqual(socket.closedWith, [1000, "wse.by-client"]);
  assert.deepEqual(next.take().map(([type]) => type), ["~wse:ack", "m", "~wse:ping"], "it asked before it gave up");
  socket.end();
  assert.equal(client.status, "READY");
});

test("an attempt that gets no welcome in time is closed at once, open or not, and the session goes on", async (t) => {
  const pass = still(t);
  const fake = await sessionClient();
  fake.socket.end();
  await pass(500);
  fake.sockets[1].open();
  await pass(10_000);
  assert.deepEqual([fake.client.status, fake.sockets[1].closedWith], ["RE_CONNECTING", [1000, "wse.by-client"]]);
  await pass(1000);
  await pass(10_000);
  assert.deepEqual([fake.sockets.length, fake.sockets[2].closedWith], [3, [1000, "wse.by-client"]], "it never opened");
  assert.equal(fake.socket.closedWith, undefined, "that was a connection of the session");
  const { socket, asked } = await again(fake, pass);
  assert.deepEqual(asked, { resume: "T1", seen: 0 });
  resumed(socket, 0);
  assert.deepEqual(fake.arrivals, [{ resumed: true, lost: 0 }]);
});

test("a socket that opens after its attempt has ended says nothing", async (t) => {
  const pass = still(t);
  const fake = await sessionClient();
  fake.socket.end();
  await pass(500);
  await pass(10_000);
  fake.sockets[1].open();
  assert.deepEqual(fake.sockets[1].take(), []);
  fake.client.close();
  assert.ok(fake.sockets[1].closedWith);
});

test("without a beat silence is no reason", async (t) => {
  const pass = still(t);
  const { client } = await sessionClient({ beat: 0 });
  await pass(1_000_000);
  assert.equal(client.status, "READY");
});

test("a closed client leaves no timer behind", async (t) => {
  const pass = still(t);
  const fake = await sessionClient({ beat: 25_000 });
  fake.socket.say("m", 1, null);
  fake.client.close();
  fake.socket.take();
  await pass(1_000_000);
  assert.deepEqual([fake.socket.take(), fake.sockets.length, fake.told.at(-1)], [[], 1, "updated OFFLINE"]);
});
