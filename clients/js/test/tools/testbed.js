// A testbed for each test, and clients that connect to it with npm `ws` or the runtime's own WebSocket.
// They do not outlive the test.

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import ws from "ws";
import { WseClient } from "../../dist/index.js";

/** Whether the clients have the runtime's own WebSocket, and not npm `ws`. */
export const native = process.env.WSE_WEBSOCKET === "native";
const WebSocket = native ? globalThis.WebSocket : ws;

const built = ["release", "debug"].map((how) => fileURLToPath(new URL(`../../../../target/${how}/examples/testbed`, import.meta.url)));

/** The path of the testbed: WSE_TESTBED, or where cargo puts it. Without one the tests are skipped. */
export const binary = process.env.WSE_TESTBED ?? built.find(existsSync);

/** Options for tests that start processes: a time limit, and a reason to skip if there is no testbed. */
export const withTestbed = { timeout: 30_000, skip: binary ? false : "no testbed: cargo build --release -p wse --example testbed" };

/** Starts a testbed. Resolves to its address, and collects its event lines. */
export async function testbed(t, ...options) {
  const port = options.includes("--port") ? [] : ["--port", "0"];
  const child = spawn(binary, [...port, ...options], { stdio: ["ignore", "pipe", "inherit"] });
  const gone = new Promise((resolve) => child.once("exit", (code) => resolve(code)));
  const bed = { events: [], stop: () => (child.kill("SIGTERM"), gone), kill: () => (child.kill("SIGKILL"), gone), signal: (name) => child.kill(name) };
  t.after(bed.kill);
  let text = "";
  await new Promise((resolve, reject) => {
    child.once("exit", () => reject(new Error("the testbed has ended")));
    child.stdout.on("data", (data) => {
      text += data;
      const lines = text.split("\n");
      text = lines.pop();
      for (const line of lines) {
        const ready = /^ready (.*:(\d+))$/.exec(line);
        if (ready) resolve(Object.assign(bed, { address: ready[1], port: ready[2], url: `ws://${ready[1]}/` }));
        else bed.events.push(JSON.parse(line));
      }
    });
  });
  return bed;
}

/** Returns a client that is closed when the test ends. */
export function client(t, url, options = {}) {
  const made = new WseClient({ url, WebSocket, ...options });
  t.after(() => made.close());
  return made;
}

/** Resolves to what a hook, or a listener of a type of message, is called with next. */
export const next = (target, name) =>
  new Promise((resolve) => {
    if (target.channel) target.channel.once(name, resolve);
    else {
      let heard = false;
      target[name]((...args) => {
        if (!heard) resolve(args);
        heard = true;
      });
    }
  });

/** Resolves to code and reason of the next close. */
export const closing = (client) => next(client.when, "closed");

/** Resolves when the client has this status. */
export const status = (client, wanted) =>
  new Promise((resolve) => {
    const off = client.when.updated((status) => status === wanted && resolve());
    void off;
  });
