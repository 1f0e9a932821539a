// The wait between two attempts to connect, with full jitter.
// It touches no global before the wait begins, and leaves no timer or listener behind after it.

/** Bounds of the wait, in milliseconds. */
export interface Bounds {
  /** The ceiling of the first wait. Default 500 ms. */
  min?: number;
  /** The highest ceiling. Default 20,000 ms. */
  max?: number;
}

/** The longest wait that a server can ask for, in milliseconds. */
const LONGEST = 300_000;

/**
 * Calls `attempt` after a random wait, and returns a function that cancels it.
 *
 * The wait is drawn evenly from 0 to a ceiling, which doubles with every attempt that failed. If the
 * server has `asked` for a time, the wait is that time and up to a tenth more, 100 ms at most. When
 * the network is back or the hidden page becomes visible, the wait ends at once.
 */
export function backoff({ min = 500, max = 20_000 }: Bounds, failures: number, asked: any, attempt: () => void): () => void {
  const { document } = globalThis as any;
  const cancel = () => {
    clearTimeout(timer);
    listen("removeEventListener");
  };
  const finish = () => {
    cancel();
    attempt();
  };
  const visible = () => document.hidden || finish();
  const listen = (how: "addEventListener" | "removeEventListener") => {
    globalThis[how]?.("online", finish);
    document?.[how]("visibilitychange", visible);
  };
  const least = Math.min(LONGEST, asked) || 0;
  const timer = setTimeout(finish, least + Math.random() * (Math.min(least / 10, 100) || Math.min(max, min * 2 ** failures)));
  listen("addEventListener");
  return cancel;
}
