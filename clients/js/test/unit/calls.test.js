// Tests of calls in both directions, and of their errors.

import assert from "node:assert/strict";
import { test } from "node:test";
import { WSE_ERROR, WseError } from "../../dist/index.js";
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
    [{ code: "wse.server.rp.not-registered" }, ["wse.server.rp.not-registered", "wse.server.rp.not-registered", {}]],
    [{ code: "wse.server.rp.not-registered", details: { rp: "x" } }, ["wse.server.rp.not-registered", "wse.server.rp.not-registered", { rp: "x" }]],
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

const circle = {};
circle.circle = circle;

test("what cannot be sent rejects or throws a WseError and leaves nothing behind", async () => {
  const { client, socket } = await readyClient();
  const unencodable = [["m", circle], ["m", 1n]];
  for (const [name, payload] of [...unencodable, ["", 1], [undefined, 1], ["~wse:hi", 1], ["~wse:call", 1], ["~wse:response-err", 1]]) {
    assert.throws(() => client.send(name, payload), (error) => error instanceof WseError && error.code === "wse.client.rp.invalid");
    const code = name === "m" ? "wse.client.rp.send-failed" : "wse.client.rp.invalid";
    assert.match(await refusal(client.call(name, payload)), new RegExp(`^${code}`));
  }
  assert.equal(socket.take().length, 0);
});

test("a call that could not be sent has name, payload and origin in its details, and its JSON is whole", async (t) => {
  const set = t.mock.method(globalThis, "setTimeout");
  const cleared = t.mock.method(globalThis, "clearTimeout");
  const { client, socket } = await readyClient();
  set.mock.resetCalls();
  cleared.mock.resetCalls();
  const { signal } = new AbortController();
  const removed = t.mock.method(signal, "removeEventListener");
  const failing = (payload) => client.call("rp", payload, { signal }).catch((error) => error);
  const encode = (payload) => {
    try {
      JSON.stringify(payload);
    } catch ({ name, message }) {
      return { name, message };
    }
  };
  for (const payload of [circle, 1n, { deep: [1n] }]) {
    const error = await failing(payload);
    const origin = encode(payload);
    assert.ok(error instanceof WseError);
    assert.deepEqual([error.code, error.message], [WSE_ERROR.RP_SEND_FAILED, origin.message]);
    assert.deepEqual(error.details, { rp: "rp", origin });
    assert.equal(error.details.payload, payload);
    assert.deepEqual(JSON.parse(JSON.stringify({ error })).error, { code: error.code, details: { rp: "rp", origin }, name: "WseError" });
    assert.deepEqual(JSON.parse(JSON.stringify(error.details)), { rp: "rp", origin });
  }
  for (const thrown of [new Error("the socket has failed"), "a text", null]) {
    socket.send = () => { throw thrown; };
    const { code, details } = await failing(null);
    assert.equal(code, "wse.client.rp.send-failed");
    assert.deepEqual([details, details.payload], [{ rp: "rp", origin: { name: thrown?.name, message: thrown?.message } }, null]);
  }
  assert.deepEqual([set, cleared, removed].map(({ mock }) => mock.callCount()), [6, 6, 6]);
  delete socket.send;
  const call = client.call("rp");
  socket.say("~wse:response", 1, socket.take()[0][2]);
  assert.equal(await call, 1);
});

test("when.error is told of a send that throws, before it throws, and of no call", async (t) => {
  const printed = t.mock.method(console, "error", () => {});
  const { client } = fakeClient();
  const errors = [];
  assert.throws(() => client.send("m", 1), { code: "wse.client.not-ready" });
  client.when.error((error) => void errors.push(error));
  for (const [name, code] of [["m", "wse.client.not-ready"], ["", "wse.client.rp.invalid"]]) {
    let thrown;
    try {
      client.send(name, 1);
    } catch (error) {
      thrown = error;
    }
    assert.equal(thrown.code, code);
    assert.deepEqual(errors.splice(0), [thrown]);
  }
  await refusal(client.call("rp"));
  assert.deepEqual([errors, printed.mock.callCount()], [[], 0]);
});

