// The wait between two attempts to connect, with full jitter. It may never touch a global before
// it begins, nor leave a timer or listener behind when it is over.

/** Bounds of the wait, in milliseconds. */
export interface Bounds {
  /** The ceiling of the first wait. Default 500 ms. */
  min?: number;
  /** What the ceiling doubles up to. Default 20,000 ms. */
  max?: number;
}

/** No server is waited for longer than this, in milliseconds. */
const LONGEST = 300_000;

/**
 * Waits a time drawn evenly from 0 to a ceiling, which doubles with every attempt that failed, then
 * goes on: at once when the network is back or the hidden page is looked at. A time `asked` for by
 * the server is waited instead, and up to a tenth more, at most 100 ms. Gives what stops it.
 */
export function wait({ min = 500, max = 20_000 }: Bounds, failed: number, asked: any, go: () => void): () => void {
  const { document } = globalThis as any;
  const stop = () => {
    clearTimeout(timer);
    listen("removeEventListener");
  };
  const now = () => {
    stop();
    go();
  };
  const seen = () => document.hidden || now();
  const listen = (how: "addEventListener" | "removeEventListener") => {
    globalThis[how]?.("online", now);
    document?.[how]("visibilitychange", seen);
  };
  const least = Math.min(LONGEST, asked) || 0;
  const timer = setTimeout(now, least + Math.random() * (Math.min(least / 10, 100) || Math.min(max, min * 2 ** failed)));
  listen("addEventListener");
  return stop;
}
