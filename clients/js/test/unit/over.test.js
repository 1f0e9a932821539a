// Tests of what is left when something is over: nothing. And of numbers and errors that are odd.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import { WseClient } from "../../dist/index.js";
import { messages } from "wse-client/messages";
import { createEmitter } from "../tools/emitter.js";
import { challengedClient, fakeClient, FakeSocket, readyClient, refusal, tick } from "../tools/fake.js";
import { sessionClient, still } from "../tools/session.js";

const require = createRequire(import.meta.url);

test("an attempt that ended before its welcome is closed at once, whatever its state", async (t) => {
  const pass = still(t);
  for (const opens of [false, true]) {
    const fake = await sessionClient();
    fake.socket.end();
    await pass(500);
    if (opens) fake.sockets[1].open();
    await pass(9999);
    assert.equal(fake.sockets[1].closedWith, undefined);
    await pass(1);
    assert.deepEqual(fake.sockets[1].closedWith, [1000, "wse.by-client"]);
    assert.equal(fake.client.status, "RE_CONNECTING");
    fake.client.send("m", "the session goes on");
    fake.client.close();
  }
});

test("close never throws and settles everything, without TextEncoder and with sockets that throw", async (t) => {
  const { TextEncoder } = globalThis;
  delete globalThis.TextEncoder;
  t.after(() => Object.assign(globalThis, { TextEncoder }));
  const reasons = ["bye", "ü".repeat(100), "x".repeat(1_000_000), "\ud800".repeat(200), undefined, null, 7];
  for (const reason of reasons) {
    for (const breaks of [() => {}, (socket) => (socket.close = () => { throw new Error("no close"); }), (socket) => (socket.send = () => { throw new Error("no send"); })]) {
      const { client, socket } = await sessionClient();
      const call = refusal(client.call("x"));
      const loop = (async () => {
        for await (const message of messages(client, "m")) void message;
      })();
      socket.say("m", 1, null);
      breaks(socket);
      client.close(reason);
      assert.equal(client.status, "OFFLINE");
      assert.match(await call, /^wse.client.rp.disconnect/);
      await loop;
      const connecting = fakeClient();
      const welcome = refusal(connecting.client.connect());
      await tick();
      breaks(connecting.sockets[0]);
      connecting.client.close(reason);
      assert.match(await welcome, /^wse.client.connection-closed/);
    }
  }
  const { client, socket } = await readyClient();
  client.close("ü".repeat(100));
  assert.deepEqual(socket.closedWith, [1000, "ü".repeat(61)]);
});

test("a socket that takes no such reason is closed without one", async () => {
  const { client, socket } = await readyClient();
  const { close } = FakeSocket.prototype;
  socket.close = function (code, reason) {
    if (reason) throw new SyntaxError("no reason");
    close.call(this, code, reason);
  };
  client.close("bye");
  assert.deepEqual(socket.closedWith, [1000, ""]);
});

test("a listener's name leaves nothing behind", () => {
  const set = new Set();
  const { Set: Kept } = globalThis;
  globalThis.Set = class extends Kept {
    constructor(...args) {
      super(...args);
      set.add(this);
    }
  };
  let emitter;
  try {
    emitter = createEmitter(() => {});
  } finally {
    globalThis.Set = Kept;
  }
  const listener = () => {};
  for (let n = 0; n < 1000; n++) {
    emitter.on(`a${n}`, listener).off(`a${n}`, listener).off(`never ${n}`, listener);
    emitter.once(`b${n}`, listener).emit(`b${n}`);
    emitter.on(`c${n}`, listener).off(`c${n}`);
  }
  assert.deepEqual([...set].map((entries) => entries.size), [0]);
});

test("an error of the other module format's copy is one that was thrown on purpose", async () => {
  const { WseError } = require("wse-client");
  const { client } = fakeClient();
  assert.equal(await refusal(client.connect(() => { throw new WseError("logged-out", {}, "Log in again."); })), "logged-out Log in again.");
  const { client: ready, socket } = await readyClient();
  ready.register("rp", () => { throw new WseError("no-room", { room: 1 }); });
  socket.say("rp", null, "S");
  await tick();
  assert.deepEqual(socket.take()[0][1], { code: "no-room", details: { room: 1, rp: "rp", rpc: "rp", payload: null } });
});

test("an error of another realm keeps its fields to itself, as every error does", async () => {
  const { runInNewContext } = await import("node:vm");
  const foreign = runInNewContext("Object.assign(new Error('secret'), { errno: -2, path: '/secret' })");
  assert.ok(!(foreign instanceof Error));
  const { client, socket, told } = await readyClient();
  client.register("rp", () => { throw foreign; });
  socket.say("rp", null, "S");
  await tick();
  assert.deepEqual(socket.take()[0][1], { code: "wse.server.rp.failed", message: "RPC execution failed", details: { rp: "rp", rpc: "rp", payload: null } });
  assert.deepEqual(told, ["error wse.server.rp.failed secret"]);
});

