// The public names of `wse-client`. Importing them does nothing.
// To read the sources, follow a connection: client, connection, session, protocol.

export { WseClient } from "./client.js";
export type { When } from "./methods.js";
export type { CallOptions, Challenge, Identity, Options, SendOptions } from "./options.js";
export { WSE_ERROR, WseError } from "./error.js";
export { WSE_REASON, WSE_STATUS, type WseStatus } from "./constants.js";
export type { Envelope, Packed, Protocol } from "./protocol.js";
export type { Socket, SocketConstructor } from "./socket.js";
export type { Arrival } from "./guarantees.js";
export type { Off } from "./emitter.js";
export type { Bounds } from "./backoff.js";
export type { Argument, Channel, Contract, Name, Part, Result } from "./contract.js";
