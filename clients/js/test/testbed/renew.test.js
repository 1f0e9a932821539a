// Identities that end: the server asks a client for another one over its open connection.

import assert from "node:assert/strict";
import { test } from "node:test";
import { client, closing, testbed, withTestbed } from "../tools/testbed.js";

test("a client whose identities live for two seconds stays, until it has no other", withTestbed, async (t) => {
  const bed = await testbed(t);
  const device = client(t, bed.url, { re: { min: 10, max: 20 } });
  let made = 0;
  const began = Date.now();
  await device.connect(() => (made++ < 4 ? "until:2000" : "user-other"));
  assert.deepEqual(await closing(device), [1000, "wse.identity-expired"]);
  const lived = Date.now() - began;
  assert.ok(lived > 4_500 && lived < 9_000, `three renewals, a second each, and a whole life: ${lived} ms`);
  assert.deepEqual([device.status, made], ["OFFLINE", 5], "the one of another user is not taken");
  const told = new Set(bed.events.map(({ event }) => event));
  for (const event of ["joined", "connected", "disconnected", "left"]) told.delete(event);
  assert.deepEqual([...told], [], "nothing is told of it");
});
