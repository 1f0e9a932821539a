// Messages of one type as something to iterate over. It may never lose one between two steps.

import type { Emitter } from "./emitter.js";
import type { WseStatus } from "./names.js";

/**
 * Begins to listen at once and keeps what comes until it is asked for. When the client goes
 * offline, what was kept is still given, then it ends. Leaving the loop, or `return()`, stops
 * listening at once.
 */
export function messages<M>(channel: Emitter, type: string, events: Emitter): AsyncIterableIterator<M> {
  const kept: M[] = [];
  let ended = false;
  let wake = () => {};
  const keep = (message: M) => {
    kept.push(message);
    wake();
  };
  const check = (status: WseStatus) => status === "OFFLINE" && stop();
  const stop = () => {
    ended = true;
    channel.off(type, keep);
    events.off("updated", check);
    wake();
  };
  channel.on(type, keep);
  events.on("updated", check);
  const steps = (async function* () {
    while (kept.length || !ended) {
      if (kept.length) yield kept.shift()!;
      else await new Promise<void>((resolve) => (wake = resolve));
    }
  })();
  // A generator's own would wait behind a step that waits.
  steps.return = () => {
    kept.length = 0;
    stop();
    return steps.next();
  };
  return steps;
}
