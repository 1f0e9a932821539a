// The reasons and states that client and server know by the same strings.
// The strings never change, because applications compare them.

export const BY_CLIENT = "wse.by-client";
export const PROTOCOL_ERR = "wse.protocol-error";

/**
 * Why a connection was closed: the text in the close frame beside code 1000. An application's own
 * reasons stand in the same place. Some ends have a code of their own instead: 1009, 1012, 1013.
 */
export const WSE_REASON = /* @__PURE__ */ Object.freeze({
  /** The server dropped a user by id and gave no reason. */
  NO_REASON: "",
  /** This client closed the connection and gave no reason. */
  BY_CLIENT,
  /** The server dropped this device or user and gave no reason. */
  BY_SERVER: "wse.by-server",
  /** The server refused the identity. */
  NOT_AUTHORIZED: "wse.not-authorized",
  /** The server waited too long for the hi or for the solution of its challenge. */
  AUTH_TIMEOUT: "wse.auth-timeout",
  /** One side sent what the protocol does not allow. */
  PROTOCOL_ERR,
  /** A newer device of the same user took the place of this one. */
  CLIENTS_CONCURRENCY: "wse.clients-concurrency",
  /** The time of the identity is over, and no new one came. */
  IDENTITY_EXPIRED: "wse.identity-expired",
  /** The server revoked this device. */
  REVOKED: "wse.revoked",
});

/** The states of a client. */
export const WSE_STATUS = /* @__PURE__ */ Object.freeze({
  /** The client has not tried to connect yet. */
  IDLE: "IDLE",
  /** The first attempt to connect, or a jump, is under way. */
  CONNECTING: "CONNECTING",
  /** The server has sent its welcome: messages and calls go through. */
  READY: "READY",
  /** The connection ended for good. Only `connect` or `jump` begins another one. */
  OFFLINE: "OFFLINE",
  /** The connection was lost or could not be made. Another attempt is under way or follows. */
  RE_CONNECTING: "RE_CONNECTING",
});

/** One of the five values of {@link WSE_STATUS}. */
export type WseStatus = keyof typeof WSE_STATUS;
