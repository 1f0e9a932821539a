// The wait between two attempts to connect, with full jitter.
// It touches no global before the wait begins, and leaves no timer or listener behind after it.

import type { WseError } from "./error.js";
import { after, onWake } from "./timing.js";

/** The bounds of the wait, in milliseconds, and when to give up. */
export interface Bounds {
  /** The ceiling of the first wait. Default 500 ms; also where it is not above 0. */
  min?: number;
  /** The highest ceiling. Default 20,000 ms; also where it is not above 0. */
  max?: number;
  /** Whether the client behaves before its first welcome as it does after it. Default false. */
  persistent?: boolean;
  /**
   * Whether an end is final, instead of the client's own rule, before the first welcome too. `close`
   * and an address that does not work stay final. It is told the error that `connect` would reject
   * with: `cause.details` has `code` and `reason` of a close.
   */
  final?(cause: WseError): boolean;
}

/** Times in milliseconds. */
const enum Wait {
  /** The longest that a server can ask for. */
  MOST_ASKED = 300_000,
  /** The lowest ceiling, so that no bounds let a client try without a pause. */
  FLOOR = 10,
}

/**
 * Calls `attempt` after a random wait. Returns what ends the wait: the attempt has to call it.
 *
 * The wait is drawn evenly from 0 to a ceiling, which doubles with every attempt that failed. If the
 * server has `asked` for a time, the wait is that time and up to a tenth more, 100 ms at most. When
 * the network has changed or the page is shown again, the wait ends at once.
 */
export function backoff({ min, max }: Bounds, failures: number, asked: any, attempt: () => void): () => void {
  const least = Math.min(Wait.MOST_ASKED, asked) || 0;
  const ceiling = Math.max(Wait.FLOOR, Math.min(max! > 0 ? max! : 20_000, (min! > 0 ? min! : 500) * 2 ** failures));
  const timer = after(least + Math.random() * (Math.min(least / 10, 100) || ceiling), attempt);
  const unwatch = onWake(attempt);
  return () => {
    clearTimeout(timer);
    unwatch();
  };
}
