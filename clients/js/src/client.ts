// The client: what the application holds, and what follows when a connection ends. It may never
// touch a socket, nor leave a promise unsettled.

import { type CallOptions, type Calls, calls } from "./calls.js";
import type { SocketConstructor } from "./connection.js";
import type { Argument, Channel, Contract, Name, Part, Rest, Result } from "./contract.js";
import { emitter, type Off } from "./emitter.js";
import { WSE_ERROR, WseError, wrap } from "./error.js";
import { type Link, link } from "./link.js";
import { messages } from "./messages.js";
import { WSE_REASON, type WseStatus } from "./names.js";
import { answer, type Procedure } from "./procedures.js";
import type { Protocol } from "./protocol.js";
import type { Arrival } from "./session.js";
import type { Bounds } from "./wait.js";

/** Who this is: a value, or a function that is asked at every attempt to connect. */
export type Identity = unknown | (() => unknown);

/**
 * Solves a challenge: gives the solution, or a promise of it. One that takes two parameters calls
 * `solve` instead, as in npm `wse`, and what it returns is ignored.
 */
export type Challenge = (quest: any, solve: (solution: unknown) => void) => unknown;

/** How a client is made. */
export interface Options {
  /** The server's address, `ws:` or `wss:`. */
  url: string;
  /** Whether to come back after a lost connection, and how patiently. Default false. */
  re?: boolean | Bounds;
  /** Whether, with `re`, the server is asked for a session that survives a cut. Default true. */
  resume?: boolean;
  /** How long a call waits for its answer, in seconds; 0 is for ever. Default 20 s. */
  tO?: number;
  /** The wire format. Default `wse-default-json`. */
  protocol?: Protocol;
  /** How long one attempt may take from the dial to the welcome, in milliseconds. Default 10,000 ms. */
  connectTimeout?: number;
  /** Whether the text of an error in a procedure of this client reaches the server. Default false. */
  exposeErrors?: boolean;
  /** Needed where there is no global one, as in Node 18 and 20: that of npm `ws` fits. */
  WebSocket?: SocketConstructor;
  /** Everything else is handed to the constructor of the socket as third argument: `headers` or `ca` of npm `ws`. */
  [option: string]: unknown;
}

/** Hooks for what happens to a client. Each gives what takes the listener off again. */
export interface When<W = any> {
  /** Welcomed: every time, and what became of the session. Called at once when the client is ready already. */
  ready(listener: (welcome: W, arrival: Arrival) => unknown): Off;
  /** The socket is open and the hi is sent; the server has not decided yet. */
  connected(listener: () => unknown): Off;
  /** A connection, or an attempt to make one, has ended: 1006 when there was no goodbye. */
  closed(listener: (code: number, reason: string) => unknown): Off;
  /** A listener or a procedure failed, or an attempt to connect of which no promise tells. */
  error(listener: (error: WseError) => unknown): Off;
  /** The status has changed. Called at once when it is not the first any more. */
  updated(listener: (status: WseStatus) => unknown): Off;
  /** A message came that nobody listens to. */
  ignored(listener: (type: string, payload: any) => unknown): Off;
}

/**
 * One device of one user: a connection to a server, kept up as long as is asked for.
 *
 * Messages arrive in the order they were sent: exactly once in a session, which survives cuts, and
 * at most once without. Without one nothing is kept for later: what is sent while there is no
 * connection is an error. Every promise settles, and rejects with a {@link WseError} only.
 *
 * ```ts
 * const client = new WseClient({ url: "wss://chat.example.com/ws", re: true });
 * client.channel.on("line", (line) => console.log(line));
 * await client.connect(token);
 * client.send("say", "hello");
 * const five = await client.call("add", { a: 2, b: 3 });
 * ```
 */
export class WseClient<C extends Contract = any> {
  /** Messages from the server, by type: `on`, `once`, `off`. */
  declare readonly channel: Channel<Part<C, "channel">>;
  /** Hooks for what happens to this client. */
  declare readonly when: When<Part<C, "welcome">>;

