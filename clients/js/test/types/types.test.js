// Runs tsc over code that must compile and code that must not.

import { spawnSync } from "node:child_process";
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";

const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");
const check = (...args) => spawnSync(process.execPath, [tsc, ...args], { cwd: new URL(".", import.meta.url).pathname, encoding: "utf8" });

test("what the contract allows compiles and what it forbids does not", { timeout: 60_000 }, () => {
  const { status, stdout } = check("-p", ".");
  assert.equal(status, 0, stdout);
});

test("the declarations stand without skipLibCheck, DOM or React's types in a Node project", { timeout: 60_000 }, () => {
  const options = ["--noEmit", "--strict", "--target", "es2022", "--lib", "es2022", "--module", "nodenext", "--types", "node"];
  const { status, stdout } = check(...options, "node-only.ts", "--ignoreConfig");
  const retry = status && /ignoreConfig/.test(stdout) ? check(...options, "node-only.ts") : { status, stdout };
  assert.equal(retry.status, 0, retry.stdout);
});
