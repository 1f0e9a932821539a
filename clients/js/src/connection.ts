// One connection: dial, hi, challenge, welcome, reading, and its end.
// It sends nothing after its end, and does not decide whether another connection follows.

import { WSE_REASON } from "./constants.js";
import { closedError, WSE_ERROR, wrap, type WseError } from "./error.js";
import { type Envelope, pack, type Protocol, readEnvelope, sizeOf } from "./protocol.js";
import type { Arrival, Session } from "./session.js";
import { OPEN, type Socket, type SocketConstructor } from "./socket.js";
import { after, onWake } from "./timing.js";

/** Where to connect, and as whom. */
export interface Target {
  url: string;
  identity: unknown;
  meta: unknown;
}

/** How to connect. */
export interface ConnectionOptions {
  /** Milliseconds from the dial to the welcome; 0 means without a limit. */
  connectTimeout?: number;
  WebSocket?: SocketConstructor;
  /** All other options are the third argument of the constructor. */
  [option: string]: unknown;
}

/** What an end says about another attempt. */
export const enum Outlook {
  /** The configuration does not work. */
  INVALID,
  /** The server, or the protocol, wants no other attempt. */
  FINAL,
  /** It may pass where the address and the identity have worked before. */
  UNCLEAR,
  /** It passes. */
  TEMPORARY,
}

/** The codes after which a client stays away. */
export const FINAL = [1000, 1002, 1003, 1007, 1008, 1009, 1010];

/** Whether a client that was never welcomed stays away after this code, too. */
const isUnclear = (code: number) => code === 1001 || (code > 1014 && code !== 4000);

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
   * it.
   */
  closed(outlook: Outlook, code: number, reason: string, error: WseError): void;
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

/** How long the server may take to show that it is there, in milliseconds. */
const PATIENCE = 3000;

/** Cuts a reason at a character, because a close frame has room for 123 bytes of text. */
const cut = (reason: string) => {
  let text = "";
  for (const character of String(reason)) {
    if (sizeOf(text + character) > 123) break;
    text += character;
  }
  return text;
};

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
  /** Runs while the server has to show that it is there. */
  let probing: any;
  let unwatch = () => {};

  const stop = () => {
    state = State.ENDED;
    clearTimeout(timer);
    clearTimeout(probing);
    unwatch();
  };

  /** Ends the connection, once, and tells the owner. */
  const end = (outlook = Outlook.TEMPORARY, reason = "", code = 1006, error = closedError(code, reason)) => {
    if (state === State.ENDED) return;
    stop();
    owner.closed(outlook, code, reason, error);
  };

  /** Ends an attempt that no close event explains. A `WseError` was thrown on purpose. */
  const fail = (raw: any, outlook?: Outlook) => {
    const onPurpose = raw?.name === "WseError"; // of this copy of the module, or of another one
    end(onPurpose ? Outlook.UNCLEAR : outlook, "", 1006, onPurpose ? raw : wrap(WSE_ERROR.WS_CLIENT_ERROR, raw, { url }));
  };

  const silent = () => end(Outlook.TEMPORARY, "wse.silent");

  /** Asks the server for a sign of life. What it has announced may be on the way, at 1 kB/s. */
  const probe = () => {
    probing ||= after(PATIENCE + session.probe(), silent);
  };

  /** Looks for silence, because a server with a beat says something that often. */
  const watch = (beat: number) => {
    const period = Math.min((beat + 10_000) / 4, 2 ** 31 - 1);
    let last = Date.now();
    timer = setInterval(() => {
      if (Date.now() - last > 1.5 * period) probe(); // the page or the machine has slept
      last = Date.now();
      if (++silentChecks > 4 + session.announced() / period) silent();
    }, period);
  };

  const solve = async (quest: unknown) => {
    state = State.SOLVING;
    try {
      const packed = pack(protocol, types.challenge, await owner.challenge(quest));
      if (state !== State.SOLVING || socket!.readyState !== OPEN) return;
      state = State.WAITING;
      socket!.send(packed);
    } catch (raw) {
      end(Outlook.UNCLEAR, WSE_REASON.BY_CLIENT, 1000, wrap(WSE_ERROR.INVALID_CRA_HANDLER, raw));
    }
  };

  /** Handles an envelope. Returns false if the protocol does not allow it in the current state. */
  const dispatch = (envelope: Envelope | undefined, size: number) => {
    if (!envelope || state === State.SOLVING || state === State.ENDED) return false;
    if (state === State.OPEN) return session.receive(envelope, size);
    const { type, payload, stamp: grant }: { type: string; payload: any; stamp: any } = envelope;
    if (type === types.challenge) void solve(payload);
    else if (type === types.welcome) {
      state = State.OPEN;
      clearTimeout(timer);
      if (grant?.beat > 0) watch(grant.beat);
      unwatch = onWake(probe);
      const arrival = session.welcome(socket!, grant);
      if (arrival) owner.ready(payload, ...(grant || arrival.lost ? [arrival] : []));
      else end();
    } else return false;
    return true;
  };

  const read = ({ data }: { data: unknown }) => {
    const size = sizeOf(data);
    let envelope: Envelope | undefined;
    silentChecks = 0;
    probing &&= clearTimeout(probing);
    try {
      envelope = readEnvelope(protocol, protocol.unpack(data));
    } catch (raw) {
      // After the welcome, what cannot be decoded concerns that message only.
      if (state === State.OPEN) return session.unreadable(size, raw);
    }
    // npm wse 2 calls another format by the same name.
    if (!dispatch(envelope, size)) end(Outlook.FINAL, WSE_REASON.PROTOCOL_ERR + (/^{"c":/.test(data as string) ? ": the format of npm wse 2" : ""), 1000);
  };

  const dial = async () => {
    let outlook = Outlook.TEMPORARY;
    await null; // the owner is not told anything before `openConnection` has returned
    try {
      const who = await (typeof identity === "function" ? identity() : identity);
      if (state === State.ENDED) return;
      outlook = Outlook.UNCLEAR;
      const hi = pack(protocol, types.hi, { identity: who, meta, ...session.hi() });
      outlook = Outlook.INVALID;
      if (!WebSocket) throw new Error("no WebSocket");
      // Some platforms take such an address, and the others say nothing that helps.
      if (/^\s*http/i.test(url)) throw new Error("write ws: instead of http:");
      socket = new WebSocket(url, [protocol.name], options);
      socket.binaryType = "arraybuffer";
      // If the socket never opened, some platforms send no close event after this one.
      socket.onerror = (event) => fail(event.error ?? event);
      socket.onopen = () => {
        if (state === State.ENDED) return;
        socket!.onerror = () => {}; // a close event follows, and it has the code
        socket!.send(hi);
        owner.connected();
      };
      socket.onmessage = read;
      socket.onclose = ({ code, reason }) =>
        end(FINAL.includes(code) ? Outlook.FINAL : isUnclear(code) ? Outlook.UNCLEAR : Outlook.TEMPORARY, reason, code);
    } catch (error) {
      fail(error, outlook);
    }
  };

  let timer: any = connectTimeout > 0 && after(connectTimeout, () => fail(new Error("no welcome in time")));
  void dial();
  return (code, reason) => {
    stop();
    for (const text of [reason, ""])
      try {
        return socket?.close(code, cut(text));
      } catch {
        // A text that is not well-formed is left out.
      }
  };
}
