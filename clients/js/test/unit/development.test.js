// Tests of the build for development: sentences, warnings, and that nothing else differs.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as development from "../../dist/development.js";
import * as production from "../../dist/index.js";
import { FakeSocket, tick } from "../tools/fake.js";

const text = (file) => readFileSync(new URL(`../../${file}`, import.meta.url), "utf8");

test("both builds have the same names, and the condition development selects one of them", () => {
  assert.deepEqual(Object.keys(development).sort(), Object.keys(production).sort());
  const cwd = new URL("../..", import.meta.url).pathname;
  const ask = { module: 'import { WseError } from "wse-client"; console.log(new WseError("wse.not-authorized").message)', commonjs: 'console.log(new (require("wse-client").WseError)("wse.not-authorized").message)' };
  for (const [type, script] of Object.entries(ask)) {
    const run = (...flags) => execFileSync(process.execPath, [...flags, `--input-type=${type}`, "-e", script], { cwd, encoding: "utf8" }).trim();
    assert.equal(run(), "wse.not-authorized", type);
    assert.match(run("--conditions=development"), /^The server refused the identity: /, type);
  }
});

test("every code has a sentence that says what to do, and the other build has none of them", () => {
  for (const code of Object.values(development.WSE_ERROR)) {
    const { message } = new development.WseError(code);
    assert.match(message, /^[A-Z].*[a-z].*\.$/, code);
    assert.ok(message.length > 40, code);
    assert.equal(new production.WseError(code).message, code);
    assert.ok(!text("dist/index.js").includes(message) && !text("dist/cjs/index.js").includes(message));
    assert.equal(new development.WseError(code, {}, "no route").message, `no route – ${message}`);
  }
  assert.equal(new development.WseError("mine").message, "mine");
  assert.equal(new development.WseError("mine", {}, "Mine.").message, "Mine.");
});

/** A client of the build for development on a socket in memory. */
async function client(options) {
  let socket;
  const WebSocket = class extends FakeSocket {
    constructor(...args) {
      super(...args);
      socket = this;
    }
  };
  const made = new development.WseClient({ url: "ws://a.test/", WebSocket, ...options });
  const welcome = made.connect("ann");
  await tick();
  socket.open();
  socket.say("~wse:welcome", null, null);
  await welcome;
  socket.take();
  return { client: made, socket };
}

test("an error that the client makes has its own text and the sentence", async () => {
  const { client: made } = await client();
  await assert.rejects(made.connect(), { code: "wse.client.already-connected", message: /^Call `connect` once/ });
  await assert.rejects(made.call("x", 1n), { code: "wse.client.rp.send-failed", message: /BigInt.* – Nothing was sent: / });
  assert.throws(() => made.send(""), { code: "wse.client.rp.invalid", message: /^Nothing was sent/ });
  made.close();
  assert.throws(() => made.send("m"), { code: "wse.client.not-ready", message: /^Nothing was sent or kept/ });
});

test("a sentence is never sent to the server", async () => {
  const { client: made, socket } = await client();
  for (const error of [new development.WseError("wse.client.not-ready"), new development.WseError("mine")]) {
    made.register(error.code, () => { throw error; });
    socket.say(error.code, null, "S");
    await tick();
    assert.equal(socket.take()[0][1].message, undefined, error.code);
  }
  made.close();
});

test("an option that nobody knows is warned of once, with what is probably meant", async (t) => {
  const warn = t.mock.method(console, "warn", () => {});
  const said = () => {
    const lines = warn.mock.calls.map(({ arguments: [line] }) => line);
    warn.mock.resetCalls();
    return lines;
  };
  const make = (options) => new development.WseClient({ url: "ws://a.test/", ...options });
  make({ re: { min: 1, max: 2, persistent: true, final: () => true }, resume: true, tO: 1, connectTimeout: 5, exposeErrors: true });
  make({ re: true, WebSocket: FakeSocket, headers: {}, ca: "", origin: "x", perMessageDeflate: false });
  assert.deepEqual(said(), []);
  make({ conectTimeout: 5, headers: {} });
  make({ conectTimeout: 5 });
  assert.deepEqual(said(), [
    'wse-client: WseClient has no option "conectTimeout". Do you mean "connectTimeout"?',
    'wse-client: WseClient has no option "headers". It has url, re, resume, tO, protocol, connectTimeout, exposeErrors, WebSocket.',
  ]);
  make({ WebSocket: FakeSocket, headers: {}, reconnect: true, exposeerrors: true, to: 5 });
  assert.deepEqual(said(), ["re", "exposeErrors", "tO"].map((name, n) => `wse-client: WseClient has no option "${["reconnect", "exposeerrors", "to"][n]}". Do you mean "${name}"?`));
  make({ re: { min: 5, maximum: 7 } });
  assert.deepEqual(said(), ['wse-client: re has no option "maximum". It has min, max, persistent, final.']);
  const { client: made, socket } = await client();
  for (let n = 0; n < 3; n++) {
    made.send("m", 1, { latest: "a", ttl: 5, key: "b" });
    made.call("x", 1, { timeout: 5, signal: undefined, timeOut: 7 }).catch(() => {});
  }
  assert.deepEqual(said(), ['wse-client: send has no option "key". Do you mean "latest"?', 'wse-client: call has no option "timeOut". Do you mean "timeout"?']);
  assert.equal(socket.take().length, 6);
  made.close();
});

test("the other build warns of nothing", (t) => {
  const warn = t.mock.method(console, "warn", () => {});
  new production.WseClient({ url: "ws://a.test/", conectTimeout: 5, re: { maximum: 7 } });
  assert.equal(warn.mock.callCount(), 0);
  assert.ok(!text("dist/index.js").includes("Do you mean"));
});
