// The hooks for React.
// They import only types of the client, because a bundle would hold it twice. They never connect or close.

import { createContext, useContext, useEffect, useMemo, useRef, useSyncExternalStore } from "react";
import type { WseClient } from "./client.js";
import type { Argument, Contract, Name, Part, Rest, Result } from "./contract.js";
import type { WseError } from "./error.js";
import { IDLE, latestOf, type Members, NOBODY, OUTSIDE, presenceOf, type Room, roomOf, type RoomOptions, type Status, statusOf, type Store } from "./stores.js";

/** Holds the client that {@link useWse} returns. */
export const WseContext = createContext<WseClient<any> | null>(null);

/** Returns the given client, or else that of the nearest {@link WseContext}. Throws if there is neither. */
export function useWse<C extends Contract = any>(client?: WseClient<C>): WseClient<C> {
  const found = useContext(WseContext);
  if (!client && !found) throw new Error("There is no client in WseContext.");
  return client ?? found!;
}

/** Returns the value of a store, and renders again when it changes. */
export function useStore<T>(store: Store<T>): T {
  return useSyncExternalStore(store.subscribe, store.getSnapshot, store.getSnapshot);
}

/** Returns the value of a store that is looked for when the component is on a page. On a server it is `initial`. */
function useFound<T>(find: () => Store<T>, initial: T, ...keys: unknown[]): T {
  const subscribe = useMemo(() => (changed: () => void) => find().subscribe(changed), keys);
  return useSyncExternalStore(subscribe, () => find().getSnapshot(), () => initial);
}

/** Returns the status of a client, and the code and the reason of its last end. On a server it is `IDLE`. */
export function useStatus(client: WseClient<any>): Status {
  return useFound(() => statusOf(client), IDLE, client);
}

/**
 * Returns the last message of a type, which outlives the component: it is there when the component is
 * mounted again. It is `undefined` before the first one that came since somebody asked for it.
 */
export function useLatest<C extends Contract, K extends Name<C, "channel">>(client: WseClient<C>, type: K): Part<C, "channel">[K] | undefined {
  return useFound(() => latestOf(client, type), undefined, client, type);
}

/** Returns the members of a room, as the server tells them: see {@link presenceOf}. */
export function usePresence(client: WseClient<any>, room: string): Members {
  return useFound(() => presenceOf(client, room), NOBODY, client, room);
}

/** Returns a room, and is in it while the component is mounted: see {@link roomOf}. */
export function useRoom(client: WseClient<any>, room: string, options: RoomOptions = {}): Room {
  return useFound(() => roomOf(client, room, options), OUTSIDE, client, room, options.join, options.leave);
}

/**
 * Returns the last message of a type since the component was mounted, and renders again with each. It
 * is `undefined` before the first one. The listener is called for every message, even if React
 * renders several of them together.
 */
export function useMessage<C extends Contract, K extends Name<C, "channel">>(
  client: WseClient<C>,
  type: K,
  listener?: (message: Part<C, "channel">[K]) => unknown,
): Part<C, "channel">[K] | undefined {
  const latest = useRef(listener);
  useEffect(() => {
    latest.current = listener;
  });
  const store = useMemo(() => {
    let last: Part<C, "channel">[K] | undefined;
    return {
      last: () => last,
      subscribe(changed: () => void) {
        const receive = (message: Part<C, "channel">[K]) => {
          last = message;
          changed();
          return latest.current?.(message);
        };
        client.channel.on(type, receive);
        return () => void client.channel.off(type, receive);
      },
    };
  }, [client, type]);
  return useSyncExternalStore(store.subscribe, store.last, () => undefined);
}

/** The state of the last call of a {@link useCall}. */
export interface CallState<R> {
  /** Whether the call waits for its answer. */
  pending: boolean;
  /** The result of the last call. It stays while the next call is pending. */
  result?: R;
  /** Why the last call failed. */
  error?: WseError;
}

/**
 * Returns `call` for a procedure of the server, and the state of the last call. `call` never rejects:
 * it resolves to the result, or to `undefined` if it failed. A new call, or unmounting the component,
 * ends the wait for the previous one.
 */
export function useCall<C extends Contract, K extends Name<C, "call">>(
  client: WseClient<C>,
  rp: K,
): CallState<Result<Part<C, "call">[K]>> & {
  call(...payload: Rest<Argument<Part<C, "call">[K]>>): Promise<Result<Part<C, "call">[K]> | undefined>;
} {
  const store = useMemo(() => {
    let state: CallState<any> = { pending: false };
    let notify = () => {};
    let current: AbortController | undefined;
    const call = async (...[payload]: unknown[]) => {
      current?.abort();
      const controller = (current = new AbortController());
      const update = (next: CallState<any>) => {
        if (current !== controller) return;
        state = next;
        notify();
      };
      update({ ...state, pending: true });
      try {
        const result = await (client as WseClient).call(rp, payload, { signal: controller.signal });
        update({ pending: false, result });
        return result;
      } catch (error) {
        update({ pending: false, error: error as WseError });
      }
    };
    return {
      call,
      state: () => state,
      subscribe(changed: () => void) {
        notify = changed;
        return () => current?.abort();
      },
    };
  }, [client, rp]);
  const state = useSyncExternalStore(store.subscribe, store.state, store.state);
  return { ...state, call: store.call as any };
}
