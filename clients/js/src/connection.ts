// One connection: dial, hi, challenge, welcome, reading, and its end.
// It sends nothing after its end, and does not decide whether another connection follows.

import { INVALID_CRA_HANDLER, WS_CLIENT_ERROR } from "./codes.js";
import { BY_CLIENT, PROTOCOL_ERR } from "./constants.js";
import { closedError, wrap, type WseError } from "./error.js";
import { pack, type Protocol, readEnvelope, type Received } from "./protocol.js";
import type { Arrival, Session } from "./guarantees.js";
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
  /** The configuration does not work: nothing is tried again. */
  INVALID,
  /** The server, or the protocol, wants no other attempt. */
  FINAL,
  /** It may pass where the address and the identity have worked before. */
  UNCLEAR,
  /** It passes. */
  TEMPORARY,
}

/** What the code of an end says. A client that was never welcomed stays away after an unknown one, too. */
const outlookOf = (code: number) =>
  /100[0237-9]|1010/.test(code as any) ? Outlook.FINAL : code === 1001 || (code > 1014 && code !== 4000) ? Outlook.UNCLEAR : Outlook.TEMPORARY;

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
  closed(code: number, reason: string, error: WseError, outlook: Outlook): void;
}

/**
 * Ends the connection and closes its socket, where 1006 stands for no reason. The owner is not told,
 * because the owner calls this.
 */
export type Close = (code: number, reason: string) => void;

/** SOLVING: the application works on a challenge, and the server has to wait for the solution. */
const enum State {
  WAITING,
  SOLVING,
  OPEN,
  ENDED,
}

/** Times in milliseconds. */
const enum Patience {
  /** How long the server may take to show that it is there. */
  ANSWER = 3000,
  /** How much longer than its beat the server may say nothing before it is asked. */
  QUIET = 7000,
}

/** Returns who connects. */
export const ask = async (identity: unknown) => (typeof identity === "function" ? identity() : identity);

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
  /** What an attempt that fails now says about another one. */
  let outlook = Outlook.TEMPORARY;
  /** When the last message came. */
  let heard = 0;
  /** Runs until the welcome, and later while the server has to show that it is there. */
  let timer: any;
  let looking: any;
  let unwatch = () => {};

  const stop = () => {
    state = State.ENDED;
    clearTimeout(timer);
    clearTimeout(looking);
    unwatch();
  };

  const end = (code = 1006, reason = "", error = closedError(code, reason), outlook = outlookOf(code)) => {
    if (state === State.ENDED) return;
    stop();
    owner.closed(code, reason, error, outlook);
  };

  /** Ends an attempt that no close event explains. A `WseError` was thrown on purpose. */
  const fail = (raw: any) => {
    const onPurpose = raw?.name === "WseError"; // of this copy of the module, or of another one
    end(1006, "", onPurpose ? raw : wrap(WS_CLIENT_ERROR, raw, { url }), onPurpose ? Outlook.UNCLEAR : outlook);
  };

  /** Asks the server for a sign of life. What it has announced may be on the way, at 1 kB/s. */
  const probe = () => {
    timer ||= after(Patience.ANSWER + session.probe(), () => end(1006, "wse.silent"));
  };

  /** Asks after so many milliseconds without a message, and when its timer is late, because the machine has slept. */
  const look = (quiet: number) => {
    let looked = heard;
    looking = setInterval(() => {
      if (Date.now() > Math.min(heard + quiet, looked + quiet / 2)) probe();
      looked = Date.now();
    }, Math.min(quiet / 4, 2 ** 31 - 1));
  };

  const solve = async (quest: unknown) => {
    state = State.SOLVING;
    try {
      const packed = pack(protocol, types.challenge, await owner.challenge(quest));
      if (state !== State.SOLVING || socket!.readyState !== OPEN) return;
      state = State.WAITING;
      socket!.send(packed);
    } catch (raw) {
      end(1000, BY_CLIENT, wrap(INVALID_CRA_HANDLER, raw), Outlook.UNCLEAR);
    }
  };

  /** Handles an envelope. Returns false if the protocol does not allow it in the current state. */
  const dispatch = (data: unknown, envelope?: Received) => {
    if (!envelope || state === State.SOLVING || state === State.ENDED) return;
    if (state === State.OPEN) return session.receive(data, envelope);
    const [type, payload, grant] = envelope;
    if (type === types.challenge) void solve(payload);
    else if (type === types.welcome) {
      state = State.OPEN;
      timer = clearTimeout(timer);
      // A server with a beat says something that often, except while the page or the machine sleeps.
      if (grant?.beat > 0) look(grant.beat + Patience.QUIET);
      unwatch = onWake(probe, () => socket!.close(1000, BY_CLIENT));
      const arrival = session.welcome(socket!, grant);
      if (arrival) owner.ready(payload, ...arrival);
      else end();
    } else return;
    return true;
  };

  const read = ({ data }: { data: unknown }) => {
    let envelope: Received | undefined;
    heard = Date.now();
    if (state === State.OPEN) timer &&= clearTimeout(timer);
    try {
      envelope = readEnvelope(protocol, protocol.unpack(data));
    } catch (raw) {
      // After the welcome, what cannot be decoded concerns that message only.
      if (state === State.OPEN) return session.error(data, raw);
    }
    // npm wse 2 calls another format by the same name.
    if (!dispatch(data, envelope)) end(1000, PROTOCOL_ERR + (/^{"c":/.test(data as string) ? ": the format of npm wse 2" : ""));
  };

  const dial = async () => {
    try {
      const who = await ask(identity); // the owner is not told anything before `openConnection` has returned
      if (state === State.ENDED) return;
      outlook = Outlook.UNCLEAR;
      const hi = pack(protocol, types.hi, { identity: who, meta, ...session.hi() });
      outlook = Outlook.INVALID;
      if (!WebSocket) throw new Error("no WebSocket");
      // Some platforms take such an address, and the others say nothing that helps.
      if (/^\s*http/i.test(url)) throw new Error("use ws:");
      socket = new WebSocket(url, [protocol.name], options);
      outlook = Outlook.TEMPORARY;
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
      socket.onclose = ({ code, reason }) => end(code, reason);
    } catch (error) {
      fail(error);
    }
  };

  timer = connectTimeout > 0 && after(connectTimeout, () => fail(new Error("no welcome in time")));
  void dial();
  return (code, reason) => {
    stop();
    const text = [...String(code === 1006 ? BY_CLIENT : reason)];
    // A close frame has room for 123 bytes of text. A longer reason is cut where the socket takes it.
    for (let length = 124; length--; )
      try {
        return socket?.close(code === 4000 ? code : 1000, text.slice(0, length).join(""));
      } catch {
        // The next is shorter.
      }
  };
}
