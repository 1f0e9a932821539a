// Calls of this client that wait for their answer. It may never settle one twice, nor answer an
// answer, nor leave a timer behind.

import { readError, WSE_ERROR, WseError } from "./error.js";

type Settle = (error: WseError | null, result?: unknown) => void;

/** Calls in flight. */
export interface Calls {
  /** Sends a call and waits at most `timeout` milliseconds: 0, or more than a timer can count, is for ever. */
  call(send: (stamp: string) => void, timeout: number, signal?: AbortSignal): Promise<any>;
  /** An answer came. One to a call that does not wait any more is dropped. */
  answer(stamp: string | null, ok: boolean, payload: unknown): void;
  /** The connection ended: an answer counts only on the one that was asked. */
  closed(code: number, reason: string): void;
}

export function calls(): Calls {
  const waiting = new Map<string | null, Settle>();
  let last = 0;
  return {
    call: (send, timeout, signal) =>
      new Promise((resolve, reject) => {
        // Nobody but the server that is told it can answer, so it need not be more random than this.
        const stamp = `${++last + Math.random()}`;
        const settle: Settle = (error, result) => {
          waiting.delete(stamp);
          clearTimeout(timer);
          signal?.removeEventListener("abort", abort);
          if (error) reject(error);
          else resolve(result);
        };
        const abort = () => settle(new WseError(WSE_ERROR.RP_ABORTED, { reason: signal!.reason }));
        const late = () => settle(new WseError(WSE_ERROR.RP_TIMEOUT, { timeout }));
        const timer = timeout > 0 && timeout < 2 ** 31 ? setTimeout(late, timeout) : undefined;
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
      for (const settle of waiting.values()) settle(new WseError(WSE_ERROR.RP_DISCONNECT, { code, reason }));
    },
  };
}
