// Tests of sessions on sockets in memory: what survives a cut, and what is reported if it does not.

import assert from "node:assert/strict";
import { test } from "node:test";
import { refusal, tick } from "../tools/fake.js";
import { again, grant, resumed, sessionClient, still } from "../tools/session.js";

test("a cut keeps calls pending, messages and the answers of procedures, and sends again what was not seen", async (t) => {
  const pass = still(t);
  const fake = await sessionClient();
  const { client, socket, told, arrivals } = fake;
  let finish;
  client.register("slow", () => new Promise((resolve) => (finish = resolve)));
  socket.say("slow", 1, "S1");
  client.send("a", 1);
  client.send("b", 2);
  const call = client.call("add", [1, 2]);
  const [, , [, , stamp]] = socket.take();
  socket.end();
  assert.equal(client.status, "RE_CONNECTING");
  client.send("c", 3);
  finish("done");
  await tick();
  const { socket: next, asked } = await again(fake, pass);
  assert.deepEqual(asked, { resume: "T1", seen: 1 });
  client.send("d", 4);
  assert.deepEqual(next.take(), [], "nothing goes out before the welcome");
  resumed(next, 1);
  assert.deepEqual(next.take(), [
    ["~wse:ack", 1, null], ["b", 2, null], ["add", [1, 2], stamp], ["c", 3, null], ["~wse:response", "done", "S1"], ["d", 4, null],
  ]);
  next.say("~wse:response", 3, stamp);
  assert.equal(await call, 3);
  assert.deepEqual(arrivals, [{ resumed: true, lost: 0 }]);
  assert.deepEqual(told, ["closed 1006 ", "updated RE_CONNECTING", "connected", "updated READY", 'ready {"hey":2}']);
});

test("a hundred cuts in a row lose nothing, deliver nothing twice and use each token once", async (t) => {
  const pass = still(t);
  const fake = await sessionClient();
  const heard = [];
  fake.client.channel.on("n", (n) => heard.push(n));
  const server = [];
  let [socket, seen, counter] = [fake.socket, 0, 0];
  const take = () => {
    for (const [type, payload] of socket.take()) if (type === "m") server.push(payload);
  };
  for (let cut = 1; cut <= 100; cut++) {
    fake.client.send("m", ++counter);
    socket.say("n", cut, null);
    if (cut % 3) take();
    socket.end();
    fake.client.send("m", ++counter);
    const next = await again(fake, pass);
    assert.deepEqual(next.asked, { resume: `T${cut}`, seen: cut });
    socket = next.socket;
    seen = server.length;
    resumed(socket, seen, `T${cut + 1}`);
    take();
    assert.deepEqual(server, Array.from({ length: counter }, (_, n) => n + 1));
  }
  assert.deepEqual(heard, Array.from({ length: 100 }, (_, n) => n + 1));
});

test("a session resumes with no envelope seen in either direction", async (t) => {
  const pass = still(t);
  const fake = await sessionClient();
  fake.socket.end();
  const { socket, asked } = await again(fake, pass);
  assert.deepEqual(asked, { resume: "T1", seen: 0 });
  resumed(socket, 0);
  assert.deepEqual(socket.take(), [["~wse:ack", 0, null]]);
  assert.deepEqual(fake.arrivals, [{ resumed: true, lost: 0 }]);
});

test("a welcome that is lost with its connection leaves the token before it, which is tried again", async (t) => {
  const pass = still(t);
  const fake = await sessionClient();
  fake.client.send("m", 1);
  fake.socket.end();
  for (let lost = 0; lost < 3; lost++) {
    const { socket, asked } = await again(fake, pass);
    assert.deepEqual(asked, { resume: "T1", seen: 0 });
    socket.end();
  }
  const { socket } = await again(fake, pass);
  resumed(socket, 0);
  assert.deepEqual(socket.take(), [["~wse:ack", 0, null], ["m", 1, null]]);
  socket.end();
  assert.deepEqual((await again(fake, pass)).asked, { resume: "T2", seen: 0 });
});

