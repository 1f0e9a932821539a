// The types of a contract between client and server. It may never cost a byte at run time.

/**
 * What client and server agree on, for the compiler. Each part is named after the method that it
 * types, and a part left out is not checked. It is a type only: nothing is checked at run time.
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
  /** What the server's welcome carries. */
  welcome?: unknown;
  /** Messages to the server: payloads by type; `void` for none. */
  send?: object;
  /** Messages from the server: payloads by type. */
  channel?: object;
  /** Procedures of the server, as functions of one argument. */
  call?: object;
  /** Procedures of this client, as functions of one argument. */
  register?: object;
}

/** A part of a contract; `any` where there is none. */
export type Part<C, P extends keyof Contract> = P extends keyof C ? C[P] : any;

/** The names in a part of a contract; every string where there is none. */
export type Name<C, P extends keyof Contract> = keyof Part<C, P> & string;

/** What a procedure takes; `void` for nothing. There is one argument: a procedure of two fits no call. */
export type Argument<F> = F extends (...args: infer A) => any
  ? A extends []
    ? void
    : A extends [any?]
      ? A[0]
      : never
  : any;

/** What a procedure gives. */
export type Result<F> = F extends (...args: any) => infer R ? Awaited<R> : any;

/** Arguments after the name: a payload that may be nothing can be left out. */
export type Rest<P, More extends unknown[] = []> = undefined extends P
  ? [payload?: P, ...more: More]
  : [payload: P, ...more: More];

/** Messages from the server, by type. Listeners are called in order, and stay until they are taken off. */
export interface Channel<M> {
  /** Adds a listener, which stays until it is taken off, across reconnects too. */
  on<K extends keyof M & string>(type: K, listener: (payload: M[K]) => unknown): this;
  /** Adds a listener for the next message of a type. */
  once<K extends keyof M & string>(type: K, listener: (payload: M[K]) => unknown): this;
  /** Takes a listener off; without one, all listeners of that type. */
  off<K extends keyof M & string>(type: K, listener?: (payload: M[K]) => unknown): this;
}
