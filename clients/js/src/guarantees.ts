// What a session guarantees to the client and to its connections.
// It holds types only.

import type { CallOptions, SendOptions } from "./options.js";
import type { Reply } from "./procedures.js";
import type { Received } from "./protocol.js";
import type { Socket } from "./socket.js";

/** The stamp of a welcome, with which the server grants a session. Times are in milliseconds. */
export interface Grant {
  /** The token that resumes the session. */
  session: string;
  cid: string;
  /** How many envelopes of this client the server has received. */
  seen: number;
  resumed: boolean;
  /** The server sends something at least this often; 0 if it makes no such promise. */
  beat: number;
  /** How long the server keeps the session without a connection. */
  window: number;
  /** The largest envelope that the server takes, in bytes. Older servers do not say it. */
  message_bytes?: number;
  /** What the server understands beyond the first version of the protocol. */
  can?: string[];
}

/** What became of the previous session. */
export interface Arrival {
  /** Whether the session goes on: nothing was lost, and calls still wait for their answers. */
  resumed: boolean;
  /**
   * How many envelopes of the previous session the server has not confirmed: messages, calls and
   * answers. It is 0 if the session goes on.
   */
  lost: number;
}

/** What handles messages and calls of the server. */
export interface Handlers {
  message(type: string, payload: unknown): void;
  /** A message came that the protocol cannot decode. */
  unreadable(raw: unknown): void;
  /**
   * `reply` sends the answer. It does nothing once the caller waits no more, or the session of the call
   * has ended. The signal says so.
   */
  call(call: Received, reply: Reply, signal: AbortSignal): void;
}

/** One session after another, each over one connection or several. */
export interface Session {
  /** Throws for the name of a message or procedure that is not the application's to give. */
  check(name: string): void;
  /** Returns what the hi says of the session and of what this client understands: nothing, if it wants no session. */
  hi(): any;
  /**
   * Begins a session over a socket, or resumes the current one and sends again what the server has
   * not received. Returns the arrival where a session begins, goes on or was lost, and `undefined` if the
   * grant resumes a session that is not the current one.
   */
  welcome(socket: Socket, grant?: Grant): Arrival[] | undefined;
  /**
   * Parks the session, because its connection was cut. Returns a falsy value if it cannot be
   * resumed: the server granted none, an envelope that is not confirmed was not kept, or it was
   * {@link stuck} eight times in a row.
   */
  park(): boolean | undefined;
  /**
   * Ends the session, and rejects its calls. Before that it tells the server what was received, if the
   * socket is open.
   */
  close(code: number, reason: string): void;
  /** Sends a message. Throws if it cannot be encoded, or neither sent nor kept. Keeps nothing then. */
  send(type: string, payload: unknown, options?: SendOptions): void;
  /**
   * Sends a call and waits for the answer. There is no limit if the timeout is 0, or longer than a
   * timer can count. It settles once, and leaves no timer or listener behind.
   */
  call(rp: string, payload: unknown, options?: CallOptions): Promise<any>;
  /** Takes in an envelope, as it came and as it was read. Returns false if the protocol does not allow it here. */
  receive(data: any, envelope: Received): boolean;
  /** Takes in a message that the protocol cannot decode. */
  error(data: any, raw: unknown): void;
  /**
   * Sends a call that every server answers, and drops the answer. Returns how many bytes the server
   * has said to be on the way, and that have not come.
   */
  probe(): number;
  /**
   * Returns how often in a row the session was resumed, and nothing was received or confirmed. A connection
   * that `lasted` has helped all the same, unless something that was sent is not confirmed.
   */
  stuck(lasted: boolean): number;
}
