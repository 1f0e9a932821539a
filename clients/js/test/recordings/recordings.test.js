// Replays the recordings of the real npm server against this client.
// Given what the server sent, the client must send what the real client sent, byte for byte. Only the
// stamps that a client draws and the stacks of JavaScript may differ. The error of a call has one field
// more: the procedure's name as `rp`, as npm wse 5 has it, beside the `rpc` of the recordings.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { WseError } from "../../dist/index.js";
import { fakeClient, tick } from "../tools/fake.js";

const FOLDER = new URL("../../../../crates/wse/tests/recordings/wse/", import.meta.url);
const HEY = { hey: "some data" };

/** The steps of the application on one connection. Each is awaited before the next. */
const acts = {
  refused: (code, reason) => async ({ welcome }) => {
    const error = await welcome.catch((error) => error);
    assert.deepEqual([error.code, error.details], [reason === "wse.not-authorized" ? reason : "wse.client.connection-closed", { code, reason }]);
  },
  welcome: (payload) => async ({ welcome }) => assert.deepEqual(await welcome, payload),
  send: (...args) => async ({ client }) => client.send(...args),
  call: (rp, payload, result) => async ({ client }) => assert.deepEqual(await client.call(rp, payload), result),
  fails: (rp, payload, code, details) => async ({ client }) => {
    const error = await client.call(rp, payload).catch((error) => error);
    assert.equal(error.code, code);
    if (details) assert.deepEqual(error.details, details);
  },
  together: (...steps) => (play) => Promise.all(steps.map((step) => step(play))),
  hear: (...messages) => async (play) => {
    while (play.heard.length < messages.length) await tick();
    assert.deepEqual(play.heard.splice(0, messages.length), messages);
  },
  /** Closes the client at the place where it closes in the recording. */
  closes: (reason) => async ({ client, lastLine }) => (await lastLine, client.close(reason)),
  /** Waits until the server has sent what it has to send. */
  rest: () => async () => {
    for (let turns = 0; turns < 20; turns++) await tick();
  },
  jump: () => async (play) => (play.welcome = play.client.jump("ws://a.test/")),
  ended: (code, reason) => async (play) => {
    while (!play.closed) await tick();
    assert.deepEqual(play.closed, [code, reason]);
  },
};
const { refused, welcome, send, call, fails, together, hear, closes, jump, rest, ended } = acts;

const secret = (...steps) => [{ who: ["valid-secret", {}], steps: [welcome(HEY), ...steps, closes()] }];
const about = { rpc: "boom", payload: { value: 1 } };
const device = (meta, ...steps) => ({ who: ["valid-secret", meta], steps: [welcome(HEY), ...steps] });
const messages = [{ value: 42, nested: { a: [1, 2] } }, 'text "quoted" ünï', 42, -1.5e300, true, null, undefined, [1, "two", null]];

