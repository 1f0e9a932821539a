// The session: what is sent and received, kept across connections.
// In a session that the server granted, nothing is lost or delivered twice. It never closes a socket.

import type { Calls } from "./calls.js";
import { WSE_ERROR, WseError, wrap } from "./error.js";
import type { Reply } from "./procedures.js";
import { type Envelope, pack, type Protocol, sizeOf } from "./protocol.js";
import { OPEN, type Socket } from "./socket.js";

/** The stamp of a welcome, with which the server grants a session. Times are in milliseconds. */
export interface Grant {
  /** The token that resumes the session. */
  session: string;
  cid: string;
  /** How many envelopes of this client the server has received. */
  seen: number;
  resumed: boolean;
  /** The server sends something at least this often; 0 if it makes no such promise. */
  beat: number;
  /** How long the server keeps the session without a connection. */
  window: number;
}

/** What became of the previous session. */
export interface Arrival {
  /** Whether the session goes on: nothing was lost, and calls still wait for their answers. */
  resumed: boolean;
  /**
   * How many envelopes of the previous session the server has not confirmed: messages, calls and
   * answers. It is 0 if the session goes on.
   */
  lost: number;
}

/** What handles messages and calls of the server. */
export interface Handlers {
  message(type: string, payload: unknown): void;
  /** `reply` sends the answer. It does nothing when the session of the call has ended. */
  call(call: Envelope, reply: Reply): void;
}

/** One session after another, each over one connection or several. */
export interface Session {
  /** Returns what the hi says of the session. */
  hi(): any;
  /**
   * Begins a session over a socket, or resumes the current one and sends again what the server has
   * not received. Returns `undefined` if the grant resumes a session that is not the current one.
   */
  welcome(socket: Socket, grant?: Grant): Arrival | undefined;
  /**
   * Parks the session, because its connection was cut. Returns a falsy value if it cannot be
   * resumed: the server granted none, or an envelope that is not confirmed was not kept.
   */
  park(): boolean | undefined;
  /** Ends the session. Before that it tells the server what was received, if the socket is open. */
  close(): void;
  /** Sends a message or, with a stamp, a call. Throws if it cannot be encoded, or neither sent nor kept. Keeps nothing then. */
  send(type: string, payload: unknown, stamp?: string): void;
  /** Takes in an envelope of that size. Returns false if the protocol does not allow it here. */
  receive(envelope: Envelope, size: number): boolean;
}

/** How much is kept at most, encoded. */
const BOUND = 2 ** 20;

/** `end` is called when the session cannot go on. It closes the session. */
export function createSession(
  protocol: Protocol,
  resume: unknown,
  calls: Calls,
  handlers: Handlers,
  end: () => void,
): Session {
  const types = { ack: "~wse:ack", ...protocol.internal_types };
  const reserved = Object.values(types);
  let socket: Socket | undefined;
  let granted: Grant | undefined;
  /** Runs until the next ack or, while the session is parked, until its window is over. */
  let timer: ReturnType<typeof setTimeout> | undefined;
  /** The envelopes that were sent and are not confirmed, by number. */
  let sent = new Map<number, any>();
  /** The size of these. */
  let sentSize = 0;
  /** The number of the last envelope that was sent. */
  let lastSent = 0;
  /** The number of the last envelope that the server has confirmed. */
  let confirmed = 0;
  /** The number of the last envelope that was sent and not kept. Until it is confirmed, a cut ends the session. */
  let unkept = 0;
  /** How many envelopes were received. */
  let received = 0;
  /** The weight of those that are not acknowledged yet. */
  let unacked = 0;

  /**
   * Sends an envelope, and keeps it for the next connection. Returns false if neither is possible. It
   * does not keep or count an envelope that the socket throws for.
   */
  const write = (packed: any) => {
    const open = socket?.readyState === OPEN;
    const more = sentSize + sizeOf(packed);
    const keeps = granted && more <= BOUND;
    if (open) socket!.send(packed);
    if (keeps) {
      sent.set(++lastSent, packed);
      sentSize = more;
    } else if (open && granted) unkept = ++lastSent;
    return open || keeps;
  };

  /** Forgets what the server has received. Returns false if that count is impossible. */
  const confirm = (seen: any) => {
    if (!granted || seen >>> 0 !== seen || seen > lastSent) return false;
    while (confirmed < seen) {
      sentSize -= sizeOf(sent.get(++confirmed) ?? "");
      sent.delete(confirmed);
    }
    return true;
  };

  const ack = () => {
    clearTimeout(timer);
    unacked = 0;
    socket!.send(pack(protocol, types.ack, received));
  };

  return {
    hi: () => resume && { session: granted ? { resume: granted.session, seen: received } : {} },
    welcome(next, grant) {
      if (!resume || !grant?.session) grant = undefined;
      const resumed = !!grant?.resumed;
      let lost = 0;
      if (!resumed) {
        end();
        lost = lastSent - confirmed;
        lastSent = confirmed = unkept = sentSize = received = unacked = 0;
      } else if (!confirm(grant!.seen)) return;
      granted = grant;
      socket = next;
      if (resumed) ack();
      sent.forEach((packed) => next.send(packed));
      return { resumed, lost };
    },
    park() {
      if (socket) {
        clearTimeout(timer);
        timer = setTimeout(end, granted?.window);
        socket = undefined;
      }
      return granted && confirmed >= unkept;
    },
    close() {
      if (unacked && socket?.readyState === OPEN) ack();
      clearTimeout(timer);
      sent = new Map();
      socket = granted = undefined;
    },
    send(type, payload, stamp) {
      if (!type || reserved.includes(type)) throw new WseError(WSE_ERROR.RP_INVALID, { type });
      try {
        if (write(pack(protocol, type, payload, stamp))) return;
      } catch (raw) {
        if (!stamp) throw wrap(WSE_ERROR.RP_INVALID, raw, { type });
        const { name, message } = Object(raw);
        const about = { rp: type, origin: { name, message } };
        // The payload may be what `JSON.stringify` throws for, so it is left out there.
        throw new WseError(WSE_ERROR.RP_SEND_FAILED, Object.defineProperty({ ...about, payload }, "toJSON", { value: () => about }), message);
      }
      throw new WseError(WSE_ERROR.CONNECTION_NOT_READY, { type });
    },
    receive(envelope, length) {
      const { type, payload, stamp } = envelope;
      if (type === types.ack) return confirm(payload);
      const ok = type === types.response;
      const answer = ok || type === types.response_error;
      if (!answer && reserved.includes(type)) return false;
      if (granted) {
        received++;
        if (!unacked) timer = setTimeout(ack, 1000);
        // An ack is due after 64 KiB or 32 envelopes: each counts as 2 KiB more than its size.
        unacked += length + 2048;
        if (unacked > 65_535) ack();
      }
      if (answer) calls.answer(stamp, ok, payload);
      else if (stamp) {
        const current = sent; // every session has a map of its own
        handlers.call(envelope, (ok, answer) => {
          if (current === sent && !write(pack(protocol, ok ? types.response : types.response_error, answer, stamp)) && granted) end();
        });
      } else handlers.message(type, payload);
      return true;
    },
  };
}
