// Tests of messages, listeners, hooks, iteration and wire formats.

import assert from "node:assert/strict";
import { test } from "node:test";
import { messages } from "wse-client/messages";
import { fakeClient, readyClient, refusal, tick } from "../tools/fake.js";

test("send writes all three places of an envelope", async () => {
  const { client, socket } = await readyClient();
  client.send("m", { a: 1 });
  client.send("m");
  assert.deepEqual(socket.sent, ['["m",{"a":1},null]', '["m",null,null]']);
});

test("short envelopes and an empty stamp are messages; no listener means ignored", async () => {
  const { client, socket, told } = await readyClient();
  const heard = [];
  client.channel.on("m", (payload) => heard.push(payload));
  for (const text of ['["m"]', '["m",null]', '["m",1,null]', '["m",2,""]', ' [ "m" , 3 ] ']) socket.raw(text);
  socket.raw('["other",{"a":1}]');
  assert.deepEqual(heard, [null, null, 1, 2, 3]);
  assert.deepEqual(told, ['ignored other {"a":1}']);
});

test("what is no envelope ends the connection as a protocol error", async () => {
  const texts = ["[]", "[null,1,null]", "[1]", '[""]', '["m",1,2]', '["m",1,{}]', '["m",1,"s",4]', '"m"'];
  texts.push('["~wse:welcome",1,null]', '["~wse:challenge",1,null]', '["~wse:hi",{},null]', '["~wse:call",1,null]');
  for (const text of texts) {
    const { client, socket, told } = await readyClient({ re: true });
    socket.raw(text);
    assert.deepEqual(socket.closedWith, [1000, "wse.protocol-error"], String(text));
    assert.deepEqual([client.status, told], ["OFFLINE", ["closed 1000 wse.protocol-error", "updated OFFLINE"]]);
  }
});

test("before the welcome what cannot be read is a protocol error", async () => {
  for (const text of ["", "not json at all", "{}", new ArrayBuffer(4)]) {
    const { client, sockets } = fakeClient({ re: true });
    const welcome = client.connect();
    await tick();
    sockets[0].open();
    sockets[0].raw(text);
    assert.equal(await refusal(welcome), "wse.client.connection-closed closed: 1000 wse.protocol-error", String(text));
  }
});

test("after the welcome what the protocol cannot read concerns that message only", async () => {
  for (const text of ["", "null", "{}", '["m",]', '["m"]x', "not json at all", '{"type":"m"}', new ArrayBuffer(4)]) {
    const { client, socket, told } = await readyClient({ re: true });
    const failed = new Promise((resolve) => client.when.error(resolve));
    socket.raw(text);
    socket.say("m", 1);
    assert.deepEqual([client.status, socket.closedWith], ["READY", undefined], String(text));
    const { code, details } = await failed;
    assert.deepEqual([code, details.raw instanceof Error, told.at(-1)], ["wse.server.msg-processing-error", true, "ignored m 1"]);
  }
});

test("listeners are called in order, once where asked, and stay until taken off", async () => {
  const { client, socket } = await readyClient();
  const heard = [];
  const a = (m) => heard.push(`a${m}`);
  const b = (m) => heard.push(`b${m}`);
  client.channel.on("m", a).once("m", b).on("m", a);
  socket.say("m", 1);
  client.channel.off("m", a);
  socket.say("m", 2);
  client.channel.off("m", b).off("other");
  socket.say("m", 3);
  client.channel.off("m");
  socket.say("m", 4);
  assert.deepEqual(heard, ["a1", "b1", "a1", "a2", "a3"]);
});

test("a listener that fails is reported, and the others are still called", async () => {
  const { client, socket, told } = await readyClient();
  const heard = [];
  client.channel.on("m", () => { throw new Error("one"); });
  client.channel.on("m", async () => Promise.reject(new Error("two")));
  client.channel.on("m", () => heard.push(1));
  socket.say("m", 1);
  await tick();
  assert.deepEqual(heard, [1]);
  assert.deepEqual(told, ["error wse.server.msg-processing-error one", "error wse.server.msg-processing-error two"]);
});

test("without an error hook failures are printed, and a hook that fails is printed too", async (t) => {
  const printed = t.mock.method(console, "error", () => {});
  const { WseClient } = await import("../../dist/index.js");
  const { FakeSocket } = await import("../tools/fake.js");
  let socket;
  const client = new WseClient({ url: "ws://a.test/", WebSocket: class extends FakeSocket { constructor(...args) { super(...args); socket = this; } } });
  client.channel.on("m", () => { throw new Error("one"); });
  const welcome = client.connect();
  await tick();
  socket.open();
  socket.say("~wse:welcome");
  await welcome;
  socket.say("m");
  await tick();
  assert.equal(printed.mock.calls[0].arguments[0].code, "wse.server.msg-processing-error");
  client.when.closed(() => { throw new Error("two"); });
  client.close();
  await tick();
  assert.equal(printed.mock.calls[1].arguments[0].message, "two");
});

