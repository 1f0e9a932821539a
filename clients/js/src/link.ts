// The link to a server: one connection after another, as long as it is asked for, and what follows
// when one ends. It may never touch a socket, nor leave a promise unsettled.

import type { Calls } from "./calls.js";
import { connection, type Dial, type Goodbye, type Owner, type Target } from "./connection.js";
import type { Emitter } from "./emitter.js";
import { WSE_ERROR, WseError } from "./error.js";
import { WSE_REASON, type WseStatus } from "./names.js";
import { JSON_PROTOCOL, type Protocol } from "./protocol.js";
import { type Listener, session } from "./session.js";
import { type Bounds, wait } from "./wait.js";

/** What keeps a client connected. */
export interface Link {
  status(): WseStatus;
  target(): Target;
  /** What `ready` was told last: the welcome, and what became of the session before. */
  ready(): any[];
  /**
   * Dials, and resolves to the welcome. With 4000 it leaves the connection that there may be, with
   * 1006 it rejects when there is one.
   */
  go(code: 1006 | 4000, url: string, identity: unknown, meta: unknown): Promise<any>;
  /** Ends it for good. */
  close(reason: string): void;
  /** Sends a message or, with a stamp, a call. Throws when it cannot be encoded, and when it can be neither sent nor kept. */
  send(type: string, payload: unknown, stamp?: string): void;
}

/** How to connect, and how to go on. */
export interface Way extends Dial {
  url: string;
  re?: boolean | Bounds;
  resume?: boolean;
  protocol?: Protocol;
}

export function link(
  { url, re, resume = true, protocol = JSON_PROTOCOL, ...dial }: Way,
  events: Emitter,
  calls: Calls,
  challenge: Owner["challenge"],
  listener: Listener,
): Link {
  let status: WseStatus = "IDLE";
  let target: Target = { url, identity: "", meta: {} };
  let told: any[] = [];
  /** Who waits for the welcome. */
  let waiting: [resolve: (welcome: unknown) => void, reject: (error: WseError) => void][] = [];
  /** From the first step of an attempt to the end of what came of it. */
  let current: Goodbye | undefined;
  /** Those that ended, without a goodbye so far. */
  const parted: Goodbye[] = [];
  let failed = 0;
  let stopWaiting = () => {};

  /** A goodbye does no harm any more: the session goes on elsewhere, or nowhere. */
  const part = (code = 1006, reason = "") =>
    parted.splice(0).forEach((goodbye) => goodbye(code === 4000 ? code : 1000, code === 1006 ? WSE_REASON.BY_CLIENT : reason));

  /** The session is over, and with it whatever waits for an answer. */
  const forget = (code = 1006, reason = "") => {
    talk.close();
    part(code, reason);
    calls.closed(code, reason);
  };

  const talk = session(protocol, re && resume, calls, listener, forget);

  /** The connection, if there was one, is gone, and this follows. All is settled before anybody is told. */
  const turn = (
    next: WseStatus,
    code: number,
    reason: string,
    error = new WseError(
      reason === WSE_ERROR.NOT_AUTHORIZED ? reason : WSE_ERROR.WS_CLIENT_ERROR, // code and reason are the same string
      { code, reason },
      `closed: ${code} ${reason}`,
    ),
  ) => {
    const before = status;
    const gone = current;
    status = next;
    current = undefined;
    if (gone) parted.push(gone);
    stopWaiting();
    const left = next === "CONNECTING" || before === "READY";
    if (next === "OFFLINE" || (left && code !== 1006) || !talk.closed()) forget(code, reason);
    if (next === "OFFLINE") {
      failed = 0;
      waiting.splice(0).forEach(([, reject]) => reject(error));
    } else if (next === "CONNECTING") attempt();
    else stopWaiting = wait(re as Bounds, failed++, reason.match(/\bafter=(\d+)\b/)?.[1], attempt);
    if (gone) events.emit("closed", code, reason);
    if (next !== before && next === status) events.emit("updated", next);
    return error;
  };

  const attempt = () => {
    current = connection(dial, protocol, target, talk, {
      connected: () => events.emit("connected"),
      challenge,
      ready(...arrived) {
        part();
        failed = 0;
        told = arrived;
        status = "READY";
        waiting.splice(0).forEach(([resolve]) => resolve(told[0]));
        events.emit("updated", status);
        if (status === "READY") events.emit("ready", ...told);
      },
      closed(temporary, code, reason, raw) {
        const again = temporary && re;
        const heard = status === "READY" || (waiting.length && !again);
        const error = turn(again ? "RE_CONNECTING" : "OFFLINE", code, reason, raw);
        if (!heard) events.emit("error", error);
      },
    });
  };

  return {
    status: () => status,
    target: () => target,
    ready: () => told,
    go: (code, url, identity = target.identity, meta = target.meta) =>
      new Promise((resolve, reject) => {
        if (current && code === 1006) throw new WseError(WSE_ERROR.CLIENT_ALREADY_CONNECTED);
        target = { url, identity, meta };
        waiting.push([resolve, reject]);
        turn("CONNECTING", code, "jump");
      }),
    close: (reason) => void turn("OFFLINE", 1000, reason),
    send: talk.send,
  };
}
