// Tests of the server in memory: that it keeps the promises of a real one, and that time is the test's.

import assert from "node:assert/strict";
import { test } from "node:test";
import { WseClient, WseError } from "wse-client";
import { stopTime, testServer } from "wse-client/testing";
import { refusal, tick } from "../tools/fake.js";

/** Returns a server, and a client of it that is connected and is closed when the test ends. */
async function connected(t, options, more) {
  const server = testServer(options);
  const client = clientOf(t, server, more);
  await client.connect("ann", { device: "phone" });
  return { server, client };
}

function clientOf(t, server, options) {
  const client = new WseClient({ url: "ws://test/", re: true, WebSocket: server.WebSocket, ...options });
  t.after(() => client.close());
  return client;
}

/** Stops time until the test ends. */
function stopped(t) {
  const time = stopTime();
  t.after(() => time.end());
  return time;
}

test("it welcomes whom it accepts, with what that returns, and refuses whom it throws for", async (t) => {
  const server = testServer();
  const client = clientOf(t, server);
  assert.throws(() => server.device, /await client.connect/);
  assert.deepEqual(await client.connect("ann"), {});
  server.accept(async (identity, meta) => {
    if (identity === "eve") throw new Error("who?");
    if (identity === "bob") throw new WseError("locked");
    return { hey: identity, meta };
  });
  const other = clientOf(t, server);
  assert.deepEqual(await other.connect("cid", { device: "phone" }), { hey: "cid", meta: { device: "phone" } });
  assert.deepEqual([server.device.identity, server.device.meta, server.connections], ["cid", { device: "phone" }, 2]);
  assert.match(await refusal(clientOf(t, server).connect("eve")), /^wse\.not-authorized/);
  assert.match(await refusal(clientOf(t, server).connect("bob")), /closed: 1000 locked/);
  assert.equal(server.devices.length, 2);
});

test("messages and calls go both ways, in order, and what has come is written down", async (t) => {
  const { server, client } = await connected(t);
  const heard = [];
  client.channel.on("line", (line) => heard.push(line));
  client.register("double", (n) => 2 * n);
  client.register("fail", () => { throw new WseError("no", { why: 1 }, "No."); });
  server.register("add", ([a, b]) => a + b);
  server.register("fail", () => { throw new WseError("full", { most: 3 }, "Full."); });
  server.on("say", (text, device) => device.send("line", `${device.identity}: ${text}`));
  const next = server.next("say");
  client.send("say", "hello");
  client.send("typing");
  assert.equal(await next, "hello");
  assert.equal(await client.call("add", [2, 3]), 5);
  assert.equal(await refusal(client.call("fail")), "full Full.");
  assert.match(await refusal(client.call("none")), /^wse\.server\.rp\.not-registered/);
  assert.equal(await server.device.call("double", 21), 42);
  assert.equal(await refusal(server.device.call("fail")), "no No.");
  server.send("line", { b: [1, "é"] });
  await tick();
  assert.deepEqual(heard, ["ann: hello", { b: [1, "é"] }]);
  assert.deepEqual(server.received, [["say", "hello"], ["typing", null], ["add", [2, 3]], ["fail", null], ["none", null]]);
});

test("a cut loses nothing in a session, and delivers nothing twice", async (t) => {
  const time = stopped(t);
  const { server, client } = await connected(t);
  const heard = [];
  const arrivals = [];
  client.channel.on("n", (n) => heard.push(n));
  client.when.ready((_, arrival) => arrivals.push(arrival));
  server.register("slow", async (n) => n);
  client.register("whoami", () => "a phone");
  const results = [];
  for (let n = 0; n < 50; n++) {
    server.send("n", n);
    client.send("m", n);
    results.push(client.call("slow", n), server.device.call("whoami"));
    if (n % 3) await Promise.resolve(); // the cut comes in the middle of it
    server.cut();
    server.send("n", n + 0.5);
    assert.equal(server.devices.length, 1);
    await tick();
    assert.equal(client.status, "RE_CONNECTING");
    client.send("m", n + 0.5);
    await time.pass(20_000);
    assert.equal(client.status, "READY");
  }
  const all = Array.from({ length: 100 }, (_, n) => n / 2);
  assert.deepEqual(heard, all);
  assert.deepEqual(server.received.filter(([name]) => name === "m").map(([, n]) => n), all);
  assert.deepEqual(await Promise.all(results), Array.from({ length: 100 }, (_, n) => (n % 2 ? "a phone" : n / 2)));
  assert.deepEqual(arrivals.slice(1), Array.from({ length: 50 }, () => ({ resumed: true, lost: 0 })));
  assert.equal(server.connections, 51);
});

