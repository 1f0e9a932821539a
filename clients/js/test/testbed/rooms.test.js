// Rooms and presence as the stores show them, with the real server.

import assert from "node:assert/strict";
import { test } from "node:test";
import { outbox } from "wse-client/outbox";
import { latestOf, roomOf } from "wse-client/stores";
import { client, testbed, withTestbed } from "../tools/testbed.js";

const re = { min: 200, max: 400 };

/** Resolves when the value of a store fulfils a condition. */
const until = (store, condition) =>
  new Promise((resolve) => {
    const off = store.subscribe((value) => condition(value) && setImmediate(() => (off(), resolve(value))));
  });

const shown = ({ joined, members }) => `${joined} ${[...members].map((member) => member.join(" ").replace("user-", "")).sort()}`;
const shows = (room, text) => until(room, (value) => shown(value) === text);

test("who is in a room sees the others come, vanish in a tunnel, come back and go", withTestbed, async (t) => {
  const bed = await testbed(t, "--conns-per-user", "2");
  const [ann, bob] = [client(t, bed.url, { re }), client(t, bed.url, { re })];
  const [kitchen, its] = [roomOf(ann, "kitchen"), roomOf(bob, "kitchen")];
  const mine = [];
  const offMine = kitchen.subscribe((value) => mine.push(shown(value)));
  await ann.connect("user-ann");
  await shows(kitchen, "true ann online");
  const off = its.subscribe(() => {});
  let identity = "user-bob";
  let leaveTunnel;
  await bob.connect(() => identity);
  await shows(its, "true ann online,bob online");
  await shows(kitchen, "true ann online,bob online");
  identity = new Promise((resolve) => (leaveTunnel = resolve));
  bob.send("cut");
  await shows(kitchen, "true ann online,bob away");
  const back = new Promise((resolve) => bob.when.ready((_, arrival) => arrival.resumed && resolve()));
  leaveTunnel("user-bob");
  await shows(kitchen, "true ann online,bob online");
  await back; // the others may hear of it before bob does
  assert.equal(bob.status, "READY");
  off();
  await shows(kitchen, "true ann online");
  assert.deepEqual(await ann.call("room", "kitchen"), { members: 1 });
  const again = its.subscribe(() => {});
  await shows(kitchen, "true ann online,bob online");
  bob.close();
  await shows(kitchen, "true ann online");
  again();
  offMine();
  const changes = mine.filter((text, n) => n < 1 || text !== mine[n - 1]);
  assert.deepEqual(changes.slice(-7), [
    "true ann online", "true ann online,bob online", "true ann online,bob away", "true ann online,bob online",
    "true ann online", "true ann online,bob online", "true ann online",
  ]);
});

test("after a restart of the server the client is in its rooms again, and has what they keep", withTestbed, async (t) => {
  const bed = await testbed(t);
  const ann = client(t, bed.url, { re });
  const room = roomOf(ann, "kitchen");
  const light = latestOf(ann, "light");
  t.after(room.subscribe(() => {}));
  await ann.connect("user-ann");
  await shows(room, "true ann online");
  ann.send("retain", { room: "kitchen", type: "light", payload: "on" });
  await until(light, (value) => value === "on");
  await bed.kill();
  const next = await testbed(t, "--port", bed.port);
  const bob = client(t, next.url, { re });
  await bob.connect("user-bob");
  t.after(roomOf(bob, "kitchen").subscribe(() => {}));
  bob.send("retain", { room: "kitchen", type: "light", payload: "off" });
  await until(light, (value) => value === "off");
  await shows(room, "true ann online,bob online");
});

test("a room that the server does not let the client in is an error", withTestbed, async (t) => {
  const bed = await testbed(t);
  const ann = client(t, bed.url, { re });
  await ann.connect("user-ann");
  const { error, joined } = await until(roomOf(ann, "x".repeat(300)), ({ error }) => error);
  assert.deepEqual([error.code, joined], ["wse.server.rp.failed", false]);
});

test("what an outbox keeps goes to the real server, and what that refuses is an error", withTestbed, async (t) => {
  const bed = await testbed(t);
  const ann = client(t, bed.url, { re });
  const box = outbox(ann);
  const calls = outbox(ann, { ids: true, name: "calls" });
  const echoes = [];
  ann.channel.on("echo", (payload) => echoes.push(payload));
  const sent = [1, 2, 3].map((n) => box.send("echo", n));
  const refused = assert.rejects(calls.send("no such procedure", 1), { code: "wse.server.rp.not-registered" });
  const done = calls.send("nil", "taken"); // its payload is [id, "taken"]
  await ann.connect("user-ann");
  await Promise.all([...sent, refused, done]);
  assert.equal(await ann.call("add", { a: 1, b: 2 }), 3);
  assert.deepEqual([echoes, box.getSnapshot(), calls.getSnapshot()], [[1, 2, 3], [], []]);
});
