// A WebSocket over HTTP/2 in a real browser.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { launched, PATIENCE, SKIP } from "./tools.js";

const PROGRAM = process.env.WSE_HTTP2 ?? fileURLToPath(new URL("../../../../target/debug/examples/http2", import.meta.url));

test("Chromium sends the WebSocket over the page's own connection of HTTP/2", { timeout: 60_000, skip: SKIP }, async (t) => {
  assert.ok(existsSync(PROGRAM), `${PROGRAM} is not built: run \`cargo build -p wse --example http2\` first`);
  const child = spawn(PROGRAM, ["--port", "0"], { stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => child.kill("SIGKILL"));
  const line = await new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).once("line", resolve);
    child.once("exit", (code, signal) => reject(new Error(`the example does not start: ${code ?? signal}`)));
  });
  const context = await (await launched()).newContext({ ignoreHTTPSErrors: true });
  t.after(() => context.close());
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  await page.goto(/https:\/\/\S+/.exec(line)[0]);
  await page.waitForFunction(() => document.querySelector("p").textContent !== "…");
  assert.equal(await page.textContent("p"), "HTTP/2.0");
});
