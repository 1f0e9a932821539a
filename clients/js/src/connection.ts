// One connection: dial, hi, challenge, welcome, reading, and its end.
// It sends nothing after its end, and does not decide whether another connection follows.

import { WSE_REASON } from "./constants.js";
import { WSE_ERROR, WseError, wrap } from "./error.js";
import { type Envelope, pack, type Protocol, readEnvelope, sizeOf } from "./protocol.js";
import type { Arrival, Session } from "./session.js";
import type { Socket, SocketConstructor } from "./socket.js";

/** Where to connect, and as whom. */
export interface Target {
  url: string;
  identity: unknown;
  meta: unknown;
}

/** How to connect. */
export interface ConnectionOptions {
  /** Milliseconds from the dial to the welcome. */
  connectTimeout?: number;
  WebSocket?: SocketConstructor;
  /** All other options are the third argument of the constructor. */
  [option: string]: unknown;
}

/** What a connection reports to, and asks for the solution of a challenge. */
export interface Owner {
  /** The hi was sent. */
  connected(): void;
  /** Returns a promise of the solution. */
  challenge(quest: unknown): Promise<unknown>;
  /** The server has sent its welcome, and an arrival where a session begins, goes on or was lost. */
  ready(welcome: unknown, ...arrival: Arrival[]): void;
  /**
   * The connection ended, and not by {@link Close}. Its socket may be open still, and the owner closes
   * it later. `temporary` means that another attempt may succeed.
   */
  closed(temporary: boolean, code: number, reason: string, error?: WseError): void;
}

/** Ends the connection and closes its socket. The owner is not told, because the owner calls this. */
export type Close = (code: number, reason: string) => void;

/** SOLVING: the application works on a challenge, and the server has to wait for the solution. */
const enum State {
  WAITING,
  SOLVING,
  OPEN,
  ENDED,
}

/** Begins to connect, and returns what closes the connection. The owner is not told anything before it returns. */
export function openConnection(
  { connectTimeout = 10_000, WebSocket = globalThis.WebSocket as unknown as SocketConstructor, ...options }: ConnectionOptions,
  protocol: Protocol,
  { url, identity, meta }: Target,
  session: Session,
  owner: Owner,
): Close {
  const types = protocol.internal_types;
  let state = State.WAITING;
  let socket: Socket | undefined;
  /** How many checks in a row have found that nothing was received. */
  let silentChecks = 0;

  const stop = () => {
    state = State.ENDED;
    clearTimeout(timer);
  };

  /** Ends the connection, once, and tells the owner. */
  const end = (temporary: boolean, code: number, reason: string, error?: WseError) => {
    if (state === State.ENDED) return;
    stop();
    owner.closed(temporary, code, reason, error);
  };

  /** Ends an attempt that no close event explains. A `WseError` was thrown on purpose, so it is final. */
  const fail = (temporary: boolean, raw: any) => {
    const onPurpose = raw instanceof WseError;
    end(temporary && !onPurpose, 1006, "", onPurpose ? raw : wrap(WSE_ERROR.WS_CLIENT_ERROR, raw, { url }));
  };

  const solve = async (quest: unknown) => {
    state = State.SOLVING;
    try {
      const packed = pack(protocol, types.challenge, await owner.challenge(quest));
      if (state !== State.SOLVING) return;
      state = State.WAITING;
      socket!.send(packed);
    } catch (raw) {
      end(false, 1000, WSE_REASON.BY_CLIENT, wrap(WSE_ERROR.INVALID_CRA_HANDLER, raw));
    }
  };

  /** Handles an envelope. Returns false if the protocol does not allow it in the current state. */
  const dispatch = (envelope: Envelope, size: number) => {
    const { type, payload, stamp: grant }: { type: string; payload: any; stamp: any } = envelope;
    if (state === State.OPEN) return session.receive(envelope, size);
    if (state !== State.WAITING) return false;
    if (type === types.challenge) void solve(payload);
    else if (type === types.welcome) {
      state = State.OPEN;
      clearTimeout(timer);
      if (grant?.beat > 0) timer = setInterval(() => ++silentChecks > 4 && end(true, 1006, "wse.silent"), (grant.beat + 10_000) / 4);
      const arrival = session.welcome(socket!, grant);
      if (arrival) owner.ready(payload, ...(grant || arrival.lost ? [arrival] : []));
      else end(true, 1006, "");
    } else return false;
    return true;
  };

  const read = ({ data }: { data: unknown }) => {
    let envelope: Envelope | undefined;
    silentChecks = 0;
    try {
      envelope = readEnvelope(protocol, data);
    } catch {
      // What is no envelope is a protocol error, as is an envelope in the wrong state.
    }
    if (envelope && dispatch(envelope, sizeOf(data))) return;
    // npm wse 2 calls another format by the same name.
    end(false, 1000, WSE_REASON.PROTOCOL_ERR + (/^{"c":/.test(data as string) ? ": the format of npm wse 2" : ""));
  };

  const dial = async () => {
    let temporary = true;
    await null; // the owner is not told anything before `openConnection` has returned
    try {
      const who = await (typeof identity === "function" ? identity() : identity);
      if (state === State.ENDED) return;
      temporary = false;
      if (!WebSocket) throw new Error("no WebSocket");
      const hi = pack(protocol, types.hi, { identity: who, meta, ...session.hi() });
      socket = new WebSocket(url, [protocol.name], options);
      socket.binaryType = "arraybuffer";
      // If the socket never opened, some platforms send no close event after this one.
      socket.onerror = (event) => fail(true, event.error ?? event);
      socket.onopen = () => {
        if (state === State.ENDED) return;
        socket!.onerror = () => {}; // a close event follows, and it has the code
        socket!.send(hi);
        owner.connected();
      };
      socket.onmessage = read;
      // A client with `re` reconnects after these codes.
      socket.onclose = ({ code, reason }) =>
        end([1005, 1006, 1011, 1012, 1013, 1014, 4000].includes(code), code, reason);
    } catch (error) {
      fail(temporary, error);
    }
  };

  let timer = setTimeout(() => fail(true, new Error("no welcome in time")), connectTimeout);
  void dial();
  return (code, reason) => {
    stop();
    // A close frame has room for 123 bytes of text. A longer reason is cut at a character.
    const { read } = new TextEncoder().encodeInto(reason, new Uint8Array(123));
    socket?.close(code, `${reason}`.slice(0, read));
  };
}