test("without sessions a cut ends the device and its calls, and a restart forgets sessions", async (t) => {
  const time = stopped(t);
  for (const [sessions, end] of [[false, "cut"], [true, "restart"]]) {
    const { server, client } = await connected(t, { sessions });
    server.register("never", () => new Promise(() => {}));
    client.register("never", () => new Promise(() => {}));
    const arrivals = [];
    client.when.ready((_, arrival) => arrivals.push(arrival?.resumed));
    const { device } = server;
    const [mine, its] = [refusal(client.call("never")), refusal(device.call("never"))];
    await tick();
    server[end]();
    assert.match(await its, /^wse\.client\.rp\.disconnect/);
    assert.throws(() => device.send("line"), { code: "wse.client.not-ready" });
    assert.deepEqual(server.devices, []);
    await time.pass(20_000);
    assert.match(await mine, /^wse\.client\.rp\.disconnect/);
    assert.deepEqual([client.status, arrivals], ["READY", sessions ? [false, false] : [undefined, undefined]]);
    assert.notEqual(server.device, device);
  }
});

test("it closes with a code and a reason, and hears those of the client", async (t) => {
  const time = stopped(t);
  const { server, client } = await connected(t);
  const ends = [];
  client.when.closed((code, reason) => ends.push([code, reason]));
  server.close(1012, "wse.restart after=5000");
  await tick();
  assert.equal(client.status, "RE_CONNECTING");
  await time.pass(4999);
  assert.equal(client.status, "RE_CONNECTING");
  await time.pass(200);
  assert.equal(client.status, "READY");
  server.device.close();
  await tick();
  assert.deepEqual([client.status, ends], ["OFFLINE", [[1012, "wse.restart after=5000"], [1000, "wse.by-server"]]]);
  await client.connect();
  client.send("bye");
  client.close();
  await tick();
  assert.deepEqual([server.received, server.devices], [[["bye", null]], []]);
  await client.connect();
  client.channel.on("line", (line) => ends.push(line));
  server.send("line", "the last");
  client.send("too late");
  server.close(1000, "over");
  client.send("too late");
  await tick();
  assert.deepEqual(ends.slice(-2), ["the last", [1000, "over"]]);
  assert.equal(server.received.length, 1);
});

test("a server that cannot be reached is tried again until it can", async (t) => {
  const time = stopped(t);
  const { server, client } = await connected(t);
  server.reachable = false;
  server.cut();
  await time.pass(60_000);
  assert.deepEqual([client.status, server.connections], ["RE_CONNECTING", 1]);
  server.reachable = true;
  await time.pass(20_000);
  assert.deepEqual([client.status, server.connections], ["READY", 2]);
  const once = clientOf(t, Object.assign(testServer(), { reachable: false }), { re: false });
  assert.match(await refusal(once.connect()), /^wse\.client\.ws-error the test server is not reachable/);
});

test("time stands still, and passes in the order of the timers", async (t) => {
  const time = stopTime();
  const started = Date.now();
  const heard = [];
  const told = (what) => () => heard.push([what, Date.now() - started]);
  setTimeout(told("late"), 3_600_000);
  const repeated = setInterval(told("each"), 400);
  setTimeout(() => Promise.resolve().then(() => setTimeout(told("after"), 50)), 100);
  clearTimeout(setTimeout(told("never"), 10));
  setTimeout((...args) => heard.push(args), 1, "a", "b");
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(heard, []);
  await time.pass(1000);
  assert.deepEqual(heard, [["a", "b"], ["after", 150], ["each", 400], ["each", 800]]);
  clearInterval(repeated);
  await time.pass(3_600_000 - 1001);
  assert.equal(heard.length, 4);
  await time.pass(1);
  assert.deepEqual(heard.at(-1), ["late", 3_600_000]);
  assert.throws(stopTime, /already/);
  time.end();
  stopTime().end();
  assert.ok(Math.abs(Date.now() - started) < 60_000);
  await new Promise((resolve) => setTimeout(resolve, 1));
});

test("a call that nobody answers times out in no time", async (t) => {
  const time = stopped(t);
  const { server, client } = await connected(t);
  server.register("never", () => new Promise(() => {}));
  const call = refusal(client.call("never"));
  await time.pass(19_999);
  assert.equal(await Promise.race([call, tick().then(() => "waits")]), "waits");
  await time.pass(1);
  assert.match(await call, /^wse\.client\.rp\.timeout/);
});

