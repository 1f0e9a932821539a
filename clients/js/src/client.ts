// The client that the application holds: its methods, hooks, listeners and procedures.
// It touches no socket, and holds no state of a connection.

import type { Bounds } from "./backoff.js";
import { type CallOptions, type Calls, createCalls } from "./calls.js";
import { WSE_REASON, type WseStatus } from "./constants.js";
import type { Argument, Channel, Contract, Name, Part, Rest, Result } from "./contract.js";
import { createEmitter, type Off } from "./emitter.js";
import { WSE_ERROR, WseError, wrap } from "./error.js";
import { iterateMessages } from "./messages.js";
import { answerCall, type Procedure } from "./procedures.js";
import type { Protocol } from "./protocol.js";
import { createReconnector, type Reconnector } from "./reconnect.js";
import { type Arrival, PING } from "./session.js";
import type { SocketConstructor } from "./socket.js";

/** Who connects: a value, or a function that the client calls at every attempt to connect. */
export type Identity = unknown | (() => unknown);

/**
 * Solves a challenge: returns the solution or a promise of it, or calls `solve` now or later. What comes
 * first counts. `undefined` that is returned is no solution, so that the client waits for `solve`: return
 * `null` to say nothing. Where a handler declares both parameters, a value that it returns at once is
 * ignored, because one of npm `wse` may return what `setTimeout` does.
 */
export type Challenge = (quest: any, solve: (solution: unknown) => void) => unknown;

/** The options of a client. */
export interface Options {
  /** The server's address, `ws:` or `wss:`. */
  url: string;
  /** Whether the client reconnects after a lost connection, how long it waits, and what is final. Default false. */
  re?: boolean | Bounds;
  /** Whether, with `re`, the client asks the server for a session that survives a cut. Default true. */
  resume?: boolean;
  /** How long a call waits for its answer, in seconds; 0 means without a limit. Default 20 s. */
  tO?: number;
  /** The wire format. Default `wse-default-json`. */
  protocol?: Protocol;
  /** How long one attempt may take, from the identity to the welcome, in milliseconds; 0 means without a limit. Default 10,000 ms. */
  connectTimeout?: number;
  /** Whether the client sends the text of an error in one of its procedures to the server. Default false. */
  exposeErrors?: boolean;
  /** The constructor of sockets. It is needed where there is no global one, as in Node 18 and 20: use that of npm `ws`. */
  WebSocket?: SocketConstructor;
  /** All other options are the third argument of the socket's constructor: `headers` or `ca` of npm `ws`. */
  [option: string]: unknown;
}

/** Hooks for what happens to a client. Each returns a function that removes the listener. */
export interface When<W = any> {
  /**
   * The server has sent its welcome; `arrival` tells what became of the previous session. It is left
   * out where the server grants no session and nothing was lost. A listener that is added while the
   * client is `READY` is called at once.
   */
  ready(listener: (welcome: W, arrival?: Arrival) => unknown): Off;
  /** The socket is open and the hi was sent. The server has not decided yet. */
  connected(listener: () => unknown): Off;
  /** A connection, or an attempt to make one, has ended. The code is 1006 if there was no close frame. */
  closed(listener: (code: number, reason: string) => unknown): Off;
  /** A listener or a procedure failed, a message could not be decoded, `send` threw, or an attempt to connect failed and no promise rejects with it. */
  error(listener: (error: WseError) => unknown): Off;
  /** The status has changed. A listener that is added when the status is not `IDLE` is called at once. */
  updated(listener: (status: WseStatus) => unknown): Off;
  /** A message came that has no listener. */
  ignored(listener: (type: string, payload: any) => unknown): Off;
}

