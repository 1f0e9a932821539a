// The public names of `wse-client`. It may never hold code, nor do anything when imported.

export { WseClient } from "./client.js";
export type { Challenge, Identity, Options, When } from "./client.js";
export type { CallOptions } from "./calls.js";
export { WSE_ERROR, WseError } from "./error.js";
export { WSE_REASON, WSE_STATUS, type WseStatus } from "./names.js";
export type { Envelope, Packed, Protocol } from "./protocol.js";
export type { Socket, SocketConstructor } from "./connection.js";
export type { Arrival } from "./session.js";
export type { Off } from "./emitter.js";
export type { Bounds } from "./wait.js";
export type { Argument, Channel, Contract, Name, Part, Result } from "./contract.js";
