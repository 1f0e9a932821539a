// Tests that the client inside the example `chat` is built from the current sources.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const BUNDLE = at("../../../../crates/wse/examples/chat/wse-client.js");

/** Runs the build of the chat's bundle. */
const chat = (...args) =>
  new Promise((resolve) =>
    execFile(process.execPath, [at("../../scripts/chat.mjs"), ...args], (error, stdout, stderr) =>
      resolve({ code: error ? error.code : 0, stdout, stderr })));

test("the bundle of the chat is up to date", async () => {
  assert.deepEqual(await chat("--check"), { code: 0, stdout: `${BUNDLE} is up to date\n`, stderr: "" });
});

test("a bundle that differs from that of the sources is noticed, and building it again restores it", async () => {
  const folder = await mkdtemp(join(tmpdir(), "wse-chat-"));
  try {
    const file = join(folder, "wse-client.js");
    const missing = await chat("--check", file);
    assert.equal(missing.code, 1);
    await writeFile(file, `${await readFile(BUNDLE, "utf8")} `);
    const changed = await chat("--check", file);
    assert.equal(changed.code, 1);
    assert.match(changed.stderr, /run `npm run build:chat` in clients\/js and commit it/);
    assert.equal((await chat(file)).code, 0);
    assert.equal(await readFile(file, "utf8"), await readFile(BUNDLE, "utf8"));
  } finally {
    await rm(folder, { recursive: true });
  }
});
