// The session: what is sent and received, and the calls that wait for their answer, kept across connections.
// In a session that the server granted, nothing is lost or delivered twice. It never closes a socket.

import { CONNECTION_NOT_READY, RP_ABORTED, RP_DISCONNECT, RP_INVALID, RP_SEND_FAILED, RP_TIMEOUT } from "./codes.js";
import { readError, WseError, wrap } from "./error.js";
import type { Grant, Handlers, Session } from "./guarantees.js";
import type { Reply } from "./procedures.js";
import { bytesOf, pack, type Protocol, sizeOf } from "./protocol.js";
import { OPEN, type Socket } from "./socket.js";
import { baseOf, newStamp, timed } from "./stamp.js";
import { after } from "./timing.js";

/** The name of the call that every server answers. */
const PING = "~wse:ping";

/** Bounds of a session. */
const enum Most {
  /** How many bytes are kept, encoded. */
  KEPT = 1_048_576,
  /** How often in a row a session is resumed without progress. */
  RESUMES = 8,
}

/** Settles a call with a result, or a promise that is rejected. */
type Settle = (result: unknown) => void;

/** An envelope that was sent and is not confirmed. */
interface Place {
  /** It is "" for one that was not kept, after which a cut ends the session, and for one that was given up. */
  packed?: any;
  /** Whether it was written to a connection. */
  written?: boolean;
  /** Until when it may be sent; 0 for one that was given up. */
  until?: number;
  /** What a newer one of the same takes the place of. */
  slot?: string | false;
  /** The stamp of a call, with what is left of its time. */
  stamp?: string;
}

/**
 * `end` is called when the session cannot go on. It closes the session. `defaultTimeout` is for calls
 * without a timeout of their own, in milliseconds.
 */