test("messages that age, cancels and new identities come as from a real server", async (t) => {
  const time = stopped(t);
  const { server, client } = await connected(t);
  client.send("position", "before", { latest: "taxi" });
  server.reachable = false;
  server.cut();
  for (let n = 0; n < 200; n++) {
    client.send("position", n, { latest: "taxi" });
    await time.pass(100);
  }
  const offer = refusal(client.call("offer", 1, { timeout: 1000 }));
  await time.pass(1000);
  assert.match(await offer, /^wse\.client\.rp\.timeout/);
  server.reachable = true;
  await time.pass(20_000);
  client.send("say", "after");
  await tick();
  assert.deepEqual(server.received, [["position", 199], ["say", "after"]]);
  server.cut();
  client.send("say", "counted alike");
  await time.pass(20_000);
  assert.deepEqual([client.status, server.received.length, server.connections], ["READY", 3, 3]);
  const controller = new AbortController();
  const signals = [];
  server.register("search", (payload, device, signal) => (signals.push(signal), new Promise(() => {})));
  const search = refusal(client.call("search", null, { signal: controller.signal }));
  await tick();
  controller.abort();
  await tick();
  assert.match(await search, /^wse\.client\.rp\.aborted/);
  assert.deepEqual(signals.map(({ aborted }) => aborted), [true]);
  assert.equal(await server.device.call("~wse:identity"), "ann");
});

/** A socket to a server that speaks for itself. */
async function wire(server, hi) {
  const socket = new server.WebSocket("ws://test/", ["wse-default-json"]);
  const got = [];
  socket.onmessage = ({ data }) => got.push(JSON.parse(data));
  socket.onopen = () => socket.send(JSON.stringify(["~wse:hi", { identity: "ann", meta: {}, ...hi }, null]));
  await tick();
  return { got, say: async (...envelope) => (socket.send(JSON.stringify(envelope)), await tick(), got.splice(0)), socket };
}

test("it agrees on what both sides can, counts what was skipped, and tells a handler of a cancel", async () => {
  const server = testServer();
  const told = [];
  server.register("wait", async (payload, _, signal) => {
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    told.push(payload);
    if (payload) throw new Error("nobody is told");
  });
  server.register("echo", (payload) => payload);
  const { got, say } = await wire(server, { session: {}, can: ["skip", "dance", "cancel", "time"] });
  const [[, , grant]] = got.splice(0);
  assert.deepEqual(grant, { session: "T1", cid: "ann", seen: 0, resumed: false, beat: 0, window: 3_600_000, can: ["skip", "cancel", "time"] });
  assert.deepEqual(await say("wait", 1, "0123456789abcdef~000003e8"), [["~wse:ack", 1, null]]);
  assert.deepEqual(await say("~wse:skip", 3, null), []);
  assert.deepEqual(await say("~wse:cancel", null, "0123456789abcdef"), [["~wse:ack", 5, null]]);
  assert.deepEqual(await say("wait", 0, "0123456789abcdeh"), [["~wse:ack", 6, null]]);
  assert.deepEqual(await say("~wse:cancel", null, "0123456789abcdeh"), [["~wse:ack", 7, null]]);
  assert.deepEqual(await say("~wse:cancel", null, "nobody's"), [["~wse:ack", 8, null]]);
  assert.deepEqual(told, [1, 0]);
  assert.deepEqual(await say("echo", 2, "0123456789abcdeg~000003e8"), [["~wse:ack", 9, null], ["~wse:response", 2, "0123456789abcdeg~000003e8"]]);
  assert.deepEqual((await wire(testServer(), { can: ["time"] })).got, [["~wse:welcome", {}, { can: ["time"] }]]);
  assert.deepEqual((await wire(testServer(), {})).got, [["~wse:welcome", {}, null]]);
  assert.deepEqual((await wire(testServer({ sessions: false }), { session: {} })).got, [["~wse:welcome", {}, null]]);
});

test("it resumes a session only where the client has counted what it was sent", async () => {
  for (const [seen, resumed] of [[0, true], [2, true], [3, false], [-1, false]]) {
    const server = testServer();
    const { socket } = await wire(server, { session: {} });
    server.send("a");
    server.send("b");
    server.cut();
    assert.equal(socket.readyState, 3);
    const { got } = await wire(server, { session: { resume: "T1", seen } });
    assert.equal(got[0][2].resumed, resumed, seen);
    assert.equal(got.length, resumed ? 3 - seen : 1);
    assert.equal(server.devices.length, 1);
  }
});
