// Hooks for React. It may never import the client itself, of which there would then be two, nor
// connect or close one: that is up to the application.

import { createContext, useContext, useEffect, useMemo, useRef, useSyncExternalStore } from "react";
import type { Argument, Contract, Name, Part, Rest, Result } from "./contract.js";
import type { WseClient } from "./client.js";
import type { WseError } from "./error.js";
import type { WseStatus } from "./names.js";

/** The client that {@link useWse} finds. */
export const WseContext = createContext<WseClient<any> | null>(null);

/** The client given, else that of the nearest {@link WseContext}; throws when there is neither. */
export function useWse<C extends Contract = any>(client?: WseClient<C>): WseClient<C> {
  const found = useContext(WseContext);
  if (!client && !found) throw new Error("There is no client in WseContext.");
  return client ?? found!;
}

/** Where a client stands; renders again when that changes. `IDLE` on a server. */
export function useStatus(client: WseClient<any>): WseStatus {
  const subscribe = useMemo(() => (changed: () => void) => client.when.updated(changed), [client]);
  return useSyncExternalStore(subscribe, () => client.status, () => "IDLE");
}

/**
 * The last message of a type since the component is there, `undefined` before the first; renders
 * again with each. A listener is called for every message, also for those that are rendered together.
 */
export function useMessage<C extends Contract, K extends Name<C, "channel">>(
  client: WseClient<C>,
  type: K,
  listener?: (message: Part<C, "channel">[K]) => unknown,
): Part<C, "channel">[K] | undefined {
  const current = useRef(listener);
  useEffect(() => {
    current.current = listener;
  });
  const store = useMemo(() => {
    let last: Part<C, "channel">[K] | undefined;
    return {
      last: () => last,
      subscribe(changed: () => void) {
        const hear = (message: Part<C, "channel">[K]) => {
          last = message;
          changed();
          return current.current?.(message);
        };
        client.channel.on(type, hear);
        return () => void client.channel.off(type, hear);
      },
    };
  }, [client, type]);
  return useSyncExternalStore(store.subscribe, store.last, () => undefined);
}

/** Where the last call of a {@link useCall} stands. */
export interface CallState<R> {
  /** Whether an answer is waited for. */
  pending: boolean;
  /** What the last call gave, kept while the next one is pending. */
  result?: R;
  /** Why the last call failed. */
  error?: WseError;
}

/**
 * A procedure of the server, and where the last call of it stands. `call` resolves to the result,
 * or to `undefined` when it failed: it never rejects. A new call, and the end of the component,
 * stop waiting for the one before.
 */
export function useCall<C extends Contract, K extends Name<C, "call">>(
  client: WseClient<C>,
  rp: K,
): CallState<Result<Part<C, "call">[K]>> & {
  call(...payload: Rest<Argument<Part<C, "call">[K]>>): Promise<Result<Part<C, "call">[K]> | undefined>;
} {
  const store = useMemo(() => {
    let state: CallState<any> = { pending: false };
    let told = () => {};
    let asking: AbortController | undefined;
    const ask = async (...[payload]: unknown[]) => {
      asking?.abort();
      const mine = (asking = new AbortController());
      const turn = (next: CallState<any>) => {
        if (asking !== mine) return;
        state = next;
        told();
      };
      turn({ ...state, pending: true });
      try {
        const result = await (client as WseClient).call(rp, payload, { signal: mine.signal });
        turn({ pending: false, result });
        return result;
      } catch (error) {
        turn({ pending: false, error: error as WseError });
      }
    };
    return {
      ask,
      state: () => state,
      subscribe(changed: () => void) {
        told = changed;
        return () => asking?.abort();
      },
    };
  }, [client, rp]);
  const state = useSyncExternalStore(store.subscribe, store.state, store.state);
  return { ...state, call: store.ask as any };
}
