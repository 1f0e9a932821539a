// Tests of the entry that keeps integers which a number cannot hold.

import assert from "node:assert/strict";
import { test } from "node:test";
import { jsonProtocol } from "wse-client/json";
import { readyClient, refusal } from "../tools/fake.js";

const LARGE = ["9007199254740992", "9007199254740993", "-9007199254740993", "18446744073709551615", "123456789012345678901234567890"];

test("without the entry an integer beyond 2^53 is rounded, and with it it arrives as text or BigInt", async () => {
  for (const [options, of] of [[{}, Number], [{ protocol: jsonProtocol({ integers: "text" }) }, String], [{ protocol: jsonProtocol({ integers: "bigint" }) }, BigInt]]) {
    const { client, socket } = await readyClient(options);
    const heard = [];
    client.channel.on("m", (payload) => heard.push(payload));
    for (const digits of LARGE) socket.raw(`["m",{"n":${digits},"all":[${digits} ,1, -2.5]}]`);
    assert.deepEqual(heard, LARGE.map((digits) => ({ n: of(digits), all: [of(digits), 1, -2.5] })));
    const call = client.call("x");
    socket.raw(`["~wse:response",${LARGE[1]},${JSON.stringify(socket.take()[0][2])}]`);
    assert.deepEqual(await call, of(LARGE[1]));
    client.close();
  }
});

test("what a number holds, and what is no integer, stays as it is", async () => {
  const texts = ["9007199254740991", "-9007199254740991", "1234567890123456.5", "12345678901234567e3", "1e300", "0.12345678901234567", '"12345678901234567890"', '"a\\\\\\"12345678901234567890"', '{"12345678901234567890":1}', '"\\\\",12345'];
  for (const integers of ["text", "bigint"]) {
    const { unpack } = jsonProtocol({ integers });
    for (const text of texts) assert.deepEqual(unpack(`["m",${text}]`), JSON.parse(`["m",${text}]`), text);
  }
});

test("what is no JSON is still none", () => {
  for (const integers of ["text", "bigint"]) {
    const { unpack } = jsonProtocol({ integers });
    for (const text of ['["m",012345678901234567890]', '["m",12345678901234567890x]', '["m",12345678901234567890"a"]', '["m",--12345678901234567890]', '["m",12345678901234567890', '{"type":12345678901234567890}', new ArrayBuffer(1)]) {
      assert.throws(() => unpack(text), `${text}`);
    }
  }
});

test("a BigInt goes out as digits, and a text that looks like one as text", async () => {
  const { client, socket } = await readyClient({ protocol: jsonProtocol({ integers: "bigint" }) });
  client.send("m", { n: 9007199254740993n, all: [-1n], text: "123n-5" });
  assert.deepEqual(socket.sent, ['["m",{"n":9007199254740993,"all":[-1],"text":"123n-5"},null]']);
  assert.throws(() => client.send("m", NaN), { code: "wse.client.rp.invalid" });
  const text = await readyClient({ protocol: jsonProtocol({ integers: "text" }) });
  assert.match(await refusal(text.client.call("m", 1n)), /^wse.client.rp.send-failed/);
});

test("a large message is read in little time and without a deep stack", () => {
  const { unpack } = jsonProtocol({ integers: "bigint" });
  const payload = ["\\".repeat(500_000), "x".repeat(5_000_000), ...Array(50_000).fill(1)];
  const text = JSON.stringify(["m", payload]).replace("1]]", "12345678901234567890]]");
  assert.equal(unpack(text)[1].at(-1), 12345678901234567890n);
});
