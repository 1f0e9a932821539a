// How a call of the server is answered, and what a failed one looks like to it. It may never let
// text of an error out that was not meant for the peer.

import { asDetails, WSE_ERROR } from "./error.js";

/** A procedure: gives the result, or a promise of it. */
export type Procedure = (payload: any, stamp: string) => unknown;

/** A call of the server. */
export interface Call {
  rp: string;
  payload: unknown;
  stamp: string;
}

const { RP_EXECUTION_FAILED, RP_NOT_REGISTERED } = WSE_ERROR;
const FAILED = "RPC execution failed";

/** What of a payload may be repeated, so that the error itself can be read: 16 KiB, 125 brackets. */
const repeated = (payload: unknown) => {
  const text = JSON.stringify(payload);
  return text.length <= 16_384 && text.split(/[[{]/).length <= 126 && { payload };
};

/** The error object of a failed call. `failed` is told of an error that was not made on purpose. */
function told(error: any, { rp, payload }: Call, expose: boolean, failed: (error: unknown) => void) {
  const tell = (code: string, message?: string, details?: unknown) => ({
    code,
    message,
    details: { ...asDetails(details), rpc: rp, ...repeated(payload) },
  });
  const { code, message, details } = error ?? {};
  if (typeof code === "string" && details) return tell(code, message === code ? undefined : message, details);
  if (Object(error) === error && !(error instanceof Error)) return tell(RP_EXECUTION_FAILED, FAILED, error);
  failed(error);
  if (!expose) return tell(RP_EXECUTION_FAILED, FAILED);
  const origin = error instanceof Error ? error : new Error(error);
  return tell(RP_EXECUTION_FAILED, origin.message, { origin: { name: origin.name, message: origin.message } });
}

/** Runs a procedure and replies exactly once, whatever it does. */
export async function answer(
  procedure: Procedure | undefined,
  call: Call,
  reply: (stamp: string, ok: boolean, answer: unknown) => void,
  expose: boolean,
  failed: (error: unknown) => void,
): Promise<void> {
  const { payload, stamp } = call;
  if (!procedure) return reply(stamp, false, { code: RP_NOT_REGISTERED });
  try {
    reply(stamp, true, await procedure(payload, stamp));
  } catch (error) {
    try {
      reply(stamp, false, told(error, call, expose, failed));
    } catch (unreadable) {
      reply(stamp, false, { code: RP_EXECUTION_FAILED, message: FAILED });
      failed(unreadable);
    }
  }
}
