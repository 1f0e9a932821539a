// A room that this client is in while somebody shows it: it comes, comes again after a new session, and goes.
// What the server calls that is up to the application.

import type { WseClient } from "./client.js";
import type { WseError } from "./error.js";
import { type Members, NOBODY, presenceOf } from "./presence.js";
import { find } from "./registry.js";
import { createStore, type Store } from "./store.js";

/** A room, as this client sees it. */
export interface Room {
  /** Whether the server has let this client in. */
  readonly joined: boolean;
  /** Why it has not. */
  readonly error?: WseError;
  readonly members: Members;
}

/** What a client says when it comes and when it goes, both with the name of the room as the payload. */
export interface RoomOptions {
  /** The procedure of the server that lets it in. Default `join`. */
  join?: string;
  /** The message with which it leaves. Default `leave`. */
  leave?: string;
}

/** Where nobody is yet. */
export const OUTSIDE: Room = Object.freeze({ joined: false, members: NOBODY });

/**
 * Returns a room. The client is in it while the store has subscribers: it calls `join` when the first
 * one comes, and after every welcome that does not resume its session, and sends `leave` when the last
 * one has gone. A component that is mounted anew at once neither leaves nor joins.
 */
export function roomOf(client: WseClient<any>, name: string, { join = "join", leave = "leave" }: RoomOptions = {}): Store<Room> {
  return find(client, JSON.stringify([join, leave, name]), () => {
    /** The call that has let this client in, or will: none while it is outside, and after a refusal. */
    let entry: object | undefined;
    let waiting = false;
    const update = (change: Partial<Room>) => store.set({ ...store.getSnapshot(), ...change });
    const outside = () => {
      entry = undefined;
      waiting = false;
      if (store.getSnapshot().joined) update({ joined: false });
    };
    const settled = (mine: object, error?: WseError) => {
      if (entry !== mine) return;
      waiting = false;
      if (error) entry = undefined;
      update({ joined: !error, error });
      if (!store.watched()) reconcile();
    };
    /** Comes or goes, as it is wanted. A client that has no connection does it when it has one. */
    const reconcile = () => {
      if (client.status !== "READY" || waiting || store.watched() === !!entry) return;
      if (entry) {
        outside();
        client.send(leave, name);
      } else {
        const mine = (entry = {});
        waiting = true;
        client.call(join, name).then(
          () => settled(mine),
          (error) => settled(mine, error),
        );
      }
    };
    const store = createStore<Room>(OUTSIDE, () => void (store.watched() ? reconcile() : setTimeout(reconcile)));
    const offs = [
      presenceOf(client, name).subscribe((members) => update({ members })),
      client.when.updated((status) => status === "OFFLINE" && outside()),
      client.when.ready((_, arrival) => {
        if (!arrival?.resumed) outside();
        reconcile();
      }),
    ];
    return { store, stop: () => offs.forEach((off) => off()) };
  });
}
