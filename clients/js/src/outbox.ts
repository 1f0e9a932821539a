// Messages that wait for a connection: those from before the first welcome and, with ids, over restarts.
// What does not fit, or cannot be stored, is an error at once. With ids, nothing is forgotten before it was answered.

import type { WseClient } from "./client.js";
import type { Contract, Name, Part, Rest } from "./contract.js";
import { WSE_ERROR, WseError } from "./error.js";
import { check } from "./protocol.js";
import { find } from "./registry.js";
import { newStamp } from "./stamp.js";
import { createStore, type Store } from "./store.js";

/** A message that waits. */
export interface Waiting {
  /** What no other message has. */
  readonly id: string;
  readonly type: string;
  readonly payload: any;
}

/** As much of `localStorage` as an outbox needs. */
export interface OutboxStorage {
  readonly length: number;
  key(index: number): string | null;
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

/** Options of an {@link outbox}. */
export interface OutboxOptions {
  /**
   * Whether the server knows ids. Then a message is a call with the payload `[id, payload]`, which the
   * client makes until it is answered. The server answers one whose id it knows, and does nothing else.
   * Default false: each message is sent once.
   */
  ids?: boolean;
  /** Where messages outlive the page, for example `localStorage`. It needs `ids`. */
  storage?: OutboxStorage;
  /** The name of the outbox: of a user, for example, so that nobody sends what another has written. Default "". */
  name?: string;
  /** How many characters of JSON it keeps at the most. Default 262,144. */
  most?: number;
  /** Is told why the server has refused a message that a page before this one has sent. Default `console.error`. */
  onError?(error: WseError, message: Waiting): void;
}

/** Messages that wait for a connection. As a store it is what waits, in order: see {@link outbox}. */
export interface Outbox<C extends Contract = any> extends Store<readonly Waiting[]> {
  /**
   * Sends a message, or keeps it until that is possible. Resolves when it was sent or, with ids, when
   * it was answered. What is given is copied, as JSON.
   *
   * Rejects at once with `wse.client.outbox-full`, `wse.client.outbox-storage` or
   * `wse.client.rp.invalid`, and keeps nothing then. Later it rejects with what the server has answered,
   * or with `wse.client.rp.aborted` after {@link clear}.
   */
  send<K extends Name<C, "send">>(type: K, ...[payload]: Rest<Part<C, "send">[K]>): Promise<void>;
  /** Forgets what waits, in the storage too: for example when the user logs out. */
  clear(): void;
}

/** The codes of the errors that only an outbox has. */
export const OUTBOX_ERROR = Object.freeze({
  /** It keeps as much as it may. Nothing more was kept. Send again when less waits. */
  FULL: "wse.client.outbox-full",
  /** The storage has refused the message, which was not kept. */
  STORAGE: "wse.client.outbox-storage",
});

/** How many calls are under way at once. */
const MOST_UNDER_WAY = 16;

/** After these errors nobody knows whether the server has taken the message. */
const UNCLEAR: string[] = [WSE_ERROR.RP_DISCONNECT, WSE_ERROR.RP_TIMEOUT, WSE_ERROR.CONNECTION_NOT_READY];

/**
 * Returns the outbox of a client that has this name. Its options are those with which it was asked for
 * first. Two pages with one storage may both send a message: the server tells that by the id.
 *
 * ```ts
 * const box = outbox(client, { ids: true, storage: localStorage, name: "ann" });
 * await box.send("say", "hello");   // on the server: the call "say" with [id, "hello"]
 * ```
 */
export function outbox<C extends Contract>(client: WseClient<C>, { ids, storage, name = "", most = 262_144, onError = console.error }: OutboxOptions = {}): Outbox<C> {
  return find(client, `outbox ${name}`, () => {
    if (storage && !ids) throw new Error("An outbox with a storage needs ids: a message from before a restart may have arrived.");
    const prefix = `wse-outbox ${JSON.stringify(name)} `;
    const promises = new Map<Waiting, { resolve(): void; reject(error: unknown): void }>();
    /** The messages whose calls wait for an answer, and what ends that. */
    const underWay = new Map<Waiting, AbortController>();
    /** The time of the last id. No two have the same, so that ids are in order. */
    let last = 0;

    const sizeOf = (messages: readonly Waiting[]) => messages.reduce((sum, { type, payload }) => sum + JSON.stringify([type, payload]).length, 0);
    const store = createStore<readonly Waiting[]>(storage ? stored(storage, prefix) : []);
    let size = sizeOf(store.getSnapshot());
    for (const { id } of store.getSnapshot()) last = parseInt(id, 36);

    /** Forgets a message, unless it was forgotten before, and tells its promise. */
    const remove = (message: Waiting, error?: WseError) => {
      const messages = store.getSnapshot();
      const rest = messages.filter((other) => other !== message);
      if (rest.length === messages.length) return;
      size -= sizeOf([message]);
      storage?.removeItem(prefix + message.id);
      store.set(rest);
      const promise = promises.get(message);
      promises.delete(message);
      if (!error) promise?.resolve();
      else if (promise) promise.reject(error);
      else if (error.code !== WSE_ERROR.RP_ABORTED) onError(error, message);
    };

    /** Makes the call of a message, and decides what becomes of it. */
    const deliver = async (message: Waiting) => {
      const { id, type, payload } = message;
      const controller = new AbortController();
      underWay.set(message, controller);
      let failure: WseError | undefined;
      try {
        await (client as WseClient).call(type, [id, payload], { signal: controller.signal });
      } catch (error) {
        failure = error as WseError;
      }
      if (underWay.get(message) !== controller) return; // it was called again, in another session, or cleared
      underWay.delete(message);
      if (!failure || !UNCLEAR.includes(failure.code)) {
        remove(message, failure);
        pump();
      } else if (failure.code !== WSE_ERROR.CONNECTION_NOT_READY) setTimeout(pump, 1000);
    };

    /** Sends a message once. Returns false if there is no connection. */
    const sendOnce = (message: Waiting) => {
      try {
        (client as WseClient).send(message.type, message.payload);
        remove(message);
      } catch (error: any) {
        if (error.code === WSE_ERROR.CONNECTION_NOT_READY) return false;
        remove(message, error);
      }
      return true;
    };

    /** Sends what waits, the oldest first. */
    const pump = () => {
      while (client.status === "READY" && underWay.size < MOST_UNDER_WAY) {
        const next = store.getSnapshot().find((message) => !underWay.has(message));
        if (!next) return;
        if (ids) void deliver(next);
        else if (!sendOnce(next)) return;
      }
    };

    client.when.ready((_, arrival) => {
      // The calls of a session that is over are made again in their order, and before those that follow.
      if (!arrival?.resumed) underWay.clear();
      pump();
    });
    const own = {
      async send(type: string, payload: unknown = null) {
        const refused = (code: string, text: string, raw?: unknown) => new WseError(code, { type, raw }, text);
        let text: string;
        try {
          check(payload, 126); // the array with the id is a level itself
          text = JSON.stringify([type, payload]);
        } catch (raw: any) {
          throw refused(WSE_ERROR.RP_INVALID, raw.message, raw);
        }
        if (size + text.length > most) throw refused(OUTBOX_ERROR.FULL, `The outbox keeps no more than ${most} characters: send again when less waits.`);
        last = Math.max(Date.now(), last + 1);
        const id = `${last.toString(36).padStart(9, "0")}-${newStamp()}`;
        try {
          storage?.setItem(prefix + id, text);
        } catch (raw) {
          throw refused(OUTBOX_ERROR.STORAGE, "The storage does not take the message: it is full, or forbidden to this page.", raw);
        }
        size += text.length;
        const message: Waiting = { id, type, payload: JSON.parse(text)[1] };
        store.set([...store.getSnapshot(), message]);
        const promise = new Promise<void>((resolve, reject) => promises.set(message, { resolve, reject }));
        pump();
        return promise;
      },
      clear() {
        for (const message of store.getSnapshot()) remove(message, new WseError(WSE_ERROR.RP_ABORTED, { type: message.type }, "the outbox was cleared"));
        const calls = [...underWay.values()];
        underWay.clear();
        for (const controller of calls) controller.abort();
      },
    };
    return { store: Object.assign(store, own) };
  }) as Outbox<C>;
}

/** Reads what a page before this one has stored, in the order in which it was sent. */
function stored(storage: OutboxStorage, prefix: string): Waiting[] {
  const keys = Array.from({ length: storage.length }, (_, n) => storage.key(n) ?? "").filter((key) => key.startsWith(prefix));
  return keys.sort().flatMap((key) => {
    try {
      const [type, payload] = JSON.parse(storage.getItem(key)!);
      return [{ id: key.slice(prefix.length), type, payload }];
    } catch {
      storage.removeItem(key); // nobody can read it
      return [];
    }
  });
}
