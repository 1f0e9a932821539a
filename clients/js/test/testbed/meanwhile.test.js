// What answers in place of a server for a while: a captive portal, a rollout, a hung machine.

import assert from "node:assert/strict";
import { test } from "node:test";
import { front } from "../tools/front.js";
import { client, next, status, testbed, withTestbed } from "../tools/testbed.js";

/** A way to the testbed on which the next connections are handled by `takes`, one each. */
async function queueing(t, bed) {
  const takes = [];
  const url = await front(t, bed, (socket) => {
    const take = takes.shift();
    take?.(socket);
    return take;
  });
  return { url, takes };
}

const answers = (status) => (socket) =>
  socket.once("data", () => socket.end(`HTTP/1.1 ${status} Meanwhile\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n`));

test("a client comes back in its session, whatever answers in place of its server meanwhile", withTestbed, async (t) => {
  const bed = await testbed(t);
  const { url, takes } = await queueing(t, bed);
  const ann = client(t, url, { re: { min: 10, max: 20 }, connectTimeout: 5000 });
  await ann.connect("user-ann");
  takes.push(...[200, 302, 400, 401, 403, 404, 502, 503].map(answers), (socket) => socket.end("SSH-2.0-none\r\n"), (socket) => socket.destroy());
  const back = new Promise((resolve) => ann.when.ready((_, arrival) => arrival.resumed && resolve(arrival)));
  const echo = next(ann, "echo");
  ann.send("cut");
  await status(ann, "RE_CONNECTING");
  ann.send("echo", "kept");
  assert.deepEqual(await back, { resumed: true, lost: 0 });
  assert.deepEqual([await echo, takes.length], ["kept", 0]);
});

test("an attempt whose handshake is never answered is closed when its time is over", withTestbed, async (t) => {
  const bed = await testbed(t);
  const { url, takes } = await queueing(t, bed);
  let gone;
  const closed = new Promise((resolve) => (gone = resolve));
  takes.push((socket) => socket.on("data", () => {}).on("end", gone).on("close", gone));
  const ann = client(t, url, { re: { min: 10, max: 20 }, connectTimeout: 300 });
  await ann.connect("user-ann");
  await closed;
});

test("connect with another identity while the client comes back makes it the other user", withTestbed, async (t) => {
  const bed = await testbed(t);
  const { url, takes } = await queueing(t, bed);
  const device = client(t, url, { re: { min: 10, max: 20 } });
  await device.connect("user-ann");
  let hangs;
  const hanging = new Promise((resolve) => (hangs = resolve));
  takes.push((socket) => socket.on("data", hangs));
  device.send("cut");
  await hanging;
  await device.connect("user-bob");
  const who = next(device, "who");
  device.send("who");
  assert.equal((await who).cid, "user-bob");
});
