// The fault proxy of the Rust test kit as a process of its own: opens proxies in front of a testbed
// and breaks their connections. It may never outlive the test.

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const built = ["release", "debug"].map((how) => fileURLToPath(new URL(`../../../../target/${how}/examples/faults`, import.meta.url)));

/** The proxy's binary, from WSE_FAULTS or where cargo puts it; without one the tests are skipped. */
export const binary = process.env.WSE_FAULTS ?? built.find(existsSync);

/** Starts it in front of an address; gives what sends it a command and resolves to its answer. */
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
