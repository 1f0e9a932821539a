// Sessions of the client with the real server, through the fault proxy.
// It cuts after each of the first 512 bytes of either direction, for both ends or for one. It also
// swallows, splits and delays bytes.

import assert from "node:assert/strict";
import { test } from "node:test";
import { binary, faults } from "../tools/faults.js";
import { client, testbed, withTestbed } from "../tools/testbed.js";

const options = { ...withTestbed, timeout: 120_000, ...(binary ? {} : { skip: "no proxy: cargo build --release -p wse --example faults" }) };

const LENGTH = 6;
const AT_ONCE = 16;
const numbers = Array.from({ length: LENGTH }, (_, n) => n);

/** Sends messages, calls, is called, and waits until all answers have come. */
async function talk(t, url, user) {
  const ann = client(t, url, { re: { min: 1, max: 20 }, connectTimeout: 1000, tO: 100 });
  const [echoes, called] = [[], []];
  let [lost, done] = [0, () => {}];
  const all = new Promise((resolve) => (done = () => echoes.length >= LENGTH && called.length >= LENGTH && resolve()));
  ann.channel.on("echo", (n) => done(echoes.push(n)));
  ann.channel.on("called", ({ ok }) => done(called.push(ok)));
  ann.when.ready((_, arrival) => (lost += arrival.lost));
  ann.register("double", async (n) => 2 * n);
  await ann.connect(`user-${user}`);
  const sums = numbers.map((n) => {
    ann.send("echo", n);
    ann.send("call-me", { rp: "double", payload: n });
    return ann.call("add", [n, 1]);
  });
  assert.deepEqual(await Promise.all(sums), numbers.map((n) => n + 1));
  await all;
  // A second copy would arrive before this answer.
  await ann.call("nil");
  ann.close();
  assert.deepEqual(echoes, numbers);
  assert.deepEqual(called.sort((a, b) => a - b), numbers.map((n) => 2 * n));
  assert.equal(lost, 0);
}

/** Runs `talk` through a proxy of its own for each count of bytes in both directions, several at once. */
async function sweep(t, step, ...set) {
  const bed = await testbed(t, "--ping-interval", "400ms", "--ping-timeout", "400ms");
  const ask = faults(t, bed.address);
  const plans = ["to_server", "to_client"].flatMap((way) =>
    Array.from({ length: Math.floor(512 / step) + 1 }, (_, place) => ({ way, bytes: place * step })),
  );
  const worker = async () => {
    for (let plan; (plan = plans.pop()); ) {
      const { way, bytes } = plan;
      const url = await ask({ do: "open" });
      for (const fault of set) await ask({ do: "fault", url, nth: 1, way, fault: fault(bytes) });
      try {
        await talk(t, url, `${way}-${bytes}`);
      } catch (error) {
        throw new Error(`${way} after ${bytes}`, { cause: error });
      }
      await ask({ do: "drop", url });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

test("nothing is lost or delivered twice after whatever byte the connection is cut", options, (t) => sweep(t, 1, (bytes) => ({ cut_after: bytes })));

test("nothing is lost or delivered twice when only one side sees the cut", options, async (t) => {
  await sweep(t, 31, () => ({ cut_as: "client-only" }), (bytes) => ({ cut_after: bytes }));
  await sweep(t, 31, () => ({ cut_as: "fin" }), (bytes) => ({ cut_after: bytes }));
});

test("nothing is lost or delivered twice when the network swallows what the client sends", options, (t) => sweep(t, 61, (bytes) => ({ blackhole_after: bytes })));

test("nothing is lost or delivered twice over a slow network that splits", options, (t) =>
  sweep(t, 64, () => ({ latency: 10 }), () => ({ split: 5 }), (bytes) => ({ cut_after: bytes })));
