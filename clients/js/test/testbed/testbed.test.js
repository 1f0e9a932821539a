// The client against the real server, over real sockets.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { connect as dial } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import tls from "node:tls";
import { WseError } from "../../dist/index.js";
import { messages } from "../../dist/messages.js";
import { client, closing, native, next, status, testbed, withTestbed } from "../tools/testbed.js";

const fast = { re: { min: 20, max: 100 } };
const fails = (promise) => promise.then(() => assert.fail("it resolved"), (error) => (assert.ok(error instanceof WseError), error));

test("connects, sends, hears, calls and is called", withTestbed, async (t) => {
  const bed = await testbed(t);
  const ann = client(t, bed.url);
  assert.deepEqual(await ann.connect("user-ann", { device: "test" }), { hey: "some data" });
  const echo = next(ann, "echo");
  ann.send("echo", { a: [1, "ü😀", null] });
  assert.deepEqual(await echo, { a: [1, "ü😀", null] });
  assert.equal(await ann.call("add", { a: 2, b: 3 }), 5);
  assert.equal(await ann.call("nil"), null);
  assert.equal((await ann.call("big", 900_000)).length, 900_000);
  ann.register("double", ({ value }) => 2 * value);
  const called = next(ann, "called");
  ann.send("call-me", { rp: "double", payload: { value: 21 } });
  assert.deepEqual(await called, { ok: 42 });
  const who = next(ann, "who");
  ann.send("who");
  const { cid, devices, meta } = await who;
  assert.deepEqual([cid, devices, meta], ["user-ann", 1, { device: "test" }]);
});

test("all devices of a user hear what is sent to the user", withTestbed, async (t) => {
  const bed = await testbed(t, "--conns-per-user", "2");
  const [one, other] = [client(t, bed.url), client(t, bed.url)];
  await one.connect("user-ann");
  await other.connect("user-ann");
  const both = Promise.all([next(one, "both"), next(other, "both"), next(one, "only")]);
  one.send("hey");
  assert.deepEqual(await both, [null, null, null]);
  assert.equal(await one.call("devices"), 2);
});

test("a third device pushes out the first where two are allowed, for good", withTestbed, async (t) => {
  const bed = await testbed(t, "--conns-per-user", "2");
  const devices = [1, 2, 3].map(() => client(t, bed.url, fast));
  await devices[0].connect("user-ann");
  const closed = closing(devices[0]);
  await devices[1].connect("user-ann");
  await devices[2].connect("user-ann");
  assert.deepEqual(await closed, [1000, "wse.clients-concurrency"]);
  assert.equal(devices[0].status, "OFFLINE");
});

test("a refused or late client is told why", withTestbed, async (t) => {
  const bed = await testbed(t, "--auth-timeout", "200ms");
  for (const [identity, code, closed, reason] of [
    ["nobody", "wse.not-authorized", 1000, /^wse\.not-authorized$/],
    ["refuse:not today", "wse.client.connection-closed", 1000, /^not today$/],
    ["error", "wse.client.connection-closed", 1013, /^wse\.later after=\d+$/],
    ["panic", "wse.client.connection-closed", 1013, /^wse\.later after=\d+$/],
    ["never", "wse.client.connection-closed", 1013, /^wse\.later after=\d+$/],
    ["later:70000", "wse.client.connection-closed", 1013, /^wse\.later after=70000$/],
  ]) {
    // What the server cannot decide is temporary: with `re` the client would try again.
    const stranger = client(t, bed.url, closed === 1013 ? {} : fast);
    const error = await fails(stranger.connect(identity));
    assert.deepEqual([error.code, error.details.code], [code, closed], identity);
    assert.match(error.details.reason, reason);
    assert.equal(stranger.status, "OFFLINE");
  }
  const challenging = await testbed(t, "--challenge", "--auth-timeout", "200ms");
  const late = client(t, challenging.url, fast);
  late.challenge(() => new Promise(() => {}));
  const error = await fails(late.connect("user-ann"));
  assert.deepEqual([error.code, error.details], ["wse.client.connection-closed", { code: 1000, reason: "wse.auth-timeout" }]);
  assert.equal(late.status, "OFFLINE");
  const nowhere = client(t, "ws://127.0.0.1:1/");
  assert.equal((await fails(nowhere.connect())).code, "wse.client.ws-error");
  const noUrl = client(t, "no address");
  assert.equal((await fails(noUrl.connect())).code, "wse.client.ws-error");
});

