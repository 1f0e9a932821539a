// What is said from the welcome on. With the server's grant it goes on over another connection, and
// nothing is lost or told twice. It may never end a connection, nor outgrow its bound.

import type { Calls } from "./calls.js";
import type { Socket } from "./connection.js";
import { WSE_ERROR, WseError, wrap } from "./error.js";
import type { Reply } from "./procedures.js";
import { type Envelope, pack, type Protocol } from "./protocol.js";

/** What stands behind a welcome that grants a session: its token, counts, and times in milliseconds. */
export interface Grant {
  session: string;
  cid: string;
  /** How many envelopes of this client the server has taken in. */
  seen: number;
  resumed: boolean;
  /** The server says something at least this often; 0: it does not. */
  beat: number;
  /** How long a session is kept without a connection. */
  window: number;
}

/** What became of the session of before. */
export interface Arrival {
  /** Whether it goes on: nothing was lost, and calls in flight still wait for their answers. */
  resumed: boolean;
  /** How many envelopes sent in one that does not go on were never confirmed: messages, calls and answers. */
  lost: number;
}

/** Who is told what comes. */
export interface Listener {
  message(type: string, payload: unknown): void;
  /** `reply` answers it in this session; nothing happens when that has ended. */
  call(call: Envelope, reply: Reply): void;
}

/** Conversations, one after the other, each over one connection or several. */
export interface Session {
  /** What the hi says of it. */
  hi(): any;
  /** Welcomed. What the server has not seen is sent again; nothing is given when this is not the session that it says. */
  welcome(by: Socket, grant?: Grant): Arrival | undefined;
  /** The connection was cut. False when the session ends with it: there is no grant, or not all is kept. */
  closed(): boolean | undefined;
  /** This one is over, and the next begins with its welcome. What the server does not know is told it before. */
  close(): void;
  /** Sends a message or, with a stamp, a call. Throws when it cannot be encoded, and when it can be neither sent nor kept. */
  send(type: string, payload: unknown, stamp?: string): void;
  /** An envelope of so many bytes came; false when it is out of place. */
  message(envelope: Envelope, bytes: number): boolean;
}

/** What is kept at most, encoded. */
const BOUND = 1_048_576;

/** What a socket that is open says. */
const OPEN = 1;

/** Bytes of an encoded envelope; characters of one that is text. */
export const sizeOf = (packed: any): number => packed.byteLength ?? packed.length;

/** `over` is told when it ends. */
export function session(
  protocol: Protocol,
  resume: unknown,
  calls: Calls,
  listener: Listener,
  over: () => void,
): Session {
  const own = { ack: "~wse:ack", ...protocol.internal_types };
  const names = Object.values(own);
  let socket: Socket | undefined;
  let granted: Grant | undefined;
  /** Of the next ack or, without a connection, of the end. */
  let timer: ReturnType<typeof setTimeout> | undefined;
  /** What was sent and is not confirmed, by number. Not all is there until `broken` is confirmed. */
  let kept = new Map<number, any>();
  let sent = 0;
  let confirmed = 0;
  let broken = 0;
  let size = 0;
  /** How many came, and the weight of those that are not acknowledged yet. */
  let taken = 0;
  let owed = 0;

  /** Sends it, and keeps it if it may be sent again. False when neither can be. */
  const write = (packed: any) => {
    const open = socket?.readyState === OPEN;
    const more = size + sizeOf(packed);
    const keeps = granted && more <= BOUND;
    if (keeps) {
      kept.set(++sent, packed);
      size = more;
    } else if (open && granted) broken = ++sent;
    if (open) socket!.send(packed);
    return open || keeps;
  };

  const confirm = (seen: any) => {
    if (!granted || seen >>> 0 !== seen || seen > sent) return false;
    while (confirmed < seen) {
      size -= sizeOf(kept.get(++confirmed) ?? "");
      kept.delete(confirmed);
    }
    return true;
  };

  const ack = () => {
    clearTimeout(timer);
    owed = 0;
    socket!.send(pack(protocol, own.ack, taken));
  };

  return {
    hi: () => resume && { session: granted ? { resume: granted.session, seen: taken } : {} },
    welcome(by, grant) {
      if (!resume || !grant?.session) grant = undefined;
      const resumed = !!grant?.resumed;
      let lost = 0;
      if (!resumed) {
        over();
        lost = sent - confirmed;
        sent = confirmed = broken = size = taken = owed = 0;
      } else if (!confirm(grant!.seen)) return;
      granted = grant;
      socket = by;
      if (resumed) ack();
      kept.forEach((packed) => by.send(packed));
      return { resumed, lost };
    },
    closed() {
      if (socket) {
        clearTimeout(timer);
        timer = setTimeout(over, granted?.window);
        socket = undefined;
      }
      return granted && confirmed >= broken;
    },
    close() {
      if (owed && socket?.readyState === OPEN) ack();
      clearTimeout(timer);
      kept = new Map();
      socket = granted = undefined;
    },
    send(type, payload, stamp) {
      let sent;
      if (!type || names.includes(type)) throw new WseError(WSE_ERROR.RP_INVALID, { type });
      try {
        sent = write(pack(protocol, type, payload, stamp));
      } catch (raw) {
        throw wrap(WSE_ERROR.RP_INVALID, raw, { type });
      }
      if (!sent) throw new WseError(WSE_ERROR.CONNECTION_NOT_READY, { type });
    },
    message(envelope, length) {
      const { type, payload, stamp } = envelope;
      const ok = type === own.response;
      const answer = ok || type === own.response_error;
      if (type === own.ack) return confirm(payload);
      if (!answer && names.includes(type)) return false;
      if (granted) {
        taken++;
        if (!owed) timer = setTimeout(ack, 1000);
        // 64 KiB are enough for an ack, and so are 32 envelopes: each weighs 2 KiB more than it has.
        owed += length + 2048;
        if (owed > 65_535) ack();
      }
      if (answer) calls.answer(stamp, ok, payload);
      else if (stamp) {
        const mine = kept;
        listener.call(envelope, (ok, answer) => {
          const name = ok ? own.response : own.response_error;
          if (mine === kept && !write(pack(protocol, name, answer, stamp)) && granted) over();
        });
      } else listener.message(type, payload);
      return true;
    },
  };
}
