// Compiles every snippet of the README, and runs those that can run.

import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test } from "node:test";
import { transform } from "esbuild";
import { client, testbed, withTestbed } from "../tools/testbed.js";
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

test("the MessagePack snippet works, with a session too", withTestbed, async (t) => {
  const { text } = of("ts").find(({ text }) => text.includes("wse-msgpack"));
  const { code } = await transform(text, { loader: "ts" });
  const { messagePack } = await import(`data:text/javascript,${encodeURIComponent(code)}`);
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
