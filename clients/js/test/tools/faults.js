// The fault proxy of the Rust test kit as a process: it breaks connections to a testbed.
// It does not outlive the test.

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const built = ["release", "debug"].map((how) => fileURLToPath(new URL(`../../../../target/${how}/examples/faults`, import.meta.url)));

/** The path of the proxy: WSE_FAULTS, or where cargo puts it. Without one the tests are skipped. */
export const binary = process.env.WSE_FAULTS ?? built.find(existsSync);

/** Starts the proxy in front of an address. Returns a function that sends a command and resolves to the answer. */
export function faults(t, behind) {
  const child = spawn(binary, ["--behind", behind], { stdio: ["pipe", "pipe", "inherit"] });
  t.after(() => child.kill("SIGKILL"));
  const asked = [];
  createInterface({ input: child.stdout }).on("line", (line) => {
    const { id, ok, err } = JSON.parse(line);
    if (err) asked[id].reject(new Error(err));
    else asked[id].resolve(ok);
  });
  return (what) =>
    new Promise((resolve, reject) => {
      const id = asked.push({ resolve, reject }) - 1;
      child.stdin.write(`${JSON.stringify({ id, ...what })}\n`);
    });
}
