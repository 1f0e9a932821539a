// The recordings of the real npm server of 4.12, replayed against this client.

import assert from "node:assert/strict";
import { test } from "node:test";
import { acts, HEY, recordings, replay } from "./replay.js";

const { refused, welcome, send, call, fails, together, hear, closes, jump, rest, ended } = acts;

const secret = (...steps) => [{ who: ["valid-secret", {}], steps: [welcome(HEY), ...steps, closes()] }];
const about = { rpc: "boom", payload: { value: 1 } };
const device = (meta, ...steps) => ({ who: ["valid-secret", meta], steps: [welcome(HEY), ...steps] });
const messages = [{ value: 42, nested: { a: [1, 2] } }, 'text "quoted" ünï', 42, -1.5e300, true, null, undefined, [1, "two", null]];

/** What the application has to do in each recording, by its `note`: a part for every client. */
const PLAYS = {
  "challenge-accepted": [{ who: ["alice", { device: "phone" }], steps: [welcome("hello"), closes()] }],
  "challenge-failed": [{ who: ["alice", {}], solve: () => "wrong", steps: [refused(1000, "wse.not-authorized")] }],
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

const all = recordings("wse");

test("there are at least 27 recordings, and each is replayed, or has a reason why only half of it is", () => {
  assert.ok(all.length >= 27);
  for (const { scenario } of all) assert.ok(scenario in PLAYS || scenario in HALVES, scenario);
});

for (const recording of all) {
  const { scenario, note } = recording;
  const half = HALVES[scenario];
  test(`${scenario}: ${note}${half ? ` (the server's half: ${half})` : ""}`, { timeout: 10_000 }, async () => {
    const steps = HALF_PLAYS[scenario] ?? [refused(1000, "wse.protocol-error")];
    await replay(recording, half ? [{ who: ["valid-secret", {}], steps }] : PLAYS[scenario], Boolean(half));
  });
}
