// What ages, is skipped and is cancelled, with the real server over real sockets that are cut.

import assert from "node:assert/strict";
import { test } from "node:test";
import { client, next, testbed, withTestbed } from "../tools/testbed.js";

/** A client with a session. `back` resolves when it was resumed. */
async function device(t, bed) {
  const ann = client(t, bed.url, { re: { min: 100, max: 200 } });
  const echoes = [];
  ann.channel.on("echo", (echo) => echoes.push(echo));
  await ann.connect("user-ann");
  const back = new Promise((resolve) => ann.when.ready((_, arrival) => arrival.resumed && resolve(arrival)));
  return { ann, echoes, back };
}

test("after a tunnel the server is given one position, the true one", withTestbed, async (t) => {
  const { ann, echoes, back } = await device(t, await testbed(t));
  ann.send("cut");
  const closed = new Promise((resolve) => ann.when.closed(resolve));
  for (let n = 0; n < 100; n++) ann.send("echo", n, { latest: "me" }); // the server reads some of them, perhaps
  await closed;
  for (let n = 100; n < 200; n++) ann.send("echo", n, { latest: "me" });
  ann.send("echo", "too late", { ttl: 1 });
  ann.send("echo", "after it");
  assert.deepEqual(await back, { resumed: true, lost: 0 });
  assert.equal(await ann.call("add", [1, 2]), 3);
  const read = echoes.filter((n) => n < 100);
  assert.deepEqual(read, Array.from(read, (_, n) => n), "each at most once, and in order");
  assert.deepEqual(echoes.slice(read.length), [199, "after it"]);
  echoes.length = 0;
  for (const echo of ["a", "b", "c"]) ann.send("echo", echo);
  await ann.call("add", [1, 2]);
  ann.send("cut");
  await new Promise((resolve) => ann.when.closed(resolve));
  ann.send("echo", "d");
  assert.equal(await ann.call("add", [2, 2]), 4);
  assert.deepEqual(echoes, ["a", "b", "c", "d"], "both sides count the same, so that nothing is lost or comes twice");
});

test("a call whose time is over is not made after a tunnel, and one that was made is cancelled", withTestbed, async (t) => {
  const { ann, echoes, back } = await device(t, await testbed(t));
  await assert.rejects(ann.call("sleep", 60_000, { timeout: 20 }), { code: "wse.client.rp.timeout" });
  ann.send("cut");
  await new Promise((resolve) => ann.when.closed(resolve));
  await assert.rejects(ann.call("add", [1, 1], { timeout: 5 }), { code: "wse.client.rp.timeout" });
  assert.deepEqual(await back, { resumed: true, lost: 0 });
  assert.equal(await ann.call("add", [1, 2]), 3);
  assert.deepEqual([ann.status, echoes], ["READY", []]);
});

test("a procedure learns that the server waits no more, and how long it waits", withTestbed, async (t) => {
  const { ann } = await device(t, await testbed(t, "--rpc-timeout", "300ms"));
  let told;
  const aborted = new Promise((resolve) => {
    ann.register("slow", (payload, stamp, signal) => {
      told = stamp;
      return new Promise((_, reject) => signal.addEventListener("abort", () => (resolve(), reject(signal.reason))));
    });
  });
  const failed = next(ann, "called");
  ann.send("call-me", { rp: "slow", payload: 1 });
  await aborted;
  assert.match(told, /^.{16}~0000[0-9a-f]{4}$/);
  assert.equal((await failed).err?.code ?? (await failed).code, "wse.client.rp.timeout");
});
