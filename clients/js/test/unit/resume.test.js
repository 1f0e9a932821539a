// Tests of sessions over real sockets, against a small server that follows PROTOCOL.md alone.

import assert from "node:assert/strict";
import { test } from "node:test";
import WebSocket from "ws";
import { WseClient } from "../../dist/index.js";
import { oracle } from "../tools/oracle.js";

const bounded = { timeout: 30_000 };

function device(t, url, options) {
  const client = new WseClient({ url, WebSocket, re: { min: 5, max: 20 }, ...options });
  t.after(() => client.close());
  return client;
}

/** Resolves to what the next welcome after a cut tells about the session. */
const back = (client) => new Promise((resolve) => {
  const off = client.when.updated((status) => {
    if (status !== "RE_CONNECTING") return;
    off();
    client.when.ready((_, arrival) => resolve(arrival));
  });
});

/** Waits until a condition holds that no event reports. */
const until = async (condition) => {
  while (!condition()) await new Promise(setImmediate);
};

test("messages, calls and answers of both directions cross cuts at any moment once and in order", bounded, async (t) => {
  const TOTAL = 2000;
  const [up, down, answers] = [[], [], []];
  const app = ({ type, payload, stamp, session, server }) => {
    if (type === "up") up.push(payload);
    if (type === "add") server.say(session, "~wse:response", payload + 1, stamp);
    if (type === "~wse:response") answers.push([stamp, payload]);
  };
  const server = await oracle(t, { app });
  const client = device(t, server.url);
  client.channel.on("down", (n) => down.push(n));
  client.register("double", async (n) => (await new Promise((resolve) => setTimeout(resolve, n % 7)), 2 * n));
  await client.connect("ann");
  const { current: session } = server;
  const calls = [];
  let cuts = 0;
  for (let n = 0; n < TOTAL; n++) {
    client.send("up", n);
    server.say(session, "down", n);
    if (n % 10 === 0) calls.push(client.call("add", n));
    if (n % 10 === 5) server.say(session, "double", n, `S${n}`);
    if (n % 40 === 39) {
      cuts++;
      server.cut();
    }
    if (n % 3 === 0) await new Promise((resolve) => setTimeout(resolve, n % 4));
  }
  const expected = Array.from({ length: TOTAL }, (_, n) => n);
  assert.deepEqual(await Promise.all(calls), expected.filter((n) => n % 10 === 0).map((n) => n + 1));
  await client.call("add", 1);
  await until(() => answers.length === TOTAL / 10 && down.length === TOTAL);
  assert.deepEqual([up, down], [expected, expected]);
  assert.deepEqual(answers.map(([stamp, doubled]) => 2 * Number(stamp.slice(1)) === doubled), Array(TOTAL / 10).fill(true));
  assert.equal(new Set(answers.map(([stamp]) => stamp)).size, TOTAL / 10);
  assert.deepEqual([server.breaches, server.current === session, cuts], [[], true, TOTAL / 40]);
});

test("a connection that is cut before, within and right behind the welcome resumes by the token it has", bounded, async (t) => {
  const heard = [];
  const server = await oracle(t, { app: ({ payload }) => heard.push(payload) });
  const client = device(t, server.url);
  await client.connect("ann");
  const { current: session } = server;
  let tries = 0;
  server.onHi = (socket) => {
    tries++;
    if (tries % 3 === 1) return socket.terminate(), true;
    if (tries < 9) setTimeout(() => socket.terminate(), tries % 3);
  };
  client.send("m", 1);
  server.cut();
  client.send("m", 2);
  const arrival = await back(client);
  await until(() => heard.length === 2 && tries === 9);
  assert.deepEqual([heard, arrival, server.breaches, server.current === session], [[1, 2], { resumed: true, lost: 0 }, [], true]);
});

test("a server that has forgotten the session grants a new one, and the client is told", bounded, async (t) => {
  const server = await oracle(t);
  const client = device(t, server.url);
  await client.connect("ann");
  client.send("m", 1);
  const call = client.call("never").catch((error) => error.code);
  server.forget();
  const arrival = back(client);
  server.cut();
  client.send("m", 2);
  assert.deepEqual(await arrival, { resumed: false, lost: 3 });
  assert.equal(await call, "wse.client.rp.disconnect");
  assert.deepEqual(server.his.map(({ session }) => Object.keys(session)), [[], ["resume", "seen"]]);
});

test("a close of this client ends the session on the server", bounded, async (t) => {
  const server = await oracle(t);
  const client = device(t, server.url);
  await client.connect("ann");
  client.close();
  await until(() => server.sessions.size === 0);
  await client.connect("ann");
  assert.deepEqual(server.his.map(({ session }) => session), [{}, {}]);
});
