// The one class of errors that leaves this client, and its codes.
// An error carries nothing to the server that the application did not mean for it.

import { explain } from "./advice.js";
import { CONNECTION_CLOSED, NOT_AUTHORIZED, RP_EXECUTION_FAILED } from "./codes.js";

export { WSE_ERROR } from "./codes.js";

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

  /**
   * The message is for people. If it is left out or empty, it is the code, and is not sent to the caller.
   * In development it says what to do about an error of this library, too.
   */
  constructor(code: string, details: Record<string, any> = {}, message?: string) {
    super(DEVELOPMENT ? explain(code, message) : message || code);
    Object.assign(this, { code, details, name: "WseError" });
  }
}

/** Wraps an error of the application or the platform. The error is in `details.raw`, which is never sent. */
export const wrap = (code: string, raw: any, about?: object): WseError =>
  new WseError(code, { ...about, raw }, raw?.message);

/** The error for an end of a connection that no other error explains. A refusal's code is its reason. */
export const closedError = (code: number, reason: string): WseError =>
  new WseError(code === 1000 && reason === NOT_AUTHORIZED ? reason : CONNECTION_CLOSED, { code, reason }, `closed: ${code} ${reason}`);

/** Returns details as an object, as on the server: any other value is in the field `value`. */
export const asDetails = (value: any): Record<string, any> =>
  value == null ? {} : Object(value) === value && !Array.isArray(value) ? value : { value };

/** Reads the error object of a failed call. A malformed one is read too. */
export const readError = (error: any): WseError =>
  typeof error?.code === "string"
    ? new WseError(error.code, asDetails(error.details), (typeof error.message === "string" && error.message) as string)
    : new WseError(RP_EXECUTION_FAILED, asDetails(error));