test("a challenge handler may return the solution or call solve, however it declares its parameters", async () => {
  const later = (solve, value) => void setImmediate(() => solve(value));
  const handlers = [
    (...args) => later(args[1], 3),
    (quest, solve = () => {}) => later(solve, 3),
    function () { later(arguments[1], 3); },
    async (quest, solve) => 3,
    (quest, solve) => (solve(3), 4),
    (quest, solve) => setTimeout(() => solve(3)),
    (quest, solve) => (later(solve, 3), 4),
    async (quest, solve) => (later(solve, 4), 3),
    async (quest, solve) => { solve(3); throw new Error("too late"); },
  ];
  for (const handler of handlers) {
    const { client, socket } = await challengedClient(handler, { a: 1 });
    for (let turns = 0; turns < 1000 && !socket.sent.length; turns++) await tick();
    assert.deepEqual(socket.take(), [["~wse:challenge", 3, null]], `${handler}`);
    client.close();
  }
});

test("a handler that returns nothing has not solved the challenge yet, and solve may say nothing", async () => {
  let solve;
  const { socket } = await challengedClient((quest, solved) => void (solve = solved));
  await tick();
  assert.deepEqual(socket.take(), []);
  solve();
  await tick();
  assert.deepEqual(socket.take(), [["~wse:challenge", null, null]]);
});

test("a solution is not sent over a socket that is closing", async () => {
  let solve;
  const { socket } = await challengedClient((quest, solved) => void (solve = solved));
  await tick();
  socket.readyState = 2;
  solve(1);
  await tick();
  assert.deepEqual(socket.take(), []);
});

test("nothing is sent over a socket that is closing or closed", async (t) => {
  still(t);
  for (const readyState of [2, 3]) {
    const { client, socket } = await readyClient();
    socket.readyState = readyState;
    assert.throws(() => client.send("m"), { code: "wse.client.not-ready" });
    await assert.rejects(client.call("x"), { code: "wse.client.not-ready" });
    const other = await sessionClient();
    other.client.register("rp", () => 1);
    other.socket.readyState = readyState;
    other.client.send("m");
    for (let n = 0; n < 40; n++) other.socket.say("rp", n, `S${n}`);
    await tick();
    other.client.close();
    assert.deepEqual([socket.take(), other.socket.take()], [[], []]);
  }
});

const FOREVER = [0, Infinity, 2 ** 31, 2 ** 40];

test("0 is no limit, and a longer time than a timer counts is not a short one", async (t) => {
  const pass = still(t);
  for (const time of FOREVER) {
    const connecting = fakeClient({ connectTimeout: time });
    connecting.client.connect().catch(() => {});
    const calling = await readyClient({ tO: time / 1000 });
    let settled = 0;
    calling.client.call("x").catch(() => settled++);
    calling.client.call("x", null, { timeout: time }).catch(() => settled++);
    await pass(2 ** 31 - 1);
    assert.deepEqual([connecting.client.status, settled], ["CONNECTING", 0], `${time}`);
    connecting.client.close();
    calling.client.close();
  }
});

test("window and beat mean what they say", async (t) => {
  const pass = still(t);
  for (const window of [2 ** 31, 1e300]) {
    const { client, socket } = await sessionClient({ window, client: { re: { min: Infinity, max: Infinity } } });
    socket.end();
    await pass(1_000_000);
    client.send("m");
    client.close();
  }
  const none = await sessionClient({ window: 0, client: { re: { min: 1000 } } });
  none.socket.end();
  await pass(0);
  assert.throws(() => none.client.send("m"), { code: "wse.client.not-ready" });
  for (const beat of [2 ** 31, 1e300, -1, 0]) {
    const { client, socket } = await sessionClient({ beat });
    await pass(1_000_000);
    assert.deepEqual([client.status, socket.take()], ["READY", []], `${beat}`);
    client.close();
  }
});

test("bounds that are no bounds leave a wait, and Infinity waits for an event", async (t) => {
  const pass = still(t);
  const cases = [
    [{ min: 0 }, 500], [{ min: -1 }, 500], [{ min: NaN }, 500], [{ min: 100, max: 0 }, 100], [{ min: 100, max: -5 }, 100], [{ min: 100, max: NaN }, 100],
    [{ min: 0, max: 0 }, 500], [{ min: 1e-9, max: 1e-9 }, 10], [{ min: 2 ** 31, max: Infinity }, undefined], [{ min: Infinity, max: Infinity }, undefined],
  ];
  for (const [re, wait] of cases) {
    const { client, socket, sockets } = await readyClient({ re });
    socket.end();
    await pass((wait ?? 2 ** 31) - 1);
    assert.equal(sockets.length, 1, JSON.stringify(re));
    await pass(1);
    assert.equal(sockets.length, wait ? 2 : 1, JSON.stringify(re));
    client.close();
  }
});

test("an address of HTTP is told what to write instead, and it is final", async () => {
  for (const url of ["http://a.test/", "https://a.test/", " HTTPS://a.test/"]) {
    const { client, sockets } = fakeClient({ url, re: true });
    assert.equal(await refusal(client.connect()), "wse.client.ws-error use ws:");
    assert.deepEqual([client.status, sockets.length], ["OFFLINE", 0]);
  }
});

test("spaces around an address and capitals in its scheme do no harm", async (t) => {
  const { oracle } = await import("../tools/oracle.js");
  const { default: WebSocket } = await import("ws");
  const server = await oracle(t);
  for (const url of [` ${server.url} `, server.url.replace("ws:", "WS:"), `\n${server.url}\t`]) {
    const client = new WseClient({ url, WebSocket });
    assert.deepEqual(await client.connect("ann"), { hey: 1 });
    client.close();
  }
});
