// What the application says of itself: the options of a client, who connects, who solves a challenge, and one call.
// It holds types only.

import type { Bounds } from "./backoff.js";
import type { Protocol } from "./protocol.js";
import type { SocketConstructor } from "./socket.js";

/** Who connects: a value, or a function that the client calls at every attempt to connect, and when the server asks anew. */
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

/** Options of one call. */
export interface CallOptions {
  /** How long the call waits for its answer, in milliseconds; 0 means without a limit. Default: the client's `tO`. */
  timeout?: number;
  /** Aborting this signal ends the wait. The server is told, if it understands that. */
  signal?: AbortSignal;
}

/** How a message ages while it waits, because the connection is lost. */
export interface SendOptions {
  /** While a message of this type and key has not been received, a newer one takes its place. */
  latest?: string | number;
  /** For how many milliseconds the message is of use. It is not sent later. */
  ttl?: number;
}
