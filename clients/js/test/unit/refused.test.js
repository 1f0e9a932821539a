// Tests of what is refused before it is sent.

import assert from "node:assert/strict";
import { test } from "node:test";
import { WseError } from "../../dist/index.js";
import { fakeClient, readyClient, tick } from "../tools/fake.js";
import { sessionClient, still } from "../tools/session.js";

const nested = (levels) => {
  let value = 1;
  for (let n = 0; n < levels; n++) value = n % 2 ? [value] : { value };
  return value;
};

const unfit = {
  "an ArrayBuffer": new ArrayBuffer(3),
  "a Uint8Array": new Uint8Array(3),
  "a DataView": new DataView(new ArrayBuffer(1)),
  "a Buffer, which has a toJSON": Buffer.from("abc"),
  "a Blob": new Blob(["abc"]),
  "a Map": new Map([["a", 1]]),
  "a Set": new Set([1]),
  NaN: NaN,
  Infinity: Infinity,
  "-Infinity": -Infinity,
  "one of them within": { a: [{ b: new Map() }] },
  "one of them from a toJSON": { toJSON: () => ({ a: NaN }) },
  "128 levels in an envelope": nested(128),
};

const refusedBy = (error) => error instanceof WseError && error.code === "wse.client.rp.invalid" && error.details.type === "m";

test("what JSON cannot carry is refused in send and call, and nothing is sent or kept", async (t) => {
  still(t);
  for (const make of [readyClient, sessionClient]) {
    const { client, socket } = await make();
    for (const [what, payload] of Object.entries(unfit)) {
      assert.throws(() => client.send("m", payload), refusedBy, what);
      await assert.rejects(client.call("m", payload), refusedBy, what);
    }
    assert.deepEqual(socket.take(), []);
    client.send("m", 1);
    socket.say("~wse:ack", make === sessionClient ? 1 : undefined);
    client.close();
  }
});

test("what JSON can carry goes as it did", async () => {
  const { client, socket } = await readyClient();
  class Point {
    x = 1;
  }
  const fit = [nested(127), new Date(0), new Point(), Object.create({ inherited: new Map() }), Object.create(null), { a: undefined, f() {} }, [undefined], new URL("ws://a.test/"), { toJSON: 1 }, [{ toJSON: {} }], -0, "NaN", new Date(NaN), null];
  for (const payload of fit) {
    client.send("m", payload);
    assert.equal(socket.sent.pop(), JSON.stringify(["m", payload, null]));
  }
});

test("a name that is not well-formed is refused", async () => {
  const { client, socket } = await readyClient();
  for (const name of ["\ud83d", "a\ude00", "\ude00\ud83d"]) {
    assert.throws(() => client.send(name), { code: "wse.client.rp.invalid" });
    await assert.rejects(client.call(name), { code: "wse.client.rp.invalid" });
  }
  client.send("😀");
  assert.deepEqual(socket.take(), [["😀", null, null]]);
});

test("an envelope of more bytes than the server takes is refused, and one of exactly so many is sent", async (t) => {
  still(t);
  for (const text of ["x", "ü", "€", "😀", "\ud800"]) {
    const size = (payload) => Buffer.byteLength(JSON.stringify(["m", payload, null]));
    const fits = text.repeat(20);
    const { client, socket } = await sessionClient({ message_bytes: size(fits) });
    client.send("m", fits);
    assert.throws(() => client.send("m", `${fits}x`), refusedBy);
    await assert.rejects(client.call("m", fits), refusedBy, "the stamp is longer than null");
    socket.end();
    assert.throws(() => client.send("m", `${fits}x`), refusedBy, "while the connection is lost, too");
    assert.equal(socket.take().length, 1);
    client.close();
  }
});

test("without a session, or from an older server, no bound is known", async (t) => {
  still(t);
  for (const make of [readyClient, sessionClient]) {
    const { client, socket } = await make();
    client.send("m", "x".repeat(2_000_000));
    assert.equal(socket.take().length, 1);
    client.close();
  }
});

test("the caller of a procedure whose result cannot be sent gets an error, and the application is told", async (t) => {
  still(t);
  const { client, socket, told } = await sessionClient({ message_bytes: 1000 });
  const results = { ...unfit, "more than the server takes": "x".repeat(1000) };
  client.register("rp", (what) => results[what]);
  for (const what of Object.keys(results)) {
    told.length = 0;
    socket.say("rp", what, "S");
    await tick();
    const [[type, { code, details }, stamp]] = socket.take().filter(([type]) => type !== "~wse:ack");
    assert.deepEqual([type, code, details.rp, stamp], ["~wse:response-err", "wse.client.rp.invalid", "rp", "S"], what);
    assert.match(told.join(), /^error wse.server.rp.failed (no JSON: (?!number)|over 1000 bytes)/, what);
  }
  assert.equal(client.status, "READY");
});

test("a server that takes no envelope gets no answer, and the application is told", async (t) => {
  still(t);
  for (const message_bytes of [0, -1, 5]) {
    const { client, socket, told } = await sessionClient({ message_bytes });
    client.register("p", () => 1);
    for (const rp of ["p", "none"]) socket.say(rp, null, "s");
    await tick();
    assert.ok(told.length && told.every((text) => text === `error wse.server.rp.failed over ${message_bytes} bytes`), told.join());
    assert.deepEqual(socket.take(), []);
    client.close();
  }
});

test("another protocol may carry what JSON cannot", async () => {
  const sent = [];
  const protocol = {
    name: "values",
    pack: (envelope) => (sent.push(envelope), new Uint8Array(1)),
    unpack: (data) => data,
    internal_types: { hi: "hi", challenge: "c", welcome: "w", response: "r", response_error: "e" },
  };
  const { client, sockets } = fakeClient({ protocol });
  client.connect().catch(() => {});
  await tick();
  sockets[0].open();
  const bytes = new ArrayBuffer(1);
  sockets[0].raw({ type: "w", byteLength: 1 });
  sent.length = 0;
  for (const payload of [bytes, new Map(), NaN, nested(500)]) client.send("m", payload);
  assert.deepEqual(sent.map(({ payload }) => payload).slice(0, 1), [bytes]);
  assert.equal(sent.length, 4);
  client.close();
});

test("what a protocol cannot decode counts as taken in, and a cut does not bring it again", async (t) => {
  still(t);
  const fake = await sessionClient();
  fake.client.when.error(() => {});
  fake.socket.raw("poison");
  fake.socket.say("m", 1, null);
  fake.socket.end();
  assert.deepEqual([fake.told.length, fake.told[1]], [4, "ignored m 1"]);
  assert.match(fake.told[0], /^error wse.server.msg-processing-error .*poison/);
  const welcome = fake.client.connect();
  await tick();
  fake.sockets[1].open();
  assert.deepEqual(fake.sockets[1].take()[0][1].session, { resume: "T1", seen: 2 });
  fake.client.close();
  await assert.rejects(welcome);
});
