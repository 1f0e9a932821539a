// The calls of this client that wait for their answer.
// A call settles once, leaves no timer or listener behind, and an answer is never answered.

import { readError, WSE_ERROR, WseError } from "./error.js";
import { after } from "./timing.js";

type Settle = (error: WseError | null, result?: unknown) => void;

/** Returns 96 random bits as 16 characters. They can be guessed where the platform has no `crypto`, as in Node 18. */
function newStamp(): string {
  const bytes = new Uint8Array(12).map(() => Math.random() * 256);
  globalThis.crypto?.getRandomValues(bytes);
  return btoa(String.fromCharCode(...bytes));
}

/** Options of one call. */
export interface CallOptions {
  /** How long the call waits for its answer, in milliseconds; 0 means without a limit. Default: the client's `tO`. */
  timeout?: number;
  /** Aborting this signal ends the wait. The server is not told. */
  signal?: AbortSignal;
}

/** The calls that wait for their answer. */
export interface Calls {
  /**
   * Sends a call and waits for the answer. There is no limit if the timeout is 0, or longer than a
   * timer can count.
   */
  call(rp: string, send: (stamp: string) => void, options: CallOptions): Promise<any>;
  /** Settles the call that an answer belongs to. Drops the answer if no call waits for it. */
  answer(stamp: string | null, ok: boolean, payload: unknown): void;
  /** Rejects all calls, because the connection has ended and no other one can bring their answers. */
  closed(code: number, reason: string): void;
}

/** `defaultTimeout` is for calls without a timeout of their own, in milliseconds. */
export function createCalls(defaultTimeout: number): Calls {
  const pending = new Map<string | null, Settle>();
  return {
    call: (rp, send, { timeout = defaultTimeout, signal }) =>
      new Promise((resolve, reject) => {
        const stamp = newStamp();
        const settle: Settle = (error, result) => {
          clearTimeout(timer);
          pending.delete(stamp);
          signal?.removeEventListener("abort", abort);
          if (error) reject(error);
          else resolve(result);
        };
        const abort = () => settle(new WseError(WSE_ERROR.RP_ABORTED, { rp, reason: signal!.reason }));
        const timer: any = timeout > 0 && after(timeout, () => settle(new WseError(WSE_ERROR.RP_TIMEOUT, { rp, timeout })));
        pending.set(stamp, settle);
        signal?.addEventListener("abort", abort);
        try {
          if (signal?.aborted) abort();
          else send(stamp);
        } catch (error) {
          settle(error as WseError);
        }
      }),
    answer: (stamp, ok, payload) => pending.get(stamp)?.(ok ? null : readError(payload), payload),
    closed(code, reason) {
      pending.forEach((settle) => settle(new WseError(WSE_ERROR.RP_DISCONNECT, { code, reason, disconnected: [code, reason] })));
    },
  };
}