test("every error of a procedure arrives with its code, message and details", withTestbed, async (t) => {
  const bed = await testbed(t);
  const ann = client(t, bed.url);
  await ann.connect("user-ann");
  const kinds = {
    plain: ["wse.server.rp.failed", "RPC execution failed", {}],
    coded: ["test-err-code", "test-err-code", { fun: 1 }],
    bare: ["wse.server.rp.failed", "RPC execution failed", { code: "INVALID_USER", test_field: "nope" }],
    panic: ["wse.server.rp.failed", "RPC execution failed", {}],
  };
  for (const [kind, [code, message, details]] of Object.entries(kinds)) {
    const error = await fails(ann.call("fail", kind));
    assert.deepEqual([error.code, error.message, error.details], [code, message, { ...details, rp: "fail", rpc: "fail", payload: kind }]);
  }
  const missing = await fails(ann.call("missing"));
  assert.deepEqual([missing.code, missing.details], ["wse.server.rp.not-registered", { rp: "missing" }]);
  assert.equal((await fails(ann.call("sleep", 5000, { timeout: 20 }))).code, "wse.client.rp.timeout");
  assert.equal((await fails(ann.call("sleep", 5000, { signal: AbortSignal.timeout(20) }))).code, "wse.client.rp.aborted");
  const lost = fails(ann.call("sleep", 5000));
  ann.send("drop", { what: "conn", reason: "user-banned" });
  const error = await lost;
  assert.deepEqual([error.code, error.details], ["wse.client.rp.disconnect", { code: 1000, reason: "user-banned", disconnected: [1000, "user-banned"] }]);
  assert.throws(() => ann.send("echo"), { code: "wse.client.not-ready" });
});

test("the server sees what a procedure of this client fails with", withTestbed, async (t) => {
  const bed = await testbed(t);
  const ann = client(t, bed.url);
  ann.when.error(() => {});
  await ann.connect("user-ann");
  ann.register("coded", () => { throw new WseError("mine", { fun: 1 }); });
  ann.register("plain", () => { throw new Error("secret"); });
  const asked = async (rp) => {
    const called = next(ann, "called");
    ann.send("call-me", { rp, payload: 1 });
    return (await called).err;
  };
  const mine = await asked("coded");
  assert.deepEqual([mine.code, mine.details], ["mine", { fun: 1, rp: "coded", rpc: "coded", payload: 1 }]);
  assert.ok(!JSON.stringify(await asked("plain")).includes("secret"));
  assert.equal((await asked("missing")).code, "wse.server.rp.not-registered");
});

test("a challenge lets in only a client that solves it", withTestbed, async (t) => {
  const bed = await testbed(t, "--challenge");
  const right = client(t, bed.url);
  right.challenge(async ({ a, b }) => a + b);
  assert.deepEqual(await right.connect("user-ann"), { hey: "some data" });
  const callback = client(t, bed.url);
  callback.challenge(({ a, b }, solve) => setTimeout(() => solve(a + b), 5));
  assert.deepEqual(await callback.connect("user-bob"), { hey: "some data" });
  const wrong = client(t, bed.url);
  wrong.challenge(() => "wrong");
  assert.equal((await fails(wrong.connect("user-eve"))).code, "wse.not-authorized");
  assert.equal((await fails(client(t, bed.url).connect("user-eve"))).code, "wse.client.invalid-cra-handler");
});

test("jumps from one server to another with a new identity", withTestbed, async (t) => {
  const [here, there] = await Promise.all([testbed(t), testbed(t)]);
  const ann = client(t, here.url);
  await ann.connect("user-ann");
  const closed = closing(ann);
  await ann.jump(there.url, "user-bob", { moved: true });
  assert.deepEqual(await closed, [4000, "jump"]);
  const who = next(ann, "who");
  ann.send("who");
  const { cid, meta } = await who;
  assert.deepEqual([cid, meta, ann.url], ["user-bob", { moved: true }, there.url]);
  while (!here.events.some(({ event }) => event === "left")) await new Promise((resolve) => setTimeout(resolve, 5));
  const left = here.events.find(({ event }) => event === "left");
  assert.deepEqual([left.code, left.reason], [4000, "jump"]);
});

test("reconnects when the server restarts or is killed, and calls work again", withTestbed, async (t) => {
  let bed = await testbed(t);
  const { port } = bed;
  const ann = client(t, bed.url, fast);
  const tokens = [];
  await ann.connect(() => (tokens.push(1), "user-ann"));
  for (const [how, code] of [["stop", 1012], ["kill", 1006]]) {
    const closed = closing(ann);
    const call = how === "kill" && fails(ann.call("sleep", 60_000));
    await bed[how]();
    assert.equal((await closed)[0], code);
    bed = await testbed(t, "--port", port);
    await status(ann, "READY");
    if (call) assert.equal((await call).code, "wse.client.rp.disconnect");
    assert.equal(await ann.call("add", [1, 2]), 3);
  }
  assert.ok(tokens.length >= 3);
});

test("a client that is refused after a restart does not try again, and the application is told", withTestbed, async (t) => {
  const bed = await testbed(t);
  const ann = client(t, bed.url, fast);
  let identity = "user-ann";
  await ann.connect(() => identity);
  identity = "nobody";
  const error = new Promise((resolve) => ann.when.error((error) => error.code === "wse.not-authorized" && resolve(error)));
  await bed.kill();
  await testbed(t, "--port", bed.port);
  assert.deepEqual((await error).details, { code: 1000, reason: "wse.not-authorized" });
  assert.equal(ann.status, "OFFLINE");
});

