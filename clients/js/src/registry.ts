// Where stores and clients are found again, by a component that is mounted anew or a module that is loaded anew.
// Each client has each store once. It holds no client that nobody else holds, except by name.

import type { WseClient } from "./client.js";
import type { Store, WritableStore } from "./store.js";

/** One store of a client. */
export interface Entry {
  store: WritableStore<any>;
  /** Ends what changes the store. Without it, the store stays as long as the client. */
  stop?(): void;
}

/** How many stores that nobody watches a client has at the most. Those that nobody has asked for the longest go. */
const MOST_UNWATCHED = 256;

/** It is on the global object, where a module that is loaded twice, or anew, finds it too. */
const registry = () =>
  ((globalThis as any)[Symbol.for("wse-client/stores")] ??= { named: new Map(), stores: new WeakMap() }) as {
    named: Map<string, WseClient>;
    stores: WeakMap<WseClient, Map<string, Entry>>;
  };

/** The clients that have a name. */
export const named = () => registry().named;

/** Returns the store of a client that has this key. Makes it when it is asked for first. */
export function find<T>(client: WseClient<any>, key: string, make: () => Entry): Store<T> {
  const { stores } = registry();
  const entries = stores.get(client) ?? new Map<string, Entry>();
  stores.set(client, entries);
  let entry = entries.get(key);
  if (!entry) {
    entry = make();
    const unwatched = [...entries].filter(([, { store, stop }]) => stop && !store.watched());
    for (const [key, { stop }] of unwatched.slice(0, 1 - MOST_UNWATCHED)) {
      stop!();
      entries.delete(key);
    }
  }
  entries.delete(key);
  entries.set(key, entry); // the last is the one asked for last
  return entry.store;
}
