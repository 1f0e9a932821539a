// The reasons and states that both languages know by the same strings. They may never change:
// people compare them.

/**
 * Why a connection was closed: what stands in the close frame beside code 1000. An application's own
 * reasons stand there too. New situations have a code of their own: 1008, 1009, 1012, 1013.
 */
export const WSE_REASON = Object.freeze({
  /** A user was dropped by id, with no reason given. */
  NO_REASON: "",
  /** This client closed, with no reason given. */
  BY_CLIENT: "wse.by-client",
  /** The server dropped this device or user, with no reason given. */
  BY_SERVER: "wse.by-server",
  /** The server refused the identity. */
  NOT_AUTHORIZED: "wse.not-authorized",
  /** One side sent what the protocol does not allow. */
  PROTOCOL_ERR: "wse.protocol-error",
  /** A newer device of the same user took the place. */
  CLIENTS_CONCURRENCY: "wse.clients-concurrency",
});

/** Where a client stands. */
export const WSE_STATUS = Object.freeze({
  /** Nothing was tried yet. */
  IDLE: "IDLE",
  /** The first attempt to connect, or a jump. */
  CONNECTING: "CONNECTING",
  /** Welcomed: messages and calls go through. */
  READY: "READY",
  /** Ended for good, until `connect` or `jump`. */
  OFFLINE: "OFFLINE",
  /** The connection was lost or could not be made; another attempt is under way or waited for. */
  RE_CONNECTING: "RE_CONNECTING",
});

/** One of the five values of {@link WSE_STATUS}. */
export type WseStatus = keyof typeof WSE_STATUS;