/**
 * One device of one user, and its connection to a server.
 *
 * Messages arrive in the order in which they were sent. In a session, which survives cuts, each
 * arrives exactly once; without a session, at most once. Without a session nothing is kept for later:
 * sending without a connection is an error. Every promise settles, and rejects with a
 * {@link WseError} only.
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

  #reconnector: Reconnector;
  #solver: Challenge = () => {
    throw new Error("no challenge handler");
  };
  #calls: Calls;
  #procedures = new Map<string, Procedure>();
  #events = createEmitter(console.error);
  /** Whether the hook `error` is being told of a `send` that throws. */
  #telling = false;

  /** Creates a client. It does nothing until {@link connect}. */
  constructor({ tO = 20, exposeErrors, ...options }: Options) {
    const events = this.#events;
    /** Reports a failure that no promise rejects with. */
    const report = (code: string, raw: any, about: object) => {
      const error = wrap(code, raw, about);
      if (!events.emit("error", error)) console.error(error);
    };
    /** Returns a hook. If `now` returns arguments, a new listener is called with them at once. */
    const hook =
      (event: string, now?: () => unknown[] | false) =>
      (listener: (...args: any[]) => unknown): Off => {
        const own = async (...args: unknown[]) => listener(...args);
        const args = now?.();
        events.on(event, own);
        if (args) own(...args).catch(console.error);
        return () => void events.off(event, own);
      };
    const challenge = (quest: unknown) =>
      new Promise((solve, fail) => {
        const answer: any = this.#solver(quest, solve);
        // A handler of npm `wse` may return what `setTimeout` returns.
        if (answer?.then || this.#solver.length < 2) Promise.resolve(answer).then((solution) => solution !== undefined && solve(solution), fail);
      });
    const unreadable = (error: unknown, type?: string) => report(WSE_ERROR.MESSAGE_PROCESSING_ERROR, error, { type });
    const channel = createEmitter(unreadable);
    this.#calls = createCalls(tO * 1000);
    this.#reconnector = createReconnector(options, events, this.#calls, challenge, {
      message: (type, payload) => channel.emit(type, payload) || events.emit("ignored", type, payload),
      unreadable,
      call: (call, reply) =>
        answerCall(this.#procedures.get(call[0]), call, reply, exposeErrors, (error) => report(WSE_ERROR.RP_EXECUTION_FAILED, error, { rp: call[0] })),
    });
    this.channel = channel as any;
    this.when = {
      ready: hook("ready", () => this.status === "READY" && this.#reconnector.ready()),
      connected: hook("connected"),
      closed: hook("closed"),
      error: hook("error"),
      updated: hook("updated", () => this.status !== "IDLE" && [this.status]),
      ignored: hook("ignored"),
    };
  }

  /** The status of this client: one of `WSE_STATUS`. */
  get status(): WseStatus {
    return this.#reconnector.status();
  }

  /** The address of the server that the client is, was last, or will be connected to. */
  get url(): string {
    return this.#reconnector.target().url;
  }

  /**
   * The user's id, as far as the client knows it: the field `cid` of the last welcome, or else of the
   * meta that was given to `connect`.
   */
  get cid(): string | undefined {
    return this.#reconnector.ready()[0]?.cid ?? (this.#reconnector.target().meta as any)?.cid;
  }

  /**
   * Connects, and resolves to the payload of the welcome. An argument that is left out keeps its last
   * value, at first `""` and `{}`. With `re` the client tries again as long as the failure is
   * temporary: a server that cannot be reached, an identity function that throws. If this is called
   * while the client waits between two attempts, it tries at once. Another identity takes the place of
   * that of an attempt that runs, and every promise that waits gets the new welcome.
   *
   * Rejects with `wse.not-authorized` if the server refuses, `wse.client.connection-closed` if the
   * connection ends before the welcome for another reason, both with `details.code` and
   * `details.reason` of the close, `wse.client.already-connected` if there is a connection or an
   * attempt with this identity is under way, `wse.client.invalid-cra-handler` if the challenge was not solved, a
   * `WseError` that the identity function throws, and `wse.client.ws-error` for everything else.
   */
  connect(identity?: Identity, meta?: unknown): Promise<Part<C, "welcome">> {
    return this.#reconnector.connect(identity, meta);
  }

  /**
   * Moves to another server, and resolves to its welcome. It closes the old connection with 4000
   * `jump` first. Identity and meta keep their last values if they are left out. The client reconnects
   * to the new server from now on, and a `connect` that still waits settles with this promise.
   *
   * Rejects as {@link connect} does. The client is not connected to the old server then.
   */
  jump(url: string, identity?: Identity, meta?: unknown): Promise<Part<C, "welcome">> {
    return this.#reconnector.jump(url, identity, meta);
  }

  /**
   * Closes the connection for good and stops reconnecting. The client is `OFFLINE` at once, and no
   * listener is called for what comes later. Calls in flight and a `connect` that waits reject. The
   * server gets code 1000 and the reason, by default `wse.by-client`, cut after 123 bytes.
   */
  close(reason: string = WSE_REASON.BY_CLIENT): void {
    this.#reconnector.close(reason);
  }

  /** The same as {@link close}. */
  disconnect(reason?: string): void {
    this.close(reason);
  }

  /**
   * Sends a message and returns at once, without a receipt. In a session that has lost its
   * connection the client keeps the message and sends it later, as long as it keeps no more than
   * 1 MiB.
   *
   * Throws `wse.client.not-ready` if there is neither a connection nor such a session, and
   * `wse.client.rp.invalid` if the payload cannot be encoded, the name is empty, reserved or not
   * well-formed, or the server takes no envelope of that size. The hook `error` is told of it first.
   */
  send<K extends Name<C, "send">>(type: K, ...[payload]: Rest<Part<C, "send">[K]>): void {
    try {
      this.#reconnector.send(type, payload);
    } catch (error) {
      // A listener of the hook may send too, and is not told of that.
      if (!this.#telling) {
        this.#telling = true;
        this.#events.emit("error", error);
        this.#telling = false;
      }
      throw error;
    }
  }

  /**
   * Calls a procedure of the server and resolves to its result.
   *
   * Rejects with the error of the procedure, with `wse.client.rp.timeout`, `wse.client.rp.disconnect`
   * or `wse.client.rp.aborted`. If the call was not sent, it rejects with `wse.client.not-ready`, with
   * `wse.client.rp.send-failed` if the encoder or the socket throws, or with `wse.client.rp.invalid`
   * if the name or the payload is refused as by {@link send}. The client drops an answer that comes
   * later.
   */
  call<K extends Name<C, "call">>(
    rp: K,
    ...[payload, options]: Rest<Argument<Part<C, "call">[K]>, [options?: CallOptions]>
  ): Promise<Result<Part<C, "call">[K]>> {
    return this.#calls.call(rp, (stamp) => this.#reconnector.send(rp, payload, stamp), (options ?? {}) as CallOptions);
  }

  /**
   * Returns the messages of one type, for `for await`. It listens from now on, across reconnects, and
   * keeps each message until the loop asks for it, without a bound. It ends when the client goes
   * `OFFLINE`. Leaving the loop stops listening.
   */
  messages<K extends Name<C, "channel">>(type: K): AsyncIterableIterator<Part<C, "channel">[K]> {
    return iterateMessages(this.channel as any, type, this.#events);
  }

  /**
   * Registers a procedure that the server may call. It returns the result, or a promise of it, and
   * throws a {@link WseError} to fail on purpose.
   *
   * Throws `wse.server.rp.already-registered` if the name is taken, and `wse.client.rp.invalid` for
   * `~wse:ping`.
   */
  register<K extends Name<C, "register">>(
    rp: K,
    handler: (
      payload: Argument<Part<C, "register">[K]>,
      stamp: string,
    ) => Result<Part<C, "register">[K]> | Promise<Result<Part<C, "register">[K]>>,
  ): void {
    if (rp === (PING as any)) throw new WseError(WSE_ERROR.RP_INVALID, { rp });
    if (this.#procedures.has(rp)) throw new WseError(WSE_ERROR.RP_ALREADY_REGISTERED, { rp });
    this.#procedures.set(rp, handler);
  }

  /** Removes a procedure. Throws `wse.server.rp.not-registered` if there is none of that name. */
  unregister(rp: Name<C, "register">): void {
    if (!this.#procedures.delete(rp)) throw new WseError(WSE_ERROR.RP_NOT_REGISTERED, { rp });
  }

  /**
   * Sets the handler that solves the server's challenges. If there is none, or if it fails, a
   * challenged `connect` rejects with `wse.client.invalid-cra-handler`.
   *
   * Throws the same code if `handler` is no function.
   */
  challenge(handler: Challenge): void {
    if (typeof handler !== "function") throw new WseError(WSE_ERROR.INVALID_CRA_HANDLER);
    this.#solver = handler;
  }
}
