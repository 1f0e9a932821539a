// Tests of the package as others import it, and of its sources.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test } from "node:test";

const require = createRequire(import.meta.url);
const NAMES = ["WSE_ERROR", "WSE_REASON", "WSE_STATUS", "WseClient", "WseError"];
const EXTRAS = {
  json: ["jsonProtocol"],
  messages: ["messages"],
  outbox: ["OUTBOX_ERROR", "outbox"],
  react: ["WseContext", "useCall", "useLatest", "useMessage", "usePresence", "useRoom", "useStatus", "useStore", "useWse"],
  stores: ["IDLE", "NOBODY", "OUTSIDE", "createStore", "keep", "latestOf", "presenceOf", "roomOf", "statusOf"],
  testing: ["stopTime", "testServer"],
};

test("ESM and CommonJS give the same names by the package's own name", async () => {
  assert.deepEqual(Object.keys(await import("wse-client")).sort(), NAMES);
  assert.deepEqual(Object.keys(require("wse-client")).sort(), NAMES);
  for (const [entry, names] of Object.entries(EXTRAS)) {
    assert.deepEqual(Object.keys(await import(`wse-client/${entry}`)).sort(), names);
    assert.deepEqual(Object.keys(require(`wse-client/${entry}`)).sort(), names);
  }
});

test("the entries share one class of errors and one registry", async () => {
  const { WseError } = await import("wse-client");
  const { jsonProtocol } = await import("wse-client/json");
  assert.throws(() => jsonProtocol({ integers: "text" }).pack({ type: "m", payload: NaN, stamp: null }), WseError);
  for (const entry of Object.keys(EXTRAS)) assert.doesNotMatch(text(`dist/${entry}.js`), /class \w+ extends Error/, entry);
  assert.match(text("dist/react.js"), /from "\.\/stores\.js"/);
});

test("importing and constructing touches no global", () => {
  const script = `
    const touched = [];
    for (const name of ["window", "document", "navigator", "WebSocket", "addEventListener", "localStorage", "location"])
      Object.defineProperty(globalThis, name, { configurable: true, get() { touched.push(name); } });
    for (const entry of ["json", "messages", "outbox", "react", "stores", "testing"]) await import("wse-client/" + entry);
    const { WseClient } = await import("wse-client");
    new WseClient({ url: "ws://a.test/", re: true });
    console.log(JSON.stringify(touched));`;
  const cwd = new URL("../..", import.meta.url).pathname;
  assert.equal(execFileSync(process.execPath, ["--input-type=module", "-e", script], { cwd, encoding: "utf8" }).trim(), "[]");
});

test("the constants are frozen and have upstream's names", async () => {
  const { WSE_ERROR, WSE_REASON, WSE_STATUS } = await import("wse-client");
  for (const constants of [WSE_ERROR, WSE_REASON, WSE_STATUS]) assert.ok(Object.isFrozen(constants));
  assert.deepEqual({ ...WSE_STATUS }, { IDLE: "IDLE", CONNECTING: "CONNECTING", READY: "READY", OFFLINE: "OFFLINE", RE_CONNECTING: "RE_CONNECTING" });
  assert.equal(WSE_ERROR.CONNECTION_NOT_READY, "wse.client.not-ready");
  assert.equal(WSE_REASON.CLIENTS_CONCURRENCY, "wse.clients-concurrency");
});

test("the package has no dependencies, no side effects, and a lock file without addresses", () => {
  const read = (file) => readFileSync(new URL(`../../${file}`, import.meta.url), "utf8");
  const manifest = JSON.parse(read("package.json"));
  assert.deepEqual([manifest.dependencies, manifest.sideEffects, manifest.type], [undefined, false, "module"]);
  assert.deepEqual(manifest.peerDependenciesMeta, { react: { optional: true } });
  assert.ok(!/"resolved"|https?:\/\/registry/.test(read("package-lock.json")));
});

const text = (file) => readFileSync(new URL(`../../${file}`, import.meta.url), "utf8");

test("no source imports another one that imports it in turn, types included", () => {
  const folder = new URL("../../src/", import.meta.url);
  const files = readdirSync(folder);
  const imports = new Map(files.map((file) => [file, [...readFileSync(new URL(file, folder), "utf8").matchAll(/ from "\.\/(.+)\.js";$/gm)].map(([, name]) => `${name}.ts`)]));
  // Removes the files that import nothing that is left, until no file or only circles are left.
  for (let before; before !== imports.size; ) {
    before = imports.size;
    for (const [file, names] of imports) if (!names.some((name) => imports.has(name))) imports.delete(file);
  }
  assert.ok(files.includes("client.ts"));
  assert.deepEqual([...imports.keys()], []);
});

test("the hooks say that they are for the browser, to bundlers for server components", () => {
  for (const file of ["dist/react.js", "dist/cjs/react.js"]) assert.match(text(file), /^"use client";/);
  for (const file of ["dist/index.js", "dist/cjs/index.js"]) assert.doesNotMatch(text(file), /use client/);
});

test("a resolver that knows no exports finds the types of the other entries", () => {
  const { typesVersions } = JSON.parse(text("package.json"));
  assert.deepEqual(Object.keys(typesVersions["*"]), Object.keys(EXTRAS));
  for (const [entry, [file]] of Object.entries(typesVersions["*"])) assert.match(text(file), new RegExp(`\\b${EXTRAS[entry].at(-1)}\\b`));
});

test("what the build shortens is named in the sources, and by nobody else", async () => {
  const { mangleProps } = await import("../../scripts/names.js");
  const sources = readdirSync(new URL("../../src/", import.meta.url)).map((file) => text(`src/${file}`)).join("");
  for (const name of mangleProps.source.slice(2, -2).split("|")) {
    assert.match(sources, new RegExp(`\\.${name}\\b`));
    assert.doesNotMatch(text("dist/index.js"), new RegExp(`\\.${name}\\b`));
    assert.doesNotMatch(text("README.md"), new RegExp(`[.\`]${name}\\b`));
  }
});

test("the types need no library that is younger than TypeScript 5.4", () => {
  const types = readdirSync(new URL("../../dist/", import.meta.url)).filter((file) => file.endsWith(".d.ts"));
  assert.ok(types.length > 10);
  // Since TypeScript 5.7 these types are generic, and tsc writes inferred types with their arguments.
  for (const file of types) assert.doesNotMatch(text(`dist/${file}`), /(ArrayBufferView|Uint8Array)</, file);
});