export function createSession(
  protocol: Protocol,
  resume: unknown,
  defaultTimeout: number,
  end: () => void,
  handlers: Handlers,
): Session {
  const types = { ack: "~wse:ack", ...protocol.internal_types };
  const reserved = Object.values(types);
  let socket: Socket | undefined;
  let granted: Grant | undefined;
  /** The words for what the server understands. */
  let features: unknown[] = [];
  /** Runs until the next ack, at the latest after a beat, or, while the session is parked, until its window is over. */
  let timer: ReturnType<typeof setTimeout> | undefined;
  /** The envelopes that were sent and are not confirmed, in order. */
  let sent: Place[] = [];
  /** The size of these. */
  let sentSize = 0;
  /** How many envelopes the server has confirmed. */
  let confirmed = 0;
  /** How many were not confirmed when the session ended. */
  let lost = 0;
  /** How many envelopes were received. */
  let received = 0;
  /** The weight of those that are not acknowledged yet. */
  let unacked = 0;
  let announced = 0;
  /** How often the session was resumed since something was received or confirmed. */
  let resumes = 0;
  /** The calls that wait for their answer, by stamp. */
  const pending = new Map<string, Settle>();
  /** The calls of the server that are at work, and their stamps. */
  const running = new Map<AbortController, string>();

  const can = (what: string) => features.includes(what);

  /** Whether an envelope is not sent again, because its time is over or it was given up. */
  const isOver = ({ until }: Place) => can("skip") && until! <= Date.now();

  /** Renews what the stamp of a call says of its time, and returns it. */
  const renew = (place: Place) => {
    const left = place.until! - Date.now();
    return place.stamp && left > 0 && can("time") ? (place.stamp = timed(place.stamp, left)) : place.stamp;
  };

  /** Sends over the socket if it is open. Returns whether it is. */
  const transmit = (packed: any) => {
    const open = socket?.readyState === OPEN;
    if (open) socket!.send(packed);
    return open;
  };

  /** Keeps no copy any more. */
  const forget = (place: Place) => {
    sentSize -= sizeOf(place.packed);
    place.packed = "";
  };

  /** Gives an envelope up, if nothing of it was written yet, or the server can be told so. */
  const giveUp = (place: Place) => {
    place.slot = false;
    if (!place.written) sent = sent.filter((other) => other !== place);
    else if (!can("skip")) return;
    place.until = 0;
    forget(place);
  };

  /**
   * Sends an envelope, and keeps it for the next connection. Returns false if neither is possible.
   * Throws if it is too big for the server. It does not keep or count an envelope that it throws for.
   */
  const write = (packed: any, place: Place = {}) => {
    const size = sizeOf(packed);
    const most: any = granted?.message_bytes;
    // A character has three bytes at the most, and few texts need to be counted.
    if (3 * size > most && bytesOf(packed) > most) throw new WseError(RP_INVALID, {}, `over ${most} bytes`);
    const old = place.slot && sent.find(({ slot }) => slot === place.slot);
    const keeps = granted && sentSize + size <= Most.KEPT;
    place.written = transmit(packed);
    place.packed = keeps ? packed : "";
    if (granted && (place.written || keeps)) {
      sentSize += sizeOf(place.packed);
      sent.splice(old && !old.written ? sent.indexOf(old) : sent.length, 0, place);
      if (old) giveUp(old);
    }
    return place.written || keeps;
  };

  /** Sends an envelope of the protocol's own. It does not throw, because a timer has nobody to tell. */
  const tell = (send: (packed: any) => unknown, type: string, payload?: unknown, stamp?: string) => {
    try {
      send(pack(protocol, type, payload, stamp));
    } catch {
      // The next ack says the same, a probe has its own end, and what is not cancelled is answered.
    }
  };

  const isCount = (n: any) => granted && n >>> 0 === n;

  /** Forgets what the server has received. Returns false if that count is impossible. */
  const confirm = (seen: any) => {
    if (!isCount(seen) || seen > confirmed + sent.length) return false;
    for (const place of sent.splice(0, seen - confirmed)) {
      confirmed++;
      resumes = 0;
      forget(place);
    }
    return true;
  };

  const schedule = (ms?: number, run = ack) => {
    clearTimeout(timer);
    timer = after(ms, run);
  };

  /** The next one follows after a beat at the latest, because a server may not see the pongs of a client. */
  const scheduleBeat = () => schedule(granted?.beat || NaN);

  function ack() {
    unacked = 0;
    scheduleBeat();
    tell(transmit, types.ack, received);
  }

  /** Counts a message, and acknowledges it in time. */
  const count = (data: any) => {
    announced &&= Math.max(0, announced - bytesOf(data));
    if (!granted) return;
    received++;
    resumes = 0;
    if (!unacked) schedule(1000);
    // An ack is due after 64 KiB or 32 envelopes: each counts as 2 KiB more than its size.
    unacked += sizeOf(data) + 2048;
    if (unacked > 65_535) ack();
  };

  /** Sends again what the server has not received, and tells it of what was given up. */
  const replay = () => {
    let skipped = 0;
    const skip = () => {
      if (skipped) transmit(pack(protocol, "~wse:skip", skipped));
      skipped = 0;
    };
    for (const place of sent) {
      if (isOver(place)) skipped++;
      else {
        skip();
        const { stamp } = place;
        if (stamp) place.packed = place.packed.replace?.(stamp, renew(place)) ?? place.packed;
        if (transmit(place.packed)) place.written = true;
      }
    }
    skip();
  };

  /** Refuses the name of a message or procedure that is not the application's to give. */
  const check = (type: string) => {
    if (!type || /^~wse:|\p{Surrogate}/u.test(type) || reserved.includes(type)) throw new WseError(RP_INVALID, { type });
  };

  /** Sends a message or, with a stamp, a call. */
  const post = (type: string, payload: unknown, place: Place) => {
    check(type);
    try {
      if (write(pack(protocol, type, payload, renew(place)), place)) return;
    } catch (raw) {
      const { name, message, code } = Object(raw);
      if (!place.stamp || code === RP_INVALID) throw wrap(RP_INVALID, raw, { type });
      const details = { rp: type, origin: { name, message } };
      // The payload may be what `JSON.stringify` throws for, which leaves out what cannot be enumerated.
      throw new WseError(RP_SEND_FAILED, Object.defineProperty(details, "payload", { value: payload }), message);
    }
    throw new WseError(CONNECTION_NOT_READY, { type });
  };

  return {
    check,
    hi: () =>
      resume && {
        session: granted ? { resume: granted.session, seen: received } : {},
        can: ["skip", "cancel", "time", "renew", "move"],
      },
    welcome(next, given) {
      const grant = resume && given?.session ? given : undefined;
      const resumed = !!grant?.resumed;
      if (resumed) {
        resumes++;
        if (!confirm(grant!.seen)) return;
      } else {
        end();
        confirmed = sentSize = received = unacked = resumes = 0;
      }
      const arrival = grant || lost ? [{ resumed, lost }] : [];
      features = [].concat(given?.can as any);
      granted = grant;
      socket = next;
      announced = lost = 0;
      if (resumed) ack();
      else scheduleBeat();
      replay();
      return arrival;
    },
    park() {
      if (socket) {
        schedule(granted?.window, end);
        socket = undefined;
      }
      return granted && sent.every((place) => place.packed || isOver(place)) && resumes < Most.RESUMES;
    },
    close(code, reason) {
      if (unacked) ack();
      schedule();
      lost += sent.filter((place) => !isOver(place)).length;
      sent = [];
      socket = granted = undefined;
      pending.forEach((settle) => settle(Promise.reject(new WseError(RP_DISCONNECT, { code, reason, disconnected: [code, reason] }))));
      running.forEach((_, controller) => queueMicrotask(() => controller.abort()));
      running.clear();
    },
    send: (type, payload, { latest, ttl } = {}) =>
      post(type, payload, { until: Date.now() + ttl!, slot: latest != null && JSON.stringify([type, latest]) }),
    call: (rp, payload, { timeout = defaultTimeout, signal } = {}) =>
      new Promise((resolve) => {
        const stamp = newStamp();
        const settle: Settle = (result) => {
          clearTimeout(timer);
          pending.delete(stamp);
          signal?.removeEventListener("abort", abort);
          resolve(result);
        };
        const leave = (code: string, about: object) => {
          settle(Promise.reject(new WseError(code, { rp, ...about })));
          giveUp(place);
          if (place.written && can("cancel")) tell(write, "~wse:cancel", null, stamp);
        };
        const abort = () => leave(RP_ABORTED, { reason: signal!.reason });
        const timer: any = timeout > 0 && after(timeout, () => leave(RP_TIMEOUT, { timeout }));
        const place: Place = { packed: "", stamp, until: timer ? Date.now() + timeout : NaN };
        pending.set(stamp, settle);
        signal?.addEventListener("abort", abort);
        try {
          if (signal?.aborted) abort();
          else post(rp, payload, place);
        } catch (error) {
          settle(Promise.reject(error));
        }
      }),
    receive(data, envelope) {
      const [type, payload, stamp] = envelope;
      if (type === types.ack) {
        announced = +stamp || 0;
        return confirm(payload);
      }
      const ok = type === types.response;
      const answer = ok || type === types.response_error;
      const skip = type === "~wse:skip";
      if (skip ? !isCount(payload) || !payload : !answer && reserved.includes(type)) return false;
      if (skip) received += payload - 1;
      count(data);
      if (skip || (can("time") && /~0{8}$/.test(stamp))) return true; // there is nothing to handle, or its time is over
      if (answer) pending.get(baseOf(stamp))?.(ok ? payload : Promise.reject(readError(payload)));
      else if (type === "~wse:cancel") running.forEach((own, controller) => own === baseOf(stamp) && running.delete(controller) && controller.abort());
      else if (stamp) {
        const controller = new AbortController();
        running.set(controller, baseOf(stamp));
        const reply: Reply = (ok, answer) => {
          if (running.has(controller) && !write(pack(protocol, ok ? types.response : types.response_error, answer, stamp)) && granted) end();
          running.delete(controller);
        };
        handlers.call(envelope, reply, controller.signal);
      } else handlers.message(type, payload);
      return true;
    },
    error(data, raw) {
      count(data);
      handlers.unreadable(raw);
    },
    probe: () => (tell(write, PING, null, `${confirmed + sent.length}`), announced),
    stuck: (lasted) => (resumes = lasted && !sent.length ? 0 : resumes),
  };
}
