// The wire format `wse-default-json` for integers that a number of JavaScript cannot hold.
// It is an entry of its own, so that the client stays small. It changes nothing else of the format.

import { check, JSON_PROTOCOL, type Protocol } from "./protocol.js";

/** What becomes of an integer beyond 2^53 - 1 that arrives. */
export interface JsonOptions {
  /** `text`: the digits as a string. `bigint`: a BigInt, and a BigInt can be sent as well. */
  integers: "text" | "bigint";
}

/** A string, or what begins as a number. */
const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d[\w.+-]*/g;

/** An integer of so many digits that it may be too large. */
const LONG = /^-?[1-9]\d{15,}$/;

/** Returns a text that no string of a peer begins with, because it cannot be guessed. */
const newMark = () => `${Math.random()}`.slice(2) + "n";

/**
 * Returns the default protocol with another reading of integers. `JSON.parse` alone rounds
 * 9007199254740993 to 9007199254740992 without a word. Numbers with a fraction or an exponent stay
 * numbers.
 */
export function jsonProtocol({ integers }: JsonOptions): Protocol {
  const exact = integers === "bigint";
  return {
    ...JSON_PROTOCOL,
    pack(envelope) {
      if (!exact) return JSON_PROTOCOL.pack(envelope);
      const { type, payload, stamp } = envelope;
      const mark = newMark();
      const text = JSON.stringify([type, payload, stamp], (_, value) => (typeof value === "bigint" ? mark + value : value));
      check(payload, 127);
      return text.replace(new RegExp(`"${mark}(-?\\d+)"`, "g"), "$1");
    },
    unpack(text) {
      if (!/\d{16}/.test(text)) return JSON_PROTOCOL.unpack(text);
      const mark = exact ? newMark() : "";
      const quoted = text.replace(TOKEN, (token: string) => (LONG.test(token) && !Number.isSafeInteger(+token) ? `"${mark}${token}"` : token));
      const revive = (_: string, value: any) => (exact && typeof value === "string" && value.startsWith(mark) ? BigInt(value.slice(mark.length)) : value);
      return JSON.parse(quoted, revive).slice();
    },
  };
}
