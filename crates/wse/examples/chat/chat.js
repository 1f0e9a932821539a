// A WSE client in plain JavaScript, on the subprotocol wse-default-json: every frame is
// [type, payload, stamp]. A stamp makes it a call; the answer repeats it.

class Wse {
  #url; #hi; #socket; #timer; #welcomed = false; #failed = 0;
  #handlers = new Map(); #procedures = new Map(); #calls = new Map();
  onwelcome = (payload) => {};
  onstatus = (state, detail) => {}; // "connecting" | "ready" | "waiting" | "closed"

  constructor(url, identity, meta = {}) {
    this.#url = url;
    this.#hi = { identity, meta };
  }

  get ready() { return this.#welcomed && this.#socket?.readyState === WebSocket.OPEN; }
  on(type, handler) { this.#handlers.set(type, handler); return this; }
  register(rp, procedure) { this.#procedures.set(rp, procedure); return this; }

  connect() {
    clearTimeout(this.#timer);
    this.onstatus("connecting");
    const socket = this.#socket = new WebSocket(this.#url, "wse-default-json");
    socket.onopen = () => this.#write("~wse:hi", this.#hi);
    socket.onmessage = ({ data }) => { if (socket === this.#socket) this.#read(data); };
    socket.onclose = ({ code, reason }) => { if (socket === this.#socket) this.#closed(code, reason); };
  }

  /** Ends the connection for good. */
  close(reason = "wse.by-client") {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.close(1000, reason);
    this.#closed(1000, reason);
  }

  /** Ends the connection as an accident would: with a code after which one comes back. */
  cut() { this.#socket?.close(); }

  send(type, payload = null) { if (this.ready) this.#write(type, payload); }

  call(rp, payload = null, timeout = 20_000) {
    return new Promise((resolve, reject) => {
      if (!this.ready) return reject(failure({ code: "wse.client.not-ready", message: "Not connected." }));
      const stamp = Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");
      const late = { code: "wse.client.rp.timeout", message: "No answer in time." };
      const timer = setTimeout(() => this.#settle(stamp, () => reject(failure(late))), timeout);
      this.#calls.set(stamp, { resolve, reject, timer });
      this.#write(rp, payload, stamp);
    });
  }

  #write(type, payload, stamp = null) { this.#socket.send(JSON.stringify([type, payload, stamp])); }

  #read(text) {
    const [type, payload = null, stamp = null] = JSON.parse(text);
    if (type === "~wse:welcome") {
      this.#welcomed = true;
      this.#failed = 0;
      this.onwelcome(payload);
      this.onstatus("ready");
    } else if (type === "~wse:response") {
      this.#settle(stamp, ({ resolve }) => resolve(payload));
    } else if (type === "~wse:response-err") {
      this.#settle(stamp, ({ reject }) => reject(failure(payload)));
    } else if (stamp) {
      this.#answer(type, payload, stamp);
    } else {
      this.#handlers.get(type)?.(payload);
    }
  }

  async #answer(rp, payload, stamp) {
    const socket = this.#socket;
    let answer;
    try {
      const procedure = this.#procedures.get(rp);
      if (!procedure) throw { code: "wse.server.rp.not-registered" };
      answer = ["~wse:response", (await procedure(payload)) ?? null, stamp];
    } catch ({ code = "wse.server.rp.failed", message }) {
      answer = ["~wse:response-err", { code, message }, stamp];
    }
    if (socket === this.#socket && this.ready) this.#write(...answer); // it counts only where it was asked
  }

  #settle(stamp, how) {
    const call = this.#calls.get(stamp);
    if (!call) return; // late or unknown: dropped
    this.#calls.delete(stamp);
    clearTimeout(call.timer);
    how(call);
  }

  #closed(code, reason) {
    this.#welcomed = false;
    const gone = failure({ code: "wse.client.rp.disconnect", message: "Disconnected before the answer." });
    for (const stamp of [...this.#calls.keys()]) this.#settle(stamp, ({ reject }) => reject(gone));
    const temporary = [1005, 1006, 1011, 1012, 1013, 1014, 4000].includes(code);
    if (!temporary) return this.onstatus("closed", { code, reason });
    const wait = Math.random() * Math.min(20_000, 500 * 2 ** this.#failed++); // full jitter
    this.#timer = setTimeout(() => this.connect(), wait);
    this.onstatus("waiting", { code, reason, wait });
  }
}

const failure = ({ code, message, details } = {}) => Object.assign(new Error(message ?? code), { code, details });

// The page. Whatever people write is only ever set as text.

const $ = (id) => document.getElementById(id);
const MAX_LINES = 500;
const TYPING_EVERY = 2000, TYPING_SHOWN = 3500;
const clock = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit" });

let client, me;
let here = new Map(); // name → devices
let lastAt = 0, lastLine, lostAt, unread = 0, textChars = 2000;

function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

/** A colour that belongs to a name. */
function tint(element, name) {
  let hash = 0;
  for (const char of name) hash = Math.imul(hash ^ char.codePointAt(0), 0x9e3779b1) >>> 0;
  element.style.setProperty("--hue", (hash >>> 8) % 360);
  return element;
}

const avatar = (name) => {
  const element = tint(make("span", "avatar", [...name][0].toUpperCase()), name);
  element.ariaHidden = "true";
  return element;
};

const device = () => {
  const find = (names) => names.find(([, pattern]) => pattern.test(navigator.userAgent))?.[0];
  const browser = find([["Firefox", /Firefox/], ["Edge", /Edg/], ["Opera", /OPR/], ["Chrome", /Chrom/], ["Safari", /Safari/]]);
  const system = find([["Android", /Android/], ["iOS", /iPhone|iPad/], ["Windows", /Windows/], ["macOS", /Mac OS/], ["Linux", /Linux/]]);
  return `${browser ?? "a browser"} on ${system ?? "something"}, ${innerWidth}×${innerHeight}`;
};

// Coming in and leaving. The tab's own name goes first, so that each tab may be somebody else.

const NAME = /^[^\p{C}\p{Z}]+( [^\p{C}\p{Z}]+)*$/u;
const BAD_NAME = "A name has 1 to 32 visible characters.";

function stored(change) {
  try { return change(); } catch { return null; } // storage may be switched off
}

function showDoor(error = "") {
  $("chat").hidden = true;
  $("door").hidden = false;
  $("name-error").textContent = error;
  $("name").setAttribute("aria-invalid", error !== "");
  $("name").focus();
}

$("enter").addEventListener("submit", (event) => {
  event.preventDefault();
  const name = $("name").value.trim();
  if (!NAME.test(name) || [...name].length > 32) return showDoor(BAD_NAME);
  enter(name);
});

function enter(name) {
  me = $("name").value = name;
  here = new Map();
  lastAt = 0;
  lastLine = lostAt = undefined;
  $("log").replaceChildren();
  for (const id of ["typing", "result", "send-error"]) $(id).textContent = "";
  $("result").textContent = "The answers come here, with the time they took.";
  $("last-close").textContent = "none yet";
  $("door").hidden = true;
  $("chat").hidden = false;
  const url = new URL("ws", location.href);
  url.protocol = url.protocol.replace("http", "ws");
  client = new Wse(url, name, { device: device() })
    .on("line", receive)
    .on("here", showHere)
    .on("typist", showTypist)
    .register("whoami", device);
  client.onwelcome = welcome;
  client.onstatus = showStatus;
  client.connect();
}

$("leave").addEventListener("click", () => {
  client.onstatus = () => {};
  client.close();
  stored(() => { sessionStorage.removeItem("wse-name"); localStorage.removeItem("wse-name"); });
  document.title = "wse chat";
  showDoor();
});

function welcome({ history, text_chars }) {
  textChars = text_chars;
  stored(() => { sessionStorage.setItem("wse-name", me); localStorage.setItem("wse-name", me); });
  $("log").ariaBusy = "true"; // the past is not read out
  history.filter(({ at }) => at > lastAt).forEach(show);
  $("log").ariaBusy = "false";
  if (lostAt) note(`Connected again after ${((performance.now() - lostAt) / 1000).toFixed(1)} s.`);
  else if (!history.length) note("Nobody has said anything yet.");
  if (!lostAt) $("text").focus();
  lostAt = undefined;
}

// The connection.

const REASONS = {
  "wse.by-client": "you left",
  "wse.clients-concurrency": "newer devices of yours took the place",
  "wse.restart": "the server restarts",
  "wse.slow": "this page did not keep up",
  "wse.protocol-error": "the protocol was broken",
};

function showStatus(state, { code, reason, wait } = {}) {
  if (reason === "wse.not-authorized") return showDoor(`The server refused this name. ${BAD_NAME}`);
  if (code) {
    const why = [code, REASONS[reason] ?? reason].filter(Boolean).join(", ");
    $("last-close").textContent = [code, reason].filter(Boolean).join(" ");
    if (!lostAt) note(state === "closed" ? `Disconnected: ${why}.` : `Connection lost: ${why}.`);
    lostAt ??= performance.now();
  }
  $("chat").dataset.state = state;
  $("status-text").textContent = {
    connecting: lostAt ? "Trying again…" : "Connecting…",
    ready: `Connected as ${me}`,
    waiting: `Lost, retry in ${Math.ceil(wait / 1000)} s`,
    closed: "Disconnected",
  }[state];
  $("again").hidden = state !== "closed" && state !== "waiting";
  $("again").textContent = state === "waiting" ? "Now" : "Connect again";
  for (const button of document.querySelectorAll("#composer button, #panel button")) button.disabled = state !== "ready";
}

$("again").addEventListener("click", () => client.connect());
$("cut").addEventListener("click", () => client.cut());
$("drop-others").addEventListener("click", () => attempt("drop-others", null, (count) =>
  count ? `${count} ${count === 1 ? "device" : "devices"} of yours dropped` : "you have no other device"));

// Calls, each with the time it took.

async function attempt(rp, payload, tell) {
  const started = performance.now();
  let text;
  try {
    text = tell(await client.call(rp, payload));
  } catch (error) {
    text = `failed: ${error.message} [${error.code}]`;
  }
  $("result").textContent = `${text} · round trip ${(performance.now() - started).toFixed(1)} ms`;
}

$("time").addEventListener("click", () => attempt("time", null, (ms) => `It is ${new Date(ms).toLocaleTimeString()}`));
$("ask").addEventListener("click", () => attempt("ask-me", null, ({ device, ms }) =>
  `The server called whoami here and got “${device}” in ${ms.toFixed(1)} ms`));
$("add").addEventListener("submit", (event) => {
  event.preventDefault();
  const [a, b] = [$("a").valueAsNumber, $("b").valueAsNumber];
  attempt("add", [a, b], (sum) => `${a} + ${b} = ${sum}`);
});

// Who is here.

function showHere(list) {
  const before = here;
  here = new Map(list.map(({ name, devices }) => [name, devices]));
  if (before.size) {
    for (const name of here.keys()) if (!before.has(name)) note(`${name} is here.`);
    for (const name of before.keys()) if (!here.has(name)) note(`${name} has left.`);
  }
  $("count").textContent = list.length;
  $("here").replaceChildren(...list.map(({ name, devices }) => {
    const button = make("button", "person");
    button.type = "button";
    button.append(avatar(name), make("span", "who", name === me ? `${name} (you)` : name));
    if (devices > 1) button.append(make("span", "devices", `${devices} devices`));
    button.title = name === me ? "Write to your own devices" : `Write to ${name} alone`;
    button.addEventListener("click", () => { $("to").value = name; chooseTo(); $("text").focus(); });
    const item = make("li");
    item.append(button);
    return item;
  }));
  fillTo();
}

/** Whoever was chosen stays chosen after leaving: a private message never becomes a public one. */
function fillTo() {
  const chosen = $("to").value;
  const names = [...here.keys()];
  if (chosen && !here.has(chosen)) names.push(chosen);
  const option = (value, text) => Object.assign(make("option", "", text), { value });
  $("to").replaceChildren(option("", "everyone"), ...names.map((name) =>
    option(name, name === me ? `${name} (your devices)` : here.has(name) ? name : `${name} (not here)`)));
  $("to").value = chosen;
  chooseTo();
}

function chooseTo() {
  const to = $("to").value;
  $("composer").classList.toggle("private", to !== "");
  $("secret").hidden = to === "";
  $("secret").textContent = to === me ? "only your devices will see it" : `only ${to} will see it`;
  $("text").placeholder = to === "" ? "Write a message" : `Write to ${to}`;
}

$("to").addEventListener("change", () => { chooseTo(); $("text").focus(); });

// Typing.

const typists = new Map(); // name → timer
let typedAt = -Infinity;

function showTypist({ from }) {
  clearTimeout(typists.get(from));
  typists.set(from, setTimeout(hasStopped, TYPING_SHOWN, from));
  showTyping();
}

function hasStopped(name) {
  clearTimeout(typists.get(name));
  if (typists.delete(name)) showTyping();
}

function showTyping() {
  const names = [...typists.keys()].map((name) => (name === me ? "you" : name));
  const verb = names.length === 1 && names[0] !== "you" ? "is" : "are";
  $("typing").textContent = names.length ? `${names.length > 3 ? "several people" : names.join(" and ")} ${verb} typing…` : "";
}

// Messages.

function receive(line) {
  hasStopped(line.from);
  show(line);
  if (document.hidden && line.from !== me) document.title = `(${++unread}) wse chat`;
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  unread = 0;
  document.title = "wse chat";
});

/** A message; those that follow one another from one to the same share a head. */
function show(line) {
  const { at, from, to, text } = line;
  lastAt = Math.max(lastAt, at);
  const follows = lastLine && lastLine.from === from && lastLine.to === to && at - lastLine.at < 300_000;
  lastLine = line;
  const article = make("article", ["line", from === me && "mine", to !== null && "private", follows && "follows"].filter(Boolean).join(" "));
  const head = make("p", "head");
  const time = make("time", "", clock.format(at));
  time.dateTime = new Date(at).toISOString();
  head.append(tint(make("strong", "", from === me ? "You" : from), from));
  if (to !== null) head.append(make("span", "secret", `to ${to === me ? (from === me ? "your devices" : "you") : to}, privately`));
  head.append(time);
  article.append(avatar(from), head, make("p", "text", text));
  append(article, from === me);
}

/** A remark of the page's own. */
function note(text) {
  lastLine = undefined;
  append(make("p", "note", text), false);
}

const log = $("log");
const atEnd = () => log.scrollHeight - log.scrollTop - log.clientHeight < 60;
const toEnd = () => { log.scrollTop = log.scrollHeight; };

function append(element, follow) {
  const stay = !follow && !atEnd();
  log.append(element);
  while (log.childElementCount > MAX_LINES) log.firstElementChild.remove();
  if (stay) $("newest").hidden = false;
  else toEnd();
}

log.addEventListener("scroll", () => { if (atEnd()) $("newest").hidden = true; });
$("newest").addEventListener("click", () => { toEnd(); $("text").focus(); });
new ResizeObserver(() => { if ($("newest").hidden) toEnd(); }).observe(log);

// Writing.

const text = $("text");

function fit() {
  text.style.height = "auto";
  text.style.height = `${text.scrollHeight + text.offsetHeight - text.clientHeight}px`;
  const length = [...text.value].length;
  $("length").hidden = length < textChars * 0.9;
  $("length").textContent = `${length} of ${textChars}`;
  $("length").classList.toggle("error", length > textChars);
}

text.addEventListener("input", () => {
  fit();
  $("send-error").textContent = "";
  if (!text.value.trim() || performance.now() - typedAt < TYPING_EVERY) return;
  typedAt = performance.now();
  client.send("typing", $("to").value || null);
});

text.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  $("composer").requestSubmit();
});

let sending = false;

$("composer").addEventListener("submit", async (event) => {
  event.preventDefault();
  const said = text.value;
  if (sending || !said.trim()) return;
  sending = true;
  try {
    await client.call("say", { to: $("to").value || null, text: said.trim() });
    if (text.value === said) text.value = "";
    typedAt = -Infinity;
    $("send-error").textContent = "";
  } catch (error) {
    $("send-error").textContent = error.message; // the text stays, to be sent again
  }
  sending = false;
  fit();
});

// On a wide screen the tools are always open.
const wide = matchMedia("(min-width: 800px)");
const openTools = () => { $("tools").open = wide.matches; };
wide.addEventListener("change", openTools);
openTools();

// A reload goes on under the same name; a new tab is asked, and finds the last name filled in.
const resumed = stored(() => sessionStorage.getItem("wse-name"));
if (resumed) {
  enter(resumed);
} else {
  $("name").value = stored(() => localStorage.getItem("wse-name")) ?? "";
  showDoor();
}
