// The look of the page, and its use on a phone, in the dark and with a keyboard only.
// The last test makes the picture for the README.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { faint } from "./contrast.js";
import { chatTest, comeIn, isHere, LARGEST, say, sees } from "./tools.js";

const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };
const two = { args: ["--conns-per-user", "2"] };

/** Runs in a page: returns the elements whose content is wider than they are. */
const tooWide = (selectors) =>
  selectors.filter((selector) => {
    const element = document.querySelector(selector);
    return element.checkVisibility({ contentVisibilityAuto: true }) && element.scrollWidth > element.clientWidth;
  });

chatTest("nothing on a phone is wider than the phone", two, async ({ person }) => {
  const ann = await person("W".repeat(32), PHONE);
  const fits = async (page, what) => {
    assert.equal(await page.evaluate(() => innerWidth), PHONE.viewport.width, what);
    assert.deepEqual(await page.evaluate(tooWide, ["html", "#panel", "#log", "#composer", "#banner"]), [], what);
  };
  const page = await ann.open();
  await fits(page, "the door");
  await comeIn(page, ann.name);
  const other = await (await person("M".repeat(32))).tab();
  await say(other, `unbroken${"x".repeat(300)}`, ann.name);
  await sees(page, ".line.private", "unbroken");
  await page.selectOption("#to", "M".repeat(32));
  await page.tap("summary");
  await page.tap("#ask");
  await sees(page, "#asked", "round trip");
  await fits(page, "what there is to try");
  await page.tap("label.switch");
  await sees(page, "#retry", "Attempt");
  await fits(page, "a lost connection");
  await page.tap("label.switch");
  await sees(page, "#status-text", "Connected");
  await ann.tab();
  await ann.tab();
  await sees(page, "#gone", "a newer device of yours took this place");
  await page.tap("summary");
  await fits(page, "a place that is taken");
});

chatTest("nothing on a wide screen is cut off", {}, async ({ person }) => {
  const page = await (await person("ann", { viewport: { width: 1100, height: 700 } })).tab();
  await page.click("#ask");
  await sees(page, "#asked", "round trip");
  assert.deepEqual(await page.evaluate(tooWide, ["html", "aside", "#panel", "#composer"]), []);
});

for (const colorScheme of ["light", "dark"]) {
  chatTest(`every text and every field has the contrast of WCAG AA, ${colorScheme}`, two, async ({ person }) => {
    const ann = await person("ann", { colorScheme });
    const page = await ann.open();
    await page.press("#name", "Enter");
    await sees(page, "#name-error", "refused");
    assert.deepEqual(await faint(page), [], "the door");
    await comeIn(page, "ann");
    for (const name of ["bob", "eve", "kim", "joe", "zoe"]) {
      await say(await (await person(name)).tab(), `hello from ${name}`, name === "eve" ? "ann" : "");
    }
    await say(page, "to all");
    await say(page, "to one", "eve");
    await sees(page, ".line.mine.private", "to one");
    await page.fill("#text", "x".repeat(2001));
    await page.click("#composer button");
    await sees(page, "#send-error", "1 to 2000");
    await page.click("#ask");
    await page.fill("#a", LARGEST);
    await page.fill("#b", LARGEST);
    await page.click("#add button");
    await sees(page, "#sum.error", "[OVERFLOW]");
    assert.deepEqual(await faint(page), [], "the chat");
    await page.fill("#text", "");
    await page.click("label.switch");
    await sees(page, "#retry", "Attempt");
    assert.deepEqual(await faint(page), [], "a lost connection");
    await page.click("label.switch");
    await sees(page, "#status-text", "Connected");
    await ann.tab();
    await ann.tab();
    await sees(page, "#gone", "a newer device of yours took this place");
    assert.deepEqual(await faint(page), [], "a place that is taken");
  });
}

