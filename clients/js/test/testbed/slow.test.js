// The client over a link that is slow and not dead, through the fault proxy.

import assert from "node:assert/strict";
import { test } from "node:test";
import { binary, faults } from "../tools/faults.js";
import { client, testbed, withTestbed } from "../tools/testbed.js";

const options = { ...withTestbed, timeout: 60_000, ...(binary ? {} : { skip: "no proxy: cargo build --release -p wse --example faults" }) };

/** It takes longer than a client waits in silence, which is 10 s and the beat, and a quarter of that. */
const [BYTES, BYTES_A_SECOND] = [320_000, 20_000];

test("a large message over a slow link arrives once in either direction, with a session and without", options, async (t) => {
  const bed = await testbed(t, "--ping-interval", "500ms", "--ping-timeout", "1s");
  const ask = faults(t, bed.address);
  const large = "x".repeat(BYTES);
  const talk = async (way, resume) => {
    const url = await ask({ do: "open" });
    await ask({ do: "fault", url, fault: { bandwidth: BYTES_A_SECOND } });
    const closed = [];
    const ann = client(t, url, { re: { min: 20, max: 100 }, resume, tO: 60_000 });
    ann.when.closed((...how) => closed.push(how));
    await ann.connect(`user-${way}-${resume}`);
    const answer = way === "down" ? await ann.call("big", BYTES) : await ann.call("obj", large);
    assert.deepEqual(answer, way === "down" ? large : { ok: true });
    assert.deepEqual(closed, [], `${way} ${resume}`);
  };
  await Promise.all(["up", "down"].flatMap((way) => [true, false].map((resume) => talk(way, resume))));
});
