// Calls of this client that wait for their answer. It may never settle one twice, nor answer an
// answer, nor leave a timer behind.

import { readError, WSE_ERROR, WseError } from "./error.js";

type Settle = (error: WseError | null, result?: unknown) => void;

/** 96 random bits in 16 characters; guessable only where the platform has no `crypto`, as Node 18. */
function newStamp(): string {
  const bytes = new Uint8Array(12).map(() => Math.random() * 256);
  globalThis.crypto?.getRandomValues(bytes);
  return btoa(String.fromCharCode(...bytes));
}

/** How one call is made. */
export interface CallOptions {
  /** How long to wait for the answer, in milliseconds; 0 is for ever. Default: the client's `tO`. */
  timeout?: number;
  /** Stops waiting when it is aborted. The server is not told. */
  signal?: AbortSignal;
}

/** Calls in flight. */
export interface Calls {
  /** Sends a call and waits: a timeout that is more than a timer can count is for ever too. */
  call(rp: string, send: (stamp: string) => void, options: CallOptions): Promise<any>;
  /** An answer came. One to a call that does not wait any more is dropped. */
  answer(stamp: string | null, ok: boolean, payload: unknown): void;
  /** The connection ended: an answer counts only on the one that was asked. */
  closed(code: number, reason: string): void;
}

/** `patience` is the timeout of a call that has none of its own. */
export function calls(patience: number): Calls {
  const waiting = new Map<string | null, Settle>();
  return {
    call: (rp, send, { timeout = patience, signal }) =>
      new Promise((resolve, reject) => {
        const stamp = newStamp();
        const settle: Settle = (error, result) => {
          waiting.delete(stamp);
          clearTimeout(timer);
          signal?.removeEventListener("abort", abort);
          if (error) reject(error);
          else resolve(result);
        };
        const abort = () => settle(new WseError(WSE_ERROR.RP_ABORTED, { rp, reason: signal!.reason }));
        const late = () => settle(new WseError(WSE_ERROR.RP_TIMEOUT, { rp, timeout }));
        const timer: any = timeout > 0 && timeout < 2 ** 31 && setTimeout(late, timeout);
        waiting.set(stamp, settle);
        signal?.addEventListener("abort", abort);
        try {
          if (signal?.aborted) abort();
          else send(stamp);
        } catch (error) {
          settle(error as WseError);
        }
      }),
    answer: (stamp, ok, payload) => waiting.get(stamp)?.(ok ? null : readError(payload), payload),
    closed(code, reason) {
      waiting.forEach((settle) => settle(new WseError(WSE_ERROR.RP_DISCONNECT, { code, reason })));
    },
  };
}