/** What the application has to do in each recording, by its `note`: a part for every client. */
const PLAYS = {
  "challenge-accepted": [{ who: ["alice", { device: "phone" }], steps: [welcome("hello"), closes()] }],
  "challenge-failed": [{ who: ["alice", {}], wrong: true, steps: [refused(1000, "wse.not-authorized")] }],
  "challenge-refused-halfway": [{ who: ["alice", {}], steps: [refused(1000, "wse.not-authorized")] }],
  "connect-defaults": [{ who: [], steps: [welcome(null), closes("CUSTOM_REASON")] }],
  "connect-welcome": [device({ user_id: "UID1", client: 1 }, closes())],
  "connection-limit": [
    device({ user_id: "UID1", client: 1 }, ended(1000, "wse.clients-concurrency")),
    device({ user_id: "UID1", client: 2 }, closes()),
    device({ user_id: "UID1", client: 3 }, closes()),
  ],
  drops: [["wse.by-server"], ["custom-reason"], ["BECAUSE"], [""]].map(([reason], n) =>
    device({ user_id: `U${n}` }, send("d", n), ended(1000, reason))),
  jump: [{ who: ["id-1", { m: 1 }], steps: [welcome("srv"), jump(), welcome("srv"), closes()] }],
  "message-unhandled": secret(send("nobody-listens", { value: 42 })),
  "messages-both-ways": secret(...messages.map((message) => send("m", message)), hear(...messages.map((message) => ["echo", message ?? null]))),
  "multi-device-fanout": [
    device({ user_id: "UID1" }, send("hey"), hear(["both", null], ["only", null], ["by-id", 1], ["all", { n: 1 }]), closes()),
    device({ user_id: "UID1" }, hear(["both", null], ["by-id", 1], ["all", { n: 1 }]), closes()),
  ],
  refused: [{ who: ["INVALID", {}], steps: [refused(1000, "wse.not-authorized")] }],
  "rpc-client-to-server": secret(
    call("add", { a: 5, b: 3 }, 8), call("obj", null, { ok: true }), call("nil", null, null), call("undef", 1, null), call("slow", [1, 2], [1, 2])),
  "rpc-disconnect": [device({}, fails("t", null, "wse.client.rp.disconnect", { code: 1000, reason: "user-banned", disconnected: [1000, "user-banned"] }), ended(1000, "user-banned"))],
  "rpc-error-custom": secret(fails("boom", { value: 1 }, "wse.server.rp.failed", { code: "INVALID_USER", test_field: "nope", ...about })),
  "rpc-error-vanilla": secret(fails("boom", { value: 1 }, "wse.server.rp.failed")),
  "rpc-error-wse": secret(fails("boom", { value: 1 }, "test-err-code", { fun: 1, ...about })),
  "rpc-error-from-client": secret(),
  "rpc-server-to-client": secret(),
  "rpc-interleaved": secret(together(call("sleep", 80, 80), call("sleep", 10, 10))),
  "rpc-not-registered": secret(rest(), fails("missing-on-server", 1, "wse.server.rp.not-registered")),
};

/** The recordings of which only the server's half can be replayed, and why. */
const HALVES = {
  "no-subprotocol": "this client always offers its protocol's name",
  "protocol-error-before-hi": "the first message of this client is always a hi",
  "protocol-error-not-hi": "the first message of this client is always a hi",
  "protocol-error-after-welcome": "this client sends whole envelopes only",
  "protocol-error-no-type": "this client sends whole envelopes only",
  "short-envelopes": "this client writes all three places of an envelope",
};
const HALF_PLAYS = {
  "protocol-error-after-welcome": [welcome(HEY), ended(1000, "wse.protocol-error")],
  "protocol-error-no-type": [welcome(HEY), ended(1000, "wse.protocol-error")],
  "short-envelopes": [welcome(HEY), hear(["pong", null]), closes("")],
};

const stampOf = (text) => {
  try {
    return JSON.parse(text)[2];
  } catch {
    return null;
  }
};

/** The error of a call of that procedure, with the one field more. */
const withName = (text, rp) =>
  text.replace('"rpc":', `"rp":${JSON.stringify(rp)},"rpc":`).replace('.not-registered"}', `.not-registered","details":{"rp":${JSON.stringify(rp)}}}`);

