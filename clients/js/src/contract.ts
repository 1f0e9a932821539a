// The types of a contract between client and server. It holds types only, so it costs nothing at run time.

/**
 * What client and server agree on, for the compiler. Each part is named after the method that it
 * types, and a part that is left out is not checked. Nothing is checked at run time.
 *
 * ```ts
 * interface Chat {
 *   welcome: { hey: string };                              // what connect() resolves to
 *   send: { say: string; typing: void };                   // messages to the server
 *   channel: { line: { from: string; text: string } };     // messages from the server
 *   call: { add(pair: { a: number; b: number }): number }; // procedures of the server
 *   register: { whoami(): string };                        // procedures of this client
 * }
 * const client = new WseClient<Chat>({ url });
 * ```
 */
export interface Contract {
  /** The payload of the server's welcome. */
  welcome?: unknown;
  /** Messages to the server: payloads by type; `void` for no payload. */
  send?: object;
  /** Messages from the server: payloads by type. */
  channel?: object;
  /** Procedures of the server, as functions of one argument. */
  call?: object;
  /** Procedures of this client, as functions of one argument. */
  register?: object;
}

/** A part of a contract; `any` if the contract has no such part. */
export type Part<C, P extends keyof Contract> = P extends keyof C ? C[P] : any;

/** The names in a part of a contract; every string if the contract has no such part. */
export type Name<C, P extends keyof Contract> = keyof Part<C, P> & string;

/** The argument of a procedure; `void` if it has none. A procedure with two arguments cannot be called. */
export type Argument<F> = F extends (...args: infer A) => any
  ? A extends []
    ? void
    : A extends [any?]
      ? A[0]
      : never
  : any;

/** The result of a procedure. */
export type Result<F> = F extends (...args: any) => infer R ? Awaited<R> : any;

/** The arguments after the name. A payload that may be `undefined` can be left out. */
export type Rest<P, More extends unknown[] = []> = undefined extends P
  ? [payload?: P, ...more: More]
  : [payload: P, ...more: More];

/** Messages from the server, by type. Listeners are called in the order in which they were added. */
export interface Channel<M> {
  /** Adds a listener. It stays until it is removed, across reconnects too. */
  on<K extends keyof M & string>(type: K, listener: (payload: M[K]) => unknown): this;
  /** Adds a listener for the next message of a type only. */
  once<K extends keyof M & string>(type: K, listener: (payload: M[K]) => unknown): this;
  /** Removes a listener; without one, all listeners of that type. */
  off<K extends keyof M & string>(type: K, listener?: (payload: M[K]) => unknown): this;
}