test("a listener of when.error that sends is not told of its own send", async (t) => {
  const printed = t.mock.method(console, "error", () => {});
  const { client } = fakeClient();
  let told = 0;
  client.when.error(({ code }) => {
    told++;
    client.send("log", code);
  });
  for (let times = 1; times < 3; times++) {
    assert.throws(() => client.send("m", 1), { code: "wse.client.not-ready" });
    assert.equal(told, times);
  }
  await tick();
  assert.equal(printed.mock.callCount(), 2); // what the listener threw
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
  const about = { rp: "rp", rpc: "rp", payload: { value: 1 } };
  const own = { rp: "mine", rpc: ["mine"], payload: "mine" };
  const cases = [
    [new WseError("c"), { code: "c", details: about }],
    [new WseError("c", { fun: 1, rpc: "mine" }, "text"), { code: "c", message: "text", details: { fun: 1, ...about, rpc: "mine" } }],
    [new WseError("c", own), { code: "c", details: own }],
    [{ test_field: 1, ...own }, { ...FAILED, details: { test_field: 1, ...own } }],
    [{ rp: "mine" }, { ...FAILED, details: { ...about, rp: "mine" } }],
    [{ rp: "", rpc: null, payload: 0 }, { ...FAILED, details: about }],
    [{ test_field: "nope", code: 7 }, { ...FAILED, details: { test_field: "nope", code: 7, ...about } }],
    [{ code: "INVALID_USER" }, { ...FAILED, details: { code: "INVALID_USER", ...about } }],
  ];
  for (const [error, expected] of cases) {
    const { said, told } = await answer(async () => Promise.reject(error));
    assert.deepEqual([said, told], [[["~wse:response-err", expected, "S1"]], []]);
  }
  const order = async (error) => Object.keys((await answer(() => { throw error; })).said[0][1].details);
  assert.deepEqual(await order({ a: 1 }), ["a", "rp", "rpc", "payload"]);
  const frozen = Object.freeze({ a: 1 });
  assert.deepEqual(await order(frozen), ["a", "rp", "rpc", "payload"]);
  assert.deepEqual(frozen, { a: 1 });
});

test("every other error hides its text from the server and is told to the application", async () => {
  for (const error of [new Error("secret"), new TypeError("secret"), Object.assign(new Error("secret"), { code: "ENOENT" }), "secret"]) {
    const { said, told } = await answer(() => { throw error; });
    assert.deepEqual(said, [["~wse:response-err", { ...FAILED, details: { rp: "rp", rpc: "rp", payload: { value: 1 } } }, "S1"]]);
    assert.equal(told.length, 1);
    assert.match(told[0], /^error wse.server.rp.failed/);
  }
});

test("exposeErrors sends the text and never the stack", async () => {
  const { said } = await answer(() => { throw new TypeError("why"); }, 1, { exposeErrors: true });
  assert.deepEqual(said[0][1], { code: "wse.server.rp.failed", message: "why", details: { origin: { name: "TypeError", message: "why" }, rp: "rp", rpc: "rp", payload: 1 } });
  assert.deepEqual(Object.keys(said[0][1].details), ["origin", "rp", "rpc", "payload"]);
  for (const thrown of ["why", 7, null, undefined]) {
    const [[, { message, details }]] = (await answer(() => { throw thrown; }, 1, { exposeErrors: true })).said;
    assert.deepEqual([message, details.origin], [`${thrown}`, { message: `${thrown}` }]);
  }
  const [[, { message, details }]] = (await answer(() => { throw ""; }, 1, { exposeErrors: true })).said;
  assert.deepEqual([message, details.origin], ["Unexpected error", { message: "" }]);
});

test("a call of a missing procedure is answered, and reported to no listener", async () => {
  assert.deepEqual(await answer(), { said: [["~wse:response-err", { code: "wse.server.rp.not-registered", details: { rp: "rp" } }, "S1"]], told: [] });
});

test("a payload over 16 KiB or 125 deep is not repeated", async () => {
  let deep = 1;
  for (let level = 0; level < 125; level++) deep = [deep];
  const fail = () => { throw { a: 1 }; };
  const details = async (payload) => Object.keys((await answer(fail, payload)).said[0][1].details);
  assert.deepEqual(await details(deep), ["a", "rp", "rpc", "payload"]);
  assert.deepEqual(await details([deep]), ["a", "rp", "rpc"]);
  assert.deepEqual(await details("x".repeat(16_382)), ["a", "rp", "rpc", "payload"]);
  assert.deepEqual(await details("x".repeat(16_383)), ["a", "rp", "rpc"]);
  const own = { payload: "" };
  assert.deepEqual((await answer(() => { throw own; }, [deep])).said[0][1].details, { payload: "", rp: "rp", rpc: "rp" });
});

test("a name over 16 KiB is not repeated, so that the error can be read", async () => {
  const { client, socket } = await readyClient();
  for (const name of ["x".repeat(16_382), "x".repeat(16_383)]) {
    client.register(name, () => { throw { a: 1 }; });
    socket.say(name, 1, "S1");
    socket.say(`${name.slice(1)}y`, 1, "S2");
    await tick();
    const keys = socket.take().map(([, error]) => Object.keys(JSON.parse(JSON.stringify(error.details))));
    const repeated = name.length < 16_383;
    assert.deepEqual(keys.sort(), [repeated ? ["a", "rp", "rpc", "payload"] : ["a", "payload"], repeated ? ["rp"] : []].sort());
  }
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
