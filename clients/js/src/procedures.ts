// How a call of the server is answered, and what a failed one looks like to it. It may never let
// text of an error out that was not meant for the peer.

import { asDetails, WSE_ERROR } from "./error.js";
import type { Envelope } from "./protocol.js";

/** A procedure: gives the result, or a promise of it. */
export type Procedure = (payload: any, stamp: string) => unknown;

/** Sends the answer of a call: a result, or an error object. */
export type Reply = (ok: boolean, answer: unknown) => void;

const FAILED = "RPC execution failed";

/** What of a payload may be repeated, so that the error itself can be read: 16 KiB, 125 brackets. */
const repeated = (payload: unknown) => {
  const text = JSON.stringify(payload);
  return text.length <= 16_384 && text.split(/[[{]/).length <= 126 && { payload };
};

/** The error object of a failed call. `failed` is told of an error that was not made on purpose. */
function told(error: any, { type, payload }: Envelope, expose: boolean | undefined, failed: (error: unknown) => void) {
  const tell = (message?: string, details?: unknown, code: string = WSE_ERROR.RP_EXECUTION_FAILED) => ({
    code,
    message,
    details: { ...asDetails(details), rpc: type, ...repeated(payload) },
  });
  const { code, message, details } = error ?? {};
  if (typeof code === "string" && details) return tell(message === code ? undefined : message, details, code);
  if (Object(error) === error && !(error instanceof Error)) return tell(FAILED, error);
  failed(error);
  if (!expose) return tell(FAILED);
  const { name, message: text } = error instanceof Error ? error : new Error(error);
  return tell(text, { origin: { name, message: text } });
}

/** Runs a procedure and replies exactly once, whatever it does. */
export async function answer(
  procedure: Procedure | undefined,
  call: Envelope,
  reply: Reply,
  expose: boolean | undefined,
  failed: (error: unknown) => void,
): Promise<void> {
  if (!procedure) return reply(false, { code: WSE_ERROR.RP_NOT_REGISTERED });
  try {
    reply(true, await procedure(call.payload, call.stamp!));
  } catch (error) {
    try {
      reply(false, told(error, call, expose, failed));
    } catch (unreadable) {
      reply(false, { code: WSE_ERROR.RP_EXECUTION_FAILED, message: FAILED });
      failed(unreadable);
    }
  }
}