test("a hook added late is told the welcome and the status, and each can be taken off", async () => {
  const { client, socket } = await readyClient();
  const heard = [];
  const listener = (what) => heard.push(what);
  const offReady = client.when.ready(listener);
  const offStatus = client.when.updated(listener);
  assert.deepEqual(heard, [{ hey: 1 }, "READY"]);
  offReady();
  offReady();
  offStatus();
  client.when.ignored(listener);
  socket.say("m");
  assert.deepEqual(heard.slice(2), ["m"]);
});

test("status is set before hooks are told", async () => {
  const { client, socket } = await readyClient();
  const seen = [];
  client.when.closed(() => seen.push(client.status));
  client.when.updated((status) => seen.push(status === client.status));
  socket.end();
  assert.deepEqual(seen, [true, "OFFLINE", true]);
});

test("messages() loses nothing between two steps, spans reconnects and ends with the client", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { client, socket, sockets } = await readyClient({ re: true });
  const iterator = messages(client, "chat");
  socket.say("chat", 1);
  socket.say("chat", 2);
  socket.end();
  const heard = [];
  const loop = (async () => {
    for await (const message of iterator) heard.push(message);
  })();
  t.mock.timers.tick(500);
  await tick();
  sockets[1].open();
  sockets[1].say("~wse:welcome");
  sockets[1].say("chat", 3);
  await tick();
  sockets[1].say("chat", 4);
  client.close();
  await loop;
  assert.deepEqual(heard, [1, 2, 3, 4]);
});

test("leaving the loop stops listening", async () => {
  const { client, socket, told } = await readyClient();
  const loop = (async () => {
    for await (const message of messages(client, "chat")) return message;
  })();
  socket.say("chat", 1);
  assert.equal(await loop, 1);
  socket.say("chat", 2);
  assert.deepEqual(told, ["ignored chat 2"]);
});

/** A binary wire format whose `unpack` returns an object, or an array as in npm wse. */
const binary = (asArray) => ({
  name: "bytes",
  internal_types: { hi: "h", challenge: "c", welcome: "w", response: "r", response_error: "e" },
  pack: ({ type, payload, stamp }) => new TextEncoder().encode(JSON.stringify({ type, payload, stamp })),
  unpack(data) {
    assert.ok(data instanceof ArrayBuffer);
    const { type, payload, stamp } = JSON.parse(new TextDecoder().decode(data));
    return asArray ? [type, payload, stamp] : { type, payload, stamp };
  },
});

test("a binary protocol with types of its own carries everything", async () => {
  for (const asArray of [true, false]) {
    const { client, sockets } = fakeClient({ protocol: binary(asArray) });
    const say = (type, payload, stamp) => {
      const bytes = new TextEncoder().encode(JSON.stringify({ type, payload, stamp }));
      sockets[0].raw(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
    };
    const taken = () => sockets[0].sent.splice(0).map((bytes) => JSON.parse(new TextDecoder().decode(bytes)));
    client.register("double", (n) => 2 * n);
    const welcome = client.connect("ann");
    await tick();
    assert.deepEqual(sockets[0].protocols, ["bytes"]);
    sockets[0].open();
    assert.deepEqual(taken(), [{ type: "h", payload: { identity: "ann", meta: {} }, stamp: null }]);
    say("w", 1);
    assert.equal(await welcome, 1);
    const heard = [];
    client.channel.on("~wse:hi", (payload) => heard.push(payload)); // not this protocol's own
    say("~wse:hi", 5);
    say("double", 2, "S");
    await tick();
    assert.deepEqual([heard, taken()], [[5], [{ type: "r", payload: 4, stamp: "S" }]]);
    const call = client.call("x");
    say("e", { code: "no" }, taken()[0].stamp);
    assert.match(await refusal(call), /^no/);
  }
});

test("a listener that was added stays, although it was added for once too", async () => {
  const { client, socket } = await readyClient();
  const heard = [];
  const listener = (message) => heard.push(message);
  client.channel.on("x", listener).once("x", listener);
  for (const message of [1, 2, 3]) socket.say("x", message);
  assert.deepEqual(heard, [1, 1, 2, 3]);
});

test("return stops listening at once: before the first step, and while one waits", async () => {
  const { client, socket, told } = await readyClient();
  const early = messages(client, "chat");
  assert.equal((await early.return()).done, true);
  socket.say("chat", 1);
  assert.deepEqual(told, ["ignored chat 1"], "nobody listens");
  assert.equal((await early.next()).done, true);
  const late = messages(client, "chat");
  const step = late.next();
  assert.equal((await late.return()).done, true);
  assert.equal((await step).done, true);
  socket.say("chat", 2);
  assert.deepEqual(told, ["ignored chat 1", "ignored chat 2"]);
});

test("a late listener of a hook that fails is printed", async (t) => {
  const said = t.mock.method(console, "error", () => {});
  const { client } = await readyClient();
  client.when.ready(() => { throw new Error("at once"); });
  client.when.updated(async () => { throw new Error("later"); });
  await tick();
  assert.deepEqual(said.mock.calls.map(({ arguments: [error] }) => error.message), ["at once", "later"]);
});