test("resumed: false rejects the calls of before, counts what was never confirmed and keeps nothing of it", async (t) => {
  const pass = still(t);
  const fake = await sessionClient();
  const { client, socket, arrivals } = fake;
  let finish;
  client.register("slow", () => new Promise((resolve) => (finish = resolve)));
  socket.say("slow", 1, "S1");
  const order = [];
  const call = client.call("x").catch(({ code, details }) => order.push([code, details]));
  client.send("m", 1);
  client.send("m", 2);
  socket.say("~wse:ack", 1, null);
  socket.end();
  client.send("m", 3);
  const { socket: next } = await again(fake, pass);
  next.say("~wse:welcome", null, grant({ session: "T9" }));
  await call;
  assert.deepEqual(order, [["wse.client.rp.disconnect", { code: 1006, reason: "", disconnected: [1006, ""] }]]);
  assert.deepEqual(arrivals, [{ resumed: false, lost: 3 }]);
  finish("too late");
  await tick();
  assert.deepEqual(next.take(), []);
  client.send("m", 4);
  next.end();
  assert.deepEqual((await again(fake, pass)).asked, { resume: "T9", seen: 0 });
  resumed(fake.sockets.at(-1), 0);
  assert.deepEqual(fake.sockets.at(-1).take(), [["~wse:ack", 0, null], ["m", 4, null]]);
  assert.deepEqual(arrivals.at(-1), { resumed: true, lost: 0 });
});

test("every session counts from one", async (t) => {
  const pass = still(t);
  const fake = await sessionClient();
  for (const n of [1, 2, 3]) fake.client.send("m", n);
  for (let lost = 3; lost > 0; lost--) {
    fake.sockets.at(-1).end();
    const { socket } = await again(fake, pass);
    socket.say("~wse:welcome", null, grant());
    assert.deepEqual(fake.arrivals.at(-1), { resumed: false, lost });
    for (let n = 1; n < lost; n++) fake.client.send("m", n);
  }
  fake.sockets.at(-1).say("~wse:ack", 1, null);
  assert.deepEqual(fake.sockets.at(-1).closedWith, [1000, "wse.protocol-error"]);
});

test("a server that grants no session any more is one that did not resume", async (t) => {
  const pass = still(t);
  const fake = await sessionClient();
  const call = refusal(fake.client.call("x"));
  fake.socket.end();
  const { socket } = await again(fake, pass);
  socket.say("~wse:welcome", null, null);
  assert.match(await call, /^wse.client.rp.disconnect/);
  assert.deepEqual(fake.arrivals, [{ resumed: false, lost: 1 }]);
});

test("the timeout of a call runs on while the connection is lost", async (t) => {
  const pass = still(t);
  const fake = await sessionClient({ client: { re: { min: 20_000 } } });
  const call = refusal(fake.client.call("x", null, { timeout: 5000 }));
  fake.socket.end();
  const other = refusal(fake.client.call("y", null, { timeout: 1000 }));
  await pass(1000);
  assert.match(await other, /^wse.client.rp.timeout/);
  await pass(4000);
  assert.match(await call, /^wse.client.rp.timeout/);
});

test("connect while waiting keeps the session and tries at once", async (t) => {
  still(t);
  const fake = await sessionClient();
  const call = fake.client.call("x");
  const [[, , stamp]] = fake.socket.take();
  fake.socket.end();
  const welcome = fake.client.connect();
  await tick();
  fake.sockets[1].open();
  assert.deepEqual(fake.sockets[1].take()[0][1].session, { resume: "T1", seen: 0 });
  resumed(fake.sockets[1], 1);
  fake.sockets[1].say("~wse:response", 5, stamp);
  assert.deepEqual([await welcome, await call], [{ hey: 2 }, 5]);
});

test("what the socket throws for is neither kept nor counted", async (t) => {
  const pass = still(t);
  const fake = await sessionClient();
  const { client, socket } = fake;
  client.send("a", 1);
  socket.send = () => { throw new Error("the socket has failed"); };
  assert.throws(() => client.send("b", 2), { code: "wse.client.rp.invalid", message: "the socket has failed" });
  assert.match(await refusal(client.call("rp", 3)), /^wse.client.rp.send-failed the socket has failed$/);
  delete socket.send;
  client.send("c", 4);
  assert.deepEqual(socket.take().map(([type]) => type), ["a", "c"]);
  socket.say("~wse:ack", 1, null);
  socket.end();
  const { socket: next } = await again(fake, pass);
  resumed(next, 1);
  assert.deepEqual(next.take(), [["~wse:ack", 0, null], ["c", 4, null]]);
});
