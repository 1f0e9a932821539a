// Sessions of the client with the real server, over real sockets that are cut.

import assert from "node:assert/strict";
import { test } from "node:test";
import { client, closing, next, status, testbed, withTestbed } from "../tools/testbed.js";

const fast = { re: { min: 20, max: 100 } };

/** Resolves to what the next welcome after a cut tells about the session. */
const back = async (device) => {
  await status(device, "RE_CONNECTING");
  return new Promise((resolve) => device.when.ready((_, arrival) => resolve(arrival)));
};

test("messages and calls of a cut connection arrive, and earlier calls are answered", withTestbed, async (t) => {
  const bed = await testbed(t);
  const ann = client(t, bed.url, fast);
  await ann.connect("user-ann");
  const slow = ann.call("sleep", 300);
  const [arrival, closed] = [back(ann), closing(ann)];
  ann.send("cut");
  assert.equal((await closed)[0], 1006);
  const echo = next(ann, "echo");
  ann.send("echo", "kept");
  const sum = ann.call("add", { a: 2, b: 3 });
  assert.deepEqual(await arrival, { resumed: true, lost: 0 });
  assert.equal(await echo, "kept");
  assert.equal(await sum, 5);
  await slow;
  const names = bed.events.map(({ event }) => event);
  assert.ok(names.includes("parked") && names.includes("resumed"), names.join());
  assert.equal(names.filter((name) => name === "joined").length, 1);
  assert.ok(!names.includes("left"), names.join());
});

test("fifty cuts lose nothing and deliver nothing twice", withTestbed, async (t) => {
  const bed = await testbed(t);
  const ann = client(t, bed.url, { re: { min: 1, max: 5 } });
  await ann.connect("user-ann");
  const [echoes, called, calls] = [[], [], []];
  ann.channel.on("echo", (n) => echoes.push(n));
  ann.channel.on("called", ({ ok }) => called.push(ok));
  ann.register("double", async (n) => 2 * n);
  for (let cut = 0; cut < 50; cut++) {
    const arrival = back(ann);
    for (let n = 10 * cut; n < 10 * cut + 10; n++) {
      ann.send("echo", n);
      calls.push(ann.call("add", [n, 1]));
      ann.send("call-me", { rp: "double", payload: n });
      if (n % 10 === cut % 10) ann.send("cut");
    }
    assert.deepEqual(await arrival, { resumed: true, lost: 0 });
  }
  const all = Array.from({ length: 500 }, (_, n) => n);
  assert.deepEqual(await Promise.all(calls), all.map((n) => n + 1));
  while (called.length < 500) await next(ann, "called");
  assert.deepEqual(echoes, all);
  assert.deepEqual(called.sort((a, b) => a - b), all.map((n) => 2 * n));
});

test("a procedure of this client that finishes during the cut is answered after it", withTestbed, async (t) => {
  const bed = await testbed(t);
  const ann = client(t, bed.url, fast);
  await ann.connect("user-ann");
  const asked = new Promise((resolve) => ann.register("slow", async () => {
    resolve();
    await status(ann, "RE_CONNECTING");
    return "done";
  }));
  const called = next(ann, "called");
  ann.send("call-me", { rp: "slow", payload: null });
  await asked;
  ann.send("cut");
  assert.deepEqual(await called, { ok: "done" });
});

test("a killed server has forgotten the session: calls reject, and the client counts what was not confirmed", withTestbed, async (t) => {
  const bed = await testbed(t);
  const ann = client(t, bed.url, fast);
  await ann.connect("user-ann");
  const call = ann.call("sleep", 60_000).catch((error) => error);
  const arrival = back(ann);
  await bed.kill();
  await testbed(t, "--port", bed.port);
  assert.deepEqual(await arrival, { resumed: false, lost: 1 });
  assert.equal((await call).code, "wse.client.rp.disconnect");
  assert.equal(await ann.call("add", [1, 2]), 3);
});

test("there is no session if the server keeps none or the client asks for none", withTestbed, async (t) => {
  for (const [flags, options] of [[["--resume-window", "0s"], {}], [[], { resume: false }]]) {
    const bed = await testbed(t, ...flags);
    const ann = client(t, bed.url, { ...fast, ...options });
    await ann.connect("user-ann");
    const call = ann.call("sleep", 60_000).catch((error) => error);
    const arrival = back(ann);
    ann.send("cut");
    assert.equal((await call).code, "wse.client.rp.disconnect");
    assert.equal(await arrival, undefined, "nothing is told of a session");
  }
});

test("a restart loses nothing that was handled, and the client counts nothing as lost", withTestbed, async (t) => {
  const bed = await testbed(t);
  const ann = client(t, bed.url, fast);
  await ann.connect("user-ann");
  for (let n = 0; n < 5; n++) ann.send("echo", n);
  await next(ann, "echo");
  const arrival = back(ann);
  await bed.stop();
  await testbed(t, "--port", bed.port);
  assert.deepEqual(await arrival, { resumed: false, lost: 0 });
});

test("a jump and a close end the session on the server at once", withTestbed, async (t) => {
  const bed = await testbed(t);
  const ann = client(t, bed.url, fast);
  await ann.connect("user-ann");
  await ann.jump(bed.url, "user-bob");
  ann.close();
  while (bed.events.filter(({ event }) => event === "left").length < 2) await new Promise(setImmediate);
  assert.ok(!bed.events.some(({ event }) => event === "parked"));
});
