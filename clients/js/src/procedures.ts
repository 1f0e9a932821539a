// How this client answers a call of the server.
// The text of an error stays here unless the application meant it for the server.

import { explain } from "./advice.js";
import { RP_EXECUTION_FAILED, RP_INVALID, RP_NOT_REGISTERED } from "./codes.js";
import { asDetails } from "./error.js";
import type { Received } from "./protocol.js";

/** A procedure. It returns the result, or a promise of it. */
export type Procedure = (payload: any, stamp: string, signal: AbortSignal) => unknown;

/** Sends the answer of a call: a result, or an error object. */
export type Reply = (ok: boolean, answer: unknown) => void;

const FAILED = "RPC execution failed";

/** Whether the details of an error repeat a name or payload: not over 16 KiB or 125 brackets, so that the error can be read. */
const repeats = (value: unknown) => {
  const text = JSON.stringify(value);
  return text.length <= 16_384 && text.split(/[[{]/).length <= 126;
};

/**
 * Runs a procedure and replies exactly once, whatever the procedure does. Hands an error that was not
 * thrown on purpose to `onError`.
 */
export async function answerCall(
  procedure: Procedure | undefined,
  [type, payload, stamp]: Received,
  reply: Reply,
  signal: AbortSignal,
  expose: boolean | undefined,
  onError: (error: unknown) => void,
): Promise<void> {
  if (!procedure) return reply(false, { code: RP_NOT_REGISTERED, details: { rp: repeats(type) ? type : undefined } });
  try {
    reply(true, await procedure(payload, stamp, signal));
  } catch (error: any) {
    if (signal.aborted && error === signal.reason) return; // as `fetch` does, and nobody waits
    try {
      let code = RP_EXECUTION_FAILED;
      let message: string | undefined = FAILED;
      let given;
      const thrown = error ?? {};
      if (thrown.code === RP_INVALID) onError(error); // the result cannot be sent
      if (typeof thrown.code === "string" && thrown.details) {
        ({ code, details: given, message } = thrown);
        if (message === (DEVELOPMENT ? explain(code) : code)) message = undefined;
      } else if (Object(error) === error && !("stack" in error)) given = error;
      else {
        onError(error);
        if (expose) {
          const text = thrown.message ?? `${error}`;
          given = { origin: { name: thrown.name, message: text } };
          message = text || "Unexpected error";
        }
      }
      // The name, for old and new peers, and the payload, where the application has not set them itself.
      const details = { ...asDetails(given) };
      if (repeats(type)) {
        details.rp ||= type;
        details.rpc ||= type;
      }
      if (!details.payload && repeats(payload)) details.payload = payload;
      reply(false, { code, message, details });
    } catch (unreadable) {
      reply(false, { code: RP_EXECUTION_FAILED, message: FAILED });
      onError(unreadable);
    }
  }
}
