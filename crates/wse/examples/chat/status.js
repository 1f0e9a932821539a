// How this device is connected: the status, the last close, the next attempt, the network switch.

import { WSE_REASON } from "./wse-client.js";
import { client, longestWait, switchNetwork } from "./client.js";
import { $ } from "./dom.js";
import { note } from "./log.js";
import { inWords } from "./words.js";

let lostAt; // when the connection was lost, until it is back
let failures = 0; // since the last welcome
let devices; // how many devices the server allows a user; known from the welcome on

const time = new Intl.DateTimeFormat([], { timeStyle: "medium" });

const STATUS = {
  CONNECTING: () => "Connecting…",
  READY: () => `Connected as ${client.cid}`,
  RE_CONNECTING: () => "Reconnecting…",
  OFFLINE: () => "Disconnected",
};

client.when.updated((status) => {
  $("chat").dataset.status = status;
  $("status-text").textContent = STATUS[status]();
});

client.when.ready((welcome) => {
  if (lostAt) note(`Connected again after ${((performance.now() - lostAt) / 1000).toFixed(1)} s.`);
  lostAt = undefined;
  failures = 0;
  devices = welcome.devices;
  if (document.activeElement === $("again")) $("text").focus(); // the button goes away
  $("banner").hidden = true;
});

// A connection has ended, or an attempt to make one. The status of the client says what follows.
client.when.closed((code, reason) => {
  const why = inWords(code, reason);
  $("last-close").textContent = `${why} (${[code, reason].filter(Boolean).join(" ")}), ${time.format()}`;
  if (client.status === "OFFLINE") ended(reason, why);
  else lost(why);
  if (devices) lostAt ??= performance.now();
  $("banner").hidden = false;
});

/** The connection ended for now: the client tries again by itself. */
function lost(why) {
  if (devices && !lostAt) note(`Connection lost: ${why}.`);
  const seconds = longestWait(failures++) / 1000;
  $("gone").textContent = "";
  $("retry").textContent = `Connection lost. Attempt ${failures} to come back follows within ${seconds} s.`;
  $("again").textContent = "Try now";
}

/** The connection ended for good: the client tries again only when the user asks for it. */
function ended(reason, why) {
  const pushedOut = reason === WSE_REASON.CLIENTS_CONCURRENCY;
  const rule = pushedOut ? ` Everybody may have ${devices} at once: the newest stay.` : "";
  $("gone").textContent = `Disconnected: ${why}.${rule}`;
  $("retry").textContent = "";
  $("again").textContent = pushedOut ? "Take the place back" : "Connect again";
}

export function clearStatus() {
  lostAt = devices = undefined;
  failures = 0;
  $("banner").hidden = true;
  $("last-close").textContent = "none yet";
  $("network").checked = true;
  switchNetwork(true);
}

$("network").addEventListener("change", () => switchNetwork($("network").checked));
