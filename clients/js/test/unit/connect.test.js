// Tests of connecting, from the dial to the welcome.

import assert from "node:assert/strict";
import { test } from "node:test";
import { WSE_ERROR, WSE_REASON, WSE_STATUS, WseClient, WseError } from "../../dist/index.js";
import { challengedClient, fakeClient, readyClient, refusal, tick } from "../tools/fake.js";

test("a new client is idle and touches nothing", () => {
  const { client, sockets, told } = fakeClient();
  assert.equal(client.status, WSE_STATUS.IDLE);
  assert.equal(client.url, "ws://a.test/");
  assert.equal(client.cid, undefined);
  assert.deepEqual([sockets.length, told], [0, []]);
});

test("connect sends the hi and resolves to the welcome", async () => {
  const { client, sockets, told } = fakeClient();
  const welcome = client.connect("ann", { device: "phone" });
  assert.equal(client.status, "CONNECTING");
  await tick();
  const [socket] = sockets;
  assert.deepEqual([socket.url, socket.protocols, socket.binaryType], ["ws://a.test/", ["wse-default-json"], "arraybuffer"]);
  socket.open();
  assert.deepEqual(socket.take(), [["~wse:hi", { identity: "ann", meta: { device: "phone" } }, null]]);
  socket.say("~wse:welcome", "hello", null);
  assert.equal(await welcome, "hello");
  assert.equal(client.status, "READY");
  assert.deepEqual(told, ["updated CONNECTING", "connected", "updated READY", "ready hello"]);
});

test("identity and meta have upstream's defaults, and stay when they are left out later", async () => {
  const { client, sockets } = fakeClient();
  const hi = async (socket) => {
    await tick();
    sockets[socket].open();
    return sockets[socket].take()[0][1];
  };
  client.connect().catch(() => {});
  assert.deepEqual(await hi(0), { identity: "", meta: {} });
  client.close();
  client.connect("ann", { a: 1 }).catch(() => {});
  assert.deepEqual(await hi(1), { identity: "ann", meta: { a: 1 } });
  client.close();
  client.connect().catch(() => {});
  assert.deepEqual(await hi(2), { identity: "ann", meta: { a: 1 } });
  client.close();
  client.connect(null).catch(() => {});
  assert.deepEqual(await hi(3), { identity: null, meta: { a: 1 } });
});

test("only other options reach the constructor of the socket", async () => {
  const { client, sockets } = fakeClient({ headers: { a: "b" }, re: true, tO: 1 });
  client.connect("secret").catch(() => {});
  await tick();
  assert.deepEqual(sockets[0].options, { headers: { a: "b" } });
});

test("a refused connect rejects with its reason, also with re", async () => {
  for (const re of [false, true]) {
    const { client, sockets, told } = fakeClient({ re });
    const welcome = client.connect("nobody");
    await tick();
    sockets[0].open();
    sockets[0].end(1000, "wse.not-authorized");
    const error = await welcome.catch((error) => error);
    assert.ok(error instanceof WseError);
    assert.equal(error.code, WSE_ERROR.NOT_AUTHORIZED);
    assert.deepEqual(error.details, { code: 1000, reason: "wse.not-authorized" });
    assert.equal(client.status, "OFFLINE");
    assert.deepEqual(told.slice(2), ["closed 1000 wse.not-authorized", "updated OFFLINE"]);
  }
});

test("every other end before the welcome rejects with its code and reason", async () => {
  const ends = [
    [1000, "wse.protocol-error"], [1000, "wse.by-server"], [1000, "wse.clients-concurrency"], [1000, ""], [1000, "maintenance"],
    [1000, WSE_REASON.AUTH_TIMEOUT], [1008, "wse.auth-timeout"], [1011, ""], [1013, "wse.slow"], [1013, "wse.later"], [4001, "wse.not-authorized"],
  ];
  for (const [code, reason] of ends) {
    const { client, sockets } = fakeClient();
    const welcome = client.connect();
    await tick();
    sockets[0].end(code, reason);
    const error = await welcome.catch((error) => error);
    assert.equal(error.code, WSE_ERROR.CONNECTION_CLOSED);
    assert.equal(error.message, `closed: ${code} ${reason}`);
    assert.deepEqual(error.details, { code, reason });
  }
});

test("a connection that the server closes for good rejects with re too, and the late are not refused", async () => {
  const { client, sockets } = fakeClient({ re: true });
  const welcome = client.connect();
  await tick();
  sockets[0].open();
  sockets[0].end(1000, "wse.auth-timeout");
  assert.equal(await refusal(welcome), "wse.client.connection-closed closed: 1000 wse.auth-timeout");
  assert.equal(client.status, "OFFLINE");
});