async function replay(scenario, lines, parts, half) {
  const stamps = new Map();
  /** The procedures that the server calls, by stamp. */
  const called = new Map();
  const plays = [];
  const conns = new Map();
  const waiting = [...parts];
  let left = lines.length;
  for (const line of lines) {
    const { conn, dir } = line;
    const at = `${scenario}: ${JSON.stringify(line)}`;
    left--;
    if (line.open?.offered) {
      // A jump dials without a new client.
      const again = scenario === "jump" && plays.length > 0;
      if (!again) plays.push(begin(waiting.shift()));
      const play = plays.at(-1);
      await until(() => play.sockets.length > (again ? 1 : 0), at);
      const socket = play.sockets.at(-1);
      if (!half) assert.deepEqual(socket.protocols, line.open.offered, at);
      conns.set(conn, { play, socket });
      continue;
    }
    const { play, socket } = conns.get(conn);
    if ("selected" in (line.open ?? {})) {
      socket.open();
      if (half) assert.equal(socket.take()[0][0], "~wse:hi");
    } else if (dir === "c>s" && line.text !== undefined) {
      if (half) continue;
      await until(() => socket.sent.length > 0, at);
      let text = socket.sent.shift();
      if (!JSON.parse(line.text)[0].startsWith("~wse:") && stampOf(line.text)) {
        stamps.set(stampOf(line.text), stampOf(text));
        text = text.replace(stampOf(text), stampOf(line.text));
      }
      const expected = line.text.replace(/,"stack":"(?:[^"\\]|\\.)*"/, "");
      const rp = called.get(stampOf(line.text));
      assert.equal(text, rp ? withName(expected, rp) : expected, at);
    } else if (dir === "s>c" && line.text !== undefined) {
      const stamp = stampOf(line.text);
      called.set(stamp, JSON.parse(line.text)[0]);
      socket.raw(stamps.has(stamp) ? line.text.replace(stamp, stamps.get(stamp)) : line.text);
      await tick();
    } else if (dir === "s>c") {
      socket.end(line.close.code, line.close.reason);
    } else if (dir === "c>s") {
      play.reachLast();
      await until(() => socket.closedWith, at);
      assert.deepEqual(socket.closedWith, [line.close.code, line.close.reason], at);
    }
  }
  await Promise.all(plays.map(({ done }) => done));
  assert.deepEqual([waiting.length, left], [0, 0]);
  for (const { sockets } of plays) for (const socket of sockets) assert.equal(half ? 0 : socket.sent.length, 0, scenario);
}

async function until(condition, at) {
  for (let turns = 0; !condition(); turns++) {
    assert.ok(turns < 1000, at);
    await tick();
  }
}

/** Starts one client of a recording. */
function begin({ who, wrong, steps }) {
  const { client, sockets } = fakeClient({ exposeErrors: true });
  const play = { client, sockets, heard: [] };
  play.lastLine = new Promise((resolve) => (play.reachLast = resolve));
  client.when.ignored((...message) => play.heard.push(message));
  client.when.closed((...closed) => (play.closed = closed));
  client.challenge((quest) => {
    assert.deepEqual(quest, { a: 1, b: 2 });
    return wrong ? "wrong" : quest.a + quest.b;
  });
  client.register("double", ({ value }) => 2 * value);
  client.register("e", () => { throw new Error("Vanilla error"); });
  client.register("w", () => { throw new WseError("test-err-code", { fun: 1 }); });
  client.register("o", () => { throw { test_field: "nope" }; });
  play.welcome = client.connect(...who);
  play.welcome.catch(() => {});
  play.done = (async () => {
    for (const step of steps) await step(play);
  })();
  play.done.catch(() => {});
  return play;
}

const scenarios = readdirSync(FOLDER).filter((file) => file.endsWith(".jsonl")).sort();

test("there are at least 27 recordings, and each is replayed, or has a reason why only half of it is", () => {
  assert.ok(scenarios.length >= 27);
  for (const file of scenarios) assert.ok(file.slice(0, -6) in PLAYS || file.slice(0, -6) in HALVES, file);
});

for (const file of scenarios) {
  const scenario = file.slice(0, -6);
  const [head, ...lines] = readFileSync(new URL(file, FOLDER), "utf8").trim().split("\n").map((line) => JSON.parse(line));
  const half = HALVES[scenario];
  test(`${scenario}: ${head.note}${half ? ` (the server's half: ${half})` : ""}`, { timeout: 10_000 }, async () => {
    const steps = HALF_PLAYS[scenario] ?? [refused(1000, "wse.protocol-error")];
    await replay(scenario, lines, half ? [{ who: ["valid-secret", {}], steps }] : PLAYS[scenario], Boolean(half));
  });
}
