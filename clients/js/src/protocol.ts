// The wire format: how an envelope becomes one message of the socket, and back.
// It looks into a payload only to refuse what JSON cannot carry.

import { RP_INVALID } from "./codes.js";
import { WseError } from "./error.js";

/** Type, payload and stamp: all that a message on the wire consists of. */
export interface Envelope {
  /** The type of a message, the name of a procedure, or one of the protocol's own types. */
  type: string;
  /** What the application sends; `null` if it sends nothing. */
  payload: any;
  /** Connects a call with its answer; `null` for a message. */
  stamp: string | null;
}

/** What a protocol returns for a message that it has read: an object, or `[type, payload, stamp]` as in npm `wse`. */
export type Packed = Partial<Envelope> | readonly unknown[];

/**
 * A wire format. The client offers it to the server as the WebSocket subprotocol of its name. The
 * default is `wse-default-json`.
 */
export interface Protocol {
  /** The name of the subprotocol. The server must speak it. */
  name: string;
  /**
   * Encodes an envelope: a string is sent as a text message, bytes as a binary one. The client may
   * send the same bytes again after a cut, so the protocol must not write to them any more.
   */
  pack(envelope: Envelope): string | ArrayBuffer | ArrayBufferView;
  /**
   * Decodes a message: a string, or an `ArrayBuffer` if it was binary. If it throws after the welcome,
   * the hook `error` is told, that message is lost, and the connection stays. Before the welcome the
   * client ends the connection as a protocol error.
   */
  unpack(data: any): Packed;
  /** The names of the protocol's own types on the wire. */
  internal_types: {
    hi: string;
    challenge: string;
    welcome: string;
    call?: string;
    response: string;
    response_error: string;
    /** Default `~wse:ack`. */
    ack?: string;
  };
}

/** Throws for a value that JSON cannot carry, and for one that nests deeper than so many levels. */
export function check(value: any, levels: number): void {
  const tag = value?.[Symbol.toStringTag];
  const inner = typeof value?.toJSON === "function" ? value.toJSON() : value;
  const nests = Object(inner) === inner;
  // `JSON.stringify` turns these into something else without a word.
  if (/^(Map|Set|Blob|File)$|Array|View/.test(tag) || (nests ? !levels : typeof inner === "number" && !isFinite(inner)))
    throw new WseError(RP_INVALID, {}, `no JSON: ${tag ?? (nests ? "too deep" : inner)}`);
  if (nests) for (const child of Object.values(inner)) check(child, levels - 1);
}

/** `wse-default-json`: a JSON array of type, payload and stamp in a text message. */
export const JSON_PROTOCOL: Protocol = {
  name: "wse-default-json",
  pack({ type, payload, stamp }) {
    const text = JSON.stringify([type, payload, stamp]);
    check(payload, 127); // the envelope is a level itself
    return text;
  },
  // `slice` throws for everything but an array and a string, and `readEnvelope` refuses a string.
  unpack: (text) => JSON.parse(text).slice(),
  internal_types: {
    hi: "~wse:hi",
    challenge: "~wse:challenge",
    welcome: "~wse:welcome",
    call: "~wse:call",
    response: "~wse:response",
    response_error: "~wse:response-err",
  },
};

/** Encodes an envelope. A payload or stamp that is left out becomes `null`. */
export const pack = (
  protocol: Protocol,
  type: string,
  payload: unknown = null,
  stamp: string | null = null,
): string | ArrayBuffer | ArrayBufferView => protocol.pack({ type, payload, stamp });

/** Returns the size of an encoded envelope: bytes, or characters if it is text. */
export const sizeOf = (packed: any): number => packed.byteLength ?? packed.length;

/** Returns its bytes, which takes long for a text. It needs no `TextEncoder`, which jsdom lacks. */
export const bytesOf = (packed: any): number => new Blob([packed]).size;

/** An envelope that was read: the stamp is text, except in a welcome, where it may be an object. */
export type Received = [type: string, payload: any, stamp: any];

/**
 * Reads what a protocol has decoded, and returns `undefined` if it is no envelope. A missing payload or stamp
 * becomes `null`, and so does an empty stamp. That of a welcome may be the JSON text of an object.
 */
export function readEnvelope(protocol: Protocol, packed: any): Received | undefined {
  const places = Array.isArray(packed) ? packed : [packed?.type, packed?.payload, packed?.stamp];
  let [type, payload = null, stamp] = places;
  if (type === protocol.internal_types.welcome) {
    if (/^{/.test(stamp)) stamp = JSON.parse(stamp);
  } else if (typeof (stamp ?? "") !== "string") return;
  if (places.length < 4 && type && typeof type === "string") return [type, payload, stamp || null];
}
