// Timers that take every number for what it says, and the moments at which a page wakes.
// It touches no global before it is called.

/**
 * Calls `run` after so many milliseconds. A time that is longer than a timer can count (2^31 - 1) never
 * comes, nor does a negative one or `NaN`.
 */
export const after = (ms: any, run: () => void): any => ms >= 0 && ms < 2 ** 31 && setTimeout(run, ms);

/**
 * Calls `wake` when the network has changed and when the page is shown again, and `leave` when it is left
 * for good. Returns what ends that. Where there is no page, nothing happens.
 */
export function onWake(wake: () => void, leave: () => void = () => {}): () => void {
  const { document } = globalThis as any;
  const visible = () => document.hidden || wake();
  // A page that is kept may come back, and its session with it.
  const hide = (event: any) => event.persisted || leave();
  const listen = (how: "addEventListener" | "removeEventListener") => {
    for (const type of ["online", "offline", "pageshow"]) globalThis[how]?.(type, wake);
    globalThis[how]?.("pagehide", hide);
    document?.[how]("visibilitychange", visible);
  };
  listen("addEventListener");
  return () => listen("removeEventListener");
}
