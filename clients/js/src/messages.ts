// The messages of one type as an async iterator.
// It loses no message between two steps.

import type { WseStatus } from "./constants.js";
import type { Emitter } from "./emitter.js";

/**
 * Listens from now on, and keeps each message until it is asked for. When the client goes `OFFLINE`,
 * the iterator returns the messages that it has kept, then ends. Leaving the loop, or `return()`,
 * stops listening at once.
 */
export function iterateMessages<M>(channel: Emitter, type: string, events: Emitter): AsyncIterableIterator<M> {
  const queue: M[] = [];
  let ended = false;
  let wake = () => {};
  const push = (message: M) => {
    queue.push(message);
    wake();
  };
  const check = (status: WseStatus) => status === "OFFLINE" && stop();
  const stop = () => {
    ended = true;
    channel.off(type, push);
    events.off("updated", check);
    wake();
  };
  channel.on(type, push);
  events.on("updated", check);
  const iterator = (async function* () {
    while (queue.length || !ended) {
      if (queue.length) yield queue.shift()!;
      else await new Promise<void>((resolve) => (wake = resolve));
    }
  })();
  // The `return` of the generator itself would wait for a `next` that still waits for a message.
  iterator.return = () => {
    queue.length = 0;
    stop();
    return iterator.next();
  };
  return iterator;
}
