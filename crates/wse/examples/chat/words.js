// What close codes, reasons and error codes mean, in words for users.

import { WSE_ERROR, WSE_REASON } from "./wse-client.js";

const REASONS = {
  [WSE_REASON.BY_CLIENT]: "you left",
  [WSE_REASON.BY_SERVER]: "the server ended it",
  [WSE_REASON.NOT_AUTHORIZED]: "the server refused this name",
  [WSE_REASON.CLIENTS_CONCURRENCY]: "a newer device of yours took this place",
  [WSE_REASON.PROTOCOL_ERR]: "one side broke the protocol",
  [WSE_REASON.AUTH_TIMEOUT]: "coming in took too long",
  "wse.later": "the server did not decide in time",
  "wse.restart": "the server restarts",
  "wse.slow": "one side did not keep up",
};

const CODES = {
  1005: "it was cut, without a code",
  1006: "it broke off, or the server cannot be reached",
  1008: "the server does not allow it",
  1009: "a message was too big",
  1011: "the server failed",
  1013: "the server has too much to do",
};

/** Returns why a connection ended. An unknown reason is taken as a text for users. */
export const inWords = (code, reason) =>
  (REASONS[reason.split(" after=")[0]] ?? (reason || CODES[code])) || "no reason was given";

const ERRORS = {
  [WSE_ERROR.CONNECTION_NOT_READY]: "Not connected: nothing was sent.",
  [WSE_ERROR.RP_DISCONNECT]: "The connection ended before the answer came.",
  [WSE_ERROR.RP_TIMEOUT]: "No answer came in time.",
};

/** Returns why a call failed. The server's own errors come with a text for users. */
export const failure = ({ code, message }) => ERRORS[code] ?? message;
