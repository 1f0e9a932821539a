// One client: one connection after another, attempts, waits, jumps, and the session across them.
// It touches no socket, and leaves no promise unsettled.

import { CALL, SEND, warnOptions, warnUnknown } from "./advice.js";
import { CLIENT_ALREADY_CONNECTED, INVALID_CRA_HANDLER, MESSAGE_PROCESSING_ERROR, RP_ALREADY_REGISTERED, RP_EXECUTION_FAILED, RP_NOT_REGISTERED } from "./codes.js";
import { backoff, type Bounds } from "./backoff.js";
import { ask, type Close, openConnection, Outlook, type Target } from "./connection.js";
import { BY_CLIENT, type WseStatus } from "./constants.js";
import type { Contract } from "./contract.js";
import { createEmitter } from "./emitter.js";
import { closedError, WseError, wrap } from "./error.js";
import type { Methods } from "./methods.js";
import type { CallOptions, Challenge, Options, SendOptions } from "./options.js";
import { answerCall, type Procedure } from "./procedures.js";
import { JSON_PROTOCOL } from "./protocol.js";
import { createSession } from "./session.js";

/** One device of one user: see {@link Methods}. */
export interface WseClient<C extends Contract = any> extends Methods<C> {}

/** Creates a client. It does nothing until {@link Methods.connect}. */
export const WseClient = function ({ url, re, resume = true, protocol = JSON_PROTOCOL, tO = 20, exposeErrors, ...options }: Options) {
  if (DEVELOPMENT) warnOptions(arguments[0]);
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

  const procedures = new Map<string, Procedure>();
  let solver: Challenge = () => {
    throw new Error("no challenge handler");
  };
  /** Whether the hook `error` is being told of a `send` that throws. */
  let telling = false;

  /** Reports a failure that no promise rejects with. */
  const report = (code: string, raw: any, about: object) => {
    const error = wrap(code, raw, about);
    if (!events.emit("error", error)) console.error(error);
  };
  const unreadable = (error: unknown, type?: string) => report(MESSAGE_PROCESSING_ERROR, error, { type });

  const events = createEmitter(console.error);
  const channel = createEmitter(unreadable);

  const solve = (quest: unknown) =>
    new Promise((resolve, reject) => {
      const answer: any = solver(quest, resolve);
      // A handler of npm `wse` may return what `setTimeout` returns.
      if (answer?.then || solver.length < 2) Promise.resolve(answer).then((solution) => solution !== undefined && resolve(solution), reject);
    });

  /** Ends the session, and rejects the calls that wait for an answer in it. */
  const endSession = (code = 1006, reason = "") => {
    session.close(code, reason);
    detached?.(code, reason);
  };

  const session = createSession(protocol, re && resume, tO * 1000, endSession, {
    message: (type, payload) => channel.emit(type, payload) || events.emit("ignored", type, payload),
    unreadable,
    call: (call, reply, signal) => {
      const failed = (error: unknown) => report(RP_EXECUTION_FAILED, error, { rp: call[0] });
      const procedure = call[0] === "~wse:identity" ? () => ask(target.identity) : procedures.get(call[0]);
      answerCall(procedure, call, reply, signal, exposeErrors, failed).catch(failed);
    },
  });

  /**
   * Leaves the current attempt or connection, if there is one, for the next status. Settles promises
   * before it emits events. The hook `error` is told of an error where nothing else tells it: a
   * connection that ends is told by `closed`, and a final failure by the promises.
   */
  const leave = (next: WseStatus, code: number, reason: string, error?: WseError) => {
    const previous = status;
    const left = current;
    const wasReady = previous === "READY";
    const lasted = wasReady && Date.now() - readyAt > 10_000;
    const stuck = session.stuck(lasted);
    status = next;
    current = undefined;
    endWait();
    if (wasReady) {
      detached = left;
      // A connection that did not help is another attempt that failed.
      if (!stuck && (lasted || code !== 1013)) failures = 0;
    } else left?.(code, reason); // before the welcome a close frame ends the attempt only
    // Every other end than these may be that of the network, and the session goes on. One that has moved is elsewhere.
    const parting = next === "OFFLINE" || code === 4000 || (wasReady && /^(100[^146]|101[03]|1012(?! wse.moved ))/.test(`${code} ${reason} `));
    if (parting || !session.park()) endSession(code, reason);
    if (next === "OFFLINE") {
      failures = 0;
      known = "";
      if (events.emit("settled", () => Promise.reject(error ?? closedError(code, reason)))) error = undefined;
    } else if (next === "CONNECTING") attempt();
    else endWait = backoff(re as Bounds, failures++, /^101[23].*? after=(\d+) /.exec(`${code} ${reason} `)?.[1], attempt);
    if (left) events.emit("closed", code, reason);
    if (next !== previous && next === status) events.emit("updated", next);
    if (error && !wasReady) events.emit("error", error);
  };

  /** Whether another attempt follows this end. */
  const triesAgain = (outlook: Outlook, error: WseError) => {
    if (!re || !outlook) return false;
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
      challenge: solve,
      ready(...args) {
        detached?.(1006, "");
        welcomed = args;
        known = target.url;
        readyAt = Date.now();
        status = "READY";
        events.emit("settled", () => welcomed[0]);
        events.emit("updated", status);
        if (status === "READY") events.emit("ready", ...args);
      },
      closed(code, reason, error, outlook) {
        const ended = current;
        const again = triesAgain(outlook, error);
        // Else `final` has called `close`, or has dialled elsewhere.
        if (ended === current) leave(again ? "RE_CONNECTING" : "OFFLINE", code, reason, error);
      },
    });
  };

  /** Dials another target. The code closes the current connection; it is 1006 if there is none, or an attempt. */
  const jump = (url: string, identity = target.identity, meta = target.meta, code = 4000, reason = "jump") =>
    new Promise<any>((resolve) => {
      target = { url, identity, meta };
      // What waits for the welcome, as a listener of an event that no hook has.
      events.once("settled", (settle) => resolve(settle()));
      leave("CONNECTING", code, reason);
    });

  const close = (reason: string = BY_CLIENT) => void leave("OFFLINE", 1000, reason);

  /** Returns a hook. If `now` returns arguments, a new listener is called with them at once. */
  const hook = (event: string, now?: () => unknown[] | false) => (listener: (...args: any[]) => unknown) => events.when(event, listener, now?.());

  return {
    __proto__: (new.target as any).prototype,
    get status() {
      return status;
    },
    get url() {
      return target.url;
    },
    get cid(): string | undefined {
      return welcomed[0]?.cid ?? (target.meta as any)?.cid;
    },
    channel,
    when: {
      ready: hook("ready", () => status === "READY" && welcomed),
      connected: hook("connected"),
      closed: hook("closed"),
      error: hook("error"),
      updated: hook("updated", () => status !== "IDLE" && [status]),
      ignored: hook("ignored"),
    },
    async connect(identity?: unknown, meta?: unknown) {
      if (status === "READY" || (current && [undefined, target.identity].includes(identity)))
        throw new WseError(CLIENT_ALREADY_CONNECTED);
      return jump(target.url, identity, meta, 1006, "");
    },
    jump,
    close,
    disconnect: close,
    send(type: string, payload: unknown, options?: SendOptions) {
      if (DEVELOPMENT) warnUnknown("send", options, SEND);
      try {
        session.send(type, payload, options);
      } catch (error) {
        // A listener of the hook may send too, and is not told of that.
        if (!telling) {
          telling = true;
          events.emit("error", error);
          telling = false;
        }
        throw error;
      }
    },
    call: DEVELOPMENT
      ? (rp: string, payload: unknown, options?: CallOptions) => {
          warnUnknown("call", options, CALL);
          return session.call(rp, payload, options);
        }
      : session.call,
    register(rp: string, procedure: Procedure) {
      session.check(rp);
      if (procedures.has(rp)) throw new WseError(RP_ALREADY_REGISTERED, { rp });
      procedures.set(rp, procedure);
    },
    unregister(rp: string) {
      if (!procedures.delete(rp)) throw new WseError(RP_NOT_REGISTERED, { rp });
    },
    challenge(handler: Challenge) {
      if (typeof handler !== "function") throw new WseError(INVALID_CRA_HANDLER);
      solver = handler;
    },
  };
} as unknown as new <C extends Contract = any>(options: Options) => WseClient<C>;
