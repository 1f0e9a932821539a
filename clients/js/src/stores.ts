// Values that outlive the components that show them, and hot reloads: the status, last messages, presence, rooms.
// Each client has each of them once, however often it is asked for.

import type { WseClient } from "./client.js";
import type { WseStatus } from "./constants.js";
import type { Contract, Name, Part } from "./contract.js";
import { listen } from "./presence.js";
import { find, named } from "./registry.js";
import { createStore, type Store } from "./store.js";

export { type Members, NOBODY, presenceOf } from "./presence.js";
export { OUTSIDE, type Room, roomOf, type RoomOptions } from "./rooms.js";
export { createStore, type Store, type WritableStore } from "./store.js";

/** The status of a client, and why its last connection has ended. */
export interface Status {
  readonly status: WseStatus;
  /** The code of the last end, until the client is `READY` again. It is 1006 if there was no close frame. */
  readonly code?: number;
  /** Its reason: one of `WSE_REASON`, or the server's own. */
  readonly reason?: string;
}

/** The status of a client that has done nothing. */
export const IDLE: Status = Object.freeze({ status: "IDLE" });

/**
 * Returns the client of that name, which `make` makes when there is none. So a module that is loaded
 * anew, as by a hot reload, goes on with the client and the connection that are there. What a client
 * needs once, its listeners and `connect`, belongs into `make`.
 */
export function keep<C extends WseClient<any>>(name: string, make: () => C): C {
  const clients = named();
  const client = clients.get(name) ?? make();
  clients.set(name, client);
  statusOf(client);
  listen(client);
  return client as C;
}

/** Returns the status of a client. It knows the reason of an end that came after it was asked for first, or after {@link keep}. */
export function statusOf(client: WseClient<any>): Store<Status> {
  return find(client, "status", () => {
    const store = createStore<Status>({ status: client.status });
    const update = (code?: number, reason?: string) => {
      const next: Status = client.status === "READY" ? { status: client.status } : { status: client.status, code, reason };
      const last = store.getSnapshot();
      if (next.status !== last.status || next.code !== last.code || next.reason !== last.reason) store.set(next);
    };
    client.when.closed(update);
    client.when.updated(() => update(store.getSnapshot().code, store.getSnapshot().reason));
    return { store };
  });
}

/**
 * Returns the last message of a type that came since this was called first, whether a component shows
 * it or not. It is `undefined` before the first, and when the client connects again after its end.
 */
export function latestOf<C extends Contract, K extends Name<C, "channel">>(client: WseClient<C>, type: K): Store<Part<C, "channel">[K] | undefined> {
  return find(client, `latest ${type}`, () => {
    const store = createStore<any>(undefined);
    let over = false;
    const off = client.when.updated((status) => {
      if (over) store.set(undefined);
      over = status === "OFFLINE";
    });
    client.channel.on(type, store.set);
    return { store, stop: () => (off(), void client.channel.off(type, store.set)) };
  });
}
