// How an envelope becomes one message of the socket, and back. It may never look into a payload.

/** Type, payload and stamp: all that ever crosses the wire. */
export interface Envelope {
  /** The type of a message, the name of a procedure, or one of the protocol's own types. */
  type: string;
  /** Whatever the application sends; `null` when it sends nothing. */
  payload: any;
  /** Marks a call and its answer; `null` for a message. */
  stamp: string | null;
}

/** What a protocol makes of a message it has read: an object, or `[type, payload, stamp]` as npm `wse` has it. */
export type Packed = Partial<Envelope> | readonly unknown[];

/**
 * A wire format, offered to the server as the WebSocket subprotocol of its name. The default is
 * `wse-default-json`.
 */
export interface Protocol {
  /** The subprotocol's name, which the server must speak. */
  name: string;
  /**
   * Encodes an envelope: a string goes out as a text message, bytes as a binary one. Bytes may be
   * sent once more after a cut, so they are not to be written to again.
   */
  pack(envelope: Envelope): string | ArrayBuffer | ArrayBufferView;
  /**
   * Decodes a message: a string, or an `ArrayBuffer` when it was binary. What it throws at is a
   * protocol error, which ends the connection.
   */
  unpack(data: any): Packed;
  /** What the protocol's own types are called on the wire. */
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

/** `wse-default-json`: a JSON array of type, payload and stamp in a text message. */
export const JSON_PROTOCOL: Protocol = {
  name: "wse-default-json",
  pack: ({ type, payload, stamp }) => JSON.stringify([type, payload, stamp]),
  // Only what has places has a `slice`, and a string has no type.
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

/** Makes a message of an envelope. What is left out is `null`. */
export const pack = (
  protocol: Protocol,
  type: string,
  payload: unknown = null,
  stamp: string | null = null,
): string | ArrayBuffer | ArrayBufferView => protocol.pack({ type, payload, stamp });

/**
 * Reads a message. Missing places are `null`, an empty stamp is none; what is no envelope throws.
 * Only in a welcome the stamp may be an object, which may have come as its text.
 */
export function readEnvelope(protocol: Protocol, data: unknown): Envelope {
  const packed: any = protocol.unpack(data);
  const places = Array.isArray(packed) ? packed : [packed.type, packed.payload, packed.stamp];
  let [type, payload = null, stamp] = places;
  if (type === protocol.internal_types.welcome) {
    if (/^{/.test(stamp)) stamp = JSON.parse(stamp);
  } else if (typeof (stamp ?? "") !== "string") throw packed;
  if (places.length > 3 || !type || typeof type !== "string") throw packed;
  return { type, payload, stamp: stamp || null };
}