chatTest("a keyboard is enough to come in, write, choose a user, try everything and leave", {}, async ({ person }) => {
  const bob = await (await person("bob")).tab();
  const page = await (await person("ann")).open();
  const { keyboard } = page;
  /** Returns the element that has the focus, which is visible. */
  const focused = async () => {
    const [id, outline] = await page.evaluate(() => {
      const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
      return [document.activeElement.id || document.activeElement.className, `${outlineStyle} ${outlineWidth}`];
    });
    assert.equal(outline, "solid 2px", id);
    return id;
  };
  assert.equal(await focused(), "name");
  await keyboard.type("ann");
  await keyboard.press("Enter");
  await sees(page, "#text:focus");
  await isHere(page, { ann: 1, bob: 1 });
  await keyboard.type("one line");
  await keyboard.press("Shift+Enter");
  await keyboard.type("and another");
  await keyboard.press("Enter");
  await sees(bob, ".line .text", "one line\nand another");
  await keyboard.press("Shift+Tab");
  assert.equal(await focused(), "to");
  await keyboard.press("b");
  await sees(page, "#secret", "only bob will see it");
  await keyboard.press("Tab");
  assert.equal(await focused(), "text");
  await keyboard.type("between us");
  await keyboard.press("Tab");
  await keyboard.press("Enter");
  await sees(bob, ".line.private", "between us");

  const passed = [];
  for (let steps = 0; passed.at(-1) !== "leave" && steps < 30; steps++) {
    await keyboard.press("Shift+Tab");
    passed.push(await focused());
    if (passed.at(-1) === "network") {
      await keyboard.press("Space");
      await sees(page, "#banner", "Connection lost");
      await keyboard.press("Space");
      await sees(page, "#status-text", "Connected as ann");
    }
    if (passed.at(-1) === "ask") {
      await keyboard.press("Enter");
      await sees(page, "#asked", "round trip");
    }
  }
  assert.deepEqual(passed, ["text", "to", "log", "drop-others", "network", "ask", "small", "b", "a", "person", "person", "leave"]);
  await keyboard.press("Enter");
  await sees(page, "#name:focus");
  assert.equal(await focused(), "name");
  await isHere(bob, { bob: 1 });
});

chatTest("what changes by itself is said to those who do not see it", {}, async ({ person }) => {
  const page = await (await person("ann")).tab();
  const roles = (ids) => ids.map((id) => document.getElementById(id).getAttribute("role") ?? document.getElementById(id).localName);
  assert.deepEqual(await page.evaluate(roles, ["status-text", "log", "gone", "send-error", "name-error", "sum", "asked", "dropped", "network"]),
    ["status", "log", "alert", "alert", "alert", "output", "output", "output", "switch"]);
});

// The picture. The test sets the time of day of the messages. The durations of calls are measured.

const PICTURE = fileURLToPath(new URL("../../../../docs/chat.png", import.meta.url));
const NINE = Date.UTC(2026, 0, 5, 9, 0);

async function atNine(page) {
  let lines = 0;
  await page.routeWebSocket(/\/ws$/, (socket) => {
    socket.connectToServer().onMessage((text) => {
      const [type, payload, stamp] = JSON.parse(text);
      if (type === "line") payload.at = NINE + 20_000 * lines++;
      socket.send(JSON.stringify([type, payload, stamp]));
    });
  });
}

chatTest("the picture for the README can be made, and is there", {}, async ({ person }) => {
  const options = { viewport: { width: 1100, height: 700 }, deviceScaleFactor: 1, timezoneId: "UTC" };
  const ann = await (await person("Ann", options)).open();
  await atNine(ann);
  await ann.reload();
  await comeIn(ann, "Ann");
  const bob = await person("Bob");
  const [laptop, phone] = [await bob.tab(), await bob.tab()];
  const kim = await (await person("Kim")).tab();
  await isHere(ann, { Ann: 1, Bob: 2, Kim: 1 });
  const talk = [
    [laptop, "Anybody else up already?"],
    [ann, "Good morning! Is the new build up?"],
    [laptop, "Yes, since nine. I am on the train and read along on my phone."],
    [phone, "My laptop stays connected at home, both are “Bob”."],
    [kim, "Then let us ship it.\nI will write the notes today."],
    [laptop, "Could you look over my part before the others do?", "Ann"],
    [ann, "Of course, send it over.", "Bob"],
  ];
  for (const [page, text, to] of talk) {
    await say(page, text, to);
    await sees(ann, ".line .text", text);
  }
  await ann.click("#add button");
  await sees(ann, "#sum", "round trip");
  await ann.click("#ask");
  await sees(ann, "#asked", "round trip");
  await ann.selectOption("#to", "");
  await ann.focus("#text");
  await ann.mouse.move(0, 0);
  await kim.type("#text", "And");
  await sees(ann, "#typing", "Kim is typing…");
  // It changes with every run, so the test keeps it only if it is asked to.
  const path = process.env.WSE_PICTURE && PICTURE;
  await ann.screenshot({ path, animations: "disabled" });
  const picture = await readFile(PICTURE);
  assert.equal(picture.toString("latin1", 1, 4), "PNG");
  assert.deepEqual([picture.readUInt32BE(16), picture.readUInt32BE(20)], [1100, 700]);
});
