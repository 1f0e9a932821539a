// Calls in both directions, each with the time it took.

import { client } from "./client.js";
import { $, make } from "./dom.js";
import { failure } from "./words.js";

/** Returns what this device says it is, in its meta and when the server calls `whoami`. */
export function asDevice() {
  const find = (names) => names.find(([, pattern]) => pattern.test(navigator.userAgent))?.[0];
  const browser = find([["Firefox", /Firefox/], ["Edge", /Edg/], ["Opera", /OPR/], ["Chrome", /Chrom/], ["Safari", /Safari/]]);
  const system = find([["Android", /Android/], ["iOS", /iPhone|iPad/], ["Windows", /Windows/], ["macOS", /Mac OS/], ["Linux", /Linux/]]);
  return `${browser ?? "a browser"} on ${system ?? "something"}, ${innerWidth}×${innerHeight}`;
}

client.register("whoami", asDevice);

/** Calls the server and shows the answer. Without a connection the call waits if there is a session, and fails at once if there is none. */
async function ask(output, rp, payload, tell) {
  const started = performance.now();
  try {
    const answer = await client.call(rp, payload, { timeout: 10_000 });
    output.className = "";
    output.replaceChildren(...tell(answer, performance.now() - started));
  } catch (error) {
    output.className = "error";
    output.textContent = `${failure(error)} [${error.code}]`;
  }
}

const roundTrip = (ms) => make("b", "", `round trip ${ms.toFixed(1)} ms`);

$("add").addEventListener("submit", (event) => {
  event.preventDefault();
  const [a, b] = [$("a").valueAsNumber || 0, $("b").valueAsNumber || 0];
  ask($("sum"), "add", [a, b], (sum, ms) => [`${a} + ${b} = ${sum} · `, roundTrip(ms)]);
});

// Before it answers, the server calls `whoami` of this device, and says how long that took.
$("ask").addEventListener("click", () =>
  ask($("asked"), "ask-me", null, ({ device, ms }) => [`It heard “${device}” · `, roundTrip(ms)]));

$("drop-others").addEventListener("click", () =>
  ask($("dropped"), "drop-others", null, (count) =>
    [count === 0 ? "You have no other device here." : count === 1 ? "One device is gone." : `${count} devices are gone.`]));

export function clearCalls() {
  $("sum").textContent = "This device asks, the server answers.";
  $("asked").textContent = "The server asks, this device answers.";
  $("dropped").textContent = "";
}

clearCalls();
