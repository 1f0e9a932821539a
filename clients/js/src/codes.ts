// The codes of the errors that a client can see.
// The strings never change, because applications compare them.

/* Each code is a constant of its own, so that a bundle without `WSE_ERROR` has only those that it throws. */
export const INVALID_CRA_HANDLER = "wse.client.invalid-cra-handler";
export const RP_TIMEOUT = "wse.client.rp.timeout";
export const RP_DISCONNECT = "wse.client.rp.disconnect";
export const RP_ABORTED = "wse.client.rp.aborted";
export const RP_INVALID = "wse.client.rp.invalid";
export const RP_SEND_FAILED = "wse.client.rp.send-failed";
export const CLIENT_ALREADY_CONNECTED = "wse.client.already-connected";
export const WS_CLIENT_ERROR = "wse.client.ws-error";
export const CONNECTION_CLOSED = "wse.client.connection-closed";
export const NOT_AUTHORIZED = "wse.not-authorized";
export const CONNECTION_NOT_READY = "wse.client.not-ready";
export const RP_EXECUTION_FAILED: string = "wse.server.rp.failed";
export const RP_NOT_REGISTERED = "wse.server.rp.not-registered";
export const RP_ALREADY_REGISTERED = "wse.server.rp.already-registered";
export const MESSAGE_PROCESSING_ERROR = "wse.server.msg-processing-error";

/** The codes of the errors that a client can see. Compare codes, never messages. */
export const WSE_ERROR = /* @__PURE__ */ Object.freeze({
  /** There is no challenge handler, or it failed, or `challenge` was given something that is no function. */
  INVALID_CRA_HANDLER,
  /** No answer came in time. Whether the procedure ran is unknown. */
  RP_TIMEOUT,
  /** The connection, or the session, ended before the answer. Whether the procedure ran is unknown. */
  RP_DISCONNECT,
  /** The caller aborted the signal. Whether the procedure ran is unknown. */
  RP_ABORTED,
  /** The name or the payload is not one that can be sent, or `send` could not send the payload. Nothing was sent. */
  RP_INVALID,
  /** The payload of a call cannot be encoded, or the socket failed to send it. Nothing was sent. */
  RP_SEND_FAILED,
  /** There is a connection already, or an attempt is under way. */
  CLIENT_ALREADY_CONNECTED,
  /** The connection could not be made, or no welcome came in time. */
  WS_CLIENT_ERROR,
  /** The connection ended before the welcome, and the server did not refuse. */
  CONNECTION_CLOSED,
  /** The server refused the identity. */
  NOT_AUTHORIZED,
  /** There is no connection, and no parked session that has room. Nothing was sent or kept. */
  CONNECTION_NOT_READY,
  /** A procedure failed, and its own error has no code. */
  RP_EXECUTION_FAILED,
  /** No procedure has that name. */
  RP_NOT_REGISTERED,
  /** Another procedure has that name. */
  RP_ALREADY_REGISTERED,
  /** A listener of a message failed, or the message could not be decoded. */
  MESSAGE_PROCESSING_ERROR,
});
