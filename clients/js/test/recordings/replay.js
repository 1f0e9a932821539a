// Replays a recording of a real npm server against this client. Nothing in here knows what a scenario is about.
// Given what the server sent, the client must send what the real client sent, byte for byte. Only the
// stamps that a client draws and the stacks of JavaScript may differ. An error of a procedure names it once
// more, for the other version: 4.12 has its name as `rpc`, 5.1 as `rp`.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { WseError } from "../../dist/index.js";
import { fakeClient, tick } from "../tools/fake.js";

export const HEY = { hey: "some data" };

/** How long a recorded server takes to answer a call, in milliseconds. */
const THINKS = 30;

/** Returns the recordings in a folder: their names, what they show, and their lines. */
export function recordings(folder) {
  const at = new URL(`../../../../crates/wse/tests/recordings/${folder}/`, import.meta.url);
  const files = readdirSync(at).filter((file) => file.endsWith(".jsonl")).sort();
  return files.map((file) => {
    const [{ note }, ...lines] = readFileSync(new URL(file, at), "utf8").trim().split("\n").map((line) => JSON.parse(line));
    return { scenario: file.slice(0, -6), note, lines };
  });
}

/** The steps of the application on one connection. Each is awaited before the next. */
export const acts = {
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
  /** Jumps, with another identity and meta where they are given. */
  jump: (...who) => async (play) => (play.welcome = play.client.jump("ws://a.test/", ...who)),
  ended: (code, reason) => async (play) => {
    while (!play.closed) await tick();
    assert.deepEqual(play.closed, [code, reason]);
  },
};

const stampOf = (text) => {
  try {
    return JSON.parse(text)[2];
  } catch {
    return null;
  }
};

/** Adds the name that an error answer of a recording does not have. */
const withBothNames = (text, rp) =>
  rp === undefined || !text.startsWith('["~wse:response-err"')
    ? text
    : text
        .replace(/"rpc?":("[^"]*"),"payload"/, '"rp":$1,"rpc":$1,"payload"')
        .replace('.not-registered"}', `.not-registered","details":{"rp":${JSON.stringify(rp)}}}`);

/**
 * Plays a recording: `parts` has what each client is and does, in the order in which they come. With `half`
 * only the server's half is played, because this client never says what the recorded one said.
 */
export async function replay({ scenario, lines }, parts, half) {
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
      // Where no part is left, a client of before dials by itself: it jumps or comes back.
      if (waiting.length) plays.push(begin(waiting.shift()));
      const play = plays.at(-1);
      await until(() => play.sockets.length > play.dialed, at);
      play.dialed++;
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
      const recorded = line.text.replace(/,"stack":"(?:[^"\\]|\\.)*"/, "");
      assert.equal(text, withBothNames(recorded, called.get(stampOf(line.text))), at);
    } else if (dir === "s>c" && line.text !== undefined) {
      const stamp = stampOf(line.text);
      called.set(stamp, JSON.parse(line.text)[0]);
      if (stamps.has(stamp)) await setTimeout(THINKS);
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
function begin({ who, solve = ({ a, b }) => a + b, procedures = {}, options, steps }) {
  const { client, sockets } = fakeClient({ exposeErrors: true, ...options });
  const play = { client, sockets, heard: [], dialed: 0 };
  play.lastLine = new Promise((resolve) => (play.reachLast = resolve));
  client.when.ignored((...message) => play.heard.push(message));
  client.when.closed((...closed) => (play.closed = closed));
  client.challenge((quest) => {
    assert.deepEqual(quest, { a: 1, b: 2 });
    return solve(quest);
  });
  client.register("double", ({ value }) => 2 * value);
  client.register("e", () => { throw new Error("Vanilla error"); });
  client.register("w", () => { throw new WseError("test-err-code", { fun: 1 }); });
  client.register("o", () => { throw { test_field: "nope" }; });
  for (const [rp, procedure] of Object.entries(procedures)) client.register(rp, procedure);
  play.welcome = client.connect(...who);
  play.welcome.catch(() => {});
  play.done = (async () => {
    for (const step of steps) await step(play);
  })();
  play.done.catch(() => {});
  return play;
}
