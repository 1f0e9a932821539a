// Compiles every snippet of the README, and runs those that can run.

import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test } from "node:test";
import { transform } from "esbuild";
import { client, testbed, withTestbed } from "../tools/testbed.js";
import { fakeClient, tick } from "../tools/fake.js";
import * as codec from "./codec.js";

const here = new URL(".", import.meta.url).pathname;
const folder = `${here}.snippets/`;
const readme = readFileSync(`${here}../../README.md`, "utf8");
const snippets = [...readme.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(([, language, text]) => ({ language, text }));
const of = (...languages) => snippets.filter(({ language }) => languages.includes(language));

test("every block of the README names a language that is checked, or is for the shell", () => {
  assert.equal(readme.split("\n").filter((line) => line.startsWith("```")).length, 2 * snippets.length);
  assert.deepEqual([...new Set(snippets.map(({ language }) => language))].sort(), ["cjs", "js", "sh", "ts", "tsx"]);
});

test("every snippet compiles", { timeout: 60_000 }, (t) => {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  t.after(() => rmSync(folder, { recursive: true }));
  of("ts", "tsx", "js").forEach(({ language, text }, n) => writeFileSync(`${folder}${n}.${language}`, `${text}\nexport {};\n`));
  const options = { target: "ES2022", lib: ["ES2022", "DOM", "DOM.AsyncIterable"], module: "NodeNext", moduleResolution: "NodeNext", strict: true, noEmit: true, allowJs: true, checkJs: true, esModuleInterop: true, jsx: "react-jsx", types: ["node"] };
  writeFileSync(`${folder}tsconfig.json`, JSON.stringify({ compilerOptions: options, include: ["*", "../globals.d.ts"] }));
  const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");
  const { status, stdout } = spawnSync(process.execPath, [tsc, "-p", folder], { encoding: "utf8" });
  assert.equal(status, 0, stdout);
});

const run = (text, type, ...flags) =>
  new Promise((resolve) => {
    const args = [...flags, "--no-warnings", `--input-type=${type}`, "-e", text];
    const child = execFile(process.execPath, args, { cwd: here, timeout: 10_000 }, (_, stdout, stderr) => resolve({ status: child.exitCode, stdout, stderr }));
  });

test("the snippets for Node run", async () => {
  for (const { language, text } of [of("js")[1], ...of("cjs")]) {
    const { status, stderr } = await run(text, language === "cjs" ? "commonjs" : "module");
    assert.equal(status, 0, stderr);
  }
});

/** Runs the first snippet against a testbed, with a line in front of it. */
async function twentyLines(t, bed, before, ...flags) {
  const [{ text }] = of("js");
  const { stdout, stderr } = await run(before + text.replace("ws://127.0.0.1:4200/", bed.url), "module", ...flags);
  assert.equal(stderr, "", stdout);
  const expected = ["CONNECTING", "READY", "welcome { hey: 'some data' }", "2 + 3 = 5", "the server says { text: 'hello' }", "the server got 42", "closed 1000 wse.by-client", "OFFLINE"];
  for (const line of expected) assert.ok(stdout.split("\n").includes(line), `${line}:\n${stdout}`);
  assert.ok(text.trim().split("\n").length <= 20);
}

test("the twenty lines work with npm ws", withTestbed, async (t) => twentyLines(t, await testbed(t), 'globalThis.WebSocket = (await import("ws")).default;\n'));

test("the twenty lines work with Node's own WebSocket", withTestbed, async (t) => {
  const flags = typeof WebSocket === "undefined" ? ["--experimental-websocket"] : [];
  if ((await run("", "module", ...flags)).status !== 0) return t.skip("this Node has none");
  await twentyLines(t, await testbed(t), "", ...flags);
});

/** Returns what the snippet for MessagePack exports. */
async function snippet() {
  const { text } = of("ts").find(({ text }) => text.includes("wse-msgpack"));
  const { code } = await transform(text, { loader: "ts" });
  return import(`data:text/javascript,${encodeURIComponent(code)}`);
}

test("the MessagePack snippet bears the keys __proto__ and null, and a codec that does not loses one message only", async () => {
  const { messagePack } = await snippet();
  const strict = { ...codec, decode: (data) => (Buffer.from(data).includes("__proto__") ? assert.fail("no such key") : codec.decode(data)) };
  // ["m", {"__proto__": {"x": 1}, nil: 2}, nil]
  const odd = [0x93, 0xa1, 0x6d, 0x82, 0xa9, ...Buffer.from("__proto__"), 0x81, 0xa1, 0x78, 1, 0xc0, 2, 0xc0];
  for (const [used, expected] of [[codec, { ["__proto__"]: { x: 1 }, null: 2 }], [strict, undefined]]) {
    const { client, sockets, told } = fakeClient({ protocol: messagePack(used) });
    const welcome = client.connect();
    await tick();
    const say = (bytes) => sockets[0].raw(Uint8Array.from(bytes).buffer);
    sockets[0].open();
    say(codec.encode(["~wse:welcome", 1, null]));
    await welcome;
    const heard = [];
    client.channel.on("m", (payload) => heard.push(payload));
    say(odd);
    say(codec.encode(["m", "next", null]));
    assert.deepEqual(heard, expected ? [expected, "next"] : ["next"]);
    assert.equal(Object.getPrototypeOf(heard[0]).x, undefined);
    assert.deepEqual([client.status, told.filter((line) => line.startsWith("error")).length], ["READY", expected ? 0 : 1]);
    client.send("m", heard[0]);
    assert.deepEqual(codec.decode(sockets[0].sent.pop().buffer), ["m", heard[0], null]);
    client.close();
  }
});

test("the MessagePack snippet works, with a session too", withTestbed, async (t) => {
  const { messagePack } = await snippet();
  const bed = await testbed(t);
  const one = client(t, bed.url, { protocol: messagePack(codec), re: true });
  const back = new Promise((resolve) => one.when.ready((_, arrival) => arrival.resumed && resolve(arrival)));
  const heard = new Promise((resolve) => one.channel.once("echo", resolve));
  assert.deepEqual(await one.connect("user-ann"), { hey: "some data" });
  assert.equal(await one.call("add", { a: 2, b: 3 }), 5);
  one.send("cut");
  one.send("echo", ["a", null, true, -7, 1.5, { of: "a kind" }]);
  assert.deepEqual(await back, { resumed: true, lost: 0 });
  assert.deepEqual(await heard, ["a", null, true, -7, 1.5, { of: "a kind" }]);
});
