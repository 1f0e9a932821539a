// Compiles every block of the guide's page about the front end, and runs what it promises.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test } from "node:test";
import { compile } from "svelte/compiler";
import { compileScript, compileTemplate, parse } from "vue/compiler-sfc";

const here = new URL(".", import.meta.url).pathname;
const folder = `${here}.front-end/`;
const page = readFileSync(`${here}../../../../docs/guide/front-end.md`, "utf8");
const blocks = [...page.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(([, language, text]) => ({ language, text }));
const of = (language) => blocks.filter((block) => block.language === language).map(({ text }) => text);

test("every block of the page names a language that is checked here, and the first has ten lines", () => {
  assert.equal(page.split("\n").filter((line) => line.startsWith("```")).length, 2 * blocks.length);
  // That of Rust is compiled by a doc test of the crate.
  assert.deepEqual(blocks.map(({ language }) => language), ["tsx", "rust", "vue", "svelte", "js", "js", "js"]);
  assert.ok(of("tsx")[0].trim().split("\n").filter(Boolean).length <= 12);
});

test("the blocks of TypeScript and JavaScript compile", { timeout: 120_000 }, (t) => {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  t.after(() => rmSync(folder, { recursive: true }));
  for (const language of ["tsx", "js"]) of(language).forEach((text, n) => writeFileSync(`${folder}${n}.${language}`, `${text}\nexport {};\n`));
  const options = { target: "ES2022", lib: ["ES2022", "DOM"], module: "NodeNext", moduleResolution: "NodeNext", strict: true, noEmit: true, allowJs: true, checkJs: true, jsx: "react-jsx", types: ["node"] };
  writeFileSync(`${folder}tsconfig.json`, JSON.stringify({ compilerOptions: options, include: ["*"] }));
  const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");
  const { status, stdout } = spawnSync(process.execPath, [tsc, "-p", folder], { encoding: "utf8" });
  assert.equal(status, 0, stdout);
});

test("the component of Vue compiles", () => {
  const { descriptor, errors } = parse(of("vue")[0]);
  assert.deepEqual(errors, []);
  const { bindings } = compileScript(descriptor, { id: "page" });
  const { errors: wrong } = compileTemplate({ source: descriptor.template.content, filename: "Page.vue", id: "page", compilerOptions: { bindingMetadata: bindings } });
  assert.deepEqual(wrong, []);
  assert.ok(["status", "room", "line"].every((name) => name in bindings));
});

test("the component of Svelte compiles without a warning", () => {
  assert.deepEqual(compile(of("svelte")[0], { filename: "Page.svelte" }).warnings, []);
});

test("the test of a component runs, and says so when its server does not answer", () => {
  const run = (text) => spawnSync(process.execPath, ["--input-type=module", "-e", text], { cwd: here, encoding: "utf8", timeout: 20_000 });
  const text = of("js")[2];
  const { status, stderr } = run(text);
  assert.equal(status, 0, stderr);
  assert.notEqual(run(text.replace("a + b", "a - b")).status, 0);
});

test("what waits in the outboxes is what the page says", () => {
  const storage = "const kept = new Map(); globalThis.localStorage = { get length() { return kept.size }, key: (n) => [...kept.keys()][n], getItem: (key) => kept.get(key), setItem: (key, text) => kept.set(key, text), removeItem: (key) => kept.delete(key) };\n";
  const run = (text) => spawnSync(process.execPath, ["--input-type=module", "-e", storage + text], { cwd: here, encoding: "utf8", timeout: 20_000 });
  assert.equal(run(of("js")[0]).stdout, "1 wait\n");
  assert.match(run(`${of("js")[1]}console.log([...kept].join());`).stdout, /^wse-outbox "ann" \w+-\S{16},\["say","hello"\]\n$/);
});
