// Who is in a room, as the server tells it with messages `wse:presence`.
// Any server may send them. While the client is away, it is what was true last.

import type { WseClient } from "./client.js";
import { find } from "./registry.js";
import { createStore, type Store, type WritableStore } from "./store.js";

/** The members of a room, by the ids of the users: `away` is one who has lost the connection and may come back. */
export type Members = ReadonlyMap<string, "online" | "away">;

type Told = [cid: string, status: "online" | "away" | "offline"];

/** The payload of `wse:presence`: all members of a room, some that have changed, or one. */
interface Message {
  room: string;
  all?: Told[];
  more?: Told[];
  cid: Told[0];
  status: Told[1];
}

/** Nobody. */
export const NOBODY: Members = new Map();

/** Returns the members after what was told of them. */
function after(members: Members, told: Told[]): Members {
  const next = new Map(members);
  for (const [cid, status] of told) {
    if (status === "offline") next.delete(cid);
    else next.set(cid, status);
  }
  return next;
}

/** Returns the members of a room: nobody, until the server has told them. */
export function presenceOf(client: WseClient<any>, room: string): Store<Members> {
  listen(client);
  return membersOf(client, room);
}

const membersOf = (client: WseClient<any>, room: string) =>
  find(client, `presence ${room}`, () => ({ store: createStore(NOBODY), stop() {} })) as WritableStore<Members>;

/** Begins to listen, once for each client. The server may tell the members of a room before somebody asks for them. */
export function listen(client: WseClient<any>): void {
  find(client, "presence", () => {
    /** The rooms that were told of. */
    const rooms = new Set<string>();
    client.channel.on("wse:presence", ({ room, all, more, cid, status }: Message) => {
      const store = membersOf(client, room);
      rooms.add(room);
      store.set(after(all ? NOBODY : store.getSnapshot(), all ?? more ?? [[cid, status]]));
    });
    // A server begins anew with a client that has not come back to its session.
    client.when.ready((_, arrival) => {
      if (arrival?.resumed) return;
      for (const room of rooms) membersOf(client, room).set(NOBODY);
      rooms.clear();
    });
    return { store: createStore(undefined) };
  });
}
