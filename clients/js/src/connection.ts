// One connection, from the dial to its end: the hi, the challenge, the welcome, and reading. It may
// never say anything after it has ended, nor decide whether another one follows.

import { WSE_ERROR, WseError, wrap } from "./error.js";
import { WSE_REASON } from "./names.js";
import { type Envelope, pack, type Protocol, readEnvelope } from "./protocol.js";
import { type Arrival, type Session, sizeOf } from "./session.js";

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
  ready(welcome: unknown, arrival: Arrival): void;
  /** It ended by itself, and is to be closed in time; `temporary` when another attempt may do better. */
  closed(temporary: boolean, code: number, reason: string, error?: WseError): void;
}

/** Says goodbye, unless that was said before. The owner is not told: it is the one who wanted it. */
export type Goodbye = (code: number, reason: string) => void;

/** Where it stands; solving is what the application does. */
const enum State {
  WAITING,
  SOLVING,
  OPEN,
  ENDED,
}

/** Begins to connect, and gives what ends it; nobody is told anything before this returns. */
export function connection(
  { connectTimeout = 10_000, WebSocket = globalThis.WebSocket as unknown as SocketConstructor, ...options }: Dial,
  protocol: Protocol,
  { url, identity, meta }: Target,
  session: Session,
  owner: Owner,
): Goodbye {
  const own = protocol.internal_types;
  let state = State.WAITING;
  let socket: Socket | undefined;
  /** How many times in a row the watch saw that nothing had come. */
  let quiet = 0;

  const stop = () => {
    state = State.ENDED;
    clearTimeout(timer);
  };

  /** It has ended, once. */
  const end = (temporary: boolean, code = 1006, reason = "", error?: WseError) => {
    if (state === State.ENDED) return;
    stop();
    owner.closed(temporary, code, reason, error);
  };

  /** The connection could not be made, and no socket says why. An error made on purpose is final. */
  const fail = (temporary: boolean, raw: any) => {
    const meant = raw instanceof WseError;
    end(temporary && !meant, 1006, "", meant ? raw : wrap(WSE_ERROR.WS_CLIENT_ERROR, raw, { url }));
  };

  const solve = async (quest: unknown) => {
    state = State.SOLVING;
    try {
      const packed = pack(protocol, own.challenge, await owner.challenge(quest));
      if (state !== State.SOLVING) return;
      state = State.WAITING;
      socket!.send(packed);
    } catch (raw) {
      end(false, 1000, WSE_REASON.BY_CLIENT, wrap(WSE_ERROR.INVALID_CRA_HANDLER, raw));
    }
  };

  /** Does what an envelope means where the connection stands; true when it is out of place. */
  const misplaced = (envelope: Envelope, bytes: number) => {
    const { type, payload, stamp: grant }: { type: string; payload: any; stamp: any } = envelope;
    if (state === State.OPEN) return !session.message(envelope, bytes);
    if (state !== State.WAITING) return true;
    if (type === own.challenge) return void solve(payload);
    if (type !== own.welcome) return true;
    state = State.OPEN;
    clearTimeout(timer);
    if (grant?.beat > 0) timer = setInterval(() => ++quiet > 4 && end(true, 1006, "wse.silent"), (grant.beat + 10_000) / 4);
    const arrival = session.welcome(socket!, grant);
    if (arrival) owner.ready(payload, arrival);
    else end(true);
  };

  const read = (data: unknown) => {
    let envelope: Envelope | undefined;
    quiet = 0;
    try {
      envelope = readEnvelope(protocol, data);
    } catch {
      // No envelope: a protocol error, as one that is out of place.
    }
    if (!envelope || misplaced(envelope, sizeOf(data))) end(false, 1000, WSE_REASON.PROTOCOL_ERR);
  };

  const begin = async () => {
    let temporary = true;
    await null; // nobody is told anything before this function has returned
    try {
      const who = await (typeof identity === "function" ? identity() : identity);
      if (state === State.ENDED) return;
      temporary = false;
      if (!WebSocket) throw new Error("no WebSocket");
      const hi = pack(protocol, own.hi, { identity: who, meta, ...session.hi() });
      socket = new WebSocket(url, [protocol.name], options);
      socket.binaryType = "arraybuffer";
      // Before it is open, not every platform lets a close event follow.
      socket.onerror = (event) => fail(true, event.error ?? event);
      socket.onopen = () => {
        if (state === State.ENDED) return;
        socket!.onerror = () => {}; // a close event follows, with the code
        socket!.send(hi);
        owner.connected();
      };
      socket.onmessage = ({ data }) => read(data);
      // Closed with these, a client comes back.
      socket.onclose = ({ code, reason }) =>
        end([1005, 1006, 1011, 1012, 1013, 1014, 4000].includes(code), code, reason);
    } catch (error) {
      fail(temporary, error);
    }
  };

  let timer = setTimeout(() => fail(true, new Error("no welcome in time")), connectTimeout);
  void begin();
  return (code, reason) => {
    stop();
    // A close frame has room for 123 bytes of text: what is longer is cut at a character.
    const { read } = new TextEncoder().encodeInto(reason, new Uint8Array(123));
    socket?.close(code, `${reason}`.slice(0, read));
  };
}
