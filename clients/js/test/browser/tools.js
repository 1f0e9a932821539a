// A chat server, a Chromium, and users with tabs in it.
// It leaves no process running. It never waits for a fixed time, but for what should be seen, within a bound.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

/** How long something that should happen at once may take on a busy machine. */
export const PATIENCE = 20_000;

const PROGRAM = process.env.WSE_CHAT ?? fileURLToPath(new URL("../../../../target/debug/examples/chat", import.meta.url));
const CHROMIUM = ["/usr/bin/chromium", "/usr/bin/chromium-headless-shell"].find((path) => existsSync(path));
/** Why tests with a browser are skipped, or false. */
export const SKIP = CHROMIUM ? false : "Chromium is not installed";
const ARGS =
  "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync";

/** The message that a browser prints when it cannot reach a server. */
export const NO_SERVER = /WebSocket connection to 'ws:\S+' failed: Error in connection establishment: net::ERR_CONNECTION_REFUSED/;

/** The largest number that both JavaScript and the server can hold. The sum of two of them is too large. */
export const LARGEST = "9223372036854774784";

let browser;

/** The browser of a test file, with a user data directory of its own, which is removed with it. */
export const launched = () =>
  (browser ??= chromium.launch({
    executablePath: CHROMIUM,
    args: ARGS.split(" "),
    // Users have it.
    ignoreDefaultArgs: ["--disable-back-forward-cache"],
    env: { ...process.env, FONTCONFIG_FILE: fileURLToPath(new URL("fonts.conf", import.meta.url)) },
    timeout: PATIENCE,
  }));

after(async () => (await browser)?.close());

/** The example `chat`, on a port that stays the same over restarts. */
class Chat {
  #args;
  #child;
  port = 0;

  constructor(args) {
    this.#args = args;
  }

  get url() {
    return `http://127.0.0.1:${this.port}/`;
  }

  async start() {
    assert.ok(existsSync(PROGRAM), `${PROGRAM} is not built: run \`cargo build -p wse --example chat\` first`);
    const child = spawn(PROGRAM, ["--port", String(this.port), ...this.#args], { stdio: ["ignore", "pipe", "inherit"] });
    this.#child = child;
    process.once("exit", () => child.kill("SIGKILL"));
    const lines = createInterface({ input: child.stdout });
    const first = await new Promise((resolve, reject) => {
      lines.once("line", resolve);
      child.once("error", reject);
      child.once("exit", (code, signal) => reject(new Error(`the chat does not start: ${code ?? signal}`)));
    });
    this.port = Number(/http:\/\/127\.0\.0\.1:(\d+)/.exec(first)[1]);
  }

  /** Resolves when the process has ended. */
  async stop(signal) {
    const { exitCode, signalCode } = this.#child;
    if (exitCode !== null || signalCode !== null) return;
    const gone = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.kill(signal);
    await gone;
  }
}

/** A user with a browser context of their own: its tabs share their storage. */
class Person {
  constructor(chat, context, name) {
    Object.assign(this, { chat, context, name });
  }

  /** Opens a tab with the page, at the form that asks for a name. */
  async open() {
    const page = await this.context.newPage();
    await page.goto(this.chat.url);
    return page;
  }

  /** Opens a tab that has entered the chat. */
  async tab() {
    const page = await this.open();
    await comeIn(page, this.name);
    return page;
  }
}

export async function comeIn(page, name) {
  await page.fill("#name", name);
  await page.click("#enter button");
  await sees(page, "#status-text", `Connected as ${name}`);
}

/**
 * A test with a chat of its own. It fails if a page has printed to the console, thrown an error or
 * failed to load something, except for what is `allowed`.
 */
export function chatTest(name, { args = [], allowed = [] }, body) {
  test(name, { timeout: 120_000, skip: SKIP }, async () => {
    const chat = new Chat(args);
    const contexts = [];
    const trouble = [];
    const tell = (text) => allowed.some((pattern) => pattern.test(text)) || trouble.push(text);
    const person = async (name, options = {}) => {
      const context = await (await launched()).newContext({ locale: "en-GB", ...options });
      contexts.push(context);
      context.setDefaultTimeout(PATIENCE);
      context.on("weberror", (error) => tell(`threw: ${error.error().stack}`));
      context.on("console", (message) => tell(`${message.type()}: ${message.text()}`));
      context.on("requestfailed", (request) => tell(`failed: ${request.url()} ${request.failure().errorText}`));
      context.on("response", (response) => response.status() >= 400 && tell(`${response.status()}: ${response.url()}`));
      return new Person(chat, context, name);
    };
    try {
      await chat.start();
      await body({ chat, person });
      assert.deepEqual(trouble, []);
    } finally {
      await Promise.all(contexts.map((context) => context.close()));
      await chat.stop("SIGKILL");
    }
  });
}

/** Waits until an element that is visible holds the text. */
export const sees = (page, selector, hasText) => page.locator(selector, { hasText }).locator("visible=true").first().waitFor();

/** Waits until there is no such element, or it is not visible. */
export const misses = (page, selector, hasText) =>
  page.locator(selector, { hasText }).locator("visible=true").first().waitFor({ state: "hidden" });

/** Waits until the page lists these users as present, with their counts of devices. */
export async function isHere(page, expected) {
  for (const [name, devices] of Object.entries(expected)) {
    await sees(page, ".person", new RegExp(`^.${escaped(name)}( \\(you\\))?${devices === 1 ? "1 device" : `${devices} devices`}$`));
  }
  await sees(page, "#count", new RegExp(`^${Object.keys(expected).length}$`));
}

const escaped = (text) => text.replace(/[^\w ]/g, "\\$&");

/** Sends a message, to a user or to all. */
export async function say(page, text, to = "") {
  await page.selectOption("#to", to);
  await page.fill("#text", text);
  await page.press("#text", "Enter");
}

/** Returns the texts of all messages that a page shows. */
export const lines = (page) => page.locator("#log .line .text").allTextContents();
