// Compiles the blocks of the guide's page about clients that are for this client: each section is one module.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test } from "node:test";

const here = new URL(".", import.meta.url).pathname;
const folder = `${here}.clients/`;
const page = readFileSync(`${here}../../../../docs/guide/clients.md`, "utf8");
const sections = page.split(/^## /m).slice(1).map((text) => [...text.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(([, language, block]) => ({ language, block })));

test("the blocks for browsers, React and Node compile", { timeout: 120_000 }, (t) => {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  t.after(() => rmSync(folder, { recursive: true }));
  const modules = sections.filter(([first]) => /^(js|tsx)$/.test(first?.language));
  assert.deepEqual(modules.map(([{ language }]) => language), ["js", "tsx", "js"]);
  modules.forEach((blocks, n) => writeFileSync(`${folder}${n}.${blocks[0].language}`, `${blocks.map(({ block }) => block).join("\n")}\nexport {};\n`));
  const options = { target: "ES2022", lib: ["ES2022", "DOM"], module: "NodeNext", moduleResolution: "NodeNext", strict: true, noEmit: true, allowJs: true, checkJs: true, esModuleInterop: true, jsx: "react-jsx", types: ["node"] };
  writeFileSync(`${folder}tsconfig.json`, JSON.stringify({ compilerOptions: options, include: ["*"] }));
  const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");
  const { status, stdout } = spawnSync(process.execPath, [tsc, "-p", folder], { encoding: "utf8" });
  assert.equal(status, 0, stdout);
});
