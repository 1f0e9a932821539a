// The client: what the application holds, and what follows when a connection ends. It may never
// touch a socket, nor leave a promise unsettled.

import { calls } from "./calls.js";
import { type Connection, connection, type Dial, type SocketConstructor, type Target } from "./connection.js";
import type { Argument, Channel, Contract, Name, Part, Rest, Result } from "./contract.js";
import { type Deferred, deferred } from "./deferred.js";
import { emitter, type Off } from "./emitter.js";
import { unwelcome, WSE_ERROR, WseError, wrap } from "./error.js";
import { messages } from "./messages.js";
import { WSE_REASON, WSE_STATUS, type WseStatus } from "./names.js";
import { answer, type Procedure } from "./procedures.js";
import type { Protocol } from "./protocol.js";
import { type Bounds, wait } from "./wait.js";

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

/** How one call is made. */
export interface CallOptions {
  /** How long to wait for the answer, in milliseconds; 0 is for ever. Default: the client's `tO`. */
  timeout?: number;
  /** Stops waiting when it is aborted. The server is not told. */
  signal?: AbortSignal;
}

/** Hooks for what happens to a client. Each gives what takes the listener off again. */
export interface When<W = any> {
  /** Welcomed: every time. Called at once when the client is ready already. */
  ready(listener: (welcome: W) => unknown): Off;
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

const { IDLE, CONNECTING, READY, OFFLINE, RE_CONNECTING } = WSE_STATUS;

/**
 * One device of one user: a connection to a server, kept up as long as is asked for.
 *
 * Messages arrive in the order they were sent, at most once. Nothing is kept for later: what is
 * sent while there is no connection is an error. Every promise settles, and rejects with a
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
  readonly channel: Channel<Part<C, "channel">>;
  /** Hooks for what happens to this client. */
  readonly when: When<Part<C, "welcome">>;

  #dial: Dial;
  #target: Target;
  #re: boolean | Bounds;
  #timeout: number;
  #status: WseStatus = IDLE;
  #welcome: any;
  #waiting?: Deferred;
  /** From the first step of an attempt to the end of what came of it. */
  #connection?: Connection;
  #failed = 0;
  #stopWaiting = () => {};
  #solver?: Challenge;
  #calls = calls();
  #procedures = new Map<string, Procedure>();
  #expose: boolean;
  #channel = emitter((error, type) => this.#report(WSE_ERROR.MESSAGE_PROCESSING_ERROR, error, { type }));
  #events = emitter((error) => console.error(error));

  /** Does nothing until {@link connect}. */
  constructor(options: Options) {
    const { url, re = false, tO = 20, exposeErrors = false, ...dial } = options;
    this.#dial = dial;
    this.#target = { url, identity: "", meta: {} };
    this.#re = re;
    this.#timeout = tO * 1000;
    this.#expose = exposeErrors;
    this.channel = this.#channel as any;
    this.when = {
      ready: this.#hook("ready", () => this.#status === READY && [this.#welcome]),
      connected: this.#hook("connected"),
      closed: this.#hook("closed"),
      error: this.#hook("error"),
      updated: this.#hook("updated", () => this.#status !== IDLE && [this.#status]),
      ignored: this.#hook("ignored"),
    };
  }

  /** Where this client stands: one of `WSE_STATUS`. */
  get status(): WseStatus {
    return this.#status;
  }

  /** The address it is, or was last, or will be connected to. */
  get url(): string {
    return this.#target.url;
  }

