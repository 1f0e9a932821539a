// The recordings of the real npm server of 5.1 where it is not as 4.12, replayed against this client.

import assert from "node:assert/strict";
import { test } from "node:test";
import { acts, HEY, recordings, replay } from "./replay.js";

const { refused, welcome, send, fails, hear, closes, jump, rest, ended } = acts;

const secret = (...steps) => [{ who: ["valid-secret", {}], steps: [welcome(HEY), ...steps, closes()] }];
const jumping = (...steps) => [{ who: ["id-1", { m: 1 }], steps: [welcome("srv"), ...steps, closes()], options: { re: { min: 1, max: 2 }, resume: false } }];
const late = [{ who: ["valid-secret", {}], solve: () => new Promise(() => {}), steps: [refused(1000, "wse.auth-timeout")] }];
const [device] = secret();
const about = { rp: "boom", payload: { value: 1 } };
/** A call that fails with the code of errors that have none of their own. */
const failed = (details) => secret(fails("boom", { value: 1 }, "wse.server.rp.failed", details));
const thrown = (message) => failed({ origin: { message }, ...about });

/** What the application has to do in each recording, by its `note`: a part for every client. */
const PLAYS = {
  "answer-unknown-stamp-to-client": [{ ...device, steps: [async ({ client }) => void client.channel.on("echo", (what) => client.send("echo", what)), ...device.steps] }],
  "auth-timeout-challenged": late,
  "auth-timeout-identify": late,
  "broken-error-answer-to-client": secret(fails("whatever", 1, "wse.server.rp.failed", {}), send("still-here")),
  "call-unencodable": secret(fails("whatever", 1n, "wse.client.rp.send-failed")),
  "challenge-null-solution": [{ who: ["alice", { device: "phone" }], solve: () => null, steps: [welcome("hello"), closes()] }],
  "drop-during-incoming-call": [{ ...device, procedures: { slow: () => new Promise((resolve) => setTimeout(resolve, 20)) }, steps: [welcome(HEY), ended(1000, "wse.by-server"), () => new Promise((resolve) => setTimeout(resolve, 40))] }],
  "jump-bare": jumping(jump("id-2"), welcome("srv"), jump(), welcome("srv")),
  "jump-identity": jumping(jump("id-2", { m: 2 }), welcome("srv")),
  "jump-idle": jumping(closes(), jump(), welcome("srv")),
  "jump-then-reconnect": jumping(jump("id-2"), welcome("srv"), async (play) => {
    while (play.closed[0] === 4000 || play.client.status !== "READY") await rest()();
    assert.deepEqual(play.closed, [1012, "restart"]);
  }),
  "late-answer-to-client": [{ ...secret(fails("slow", 1, "wse.client.rp.timeout"), rest())[0], options: { tO: 0.01 } }],
  "late-answer-to-server": [{ ...device, procedures: { slow: () => "late" } }],
  "rpc-error-custom": failed({ code: "INVALID_USER", test_field: "nope", ...about }),
  "rpc-error-empty-text": thrown(""),
  "rpc-error-from-client": [{ ...device, procedures: { t: () => { throw "boom"; } } }],
  "rpc-error-null": thrown("null"),
  "rpc-error-number": thrown("7"),
  "rpc-error-own-fields": failed({ rp: "mine", rpc: "mine too", payload: "my own" }),
  "rpc-error-text": thrown("boom"),
  "rpc-error-undefined": thrown("undefined"),
  "rpc-error-vanilla": failed({ origin: { name: "Error", message: "Vanilla error", stack: "Error: Vanilla error\n    at <stack>" }, ...about }),
  "rpc-error-wse": secret(fails("boom", { value: 1 }, "test-err-code", { fun: 1, ...about })),
  "rpc-not-registered": secret(rest(), fails("missing-on-server", 1, "wse.server.rp.not-registered", { rp: "missing-on-server" })),
};

const echoed = [{ ...device, steps: [welcome(HEY), hear(["echo", "still here"]), closes()] }];

/** The recordings of which only the server's half can be replayed: why, and what is played. */
const HALVES = {
  "answer-from-another-connection": ["this client answers its own calls only", ["victim", "attacker"].map((name) => ({ who: [name, {}], steps: [welcome(null), closes()] }))],
  "answer-unknown-stamp-to-server": ["this client answers calls and nothing else", echoed],
  "auth-timeout-silent": ["this client always says hi", late],
  "broken-error-answer-to-server": ["an error answer of this client always has a code", echoed],
  "challenge-junk": ["this client sends the solution and nothing else", [{ who: ["alice", {}], steps: [refused(1000, "wse.protocol-error")] }]],
};

const all = recordings("wse5");

test("there are 29 recordings of 5.1, and each is replayed, or has a reason why only half of it is", () => {
  assert.equal(all.length, 29);
  assert.deepEqual(all.map(({ scenario }) => scenario), [...Object.keys(PLAYS), ...Object.keys(HALVES)].sort());
});

for (const recording of all) {
  const { scenario, note } = recording;
  const [half, parts] = HALVES[scenario] ?? [undefined, PLAYS[scenario]];
  test(`${scenario}: ${note}${half ? ` (the server's half: ${half})` : ""}`, { timeout: 10_000 }, () => replay(recording, parts, Boolean(half)));
}
