// Who is typing. A hint is a message and not a call, because losing it does no harm.

import { client } from "./client.js";
import { $ } from "./dom.js";

const EVERY = 2000; // ms between two hints
const SHOWN = 3500; // ms that a hint is shown

const typists = new Map(); // name → timer
let hintedAt = -Infinity;

/** Tells the recipients that this device is typing, but not at every key. */
export function hint(to) {
  if (performance.now() - hintedAt < EVERY) return;
  try {
    client.send("typing", to, { latest: "typing", ttl: EVERY });
    hintedAt = performance.now();
  } catch {
    // Without a connection the hint would not be seen.
  }
}

/** Lets the next hint be sent at once. */
export function stopHinting() {
  hintedAt = -Infinity;
}

client.channel.on("typist", ({ from }) => {
  if (from === client.cid) return; // this device, or another one of the same user
  clearTimeout(typists.get(from));
  typists.set(from, setTimeout(hasStopped, SHOWN, from));
  show();
});

client.channel.on("line", ({ from }) => hasStopped(from));
client.when.closed(() => [...typists.keys()].forEach(hasStopped));

function hasStopped(name) {
  clearTimeout(typists.get(name));
  if (typists.delete(name)) show();
}

function show() {
  const names = [...typists.keys()];
  const verb = names.length === 1 ? "is" : "are";
  $("typing").textContent = names.length ? `${names.length > 3 ? "several people" : names.join(" and ")} ${verb} typing…` : "";
}