  /**
   * The user's id, as far as this side knows it: the field `cid` of the last welcome, else of the
   * meta that was given to `connect`. The protocol itself does not tell it to the client.
   */
  get cid(): string | undefined {
    return this.#welcome?.cid ?? (this.#target.meta as any)?.cid;
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
    if (this.#connection) return Promise.reject(new WseError(WSE_ERROR.CLIENT_ALREADY_CONNECTED));
    return this.#go(this.url, identity, meta);
  }

  /**
   * Leaves for another server and resolves to its welcome. The old connection is closed with 4000
   * `jump` first. Identity and meta stay what they were when they are left out. Reconnects go to
   * the new server from now on, and a `connect` that still waits is settled with this.
   *
   * Rejects as {@link connect} does; the client is not connected to the old server any more.
   */
  jump(url: string, identity?: Identity, meta?: unknown): Promise<Part<C, "welcome">> {
    this.#connection?.close(4000, "jump");
    return this.#go(url, identity, meta);
  }

  /**
   * Ends it for good, a reconnect that waits too: code 1000 and the reason, by default
   * `wse.by-client`, cut after 123 bytes. The client is `OFFLINE` at once and hears nothing more;
   * calls in flight and a `connect` that waits are rejected.
   */
  close(reason: string = WSE_REASON.BY_CLIENT): void {
    this.#connection?.close(1000, reason);
    this.#turn(OFFLINE, 1000, reason);
  }

  /** The same as {@link close}. */
  disconnect(reason?: string): void {
    this.close(reason);
  }

  /**
   * Sends a message and returns at once; whether it arrives is not known.
   *
   * Throws `wse.client.not-ready` while not `READY`, and `wse.client.rp.invalid` when the payload
   * cannot be encoded or the name is empty or the protocol's own.
   */
  send<K extends Name<C, "send">>(type: K, ...[payload]: Rest<Part<C, "send">[K]>): void {
    this.#write(type, payload);
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
    const { timeout = this.#timeout, signal } = (options ?? {}) as CallOptions;
    return this.#calls.call((stamp) => this.#write(rp, payload, stamp), timeout, signal);
  }

  /**
   * Messages of one type, to be iterated over with `for await`. It listens from now on, across
   * reconnects, and keeps what comes until it is asked for, without a bound. It ends when the
   * client goes `OFFLINE`; leaving the loop stops it.
   */
  messages<K extends Name<C, "channel">>(type: K): AsyncIterableIterator<Part<C, "channel">[K]> {
    return messages(this.#channel, type, this.#events);
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

  #go(url: string, identity = this.#target.identity, meta = this.#target.meta): Promise<any> {
    this.#target = { url, identity, meta };
    const { promise } = (this.#waiting ??= deferred());
    this.#turn(CONNECTING, 4000, "jump");
    return promise;
  }

  /** The connection, if there was one, is gone, and this follows. All is settled before anybody is told. */
  #turn(status: WseStatus, code: number, reason: string, error = unwelcome(code, reason)) {
    const before = this.#status;
    const parted = this.#connection;
    this.#status = status;
    this.#connection = undefined;
    this.#stopWaiting();
    this.#calls.closed(code, reason);
    if (status === CONNECTING) this.#attempt();
    if (status === RE_CONNECTING) this.#stopWaiting = wait(this.#re as Bounds, this.#failed++, () => this.#attempt());
    if (status === OFFLINE) {
      this.#failed = 0;
      this.#waiting?.reject(error);
      this.#waiting = undefined;
    }
    if (parted) this.#events.emit("closed", code, reason);
    if (status !== before && status === this.#status) this.#events.emit("updated", status);
  }

  #attempt() {
    const attempt = connection(this.#dial, this.#target, {
      connected: () => this.#events.emit("connected"),
      challenge: (quest) => this.#solve(quest),
      ready: (welcome) => this.#welcomed(welcome),
      message: (type, payload) => this.#channel.emit(type, payload) || this.#events.emit("ignored", type, payload),
      call: (call) =>
        answer(this.#procedures.get(call.rp), call, attempt.reply, this.#expose, (error) =>
          this.#report(WSE_ERROR.RP_EXECUTION_FAILED, error, { rp: call.rp }),
        ),
      answer: this.#calls.answer,
      closed: (temporary, code, reason, error = unwelcome(code, reason)) => {
        const again = temporary && this.#re;
        const told = this.#status === READY || (this.#waiting && !again);
        this.#turn(again ? RE_CONNECTING : OFFLINE, code, reason, error);
        if (!told) this.#events.emit("error", error);
      },
    });
    this.#connection = attempt;
  }

  async #solve(quest: unknown): Promise<unknown> {
    let solve!: (solution: unknown) => void;
    const solved = new Promise((resolve) => (solve = resolve));
    const solution = await this.#solver!(quest, solve);
    return this.#solver!.length > 1 ? solved : solution;
  }

  #welcomed(welcome: unknown) {
    this.#failed = 0;
    this.#welcome = welcome;
    this.#status = READY;
    this.#waiting?.resolve(welcome);
    this.#waiting = undefined;
    this.#events.emit("updated", READY);
    if (this.#status === READY) this.#events.emit("ready", welcome);
  }

  #write(type: string, payload: unknown, stamp?: string) {
    if (!this.#connection?.ready()) throw new WseError(WSE_ERROR.CONNECTION_NOT_READY);
    try {
      this.#connection.send(type, payload, stamp);
    } catch (raw) {
      throw wrap(WSE_ERROR.RP_INVALID, raw, { type });
    }
  }

  /** Adds listeners of an event; one that comes late is told `now`. */
  #hook(event: string, now?: () => unknown[] | false) {
    return (listener: (...args: any[]) => unknown): Off => {
      const own = async (...args: unknown[]) => listener(...args);
      const args = now?.();
      this.#events.on(event, own);
      if (args) own(...args).catch(console.error);
      return () => void this.#events.off(event, own);
    };
  }

  /** Tells of a failure that is nobody's answer. */
  #report(code: string, raw: any, about: object) {
    const error = wrap(code, raw, about);
    if (!this.#events.emit("error", error)) console.error(error);
  }
}
