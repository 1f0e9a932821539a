// Tests of calls in both directions, and of their errors.

import assert from "node:assert/strict";
import { test } from "node:test";
import { WseError } from "../../dist/index.js";
import { fakeClient, readyClient, refusal, tick } from "../tools/fake.js";

test("a call carries a fresh stamp of 96 random bits and resolves to the result", async () => {
  const { client, socket } = await readyClient();
  const calls = [client.call("add", { a: 1 }), client.call("nil")];
  const [[rp, payload, one], [, none, two]] = socket.take();
  assert.deepEqual([rp, payload, none], ["add", { a: 1 }, null]);
  assert.match(one, /^[A-Za-z0-9+/]{16}$/);
  assert.notEqual(one, two);
  socket.say("~wse:response", null, two);
  socket.say("~wse:response", 3, one);
  assert.deepEqual(await Promise.all(calls), [3, null]);
});

test("a failed call rejects with the code, message and details of the error", async () => {
  const { client, socket } = await readyClient();
  const cases = [
    [{ code: "x", message: "m", details: { a: 1 } }, ["x", "m", { a: 1 }]],
    [{ code: "x", extra: 1 }, ["x", "x", {}]],
    [{ code: "x", message: 5, details: "d" }, ["x", "x", { value: "d" }]],
    [{ code: "x", details: [1] }, ["x", "x", { value: [1] }]],
    [null, ["wse.server.rp.failed", "wse.server.rp.failed", {}]],
    ["text", ["wse.server.rp.failed", "wse.server.rp.failed", { value: "text" }]],
    [{ code: 5 }, ["wse.server.rp.failed", "wse.server.rp.failed", { code: 5 }]],
  ];
  for (const [sent, expected] of cases) {
    const call = client.call("boom");
    socket.say("~wse:response-err", sent, socket.take()[0][2]);
    const error = await call.catch((error) => error);
    assert.ok(error instanceof WseError && error instanceof Error);
    assert.deepEqual([error.code, error.message, error.details], expected);
  }
});

test("a call times out after tO seconds or timeout milliseconds; 0 and Infinity are for ever", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  for (const [tO, timeout, ms] of [[undefined, undefined, 20_000], [2, undefined, 2000], [2, 30, 30]]) {
    const { client } = await readyClient({ tO });
    const call = refusal(client.call("slow", null, { timeout }));
    t.mock.timers.tick(ms - 1);
    assert.equal(await Promise.race([call, tick()]), undefined);
    t.mock.timers.tick(1);
    assert.match(await call, /^wse.client.rp.timeout/);
  }
  for (const [tO, timeout] of [[0, undefined], [20, 0], [20, Infinity]]) {
    const { client, socket } = await readyClient({ tO });
    const call = client.call("slow", null, { timeout });
    t.mock.timers.tick(2 ** 31 - 1);
    socket.say("~wse:response", "late but welcome", socket.take()[0][2]);
    assert.equal(await call, "late but welcome");
  }
});

test("an answer with a late, made up or missing stamp is dropped and never answered", async () => {
  const { client, socket, told } = await readyClient();
  const call = client.call("slow", null, { timeout: 1 });
  assert.match(await refusal(call), /^wse.client.rp.timeout/);
  const [[, , stamp]] = socket.take();
  for (const late of [stamp, "made up", null, ""]) {
    socket.say("~wse:response", 1, late);
    socket.say("~wse:response-err", { code: "x" }, late);
  }
  await tick();
  assert.deepEqual([socket.take(), told, client.status], [[], [], "READY"]);
});

test("a signal stops waiting, before and after the call was sent", async () => {
  const { client, socket } = await readyClient();
  const controller = new AbortController();
  const call = client.call("slow", 1, { signal: controller.signal });
  assert.equal(socket.take().length, 1);
  controller.abort("because");
  const error = await call.catch((error) => error);
  assert.deepEqual([error.code, error.details], ["wse.client.rp.aborted", { rp: "slow", reason: "because" }]);
  assert.match(await refusal(client.call("slow", 1, { signal: controller.signal })), /^wse.client.rp.aborted/);
  assert.equal(socket.take().length, 0);
});

test("a settled call leaves no timer and no listener of a signal behind", async (t) => {
  const { client, socket } = await readyClient();
  const cleared = t.mock.method(globalThis, "clearTimeout");
  const { signal } = new AbortController();
  const removed = t.mock.method(signal, "removeEventListener");
  const call = client.call("x", 1, { signal });
  socket.say("~wse:response", 1, socket.take()[0][2]);
  await call;
  assert.deepEqual([cleared.mock.callCount(), removed.mock.callCount()], [1, 1]);
});

test("what cannot be sent rejects or throws a WseError and leaves nothing behind", async () => {
  const { client, socket } = await readyClient();
  const circle = {};
  circle.circle = circle;
  for (const [name, payload] of [["m", circle], ["m", 1n], ["", 1], [undefined, 1], ["~wse:hi", 1], ["~wse:call", 1], ["~wse:response-err", 1]]) {
    assert.throws(() => client.send(name, payload), (error) => error instanceof WseError && error.code === "wse.client.rp.invalid");
    assert.match(await refusal(client.call(name, payload)), /^wse.client.rp.invalid/);
  }
  assert.equal(socket.take().length, 0);
});

