// Connections that end, in real pages: what the page says, and how it reconnects.

import assert from "node:assert/strict";
import { chatTest, isHere, lines, misses, NO_SERVER, say, sees } from "./tools.js";

const two = { args: ["--conns-per-user", "2"] };

chatTest("a third device pushes out the first, which says why and takes the place back", two, async ({ person }) => {
  const ann = await person("ann");
  const bob = await (await person("bob")).tab();
  const [first, second] = [await ann.tab(), await ann.tab()];
  await isHere(bob, { ann: 2, bob: 1 });
  const third = await ann.tab();
  await sees(first, "#gone", "Disconnected: a newer device of yours took this place. Everybody may have 2 at once: the newest stay.");
  await sees(first, "#last-close", /^a newer device of yours took this place \(1000 wse\.clients-concurrency\), \d/);
  await sees(first, "#status-text", "Disconnected");
  assert.equal(await first.getAttribute("#gone", "role"), "alert");
  await isHere(bob, { ann: 2, bob: 1 });

  await say(bob, "still there?");
  await first.click("#again >> text=Take the place back");
  await sees(first, "#status-text", "Connected as ann");
  await misses(first, "#banner");
  await sees(first, ".line", "still there?");
  await sees(first, "#text:focus");
  await sees(second, "#gone", "a newer device of yours took this place");
  await sees(third, "#status-text", "Connected as ann");
});

chatTest("a server that is killed and started again finds both pages back", { allowed: [NO_SERVER] }, async ({ chat, person }) => {
  const ann = await (await person("ann")).tab();
  const bob = await (await person("bob")).tab();
  await say(ann, "before");
  await sees(bob, ".line", "before");
  await chat.stop("SIGKILL");
  for (const page of [ann, bob]) {
    await sees(page, ".note", "Connection lost: it broke off, or the server cannot be reached.");
    await sees(page, "#retry", /^Connection lost\. Attempt ([2-9]|1\d) to come back follows within [\d.]+ s\.$/);
    await sees(page, "#status-text", "Reconnecting…");
    await sees(page, "#last-close", "(1006)");
  }
  // It waits for the session, which the new server does not know.
  await bob.type("#text", "kept");
  await bob.press("#text", "Enter");
  await chat.start();
  await sees(bob, "#send-error", "The connection ended before the answer came.");
  for (const page of [ann, bob]) {
    await sees(page, ".note", /^Connected again after \d+\.\d s\.$/);
    await misses(page, "#banner");
    await isHere(page, { ann: 1, bob: 1 });
  }
  await bob.press("#text", "Enter");
  await sees(ann, ".line", "kept");
  assert.deepEqual(await lines(ann), ["before", "kept"]);
});

chatTest("a server that shuts down says so", { allowed: [NO_SERVER] }, async ({ chat, person }) => {
  const ann = await (await person("ann")).tab();
  await chat.stop("SIGINT");
  await sees(ann, ".note", "Connection lost: the server restarts.");
  await chat.start();
  await sees(ann, "#status-text", "Connected as ann");
});

chatTest("the door says that there is no server, and opens when there is one", { allowed: [NO_SERVER] }, async ({ chat, person }) => {
  const ann = await (await person("ann")).open();
  await chat.stop("SIGKILL");
  await ann.fill("#name", "ann");
  await ann.press("#name", "Enter");
  await sees(ann, "#name-error", "Could not come in: it broke off, or the server cannot be reached. Trying again…");
  await ann.fill("#name", "anna");
  await ann.press("#name", "Enter");
  await chat.start();
  await sees(ann, "#status-text", "Connected as anna");
  await isHere(ann, { anna: 1 });
  assert.deepEqual(await ann.locator(".note").allTextContents(), ["Nobody has said anything yet."]);
});

chatTest("the network switch cuts the connection, keeps it away, and lets it come back", {}, async ({ person }) => {
  const ann = await (await person("ann")).tab();
  const bob = await (await person("bob")).tab();
  await isHere(bob, { ann: 1, bob: 1 });
  await ann.click("label.switch");
  await sees(ann, ".note", "Connection lost: it was cut, without a code.");
  await sees(bob, ".note", "ann has left.");
  await sees(ann, "#retry", /Attempt ([3-9]|1\d) /);
  await sees(ann, "#last-close", "(1006)");
  await ann.click("#add button");
  await sees(ann, "#sum.error", "Not connected: nothing was sent. [wse.client.not-ready]");
  await say(bob, "while you were away");

  await ann.click("label.switch");
  await sees(ann, "#status-text", "Connected as ann");
  await sees(ann, ".line", "while you were away");
  await sees(bob, ".note", "ann is here.");
  await isHere(ann, { ann: 1, bob: 1 });
});

chatTest("leaving ends a reconnect, and the next one finds the network switched on", {}, async ({ person }) => {
  const ann = await (await person("ann")).tab();
  await ann.click("label.switch");
  await sees(ann, "#retry", /Attempt ([2-9]|1\d) /);
  await ann.click("#leave");
  await sees(ann, "#door", "Your name");
  assert.equal(await ann.textContent("#name-error"), "");
  await ann.fill("#name", "anna");
  await ann.press("#name", "Enter");
  await sees(ann, "#status-text", "Connected as anna");
  assert.equal(await ann.isChecked("#network"), true);
  assert.equal(await ann.textContent("#last-close"), "none yet");
});
