// What npm wse's contract asks for with many clients or many messages, against the real server.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { WseError } from "../../dist/index.js";
import { client, closing, next, testbed, withTestbed } from "../tools/testbed.js";

/** Twenty clients that are connected, each as a user of its own. */
async function twenty(t, bed) {
  const clients = Array.from({ length: 20 }, () => client(t, bed.url));
  await Promise.all(clients.map((one, number) => one.connect(`user-${number}`)));
  return clients;
}

test("twenty clients connect and are all seen as joined", withTestbed, async (t) => {
  const bed = await testbed(t);
  const clients = await twenty(t, bed);
  while (bed.events.length < 2 * clients.length) await setTimeout(10);
  const joined = bed.events.filter(({ event }) => event === "joined").map(({ cid }) => cid);
  assert.deepEqual(joined.sort(), clients.map((_, number) => `user-${number}`).sort());
});

test("twenty clients dropped by the server all see the reason", withTestbed, async (t) => {
  const bed = await testbed(t);
  const clients = await twenty(t, bed);
  const closed = Promise.all(clients.map(closing));
  const admin = client(t, bed.url);
  await admin.connect("user-admin");
  clients.forEach((_, number) => admin.send("drop", { what: "cid", cid: `user-${number}`, reason: "maintenance" }));
  assert.deepEqual(await closed, clients.map(() => [1000, "maintenance"]));
});

test("a client closing itself reaches disconnected and left, with the code of its last connection", withTestbed, async (t) => {
  const bed = await testbed(t);
  const ends = [
    [(ann) => ann.close("done here"), { code: 1000, reason: "done here" }],
    [(ann) => ann.jump("ws://127.0.0.1:1/").catch(() => {}), { code: 4000, reason: "jump" }],
  ];
  for (const [leave, { code, reason }] of ends) {
    const ann = client(t, bed.url);
    await ann.connect("user-ann");
    bed.events.length = 0;
    leave(ann);
    while (!bed.events.some(({ event }) => event === "left")) await setTimeout(10);
    const told = bed.events.filter(({ event }) => /disconnected|left/.test(event)).map(({ event, code, reason }) => [event, code, reason]);
    assert.deepEqual(told, [["disconnected", code, reason], ["left", code, reason]]);
  }
});

/** Sends one message after the other, each when the one before has come back. */
async function roundTrips(t, rounds) {
  const bed = await testbed(t);
  const ann = client(t, bed.url);
  await ann.connect("user-ann");
  for (let n = 0; n < rounds; n++) {
    const back = next(ann, "echo");
    ann.send("echo", { n });
    assert.deepEqual(await back, { n });
  }
}

test("ten round trips over the channel", withTestbed, (t) => roundTrips(t, 10));

test("a thousand round trips over the channel", withTestbed, (t) => roundTrips(t, 1000));

test("a broadcast reaches every connected user exactly once", withTestbed, async (t) => {
  const bed = await testbed(t);
  const clients = await twenty(t, bed);
  const heard = clients.map(() => []);
  clients.forEach((one, number) => one.channel.on("news", (what) => heard[number].push(what)));
  const last = Promise.all(clients.map((one) => next(one, "end")));
  clients[0].send("to-all", { type: "news", payload: "all" });
  clients[0].send("to-all", { type: "end", payload: null });
  await last;
  assert.deepEqual(heard, clients.map(() => ["all"]));
});

test("a message to a user reaches each of its devices once, and one to a device only that", withTestbed, async (t) => {
  const bed = await testbed(t, "--conns-per-user", "2");
  const devices = ["user-ann", "user-ann", "user-bob"].map(() => client(t, bed.url));
  const heard = devices.map(() => []);
  for (const [number, identity] of ["user-ann", "user-ann", "user-bob"].entries()) {
    await devices[number].connect(identity);
    for (const type of ["both", "only", "mine"]) devices[number].channel.on(type, () => heard[number].push(type));
  }
  const last = Promise.all(devices.map((one) => next(one, "end")));
  devices[0].send("hey");
  devices[2].send("to-user", { cid: "user-ann", type: "mine", payload: 1 });
  // All that the server has to send is sent before the answer of a call that comes behind it.
  await Promise.all(devices.map((one) => one.call("nil")));
  devices[0].send("to-all", { type: "end", payload: null });
  await last;
  assert.deepEqual(heard.map((types) => types.sort()), [["both", "mine", "only"], ["both", "mine"], []]);
});

test("only devices that got through the challenge count", withTestbed, async (t) => {
  const bed = await testbed(t, "--challenge", "--conns-per-user", "2");
  const solves = () => {
    const made = client(t, bed.url);
    made.challenge(({ a, b }) => a + b);
    return made;
  };
  const [first, second] = [solves(), solves()];
  await first.connect("user-ann");
  for (let n = 0; n < 3; n++) {
    const wrong = client(t, bed.url);
    wrong.challenge(() => "wrong");
    await assert.rejects(wrong.connect("user-ann"), (error) => error instanceof WseError && error.code === "wse.not-authorized");
  }
  await second.connect("user-ann");
  assert.equal(await first.call("devices"), 2);
});

test("a call that is answered too late fails, and so does one of the server that is never answered", withTestbed, async (t) => {
  const bed = await testbed(t, "--rpc-timeout", "200ms");
  const ann = client(t, bed.url);
  ann.register("never", () => new Promise(() => {}));
  await ann.connect("user-ann");
  await assert.rejects(ann.call("sleep", 200, { timeout: 20 }), { code: "wse.client.rp.timeout" });
  const called = next(ann, "called");
  ann.send("call-me", { rp: "never", payload: null });
  assert.equal((await called).err.code, "wse.client.rp.timeout");
  assert.equal(await ann.call("nil"), null);
});
