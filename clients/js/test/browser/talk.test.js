// Users who talk to each other, in real pages.

import assert from "node:assert/strict";
import { chatTest, comeIn, isHere, LARGEST, lines, misses, say, sees } from "./tools.js";

chatTest("two users, one of them in two tabs, see one another and talk", {}, async ({ person }) => {
  const ann = await person("ann");
  const bob = await person("bob");
  const first = await ann.tab();
  await sees(first, ".note", "Nobody has said anything yet.");
  const phone = await bob.tab();
  await sees(first, ".note", "bob is here.");
  const second = await ann.tab();
  for (const page of [first, phone, second]) await isHere(page, { ann: 2, bob: 1 });

  await say(first, "good morning");
  for (const page of [first, phone, second]) await sees(page, ".line", "good morning");
  await say(phone, "to you too");
  for (const page of [first, phone, second]) {
    await sees(page, ".line", "to you too");
    assert.deepEqual(await lines(page), ["good morning", "to you too"]);
  }
  await sees(second, ".line.mine .head", "You");

  await second.click("#leave");
  await isHere(phone, { ann: 1, bob: 1 });
  await phone.close();
  await sees(first, ".note", "bob has left.");
  await isHere(first, { ann: 1 });
});

chatTest("a private message reaches all tabs of both users and nobody else", {}, async ({ person }) => {
  const ann = await person("ann");
  const [first, second] = [await ann.tab(), await ann.tab()];
  const bob = await (await person("bob")).tab();
  const eve = await (await person("eve")).tab();
  await isHere(bob, { ann: 2, bob: 1, eve: 1 });
  await bob.click(".person >> text=ann");
  await sees(bob, "#secret", "only ann will see it");
  await bob.keyboard.type("between us");
  await bob.keyboard.press("Enter");
  for (const page of [first, second]) await sees(page, ".line.private .head", "to you, privately");
  await sees(bob, ".line.private .head", "to ann, privately");
  await say(bob, "for all");
  for (const page of [first, second, bob, eve]) await sees(page, ".line", "for all");
  for (const page of [first, second, bob]) assert.deepEqual(await lines(page), ["between us", "for all"]);
  assert.deepEqual(await lines(eve), ["for all"]);
});

chatTest("a user who has left stays the recipient, and sending says so", {}, async ({ person }) => {
  const ann = await (await person("ann")).tab();
  const bob = await (await person("bob")).tab();
  await isHere(ann, { ann: 1, bob: 1 });
  await ann.selectOption("#to", "bob");
  await bob.close();
  await isHere(ann, { ann: 1 });
  await ann.fill("#text", "are you there?");
  await ann.click("#composer button");
  await sees(ann, "#send-error", "bob is not here.");
  assert.equal(await ann.inputValue("#text"), "are you there?");
  assert.equal(await ann.textContent("#to option:checked"), "bob (not here)");
});

chatTest("a typing hint is seen by others until the message comes", {}, async ({ person }) => {
  const ann = await (await person("ann")).tab();
  const bob = await (await person("bob")).tab();
  await isHere(ann, { ann: 1, bob: 1 });
  await bob.type("#text", "hel");
  await sees(ann, "#typing", "bob is typing…");
  assert.equal(await bob.textContent("#typing"), "");
  await bob.press("#text", "Enter");
  await sees(ann, ".line", "hel");
  assert.equal(await ann.textContent("#typing"), "");
});

chatTest("a call in each direction shows its round trip, and one that fails says why", {}, async ({ person }) => {
  const ann = await (await person("ann")).tab();
  await ann.fill("#a", "40");
  await ann.fill("#b", "2");
  await ann.click("#add button");
  await sees(ann, "#sum", /^40 \+ 2 = 42 · round trip \d+\.\d ms$/);
  await ann.click("#ask");
  await sees(ann, "#asked", /^It heard “Chrome on Linux, \d+×\d+” · round trip \d+\.\d ms$/);
  await ann.fill("#a", LARGEST);
  await ann.fill("#b", LARGEST);
  await ann.click("#add button");
  await sees(ann, "#sum.error", "Too large. [OVERFLOW]");
});

chatTest("a device disconnects the others of its user, and they say why", {}, async ({ person }) => {
  const ann = await person("ann");
  const [first, second] = [await ann.tab(), await ann.tab()];
  await isHere(first, { ann: 2 });
  await second.click("#drop-others");
  await sees(second, "#dropped", "One device is gone.");
  await sees(first, "#gone", "Disconnected: dropped by another device of yours.");
  await sees(first, "#last-close", "(1000 dropped by another device of yours)");
  await first.click("#again >> text=Connect again");
  await sees(first, "#status-text", "Connected as ann");
  await second.click("#drop-others");
  await first.click("#leave");
  await isHere(second, { ann: 1 });
  await second.click("#drop-others");
  await sees(second, "#dropped", "You have no other device here.");
});

chatTest("a name that the server refuses leads back to the door, which says why", {}, async ({ person }) => {
  const page = await (await person("ann")).open();
  for (const name of ["", "\u3164", "x".repeat(33)]) {
    await page.fill("#name", name);
    await page.press("#name", "Enter");
    await sees(page, "#name-error", "The server refused this name. A name has 1 to 32 visible characters");
    assert.equal(await page.getAttribute("#name", "aria-invalid"), "true");
    assert.equal(await page.isVisible("#chat"), false);
    await page.evaluate(() => (document.getElementById("name-error").textContent = ""));
  }
  await comeIn(page, "ann");
  assert.equal(await page.getAttribute("#name", "aria-invalid"), "false");
});

chatTest("what people write is text, and a reload finds it again", {}, async ({ person }) => {
  const nasty = "<img src=x onerror=alert(1)> <b>";
  const ann = await person(nasty.slice(0, 32).trim());
  const page = await ann.tab();
  await say(page, nasty);
  await sees(page, ".line", nasty);
  await page.reload();
  await sees(page, "#status-text", `Connected as ${ann.name}`);
  await sees(page, ".line", nasty);
  assert.equal(await page.locator("#chat img, #chat b").count(), 0);
  const other = await ann.open();
  assert.equal(await other.inputValue("#name"), ann.name, "a new tab finds the last name filled in");
  await page.click("#leave");
  await sees(page, "#door", "Your name");
  assert.deepEqual(await lines(page), [], "nothing stays for the next");
  await misses(page, "#chat");
});
