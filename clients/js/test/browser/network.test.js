// The client in a real page whose network, server or computer stops for a while.

import assert from "node:assert/strict";
import { faults } from "../tools/faults.js";
import { front } from "../tools/front.js";
import { client } from "../tools/testbed.js";
import { pageTest, tells, timed } from "./page.js";
import { launched } from "./tools.js";

/** How soon a page that asks whether the server is there knows that it is not, in ms, with a margin. */
const PROBE = 3_000 + 2_500;
/** Without a question it would take 10 s and the beat. */
const SILENT = ["closed", 1006, "wse.silent"];

const offline = (cdp, offline) =>
  cdp.send("Network.emulateNetworkConditions", { offline, latency: 0, downloadThroughput: -1, uploadThroughput: -1 });

/** What Chromium prints about an attempt that the client gives up. */
const GIVEN_UP = /WebSocket connection to '\S+' failed: WebSocket is closed before the connection is established/;

pageTest("an attempt whose handshake is never answered does not hold up the next one", { allowed: [GIVEN_UP] }, async ({ t, bed, page }) => {
  let hanging = 0;
  const url = await front(t, bed, () => hanging-- > 0);
  for (const [how, begin] of [
    ["first", () => page.evaluate((url) => window.connect(url, { connectTimeout: 1_000 }), url)],
    ["with a session", () => page.evaluate(() => client.send("cut"))],
  ]) {
    hanging = 1;
    const took = await timed(begin().then(() => tells(page, "ready")));
    assert.ok(took < 1_000 + 5_000, `${how}: ${took} ms`);
  }
});

const ANSWERED = /WebSocket connection to '\S+' failed: (Error during WebSocket handshake|HTTP Authentication failed)/;

pageTest("a page comes back in its session, whatever answers in place of its server meanwhile", { allowed: [ANSWERED] }, async ({ t, bed, page }) => {
  const answers = [];
  const url = await front(t, bed, (socket) => {
    const status = answers.shift();
    if (status) socket.once("data", () => socket.end(`HTTP/1.1 ${status} Meanwhile\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n`));
    return status;
  });
  await page.evaluate((url) => window.connect(url), url);
  answers.push(200, 302, 401, 403, 404, 502, 503);
  await page.evaluate(() => client.send("cut"));
  await tells(page, "ready", true);
  assert.deepEqual(answers, []);
});

pageTest("a page that comes back from the back/forward cache goes on in its session", { allowed: [/Page entered Back-Forward Cache/] }, async ({ t, bed, page, visit }) => {
  await page.evaluate((url) => window.connect(url), bed.url);
  await page.evaluate(() => (window.same = true));
  await visit("/elsewhere");
  // Chromium ends the connection, with 1001, when it brings the page back.
  const ben = client(t, bed.url);
  await ben.connect("user-ben");
  ben.send("to-user", { cid: "user-ann", type: "echo", payload: "meanwhile" });
  await ben.call("nil"); // so the message has been handled
  await page.evaluate(() => history.back());
  const reasons = () => performance.getEntriesByType("navigation")[0].notRestoredReasons?.reasons.map(({ reason }) => reason);
  await page.waitForFunction(() => window.same || performance.getEntriesByType("navigation")[0].notRestoredReasons);
  // Some versions of Chromium keep no page with an open socket. All others are to keep this one.
  if (!(await page.evaluate(() => window.same))) {
    assert.deepEqual(await page.evaluate(reasons), ["websocket"]);
    return t.skip("this Chromium keeps no page with an open socket");
  }
  assert.deepEqual((await tells(page, "echo", "meanwhile")).at(-2), ["ready", true]);
  assert.deepEqual(bed.events.filter(({ cid }) => cid === "user-ann").map(({ event }) => event), ["joined", "connected", "parked", "resumed"]);
});

pageTest("a page whose network was away for a moment goes on at once", {}, async ({ bed, page, cdp }) => {
  await page.evaluate((url) => window.connect(url), bed.url);
  for (let turn = 0; turn < 3; turn++) {
    await offline(cdp, true);
    const sum = page.evaluate(() => client.call("add", [20, 22]));
    await page.waitForFunction(() => !navigator.onLine);
    await offline(cdp, false);
    const took = await timed(sum.then((sum) => assert.equal(sum, 42)));
    assert.ok(took < PROBE, `${took} ms`);
  }
});

/** What tells a page that it may have missed something. */
const HINTS = {
  online: async (page, cdp) => {
    await offline(cdp, true);
    await page.waitForFunction(() => !navigator.onLine);
    await offline(cdp, false);
  },
  visibilitychange: (page) => page.evaluate(() => document.dispatchEvent(new Event("visibilitychange"))),
  pageshow: (page) => page.evaluate(() => window.dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true }))),
};

for (const [name, hint] of Object.entries(HINTS)) {
  pageTest(`after ${name} a page notices within three seconds that its connection is dead`, { allowed: [GIVEN_UP] }, async ({ t, bed, page, cdp }) => {
    const ask = faults(t, bed.address);
    const url = await ask({ do: "open" });
    await page.evaluate((url) => window.connect(url), url);
    // The network has forgotten the connection, and tells neither end.
    await ask({ do: "fault", url, nth: 1, fault: "blackhole" });
    await page.evaluate(() => client.send("echo", "kept"));
    await hint(page, cdp);
    const took = await timed(tells(page, ...SILENT));
    assert.ok(took < PROBE, `${took} ms`);
    await tells(page, "ready", true);
    await tells(page, "echo", "kept");
  });
}

pageTest("after all of them a page stays with a server that answers", {}, async ({ bed, page, cdp }) => {
  await page.evaluate((url) => window.connect(url), bed.url);
  await tells(page, "ready");
  for (const hint of Object.values(HINTS)) await hint(page, cdp);
  await page.evaluate(() => client.call("sleep", 4_000)); // longer than the server has for its answer
  assert.deepEqual(await page.evaluate(() => seen), []);
});

pageTest("a computer that has slept notices within three seconds that its server is silent", { args: ["--ping-interval", "2s"], allowed: [GIVEN_UP] }, async ({ bed, page }) => {
  await page.evaluate((url) => window.connect(url, { connectTimeout: 2_000 }), bed.url);
  const renderers = await processes("renderer");
  bed.signal("SIGSTOP");
  const sleep = async (signal) => renderers.forEach((id) => process.kill(id, signal));
  await sleep("SIGSTOP");
  await new Promise((resolve) => setTimeout(resolve, 6_000)); // this is the sleep
  await sleep("SIGCONT");
  const took = await timed(tells(page, ...SILENT));
  assert.ok(took < PROBE, `${took} ms`);
  bed.signal("SIGCONT");
  await tells(page, "ready", true);
});

/** The processes of the browser that are of that kind. */
async function processes(kind) {
  const cdp = await (await launched()).newBrowserCDPSession();
  const { processInfo } = await cdp.send("SystemInfo.getProcessInfo");
  await cdp.detach();
  return processInfo.filter(({ type }) => type === kind).map(({ id }) => id);
}
