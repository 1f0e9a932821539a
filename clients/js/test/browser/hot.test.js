// The examples in a real browser, with a real hot reload: a component changes, and the connection, what is known
// and what listens stay as they are.

import assert from "node:assert/strict";
import { test } from "node:test";
import { oracle } from "../tools/oracle.js";
import { vite } from "../tools/vite.js";
import { launched, PATIENCE, sees, SKIP } from "./tools.js";

const EXAMPLES = {
  react: { file: "App.jsx", script: "const [text, setText]", keepsInput: true },
  vue: { file: "App.vue", script: "const text = ref", keepsInput: true },
  svelte: { file: "App.svelte", script: "let text = $state", keepsInput: false },
};

/** Runs in a page before its scripts: counts who is subscribed to each store. */
function countSubscribers() {
  window.subscribers = {};
  const counted = (entries) => {
    const { set } = entries;
    entries.set = (key, entry) => {
      if (entries.has(key) || window.subscribers[key] !== undefined) return set.call(entries, key, entry);
      window.subscribers[key] = 0;
      const { subscribe } = entry.store;
      entry.store.subscribe = (run) => {
        const off = subscribe(run);
        let ended = false;
        window.subscribers[key]++;
        return () => (ended || ((ended = true), window.subscribers[key]--), off());
      };
      return set.call(entries, key, entry);
    };
    return entries;
  };
  class Stores extends WeakMap {
    set(client, entries) {
      return super.set(client, this.has(client) ? entries : counted(entries));
    }
  }
  globalThis[Symbol.for("wse-client/stores")] = { named: new Map(), stores: new Stores() };
}

/** A server of the kitchen: who joins is told who is there, and what is said with a new id is written down. */
async function kitchen(t) {
  const calls = [];
  const said = new Map();
  const server = await oracle(t, {
    app({ type, payload, stamp, session, server }) {
      calls.push(type);
      if (type === "join") server.say(session, "wse:presence", { room: payload, all: [["ann", "online"]] }, null);
      if (type === "say" && !said.has(payload[0])) said.set(...payload);
      if (stamp) server.say(session, "~wse:response", null, stamp);
    },
  });
  return Object.assign(server, { calls, said: () => [...said.values()] });
}

/** Returns a page of an example, and what it must not have: errors and warnings in its console. */
async function open(t, url) {
  const context = await (await launched()).newContext();
  t.after(() => context.close());
  context.setDefaultTimeout(PATIENCE);
  const trouble = [];
  context.on("weberror", (error) => trouble.push(`threw: ${error.error().stack}`));
  context.on("console", (message) => /error|warning/.test(message.type()) && trouble.push(message.text()));
  const page = await context.newPage();
  await page.addInitScript(countSubscribers);
  await page.goto(url);
  return { page, trouble };
}

for (const [example, { file, script, keepsInput }] of Object.entries(EXAMPLES)) {
  test(`${example}: a hot reload keeps the one connection, what is known and what listens`, { timeout: 120_000, skip: SKIP }, async (t) => {
    const server = await kitchen(t);
    const site = await vite(t, example, { VITE_SERVER: server.url });
    const { page, trouble } = await open(t, site.url);
    const said = (text) => server.say(server.current, "line", text, null);
    await sees(page, "#status", "READY");
    await sees(page, "#members", "ann (online)");
    said("before");
    await sees(page, "#line", "before");
    await page.fill("input", "half a word");
    await page.evaluate(() => (window.sameDocument = true));
    const before = await page.evaluate(() => subscribers);
    assert.ok(before.status >= 1 && before["latest line"] >= 1 && before["outbox ann"] >= 1, JSON.stringify(before));

    const edits = [["<h1>Kitchen</h1>", "<h1>Kitchen, once</h1>", "Kitchen, once"], [script, `document.title = "twice";\n${script}`, "twice"]];
    for (const [text, by, shown] of edits) {
      await site.edit(file, text, by);
      await page.waitForFunction((shown) => [document.title, document.querySelector("h1")?.textContent].includes(shown), shown);
      await sees(page, "#line", "before");
      await sees(page, "#members", "ann (online)");
      await sees(page, "#status", "READY");
      if (keepsInput && shown !== "twice") assert.equal(await page.inputValue("input"), "half a word");
      await page.waitForFunction((before) => JSON.stringify(subscribers) === before, JSON.stringify(before));
    }
    said("after");
    await sees(page, "#line", "after");
    await page.fill("input", "hello");
    await page.press("input", "Enter");
    await sees(page, "#waiting", "0 waiting");
    assert.equal(await page.evaluate(() => window.sameDocument), true);
    assert.deepEqual([server.his.length, server.calls, server.said()], [1, ["join", "say"], ["hello"]]);
    assert.deepEqual([server.breaches, trouble], [[], []]);
  });
}

test("what waits in the outbox survives the reload of the page, and is said once", { timeout: 120_000, skip: SKIP }, async (t) => {
  const server = await kitchen(t);
  const site = await vite(t, "react", { VITE_SERVER: server.url });
  const { page } = await open(t, site.url);
  await sees(page, "#members", "ann (online)");
  server.onHi = (socket) => (socket.terminate(), true);
  server.cut();
  await sees(page, "#status", "RE_CONNECTING");
  for (const text of ["one", "two"]) {
    await page.fill("input", text);
    await page.press("input", "Enter");
  }
  await sees(page, "#waiting", "2 waiting");
  await page.reload();
  await sees(page, "#waiting", "2 waiting");
  assert.deepEqual(server.said(), []);
  server.onHi = undefined;
  await sees(page, "#waiting", "0 waiting");
  assert.deepEqual([server.said(), server.calls.filter((type) => type === "say").length], [["one", "two"], 2]);
});
