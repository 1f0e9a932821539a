// The messages of one type as an async iterator.
// It is an entry of its own, so that the client stays small. It loses no message between two steps.

import type { WseClient } from "./client.js";
import type { Contract, Name, Part } from "./contract.js";

/**
 * Returns the messages of one type, for `for await`. It listens from now on, across reconnects, and
 * keeps each message until the loop asks for it, without a bound. When the client goes `OFFLINE`, the
 * loop gets the messages that were kept, then ends. Leaving the loop, or `return()`, stops listening
 * at once.
 */
export function messages<C extends Contract, K extends Name<C, "channel">>(
  client: WseClient<C>,
  type: K,
): AsyncIterableIterator<Part<C, "channel">[K]> {
  const queue: Part<C, "channel">[K][] = [];
  let begun = false;
  let ended = false;
  let wake = () => {};
  const push = (message: Part<C, "channel">[K]) => {
    queue.push(message);
    wake();
  };
  const stop = () => {
    ended = true;
    client.channel.off(type, push);
    off();
    wake();
  };
  // The hook tells a new listener the present status, which ends nothing.
  const off = client.when.updated((status) => begun && status === "OFFLINE" && stop());
  begun = true;
  client.channel.on(type, push);
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
