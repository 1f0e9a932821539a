// The messages, and the notes of the page between them.

import { client } from "./client.js";
import { $, avatar, make, tint } from "./dom.js";

const MAX_LINES = 500;
const TOGETHER = 300_000; // ms between two messages that share a head
const clock = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit" });
const log = $("log");

let lastAt = 0;
let lastLine;
let early = []; // messages that come before the history; undefined after it
let unread = 0;

client.channel.on("line", (line) => {
  if (early) return early.push(line);
  show(line);
  if (document.hidden && line.from !== client.cid) document.title = `(${++unread}) wse chat`;
});

// After the welcome of a new session the server sends the last messages, and the page shows those that
// it has missed. A session that goes on has missed none.
client.channel.on("history", (history) => {
  log.ariaBusy = "true"; // a screen reader does not read the history out
  for (const line of [...history, ...(early ?? [])]) if (line.at > lastAt) show(line);
  log.ariaBusy = "false";
  early = undefined;
  if (!log.childElementCount) note("Nobody has said anything yet.");
});
client.when.ready((_, arrival) => arrival?.resumed || (early = []));

/** Shows a message. Successive messages with the same sender and recipient share a head. */
function show(line) {
  const { at, from, to, text } = line;
  const mine = from === client.cid;
  const follows = lastLine && lastLine.from === from && lastLine.to === to && at - lastLine.at < TOGETHER;
  lastAt = Math.max(lastAt, at);
  lastLine = line;
  const article = make("article", ["line", mine && "mine", to !== null && "private", follows && "follows"].filter(Boolean).join(" "));
  article.append(avatar(from), head(line, mine), make("p", "text", text));
  append(article, mine);
}

function head({ at, from, to }, mine) {
  const head = make("p", "head");
  head.append(tint(make("strong", "", mine ? "You" : from), from));
  const whom = to !== client.cid ? to : mine ? "your devices" : "you";
  if (to !== null) head.append(make("span", "secret", `to ${whom}, privately`));
  const time = make("time", "", clock.format(at));
  time.dateTime = new Date(at).toISOString();
  head.append(time);
  return head;
}

/** Shows a note of the page. */
export function note(text) {
  lastLine = undefined;
  append(make("p", "note", text), false);
}

export function clearLog() {
  lastAt = 0;
  lastLine = undefined;
  log.replaceChildren();
  $("newest").hidden = true;
}

// A user who reads further up stays there. Every other user sees the newest message.

const atEnd = () => log.scrollHeight - log.scrollTop - log.clientHeight < 60;
const toEnd = () => (log.scrollTop = log.scrollHeight);

function append(element, follow) {
  const stay = !follow && !atEnd();
  log.append(element);
  while (log.childElementCount > MAX_LINES) log.firstElementChild.remove();
  if (stay) $("newest").hidden = false;
  else toEnd();
}

log.addEventListener("scroll", () => {
  if (atEnd()) $("newest").hidden = true;
});
$("newest").addEventListener("click", () => {
  toEnd();
  $("text").focus();
});
new ResizeObserver(() => $("newest").hidden && toEnd()).observe(log);

document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  unread = 0;
  document.title = "wse chat";
});
