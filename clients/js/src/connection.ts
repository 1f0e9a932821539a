// One connection, from the dial to its end: the hi, the challenge, the welcome, envelopes. It may
// never say anything after it has ended, nor decide whether another one follows.

import { WSE_ERROR, WseError, wrap } from "./error.js";
import { WSE_REASON } from "./names.js";
import type { Call } from "./procedures.js";
import { type Envelope, JSON_PROTOCOL, type Protocol, readEnvelope } from "./protocol.js";

/** What is used of a `WebSocket`. */
export interface Socket {
  binaryType: string;
  readonly readyState: number;
  onopen: ((event: any) => void) | null;
  onmessage: ((event: any) => void) | null;
  onerror: ((event: any) => void) | null;
  onclose: ((event: any) => void) | null;
  send(data: any): void;
  close(code?: number, reason?: string): void;
}

/** The global `WebSocket`, that of npm `ws`, or one of your own. */
export type SocketConstructor = new (url: string, protocols: string[], options?: any) => Socket;

/** Where to connect, and as whom. */
export interface Target {
  url: string;
  identity: unknown;
  meta: unknown;
}

/** How to connect. */
export interface Dial {
  protocol?: Protocol;
  /** Milliseconds from the dial to the welcome. */
  connectTimeout?: number;
  WebSocket?: SocketConstructor;
  /** The rest is the third argument of the constructor. */
  [option: string]: unknown;
}

/** Who is told what happens. */
export interface Owner {
  /** The hi is sent. */
  connected(): void;
  /** Gives the solution, or a promise of it. */
  challenge(quest: unknown): Promise<unknown>;
  ready(welcome: unknown): void;
  message(type: string, payload: unknown): void;
  call(call: Call): void;
  answer(stamp: string | null, ok: boolean, payload: unknown): void;
  /** It ended by itself; `temporary` when another attempt may do better. */
  closed(temporary: boolean, code: number, reason: string, error?: WseError): void;
}

/** Closed with these, a client comes back. */
const TEMPORARY = [1005, 1006, 1011, 1012, 1013, 1014, 4000];
const OPEN = 1;

/** A close frame has room for 123 bytes of text: what is longer is cut at a character. */
const cut = (reason: string) =>
  `${reason}`.slice(0, new TextEncoder().encodeInto(reason, new Uint8Array(123)).read);

/** One connection, as its owner sees it. */
export interface Connection {
  /** Whether messages and calls go through. */
  ready(): boolean;
  /** Sends a message or, with a stamp, a call. Throws when it cannot be encoded. */
  send(type: string, payload: unknown, stamp?: string): void;
  /** Answers a call that came on this connection; nothing happens when it has ended. */
  reply(stamp: string, ok: boolean, answer: unknown): void;
  /** Says goodbye. The owner is not told: it is the one who wanted it. */
  close(code: number, reason: string): void;
}

/** Begins to connect; nobody is told anything before this returns. */
export function connection(dial: Dial, { url, identity, meta }: Target, owner: Owner): Connection {
  const {
    protocol = JSON_PROTOCOL,
    connectTimeout = 10_000,
    WebSocket = globalThis.WebSocket as unknown as SocketConstructor,
    ...options
  } = dial;
  const own = protocol.internal_types;
  let state: "waiting" | "solving" | "open" | "ended" = "waiting";
  let socket: Socket | undefined;

  const pack = (type: string, payload: unknown = null, stamp: string | null = null) =>
    protocol.pack({ type, payload, stamp });

  const write = (type: string, payload: unknown, stamp?: string) => {
    const packed = pack(type, payload, stamp);
    if (state !== "ended") socket!.send(packed);
  };

  const close = (code: number, reason: string) => {
    state = "ended";
    clearTimeout(timer);
    socket?.close(code, cut(reason));
  };

  /** It has ended, once. Closing what is closed already does nothing. */
  const end = (temporary: boolean, code: number, reason: string, error?: WseError) => {
    if (state === "ended") return;
    close(1000, reason || WSE_REASON.BY_CLIENT);
    owner.closed(temporary, code, reason, error);
  };

  /** The connection could not be made, and no socket says why. */
  const fail = (temporary: boolean, raw: any) =>
    end(temporary, 1006, "", raw instanceof WseError ? raw : wrap(WSE_ERROR.WS_CLIENT_ERROR, raw));

  const solve = async (quest: unknown) => {
    state = "solving";
    try {
      const solution = await owner.challenge(quest);
      if (state === "solving") state = "waiting";
      write(own.challenge, solution);
    } catch (raw) {
      end(false, 1000, WSE_REASON.BY_CLIENT, wrap(WSE_ERROR.INVALID_CRA_HANDLER, raw));
    }
  };

  /** What an envelope means where the connection stands; false when it is out of place. */
  const took = ({ type, payload, stamp }: Envelope) => {
    if (state === "waiting" && type === own.welcome) {
      state = "open";
      clearTimeout(timer);
      owner.ready(payload);
    } else if (state === "waiting" && type === own.challenge) {
      void solve(payload);
    } else if (state !== "open" || [own.hi, own.challenge, own.welcome, own.call].includes(type)) {
      return false;
    } else if (type === own.response || type === own.response_error) {
      owner.answer(stamp, type === own.response, payload);
    } else if (stamp) {
      owner.call({ rp: type, payload, stamp });
    } else {
      owner.message(type, payload);
    }
    return true;
  };

  const read = (data: unknown) => {
    let envelope: Envelope | undefined;
    try {
      envelope = readEnvelope(protocol, data);
    } catch {
      // No envelope: a protocol error, as one that is out of place.
    }
    if (state !== "ended" && !(envelope && took(envelope))) end(false, 1000, WSE_REASON.PROTOCOL_ERR);
  };

  const begin = async () => {
    let temporary = true;
    try {
      const who = await (typeof identity === "function" ? identity() : identity);
      if (state === "ended") return;
      temporary = false;
      const hi = pack(own.hi, { identity: who, meta });
      socket = new WebSocket(url, [protocol.name], options);
      socket.binaryType = "arraybuffer";
      // Before it is open, not every platform lets a close event follow.
      socket.onerror = (event) => fail(true, event);
      socket.onopen = () => {
        socket!.onerror = () => {}; // a close event follows, with the code
        socket!.send(hi);
        owner.connected();
      };
      socket.onmessage = ({ data }) => read(data);
      socket.onclose = ({ code, reason }) => end(TEMPORARY.includes(code), code, reason);
    } catch (error) {
      fail(temporary && !(error instanceof WseError), error);
    }
  };

  const timer = setTimeout(() => fail(true, new Error("no welcome in time")), connectTimeout);
  queueMicrotask(begin);
  return {
    ready: () => state === "open" && socket!.readyState === OPEN,
    send(type, payload, stamp) {
      if (!type || Object.values(own).includes(type)) throw new Error("reserved name");
      write(type, payload, stamp);
    },
    reply: (stamp, ok, answer) => write(ok ? own.response : own.response_error, answer, stamp),
    close,
  };
}