  #link: Link;
  #solver: Challenge = () => {
    throw new Error("no challenge handler");
  };
  #calls: Calls;
  #procedures = new Map<string, Procedure>();
  #events = emitter(console.error);

  /** Does nothing until {@link connect}. */
  constructor({ tO = 20, exposeErrors, ...way }: Options) {
    const events = this.#events;
    /** Tells of a failure that is nobody's answer. */
    const report = (code: string, raw: any, about: object) => {
      const error = wrap(code, raw, about);
      if (!events.emit("error", error)) console.error(error);
    };
    /** Adds listeners of an event; one that comes late is told `now`. */
    const hook =
      (event: string, now?: () => unknown[] | false) =>
      (listener: (...args: any[]) => unknown): Off => {
        const own = async (...args: unknown[]) => listener(...args);
        const args = now?.();
        events.on(event, own);
        if (args) own(...args).catch(console.error);
        return () => void events.off(event, own);
      };
    const challenge = async (quest: unknown) => {
      let solve!: (solution: unknown) => void;
      const solved = new Promise((resolve) => (solve = resolve));
      const solution = await this.#solver(quest, solve);
      return this.#solver.length > 1 ? solved : solution;
    };
    const channel = emitter((error, type) => report(WSE_ERROR.MESSAGE_PROCESSING_ERROR, error, { type }));
    this.#calls = calls(tO * 1000);
    this.#link = link(way, events, this.#calls, challenge, {
      message: (type, payload) => channel.emit(type, payload) || events.emit("ignored", type, payload),
      call: (call, reply) =>
        answer(this.#procedures.get(call.type), call, reply, exposeErrors, (error) =>
          report(WSE_ERROR.RP_EXECUTION_FAILED, error, { rp: call.type }),
        ),
    });
    this.channel = channel as any;
    this.when = {
      ready: hook("ready", () => this.status === "READY" && this.#link.ready()),
      connected: hook("connected"),
      closed: hook("closed"),
      error: hook("error"),
      updated: hook("updated", () => this.status !== "IDLE" && [this.status]),
      ignored: hook("ignored"),
    };
  }

  /** Where this client stands: one of `WSE_STATUS`. */
  get status(): WseStatus {
    return this.#link.status();
  }

  /** The address it is, or was last, or will be connected to. */
  get url(): string {
    return this.#link.target().url;
  }

  /**
   * The user's id, as far as this side knows it: the field `cid` of the last welcome, else of the
   * meta that was given to `connect`.
   */
  get cid(): string | undefined {
    return this.#link.ready()[0]?.cid ?? (this.#link.target().meta as any)?.cid;
  }

  /**
   * Connects, and resolves to the payload of the welcome. What is left out stays as it was the last
   * time, at first `""` and `{}`. With `re` it goes on trying as long as the failure is temporary:
   * a server that cannot be reached, an identity function that throws. While it waits between two
   * attempts, calling it again tries at once.
   *
   * Rejects with `wse.not-authorized` when refused, `wse.client.already-connected` when there is a
   * connection or an attempt is under way, `wse.client.invalid-cra-handler` when the challenge was
   * not solved, a `WseError` of the identity function, and `wse.client.ws-error` for everything
   * else, with `details.code` and `details.reason` of the close.
   */
  connect(identity?: Identity, meta?: unknown): Promise<Part<C, "welcome">> {
    return this.#link.go(1006, this.url, identity, meta);
  }

  /**
   * Leaves for another server and resolves to its welcome. The old connection is closed with 4000
   * `jump` first. Identity and meta stay what they were when they are left out. Reconnects go to
   * the new server from now on, and a `connect` that still waits is settled with this.
   *
   * Rejects as {@link connect} does; the client is not connected to the old server any more.
   */
  jump(url: string, identity?: Identity, meta?: unknown): Promise<Part<C, "welcome">> {
    return this.#link.go(4000, url, identity, meta);
  }

  /**
   * Ends it for good, a reconnect that waits too: code 1000 and the reason, by default
   * `wse.by-client`, cut after 123 bytes. The client is `OFFLINE` at once and hears nothing more;
   * calls in flight and a `connect` that waits are rejected.
   */
  close(reason: string = WSE_REASON.BY_CLIENT): void {
    this.#link.close(reason);
  }

  /** The same as {@link close}. */
  disconnect(reason?: string): void {
    this.close(reason);
  }

  /**
   * Sends a message and returns at once; whether it arrives is not known. In a session that has
   * lost its connection it is kept, as long as no more than 1 MiB is.
   *
   * Throws `wse.client.not-ready` without a connection or such a session, and
   * `wse.client.rp.invalid` when the payload cannot be encoded or the name is empty or the
   * protocol's own.
   */
  send<K extends Name<C, "send">>(type: K, ...[payload]: Rest<Part<C, "send">[K]>): void {
    this.#link.send(type, payload);
  }

  /**
   * Calls a procedure of the server and resolves to its result.
   *
   * Rejects with what the procedure failed with, or with `wse.client.rp.timeout`,
   * `wse.client.rp.disconnect`, `wse.client.rp.aborted`, or as {@link send} throws. An answer that
   * comes later is dropped.
   */
  call<K extends Name<C, "call">>(
    rp: K,
    ...[payload, options]: Rest<Argument<Part<C, "call">[K]>, [options?: CallOptions]>
  ): Promise<Result<Part<C, "call">[K]>> {
    return this.#calls.call(rp, (stamp) => this.#link.send(rp, payload, stamp), (options ?? {}) as CallOptions);
  }

  /**
   * Messages of one type, to be iterated over with `for await`. It listens from now on, across
   * reconnects, and keeps what comes until it is asked for, without a bound. It ends when the
   * client goes `OFFLINE`; leaving the loop stops it.
   */
  messages<K extends Name<C, "channel">>(type: K): AsyncIterableIterator<Part<C, "channel">[K]> {
    return messages(this.channel as any, type, this.#events);
  }

  /**
   * Registers a procedure that the server may call. What it returns is the result, a promise is
   * awaited. Throw a {@link WseError} to fail on purpose. Throws `wse.server.rp.already-registered`.
   */
  register<K extends Name<C, "register">>(
    rp: K,
    handler: (
      payload: Argument<Part<C, "register">[K]>,
      stamp: string,
    ) => Result<Part<C, "register">[K]> | Promise<Result<Part<C, "register">[K]>>,
  ): void {
    if (this.#procedures.has(rp)) throw new WseError(WSE_ERROR.RP_ALREADY_REGISTERED, { rp });
    this.#procedures.set(rp, handler);
  }

  /** Takes a procedure off. Throws `wse.server.rp.not-registered` when there is none of that name. */
  unregister(rp: Name<C, "register">): void {
    if (!this.#procedures.delete(rp)) throw new WseError(WSE_ERROR.RP_NOT_REGISTERED, { rp });
  }

  /**
   * Sets what solves the server's challenges. Without it, or when it fails, a challenged `connect`
   * rejects with `wse.client.invalid-cra-handler`, which is also thrown at what is no function.
   */
  challenge(handler: Challenge): void {
    if (typeof handler !== "function") throw new WseError(WSE_ERROR.INVALID_CRA_HANDLER);
    this.#solver = handler;
  }
}
