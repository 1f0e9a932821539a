// A page in Chromium that holds a client of a testbed, and a test that breaks what is between them.
// It never waits for a fixed time, but for what should be seen, within a bound.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { test } from "node:test";
import { testbed, withTestbed } from "../tools/testbed.js";
import { launched, PATIENCE, SKIP } from "./tools.js";

const CLIENT = new URL("../../dist/index.js", import.meta.url);

/** Every path is a page that has the client and makes one when it is told to. */
const HTML = `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><script type="module">
import { WseClient } from "/client.js";
window.seen = [];
window.connect = async (url, options) => {
  window.client = new WseClient({ url, re: { min: 20, max: 100 }, ...options });
  client.when.ready((welcome, arrival) => seen.push(["ready", arrival?.resumed]));
  client.when.closed((code, reason) => seen.push(["closed", code, reason]));
  client.channel.on("echo", (payload) => seen.push(["echo", payload]));
  await client.connect("user-ann");
};
document.title = "loaded";
</script>`;

async function website(t) {
  const bundle = await readFile(CLIENT);
  const server = createServer(({ url }, answer) => {
    const client = url === "/client.js";
    answer.setHeader("Content-Type", client ? "text/javascript" : "text/html").end(client ? bundle : HTML);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${server.address().port}`;
}

/**
 * A test with a testbed and a page. It fails if the page has printed to the console or thrown an error,
 * except for what is `allowed`.
 */
export function pageTest(name, { args = [], allowed = [] }, body) {
  test(name, { timeout: 120_000, skip: SKIP || withTestbed.skip }, async (t) => {
    const [bed, site] = [await testbed(t, ...args), await website(t)];
    const context = await (await launched()).newContext();
    t.after(() => context.close());
    context.setDefaultTimeout(PATIENCE);
    const trouble = [];
    const tell = (text) => allowed.some((pattern) => pattern.test(text)) || trouble.push(text);
    context.on("weberror", (error) => tell(`threw: ${error.error().stack}`));
    context.on("console", (message) => tell(`${message.type()}: ${message.text()}`));
    const page = await context.newPage();
    const cdp = await context.newCDPSession(page);
    const visit = async (path) => {
      await page.goto(site + path);
      await page.waitForFunction(() => document.title === "loaded");
    };
    await visit("/");
    await body({ t, bed, page, cdp, visit });
    assert.deepEqual(trouble, []);
  });
}

/** Waits until the client has told this, and takes everything up to it. */
export const tells = (page, ...wanted) =>
  page.evaluate(
    async ([wanted, patience]) => {
      const until = performance.now() + patience;
      const is = (what) => wanted.every((part, at) => part === what[at]);
      while (!seen.some(is)) {
        if (performance.now() > until) throw new Error(`${wanted} was not told, but ${JSON.stringify(seen)}`);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      return seen.splice(0, seen.findIndex(is) + 1);
    },
    [wanted, PATIENCE],
  );

/** The time that something takes, in ms. */
export async function timed(promise) {
  const start = performance.now();
  await promise;
  return performance.now() - start;
}
