// The one class of errors that leaves this client, and its codes.
// An error carries nothing to the server that the application did not mean for it.

/** The codes of the errors that a client can see. Compare codes, never messages. */
export const WSE_ERROR = Object.freeze({
  /** There is no challenge handler, or it failed, or `challenge` was given something that is no function. */
  INVALID_CRA_HANDLER: "wse.client.invalid-cra-handler",
  /** No answer came in time. Whether the procedure ran is unknown. */
  RP_TIMEOUT: "wse.client.rp.timeout",
  /** The connection, or the session, ended before the answer. Whether the procedure ran is unknown. */
  RP_DISCONNECT: "wse.client.rp.disconnect",
  /** The caller aborted the signal. Whether the procedure ran is unknown. */
  RP_ABORTED: "wse.client.rp.aborted",
  /** The name or the payload is not one that can be sent, or `send` could not send the payload. Nothing was sent. */
  RP_INVALID: "wse.client.rp.invalid",
  /** The payload of a call cannot be encoded, or the socket failed to send it. Nothing was sent. */
  RP_SEND_FAILED: "wse.client.rp.send-failed",
  /** There is a connection already, or an attempt is under way. */
  CLIENT_ALREADY_CONNECTED: "wse.client.already-connected",
  /** The connection could not be made, or no welcome came in time. */
  WS_CLIENT_ERROR: "wse.client.ws-error",
  /** The connection ended before the welcome, and the server did not refuse. */
  CONNECTION_CLOSED: "wse.client.connection-closed",
  /** The server refused the identity. */
  NOT_AUTHORIZED: "wse.not-authorized",
  /** There is no connection, and no parked session that has room. Nothing was sent or kept. */
  CONNECTION_NOT_READY: "wse.client.not-ready",
  /** A procedure failed, and its own error has no code. */
  RP_EXECUTION_FAILED: "wse.server.rp.failed",
  /** No procedure has that name. */
  RP_NOT_REGISTERED: "wse.server.rp.not-registered",
  /** Another procedure has that name. */
  RP_ALREADY_REGISTERED: "wse.server.rp.already-registered",
  /** A listener of a message failed, or the message could not be decoded. */
  MESSAGE_PROCESSING_ERROR: "wse.server.msg-processing-error",
});

/**
 * The error that every promise of a client rejects with. A procedure throws one to fail on purpose:
 * its code, message and details then reach the caller. Every other error reaches the caller as
 * `wse.server.rp.failed`, without its text.
 *
 * ```ts
 * throw new WseError("no-such-room", { room }, "There is no such room.");
 * ```
 */
export class WseError extends Error {
  /** What went wrong: one of {@link WSE_ERROR}, or a code of the application. */
  declare readonly code: string;
  /** More about it. It is always an object, which may be empty. */
  declare readonly details: Record<string, any>;

  /** The message is for people. If it is left out or empty, it is the code, and is not sent to the caller. */
  constructor(code: string, details: Record<string, any> = {}, message?: string) {
    super(message || code);
    Object.assign(this, { code, details, name: "WseError" });
  }
}

/** Wraps an error of the application or the platform. The error is in `details.raw`, which is never sent. */
export const wrap = (code: string, raw: any, about?: object): WseError =>
  new WseError(code, { ...about, raw }, raw?.message);

/** The error for an end of a connection that no other error explains. A refusal's code is its reason. */
export const closedError = (code: number, reason: string): WseError =>
  new WseError(code === 1000 && reason === WSE_ERROR.NOT_AUTHORIZED ? reason : WSE_ERROR.CONNECTION_CLOSED, { code, reason }, `closed: ${code} ${reason}`);

/** Returns details as an object, as on the server: any other value is in the field `value`. */
export const asDetails = (value: any): Record<string, any> =>
  value == null ? {} : Object(value) === value && !Array.isArray(value) ? value : { value };

/** Reads the error object of a failed call. A malformed one is read too. */
export const readError = (error: any): WseError =>
  typeof error?.code === "string"
    ? new WseError(error.code, asDetails(error.details), (typeof error.message === "string" && error.message) as string)
    : new WseError(WSE_ERROR.RP_EXECUTION_FAILED, asDetails(error));
