// What only the build for development says: what to do about an error, and which options nobody knows.
// It changes nothing that goes over the wire.

import * as codes from "./codes.js";

/** What to do about each error of this library. */
const SENTENCES: Record<string, string> = {
  [codes.INVALID_CRA_HANDLER]: "The server wants a challenge solved: give `client.challenge` a function that returns the solution, or a promise of it.",
  [codes.RP_TIMEOUT]: "Whether the procedure ran is unknown: give the call a longer `timeout`, or look why the server takes so long.",
  [codes.RP_DISCONNECT]: "Whether the procedure ran is unknown: call it again when the client is READY, if it may run twice. With `re` and a server that grants sessions, calls survive a cut.",
  [codes.RP_ABORTED]: "The signal of the call was aborted here. Whether the procedure ran is unknown.",
  [codes.RP_INVALID]: "Nothing was sent. A name is text, well-formed and without `~wse:` in front. A payload is JSON: no binary, Map, Set, NaN or Infinity, no more than 128 levels, and no larger than the server takes.",
  [codes.RP_SEND_FAILED]: "Nothing was sent: look for a circle or a BigInt in the payload. `details.origin` has what was thrown.",
  [codes.CLIENT_ALREADY_CONNECTED]: "Call `connect` once. For another server there is `jump`, for another user `close` and then `connect`.",
  [codes.WS_CLIENT_ERROR]: "Check that the server runs, and its address, path and certificate. `details.raw` has what the platform says; in a browser the network panel says more.",
  [codes.CONNECTION_CLOSED]: "The connection ended before the welcome: `details.code` and `details.reason` say why, and the log of the server says more.",
  [codes.NOT_AUTHORIZED]: "The server refused the identity: get a new token, or let the user log in again, then call `connect`.",
  [codes.CONNECTION_NOT_READY]: "Nothing was sent or kept: wait for `connect` or `when.ready`. With `re` and a server that grants sessions, what is sent during a cut is kept, up to 1 MiB.",
  [codes.RP_EXECUTION_FAILED]: "The log of the side that ran the procedure has the reason. A procedure that throws a WseError, or has its errors exposed, tells it to the caller.",
  [codes.RP_NOT_REGISTERED]: "Compare the name in `details.rp` with what is registered, and register before `connect`.",
  [codes.RP_ALREADY_REGISTERED]: "Each name has one procedure: `unregister` the old one first, as code that is reloaded has to.",
  [codes.MESSAGE_PROCESSING_ERROR]: "A listener threw, or the message could not be decoded: `details.raw` has the error, `details.type` the message.",
};

/** Returns a message with what to do about errors of this code. */
export function explain(code: string, message?: string): string {
  const sentence = SENTENCES[code];
  return message && sentence ? `${message} – ${sentence}` : message || sentence || code;
}

/** The options that there are, and what else they are taken for. */
type Known = Record<string, string[]>;

const OPTIONS: Known = {
  url: ["uri", "address", "host"],
  re: ["reconnect", "reconnection", "autoReconnect", "retry", "retries", "re_on_codes"],
  resume: ["session", "sessions"],
  tO: ["timeout", "callTimeout", "rpcTimeout"],
  protocol: ["protocols", "codec", "format"],
  connectTimeout: [],
  exposeErrors: [],
  WebSocket: ["socket", "ws"],
};
const BOUNDS: Known = { min: ["minDelay", "delay"], max: ["maxDelay", "limit"], persistent: ["forever"], final: ["retries", "retryIf"] };

/** The options of `send`. */
export const SEND: Known = { latest: ["key", "replace"], ttl: ["timeout", "expires"] };

/** The options of `call`. */
export const CALL: Known = { timeout: ["tO", "ttl"], signal: ["abort", "controller"] };

/** Returns how many letters have to be changed, added or removed to get from one text to the other. */
function distance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, n) => n);
  for (const [i, letter] of [...from].entries()) {
    const next = [i + 1];
    for (let j = 0; j < to.length; j++) next.push(Math.min(next[j]! + 1, row[j + 1]! + 1, row[j]! + Number(letter !== to[j])));
    row = next;
  }
  return row[to.length]!;
}

/** What was warned of: each once, because a call may come a thousand times. */
const warned = new Set<string>();

/** Warns of the names in `given` that are not known. With `free` others may know them, and only likely mistakes are told. */
export function warnUnknown(where: string, given: unknown, known: Known, free = false): void {
  const names = Object.keys(known);
  for (const name of Object(given) === given ? Object.keys(given as object) : []) {
    if (names.includes(name)) continue;
    const close = (other: string) => distance(name.toLowerCase(), other.toLowerCase()) <= Math.floor(other.length / 4);
    const meant = names.find((other) => close(other) || known[other]!.includes(name));
    const text = `wse-client: ${where} has no option "${name}". ${meant ? `Do you mean "${meant}"?` : `It has ${names.join(", ")}.`}`;
    if ((free && !meant) || warned.has(text)) continue;
    warned.add(text);
    console.warn(text);
  }
}

/** Warns of options of a client that nobody knows. A socket of one's own may know others, as that of npm `ws` does. */
export function warnOptions(options: any): void {
  warnUnknown("WseClient", options, OPTIONS, !!options.WebSocket);
  warnUnknown("re", options.re, BOUNDS);
}
