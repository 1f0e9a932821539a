// Clients with a session on sockets in memory, and the server's half of it.
// It never waits for real time.

import assert from "node:assert/strict";
import { CAN, fakeClient, tick } from "./fake.js";

/** Mocks the timers and the clock, which the test moves. The wait before an attempt is 500 ms. */
export function still(t) {
  t.mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"] });
  t.mock.method(Math, "random", () => 1);
  return async (ms) => {
    // In steps, so that no timer is late.
    const step = Math.max(1000, ms / 100);
    let left = ms;
    do t.mock.timers.tick(Math.min(left, step));
    while ((left -= step) > 0);
    await tick();
  };
}

export const grant = (more) => ({ session: "T1", cid: "ann", seen: 0, resumed: false, beat: 0, window: 60_000, ...more });

/** A client with a session whose token is T1. */
export async function sessionClient(options) {
  const fake = fakeClient({ re: true, ...options?.client });
  const arrivals = [];
  fake.client.when.ready((welcome, arrival) => arrivals.push(arrival));
  const welcome = fake.client.connect("ann");
  await tick();
  const [socket] = fake.sockets;
  socket.open();
  assert.deepEqual(socket.take(), [["~wse:hi", { identity: "ann", meta: {}, session: {}, can: CAN }, null]]);
  socket.say("~wse:welcome", { hey: 1 }, grant(options));
  await welcome;
  fake.told.length = arrivals.length = 0;
  return { ...fake, socket, arrivals };
}

/** Waits for the next attempt. Returns its socket, and what its hi says of the session. */
export async function again({ sockets }, pass) {
  const before = sockets.length;
  for (let waited = 0; sockets.length === before && waited < 20_000; waited += 500) await pass(500);
  const socket = sockets.at(-1);
  socket.open();
  const [[type, { session }]] = socket.take();
  assert.equal(type, "~wse:hi");
  return { socket, asked: session };
}

export const resumed = (socket, seen, token = "T2", more) => socket.say("~wse:welcome", { hey: 2 }, grant({ session: token, seen, resumed: true, ...more }));