test("a server that speaks the format of npm wse 2 is told apart from other protocol errors", async () => {
  const reason = "wse.protocol-error: the format of npm wse 2";
  for (const re of [false, true]) {
    const { client, sockets, told } = fakeClient({ re });
    const welcome = client.connect();
    await tick();
    sockets[0].open();
    sockets[0].raw('{"c":"welcome","dat":{"hey":1}}');
    const error = await welcome.catch((error) => error);
    assert.deepEqual([error.code, error.message, error.details], ["wse.client.connection-closed", `closed: 1000 ${reason}`, { code: 1000, reason }]);
    assert.deepEqual(sockets[0].closedWith, [1000, reason]);
    assert.deepEqual(told.slice(2), [`closed 1000 ${reason}`, "updated OFFLINE"]);
  }
});

test("a socket that fails before it is open ends the attempt at once, close event or not", async () => {
  const { client, sockets, told } = fakeClient();
  const welcome = client.connect();
  await tick();
  sockets[0].onerror({ message: "no route" });
  const error = await welcome.catch((error) => error);
  assert.deepEqual([error.code, error.message, error.details.raw], ["wse.client.ws-error", "no route", { message: "no route" }]);
  sockets[0].onclose({ code: 1006, reason: "" });
  assert.deepEqual(told, ["updated CONNECTING", "closed 1006 ", "updated OFFLINE"]);
});

test("a second connect is refused and leaves the first alone", async () => {
  const { client, sockets } = fakeClient();
  const first = client.connect();
  assert.match(await refusal(client.connect()), /^wse.client.already-connected/);
  sockets[0].open();
  sockets[0].say("~wse:welcome", 1, null);
  assert.equal(await first, 1);
  assert.match(await refusal(client.connect()), /^wse.client.already-connected/);
  assert.equal(client.status, "READY");
});

test("an address or a constructor that does not work rejects, and is final", async () => {
  class Throws {
    constructor(url) {
      throw new SyntaxError(`${url} is no URL`);
    }
  }
  const { client, told } = fakeClient({ WebSocket: Throws, re: true });
  assert.equal(await refusal(client.connect()), "wse.client.ws-error ws://a.test/ is no URL");
  assert.equal(client.status, "OFFLINE");
  assert.deepEqual(told, ["updated CONNECTING", "closed 1006 ", "updated OFFLINE"]);

  const without = new WseClient({ url: "ws://a.test/", WebSocket: null });
  assert.match(await refusal(without.connect()), /^wse.client.ws-error/);
});

test("an attempt without a welcome ends after connectTimeout milliseconds, 10,000 by default", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  for (const connectTimeout of [undefined, 300]) {
    const { client, sockets } = fakeClient({ connectTimeout });
    const welcome = client.connect();
    await tick();
    sockets[0].open();
    t.mock.timers.tick((connectTimeout ?? 10_000) - 1);
    assert.equal(client.status, "CONNECTING");
    t.mock.timers.tick(1);
    assert.equal(await refusal(welcome), "wse.client.ws-error no welcome in time");
    assert.equal(client.status, "OFFLINE");
    assert.equal(sockets[0].readyState, 2);
  }
});

test("identity may be a function, asked again at every attempt", async () => {
  const { client, sockets } = fakeClient();
  let asked = 0;
  const token = async () => `token ${++asked}`;
  client.connect(token).catch(() => {});
  await tick();
  sockets[0].open();
  client.close();
  client.connect().catch(() => {});
  await tick();
  sockets[1].open();
  assert.deepEqual(sockets.map((socket) => socket.take()[0][1].identity), ["token 1", "token 2"]);
});

test("an identity function that throws rejects the connect; a WseError passes through", async () => {
  const { client, sockets } = fakeClient();
  const failing = (error) => refusal(client.connect(() => { throw error; }));
  assert.equal(await failing(new Error("no token")), "wse.client.ws-error no token");
  assert.equal(await failing(new WseError("logged-out", {}, "Log in again.")), "logged-out Log in again.");
  assert.equal(sockets.length, 0);
  assert.match(await refusal(client.connect(10n)), /^wse.client.ws-error/);
});

test("an identity that comes after close is not used", async () => {
  const { client, sockets } = fakeClient();
  let give;
  const welcome = client.connect(() => new Promise((resolve) => (give = resolve)));
  client.close("enough");
  assert.equal(await refusal(welcome), "wse.client.connection-closed closed: 1000 enough");
  give("late");
  await tick();
  assert.equal(sockets.length, 0);
});

test("a challenge is solved by what the handler returns, resolves to, or gives to solve", async () => {
  const handlers = [
    (quest) => quest.a + quest.b,
    async (quest) => quest.a + quest.b,
    (quest, solve) => solve(quest.a + quest.b),
    (quest, solve) => void setImmediate(() => solve(quest.a + quest.b)),
    async (quest, solve) => {
      await null;
      solve(quest.a + quest.b);
    },
  ];
  for (const handler of handlers) {
    const { socket, welcome } = await challengedClient(handler, { a: 1, b: 2 });
    await tick();
    await tick();
    assert.deepEqual(socket.take(), [["~wse:challenge", 3, null]]);
    socket.say("~wse:welcome", "in", null);
    assert.equal(await welcome, "in");
  }
});

