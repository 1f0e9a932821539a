// The one kind of error that leaves this client, and its codes. It may never carry what the
// application did not mean for the peer.

/** The codes of errors that a client can see. Compare codes, never messages. */
export const WSE_ERROR = Object.freeze({
  /** There is no challenge handler, or it failed, or what was given is no function. */
  INVALID_CRA_HANDLER: "wse.client.invalid-cra-handler",
  /** No answer came in time. Whether the procedure ran is unknown. */
  RP_TIMEOUT: "wse.client.rp.timeout",
  /** The connection, or the session, ended before the answer. Whether the procedure ran is unknown. */
  RP_DISCONNECT: "wse.client.rp.disconnect",
  /** The caller's signal was aborted. Whether the procedure ran is unknown. */
  RP_ABORTED: "wse.client.rp.aborted",
  /** The name is empty or the protocol's own, or the payload cannot be encoded. Nothing was sent. */
  RP_INVALID: "wse.client.rp.invalid",
  /** There is a connection, or an attempt is under way. */
  CLIENT_ALREADY_CONNECTED: "wse.client.already-connected",
  /** The connection could not be made, or ended before the welcome. */
  WS_CLIENT_ERROR: "wse.client.ws-error",
  /** The server refused the identity. */
  NOT_AUTHORIZED: "wse.not-authorized",
  /** There is no connection, and no session with room that waits for one. Nothing was sent or kept. */
  CONNECTION_NOT_READY: "wse.client.not-ready",
  /** A procedure failed, and its own error has no code. */
  RP_EXECUTION_FAILED: "wse.server.rp.failed",
  /** No procedure has that name. */
  RP_NOT_REGISTERED: "wse.server.rp.not-registered",
  /** A procedure has that name already. */
  RP_ALREADY_REGISTERED: "wse.server.rp.already-registered",
  /** A listener of a message failed. */
  MESSAGE_PROCESSING_ERROR: "wse.server.msg-processing-error",
});

/**
 * What every promise of a client rejects with, and what a procedure throws to fail on purpose:
 * code, message and details then reach the caller. Every other error reaches it as
 * `wse.server.rp.failed` without its text.
 *
 * ```ts
 * throw new WseError("no-such-room", { room }, "There is no such room.");
 * ```
 */
export class WseError extends Error {
  /** What went wrong: one of {@link WSE_ERROR}, or a code of the application's. */
  declare readonly code: string;
  /** What belongs to it; an object, empty when there is nothing to say. */
  declare readonly details: Record<string, any>;

  /** The message is for people. It is the code when left out, and then does not cross the wire. */
  constructor(code: string, details: Record<string, any> = {}, message = code) {
    super(message);
    Object.assign(this, { code, details, name: "WseError" });
  }
}

/** An error of the application's or the platform's, which stays in `details.raw` and never crosses the wire. */
export const wrap = (code: string, raw: any, about?: object): WseError =>
  new WseError(code, { ...about, raw }, raw?.message || undefined);

/** Details are an object on both ends: anything else stands in the field `value`. */
export const asDetails = (value: any): Record<string, any> =>
  value == null ? {} : Object(value) === value && !Array.isArray(value) ? value : { value };

/** Reads the error object of a failed call, however malformed it is. */
export const readError = (error: any): WseError =>
  typeof error?.code === "string"
    ? new WseError(error.code, asDetails(error.details), typeof error.message === "string" ? error.message : undefined)
    : new WseError(WSE_ERROR.RP_EXECUTION_FAILED, asDetails(error));
