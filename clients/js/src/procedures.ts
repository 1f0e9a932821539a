// How this client answers a call of the server.
// The text of an error stays here unless the application meant it for the server.

import { asDetails, WSE_ERROR } from "./error.js";
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
  /** Fills in the name, for old and new peers, and the payload, where the application has not set them itself. */
  const fail = (message?: string, given?: unknown, code: string = WSE_ERROR.RP_EXECUTION_FAILED) => {
    const details = { ...asDetails(given) };
    if (repeats(type)) {
      details.rp ||= type;
      details.rpc ||= type;
    }
    if (!details.payload && repeats(payload)) details.payload = payload;
    reply(false, { code, message, details });
  };
  if (!procedure) return reply(false, { code: WSE_ERROR.RP_NOT_REGISTERED, details: { rp: repeats(type) ? type : undefined } });
  try {
    reply(true, await procedure(payload, stamp, signal));
  } catch (error: any) {
    if (signal.aborted && error === signal.reason) return; // as `fetch` does, and nobody waits
    try {
      const { code, message, details, name } = error ?? {};
      if (code === WSE_ERROR.RP_INVALID) onError(error); // the result cannot be sent
      if (typeof code === "string" && details) return fail(message === code ? undefined : message, details, code);
      if (Object(error) === error && !("stack" in error)) return fail(FAILED, error);
      onError(error);
      if (!expose) return fail(FAILED);
      const text = message ?? `${error}`;
      fail(text || "Unexpected error", { origin: { name, message: text } });
    } catch (unreadable) {
      reply(false, { code: WSE_ERROR.RP_EXECUTION_FAILED, message: FAILED });
      onError(unreadable);
    }
  }
}
