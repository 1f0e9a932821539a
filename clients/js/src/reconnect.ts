// One connection after another: attempts, waits, jumps, and the session across them.
// It touches no socket, and leaves no promise unsettled.

import { backoff, type Bounds } from "./backoff.js";
import type { Calls } from "./calls.js";
import { type Close, type ConnectionOptions, openConnection, Outlook, type Owner, type Target } from "./connection.js";
import type { WseStatus } from "./constants.js";
import type { Emitter } from "./emitter.js";
import { closedError, WSE_ERROR, WseError } from "./error.js";
import { JSON_PROTOCOL, type Protocol } from "./protocol.js";
import { createSession, type Handlers } from "./session.js";

/** Keeps a client connected. */
export interface Reconnector {
  status(): WseStatus;
  target(): Target;
  /** Returns what the hook `ready` was told last: the welcome, and what became of the previous session. */
  ready(): any[];
  /** Dials, and resolves to the welcome. Rejects if there is a connection, or an attempt with this identity. */
  connect(identity?: unknown, meta?: unknown): Promise<any>;
  /** Closes the connection with 4000 if there is one, dials there, and resolves to the welcome. */
  jump(url: string, identity?: unknown, meta?: unknown): Promise<any>;
  /** Closes the connection and stops reconnecting. */
  close(reason: string): void;
  /** Sends a message or, with a stamp, a call. Throws if it cannot be encoded, or neither sent nor kept. */
  send(type: string, payload: unknown, stamp?: string): void;
}

/** How to connect, and whether to reconnect. */
export interface ReconnectOptions extends ConnectionOptions {
  url: string;
  re?: boolean | Bounds;
  resume?: boolean;
  protocol?: Protocol;
}

/** The codes that end a session. Every other end may be that of the network, and the session goes on. */
const PARTING = /^(100[^146]|101[023]|4000)$/;

/** How soon after its welcome an end may count as that of a failed attempt, in milliseconds. */
const SOON = 10_000;

export function createReconnector(
  { url, re, resume = true, protocol = JSON_PROTOCOL, ...options }: ReconnectOptions,
  events: Emitter,
  calls: Calls,
  challenge: Owner["challenge"],
  handlers: Handlers,
): Reconnector {
  let status: WseStatus = "IDLE";
  let target: Target = { url, identity: "", meta: {} };
  let welcomed: any[] = [];
  /** Closes the current attempt or connection; `undefined` while there is none. */
  let current: Close | undefined;
  /** Closes the last connection, which ended without a close frame of this client. A close frame would end the session. */
  let detached: Close | undefined;
  let failures = 0;
  /** The address that has sent the last welcome, until the client is `OFFLINE`. */
  let known = "";
  /** When the last welcome came. */
  let readyAt = 0;
  let endWait = () => {};

  /** Ends the session, and rejects the calls that wait for an answer in it. */
  const endSession = (code = 1006, reason = "") => {
    session.close();
    detached?.(code, reason);
    calls.closed(code, reason);
  };

  const session = createSession(protocol, re && resume, calls, handlers, endSession);

  /**
   * Leaves the current attempt or connection, if there is one, for the next status. Settles promises
   * before it emits events, and returns whether it rejected one.
   */
  const leave = (next: WseStatus, code: number, reason: string, error = closedError(code, reason)) => {
    const previous = status;
    const left = current;
    const lasted = previous === "READY" && Date.now() - readyAt > SOON;
    status = next;
    current = undefined;
    endWait();
    if (previous === "READY") {
      detached = left;
      // A connection that is over at once, and did not help, is another attempt that failed.
      if (lasted || (code !== 1013 && !session.stuck())) failures = 0;
    } else left?.(code, reason); // before the welcome a close frame ends the attempt only
    const ends = next === "OFFLINE" || ((next === "CONNECTING" || previous === "READY") && PARTING.test(`${code}`));
    if (ends || !session.park(lasted)) endSession(code, reason);
    let told = false;
    if (next === "OFFLINE") {
      failures = 0;
      known = "";
      told = events.emit("settled", error);
    } else if (next === "CONNECTING") attempt();
    else endWait = backoff(re as Bounds, failures++, /^101[23].*? after=(\d+) /.exec(`${code} ${reason} `)?.[1], attempt);
    if (left) events.emit("closed", code, reason);
    if (next !== previous && next === status) events.emit("updated", next);
    return told;
  };

  /** Whether another attempt follows this end. */
  const triesAgain = (outlook: Outlook, error: WseError) => {
    if (!re || outlook === Outlook.INVALID) return false;
    const { persistent, final } = re as Bounds;
    try {
      if (final) return !final(error);
    } catch (thrown) {
      console.error(thrown); // the client's own rule holds
    }
    return outlook > (known === target.url || persistent ? Outlook.FINAL : Outlook.UNCLEAR);
  };

  const attempt = () => {
    endWait();
    current = openConnection(options, protocol, target, session, {
      connected: () => events.emit("connected"),
      challenge,
      ready(...args) {
        detached?.(1006, "");
        known = target.url;
        readyAt = Date.now();
        welcomed = args;
        status = "READY";
        events.emit("settled", null, welcomed[0]);
        events.emit("updated", status);
        if (status === "READY") events.emit("ready", ...args);
      },
      closed(code, reason, error, outlook) {
        // A connection that ends is told by `closed`, and a final failure by the promises.
        const told = status === "READY";
        if (!leave(triesAgain(outlook, error) ? "RE_CONNECTING" : "OFFLINE", code, reason, error) && !told) events.emit("error", error);
      },
    });
  };

  /** Dials another target. The code closes the current connection; it is 1006 if there is none, or an attempt. */
  const jump = (url: string, identity = target.identity, meta = target.meta, code = 4000, reason = "jump") =>
    new Promise<any>((resolve, reject) => {
      target = { url, identity, meta };
      // What waits for the welcome, as a listener of an event that no hook has.
      events.once("settled", (error, welcome) => (error ? reject(error) : resolve(welcome)));
      leave("CONNECTING", code, reason);
    });

  return {
    status: () => status,
    target: () => target,
    ready: () => welcomed,
    connect: (identity, meta) =>
      status === "READY" || (current && (identity === undefined || identity === target.identity))
        ? Promise.reject(new WseError(WSE_ERROR.CLIENT_ALREADY_CONNECTED))
        : jump(target.url, identity, meta, 1006, ""),
    jump,
    close: (reason) => leave("OFFLINE", 1000, reason),
    send: session.send,
  };
}