test("a connect with re waits for a server that comes later", withTestbed, async (t) => {
  const holder = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => holder.once("listening", resolve));
  const { port } = holder.address();
  await new Promise((resolve) => holder.close(resolve));
  const ann = client(t, `ws://127.0.0.1:${port}/`, fast);
  const welcome = ann.connect("user-ann");
  await status(ann, "RE_CONNECTING");
  await testbed(t, "--port", `${port}`);
  assert.deepEqual(await welcome, { hey: "some data" });
});

test("1000 calls in flight are each answered once, in both directions", withTestbed, async (t) => {
  const bed = await testbed(t);
  const ann = client(t, bed.url);
  await ann.connect("user-ann");
  const sums = await Promise.all(Array.from({ length: 1000 }, (_, n) => ann.call("add", [n, 1])));
  assert.deepEqual(sums, Array.from({ length: 1000 }, (_, n) => n + 1));
  ann.register("double", async (n) => 2 * n);
  const called = [];
  const all = new Promise((resolve) => ann.channel.on("called", ({ ok }) => called.push(ok) === 1000 && resolve()));
  for (let n = 0; n < 1000; n++) ann.send("call-me", { rp: "double", payload: n });
  await all;
  assert.deepEqual(called.sort((a, b) => a - b), Array.from({ length: 1000 }, (_, n) => 2 * n));
});

test("messages arrive in order through for await", withTestbed, async (t) => {
  const bed = await testbed(t);
  const ann = client(t, bed.url);
  await ann.connect("user-ann");
  const iterator = messages(ann, "echo");
  for (let n = 0; n < 500; n++) ann.send("echo", n);
  let expected = 0;
  for await (const n of iterator) {
    assert.equal(n, expected++);
    if (expected === 500) break;
  }
});

test("drops arrive with their reason and are final", withTestbed, async (t) => {
  const bed = await testbed(t);
  for (const [what, reason] of [[{ what: "conn" }, "wse.by-server"], [{ what: "user", reason: "BECAUSE" }, "BECAUSE"], [{ what: "cid", cid: "user-ann" }, ""]]) {
    const ann = client(t, bed.url, fast);
    await ann.connect("user-ann");
    const closed = closing(ann);
    ann.send("drop", what);
    assert.deepEqual(await closed, [1000, reason]);
    assert.equal(ann.status, "OFFLINE");
  }
});

test("wss works with a certificate that is trusted, and not without", withTestbed, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "wse-client-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const [keyFile, certFile] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  try {
    execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-keyout", keyFile, "-out", certFile, "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"], { stdio: "ignore" });
  } catch {
    return t.skip("openssl is not installed");
  }
  const bed = await testbed(t);
  const cert = readFileSync(certFile);
  const front = tls.createServer({ key: readFileSync(keyFile), cert }, (socket) => {
    const back = dial(Number(bed.port), "127.0.0.1");
    socket.pipe(back).pipe(socket);
    for (const end of [socket, back]) end.on("error", () => {});
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => front.once("listening", resolve));
  t.after(() => front.close());
  const url = `wss://localhost:${front.address().port}/`;
  assert.equal((await fails(client(t, url.replace("localhost", "127.0.0.1")).connect("user-ann"))).code, "wse.client.ws-error");
  const lookup = (_, options, done) => done(null, options.all ? [{ address: "127.0.0.1", family: 4 }] : "127.0.0.1", 4);
  if (native) tls.setDefaultCACertificates([cert.toString()]);
  const ann = client(t, url, native ? {} : { ca: cert, lookup });
  assert.deepEqual(await ann.connect("user-ann"), { hey: "some data" });
  assert.equal(await ann.call("add", [20, 22]), 42);
});

test("code written for npm wse's client runs with the import changed", withTestbed, async (t) => {
  const bed = await testbed(t, "--challenge");
  const heard = [];
  const upstream = client(t, bed.url, { tO: 20, re: true });
  upstream.challenge((quest, solve) => {
    solve(quest.a + quest.b);
  });
  upstream.register("double", (payload) => payload.value * 2);
  upstream.channel.on("called", (dat) => heard.push(dat));
  upstream.when.connected(() => heard.push("connected"));
  upstream.when.closed((code, reason) => heard.push([code, reason]));
  assert.deepEqual(await upstream.connect("valid-secret", { user_id: "UID1" }), { hey: "some data" });
  const ready = new Promise((resolve) => upstream.when.ready(resolve));
  assert.deepEqual(await ready, { hey: "some data" });
  const called = next(upstream, "called");
  upstream.send("call-me", { rp: "double", payload: { value: 4 } });
  await called;
  upstream.unregister("double");
  upstream.close("CUSTOM_REASON");
  assert.deepEqual(heard, ["connected", { ok: 8 }, [1000, "CUSTOM_REASON"]]);
});
