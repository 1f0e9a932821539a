// What the methods and hooks of a client guarantee.
// It holds types only.

import type { WseStatus } from "./constants.js";
import type { Argument, Channel, Contract, Name, Part, Rest, Result } from "./contract.js";
import type { Off } from "./emitter.js";
import type { WseError } from "./error.js";
import type { CallOptions, Challenge, Identity, SendOptions } from "./options.js";
import type { Arrival } from "./guarantees.js";

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
export interface Methods<C extends Contract = any> {
  /** Messages from the server, by type: `on`, `once`, `off`. */
  readonly channel: Channel<Part<C, "channel">>;
  /** Hooks for what happens to this client. */
  readonly when: When<Part<C, "welcome">>;

  /** The status of this client: one of `WSE_STATUS`. */
  readonly status: WseStatus;

  /** The address of the server that the client is, was last, or will be connected to. */
  readonly url: string;

  /**
   * The user's id, as far as the client knows it: the field `cid` of the last welcome, or else of the
   * meta that was given to `connect`.
   */
  readonly cid: string | undefined;

  /**
   * Connects, and resolves to the payload of the welcome. An argument that is left out keeps its last
   * value, at first `""` and `{}`. A server may ask for the identity anew while the client is connected:
   * a function is called then, too, and a value is given again. With `re` the client tries again as long as the failure is
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
  connect(identity?: Identity, meta?: unknown): Promise<Part<C, "welcome">>;

  /**
   * Moves to another server, and resolves to its welcome. It closes the old connection with 4000
   * `jump` first. Identity and meta keep their last values if they are left out. The client reconnects
   * to the new server from now on, and a `connect` that still waits settles with this promise.
   *
   * Rejects as {@link connect} does. The client is not connected to the old server then.
   */
  jump(url: string, identity?: Identity, meta?: unknown): Promise<Part<C, "welcome">>;

  /**
   * Closes the connection for good and stops reconnecting. The client is `OFFLINE` at once, and no
   * listener is called for what comes later. Calls in flight and a `connect` that waits reject. The
   * server gets code 1000 and the reason, by default `wse.by-client`, cut after 123 bytes.
   */
  close(reason?: string): void;

  /** The same as {@link close}. */
  disconnect(reason?: string): void;

  /**
   * Sends a message and returns at once, without a receipt. In a session that has lost its
   * connection the client keeps the message and sends it later, as long as it keeps no more than
   * 1 MiB. With `latest` the server is sent the newest of a key only, and with `ttl` nothing that is
   * older: both say what becomes of a message that waits, and need a server that can skip for one that
   * was sent before the connection was lost.
   *
   * Throws `wse.client.not-ready` if there is neither a connection nor such a session, and
   * `wse.client.rp.invalid` if the payload cannot be encoded, the name is empty, reserved or not
   * well-formed, or the server takes no envelope of that size. The hook `error` is told of it first.
   */
  send<K extends Name<C, "send">>(type: K, ...[payload, options]: Rest<Part<C, "send">[K], [options?: SendOptions]>): void;

  /**
   * Calls a procedure of the server and resolves to its result. The call is never sent once its time is
   * over or its signal was aborted, and a server that can cancel is told that the caller waits no more.
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
  ): Promise<Result<Part<C, "call">[K]>>;

  /**
   * Registers a procedure that the server may call. It returns the result, or a promise of it, and
   * throws a {@link WseError} to fail on purpose. `signal` is aborted when the caller waits no more, and
   * when the connection of the call has ended, or its session; what the procedure returns is dropped then.
   *
   * Throws `wse.server.rp.already-registered` if the name is taken, and `wse.client.rp.invalid` for a
   * name that {@link send} refuses, too.
   */
  register<K extends Name<C, "register">>(
    rp: K,
    handler: (
      payload: Argument<Part<C, "register">[K]>,
      stamp: string,
      signal: AbortSignal,
    ) => Result<Part<C, "register">[K]> | Promise<Result<Part<C, "register">[K]>>,
  ): void;

  /** Removes a procedure. Throws `wse.server.rp.not-registered` if there is none of that name. */
  unregister(rp: Name<C, "register">): void;

  /**
   * Sets the handler that solves the server's challenges. If there is none, or if it fails, a
   * challenged `connect` rejects with `wse.client.invalid-cra-handler`.
   *
   * Throws the same code if `handler` is no function.
   */
  challenge(handler: Challenge): void;
}
