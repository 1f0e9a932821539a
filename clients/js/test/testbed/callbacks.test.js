// Handlers that call back the side whose message they handle, with more messages than an inbox holds.

import assert from "node:assert/strict";
import { test } from "node:test";
import { client, testbed, withTestbed } from "../tools/testbed.js";

// One answer that stands behind what waits for it costs a timeout of 20 s.
const soon = { timeout: 15_000 };

for (const [messages, size] of [[3000, 1], [500, 2000]]) {
  for (const reconnect of [false, true]) {
    const what = `${messages} messages of ${size} bytes, ${reconnect ? "in" : "without"} a session`;
    const options = reconnect ? { re: true } : {};

    test(`${what}, are answered though the server calls back for each`, { ...withTestbed, ...soon }, async (t) => {
      const bed = await testbed(t);
      const ann = client(t, bed.url, options);
      await ann.connect("user-ann");
      ann.register("same", ([n]) => n);
      const called = [];
      const all = new Promise((resolve) => ann.channel.on("called", (said) => called.push(said) === messages && resolve()));
      for (let n = 0; n < messages; n++) ann.send("call-me", { rp: "same", payload: [n, "x".repeat(size)] });
      await all;
      assert.deepEqual(called.map(({ ok }) => ok).sort((a, b) => a - b), Array.from({ length: messages }, (_, n) => n));
    });

    test(`${what}, are answered though this client calls back for each`, { ...withTestbed, ...soon }, async (t) => {
      const bed = await testbed(t);
      const ann = client(t, bed.url, options);
      await ann.connect("user-ann");
      const sums = [];
      const all = new Promise((resolve, reject) => ann.channel.on("echo", async ([n]) => {
        try {
          if (sums.push(await ann.call("add", [n, 1])) === messages) resolve();
        } catch (error) {
          reject(error);
        }
      }));
      for (let n = 0; n < messages; n++) ann.send("echo", [n, "x".repeat(size)]);
      await all;
      assert.deepEqual(sums.sort((a, b) => a - b), Array.from({ length: messages }, (_, n) => n + 1));
    });
  }
}