test("messages and calls are an error the caller sees until the welcome and after the end", async () => {
  const { client, sockets } = fakeClient();
  const notReady = async () => {
    assert.throws(() => client.send("m", 1), (error) => error instanceof WseError && error.code === "wse.client.not-ready");
    assert.match(await refusal(client.call("rp")), /^wse.client.not-ready/);
  };
  await notReady();
  const welcome = client.connect();
  await notReady();
  sockets[0].open();
  await notReady();
  sockets[0].say("~wse:welcome", null, null);
  await welcome;
  client.send("m", 1);
  sockets[0].readyState = 2; // the close frame came, the close event not yet
  await notReady();
  client.close();
  await notReady();
});

const FAILED = { code: "wse.server.rp.failed", message: "RPC execution failed" };

/** Returns what the server is sent when it calls a procedure with this handler. */
async function answer(handler, payload = { value: 1 }, options) {
  const { client, socket, told } = await readyClient(options);
  if (handler) client.register("rp", handler);
  socket.say("rp", payload, "S1");
  await tick();
  return { said: socket.take(), told };
}

test("a procedure gets payload and stamp, and answers with what it returns or resolves to", async () => {
  for (const [handler, result] of [[(p) => p.value + 1, 2], [async (p) => p.value + 2, 3], [() => {}, null], [(_, stamp) => stamp, "S1"], [() => 0, 0]]) {
    assert.deepEqual((await answer(handler)).said, [["~wse:response", result, "S1"]]);
  }
});

test("what a procedure fails with on purpose crosses the wire and is no error of ours", async () => {
  const about = { rpc: "rp", payload: { value: 1 } };
  const cases = [
    [new WseError("c"), { code: "c", details: about }],
    [new WseError("c", { fun: 1, rpc: "mine" }, "text"), { code: "c", message: "text", details: { fun: 1, ...about } }],
    [{ test_field: "nope", code: 7 }, { ...FAILED, details: { test_field: "nope", code: 7, ...about } }],
    [{ code: "INVALID_USER" }, { ...FAILED, details: { code: "INVALID_USER", ...about } }],
  ];
  for (const [error, expected] of cases) {
    const { said, told } = await answer(async () => Promise.reject(error));
    assert.deepEqual([said, told], [[["~wse:response-err", expected, "S1"]], []]);
  }
});

test("every other error hides its text from the server and is told to the application", async () => {
  for (const error of [new Error("secret"), new TypeError("secret"), Object.assign(new Error("secret"), { code: "ENOENT" }), "secret"]) {
    const { said, told } = await answer(() => { throw error; });
    assert.deepEqual(said, [["~wse:response-err", { ...FAILED, details: { rpc: "rp", payload: { value: 1 } } }, "S1"]]);
    assert.equal(told.length, 1);
    assert.match(told[0], /^error wse.server.rp.failed/);
  }
});

test("exposeErrors sends the text and never the stack", async () => {
  const { said } = await answer(() => { throw new TypeError("why"); }, 1, { exposeErrors: true });
  assert.deepEqual(said[0][1], { code: "wse.server.rp.failed", message: "why", details: { origin: { name: "TypeError", message: "why" }, rpc: "rp", payload: 1 } });
});

test("a call of a missing procedure is answered, and reported to no listener", async () => {
  assert.deepEqual(await answer(), { said: [["~wse:response-err", { code: "wse.server.rp.not-registered" }, "S1"]], told: [] });
});

test("a payload over 16 KiB or 125 deep is not repeated", async () => {
  let deep = 1;
  for (let level = 0; level < 125; level++) deep = [deep];
  const fail = () => { throw { a: 1 }; };
  const details = async (payload) => Object.keys((await answer(fail, payload)).said[0][1].details);
  assert.deepEqual(await details(deep), ["a", "rpc", "payload"]);
  assert.deepEqual(await details([deep]), ["a", "rpc"]);
  assert.deepEqual(await details("x".repeat(16_382)), ["a", "rpc", "payload"]);
  assert.deepEqual(await details("x".repeat(16_383)), ["a", "rpc"]);
});

test("a result or details that cannot be encoded are an answer all the same", async () => {
  assert.deepEqual((await answer(() => 1n)).said[0].slice(0, 1), ["~wse:response-err"]);
  const { said, told } = await answer(() => { throw { big: 1n }; });
  assert.deepEqual(said, [["~wse:response-err", FAILED, "S1"]]);
  assert.equal(told.length, 1);
});

test("the answer of a procedure goes to the connection that asked, or nowhere", async () => {
  const { client, socket, sockets } = await readyClient();
  let finish;
  client.register("slow", () => new Promise((resolve) => (finish = resolve)));
  socket.say("slow", null, "S1");
  const welcome = client.jump("ws://b.test/");
  await tick();
  sockets[1].open();
  sockets[1].say("~wse:welcome", null, null);
  await welcome;
  sockets[1].take();
  finish(1);
  await tick();
  assert.deepEqual([socket.take(), sockets[1].take()], [[], []]);
});

test("a name is registered once and unregistered once", () => {
  const { client } = fakeClient();
  client.register("rp", () => 1);
  assert.throws(() => client.register("rp", () => 2), { code: "wse.server.rp.already-registered", details: { rp: "rp" } });
  client.unregister("rp");
  assert.throws(() => client.unregister("rp"), { code: "wse.server.rp.not-registered", details: { rp: "rp" } });
});