test("null, false and 0 are solutions too", async () => {
  for (const solution of [null, false, 0]) {
    const { client, socket } = await challengedClient(() => solution);
    await tick();
    assert.deepEqual(socket.take(), [["~wse:challenge", solution, null]]);
    client.close();
  }
});

test("without a handler, or when it fails, a challenged connect rejects at once and closes the connection", async () => {
  for (const handler of [undefined, () => { throw new Error("too hard"); }, async () => Promise.reject(new Error("too hard"))]) {
    const { client, sockets } = fakeClient({ re: true });
    if (handler) client.challenge(handler);
    const welcome = client.connect();
    await tick();
    sockets[0].open();
    sockets[0].say("~wse:challenge", 1, null);
    assert.match(await refusal(welcome), handler ? /^wse.client.invalid-cra-handler too hard/ : /^wse.client.invalid-cra-handler no challenge handler/);
    assert.deepEqual(sockets[0].closedWith, [1000, "wse.by-client"]);
    assert.equal(client.status, "OFFLINE");
  }
  assert.throws(() => fakeClient().client.challenge("no function"), { code: "wse.client.invalid-cra-handler" });
});

test("what is out of place before the welcome ends the connection as a protocol error", async () => {
  const out = [["m", 1, null], ["rp", 1, "S"], ["~wse:response", 1, "S"], ["~wse:hi", {}, null], ["~wse:call", 1, null]];
  for (const envelope of out) {
    const { client, sockets, told } = fakeClient();
    const welcome = client.connect();
    await tick();
    sockets[0].open();
    sockets[0].say(...envelope);
    assert.equal(await refusal(welcome), "wse.client.connection-closed closed: 1000 wse.protocol-error");
    assert.deepEqual(sockets[0].closedWith, [1000, "wse.protocol-error"]);
    assert.ok(!told.some((line) => line.startsWith("ignored")));
  }
});

test("while a challenge is being solved, everything is out of place", async () => {
  for (const envelope of [["~wse:welcome", 1, null], ["~wse:challenge", 2, null], ["m", 1, null]]) {
    const { client, sockets } = fakeClient();
    client.challenge(() => new Promise(() => {}));
    const welcome = client.connect();
    await tick();
    sockets[0].open();
    sockets[0].say("~wse:challenge", 1, null);
    sockets[0].say(...envelope);
    assert.equal(await refusal(welcome), "wse.client.connection-closed closed: 1000 wse.protocol-error");
  }
});

test("cid is what the welcome says, else what the meta says", async () => {
  const { client, sockets } = fakeClient();
  const come = async (meta, welcome, socket) => {
    const ready = client.connect("x", meta);
    await tick();
    sockets[socket].open();
    sockets[socket].say("~wse:welcome", welcome, null);
    await ready;
    const { cid } = client;
    client.close();
    return cid;
  };
  assert.equal(await come({ cid: "meta" }, { cid: "welcome" }, 0), "welcome");
  assert.equal(await come({ cid: "meta" }, "hello", 1), "meta");
  assert.equal(await come({}, null, 2), undefined);
});

test("nothing that a socket receives after its close reaches the application", async () => {
  const { client, socket, told } = await readyClient();
  client.close();
  told.length = 0;
  socket.say("m", 1, null);
  socket.say("rp", 1, "S");
  socket.raw("no envelope");
  socket.end(1000, "wse.by-client");
  await tick();
  assert.deepEqual([told, socket.take()], [[], []]);
});

test("without a WebSocket anywhere connect says so, and does not try again", async () => {
  const { WseClient } = await import("../../dist/index.js");
  const { WebSocket } = globalThis;
  delete globalThis.WebSocket;
  try {
    const client = new WseClient({ url: "ws://a.test/", re: true });
    const error = await client.connect().catch((error) => error);
    assert.deepEqual([error.code, error.message, error.details.url], ["wse.client.ws-error", "no WebSocket", "ws://a.test/"]);
    assert.equal(client.status, "OFFLINE");
  } finally {
    if (WebSocket) globalThis.WebSocket = WebSocket;
  }
});

test("details hold the platform's error, and not the event that carries it", async () => {
  const { client, sockets } = fakeClient();
  const welcome = client.connect().catch((error) => error);
  await tick();
  const raw = new Error("connect ECONNREFUSED");
  sockets[0].onerror({ error: raw, type: "error" });
  const { details, message } = await welcome;
  assert.deepEqual([details.raw, details.url, message], [raw, sockets[0].url, "connect ECONNREFUSED"]);
});
