// Tests of what follows the end of a connection: nothing, or another attempt after a wait.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fakeClient, readyClient, refusal, tick } from "../tools/fake.js";
import { browserPage } from "../tools/page.js";

/** Mocks the timers, which the test moves. The jitter is all of the ceiling by default. */
function still(t, jitter = 1) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  t.mock.method(Math, "random", () => jitter);
  return async (ms) => {
    t.mock.timers.tick(ms);
    await tick();
  };
}

test("a client comes back after exactly these codes", async (t) => {
  const pass = still(t);
  for (const code of [1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 1015, 3000, 4000, 4001, 4999]) {
    const { client, socket, sockets } = await readyClient({ re: true });
    socket.end(code, "why");
    const again = ![1000, 1002, 1003, 1007, 1008, 1009, 1010].includes(code);
    assert.equal(client.status, again ? "RE_CONNECTING" : "OFFLINE", `${code}`);
    await pass(20_000);
    assert.equal(sockets.length, again ? 2 : 1, `${code}`);
    client.close();
  }
});

test("without re it never comes back", async (t) => {
  const pass = still(t);
  const { client, socket, sockets, told } = await readyClient();
  socket.end(1012, "wse.restart");
  await pass(100_000);
  assert.deepEqual([client.status, sockets.length], ["OFFLINE", 1]);
  assert.deepEqual(told, ["closed 1012 wse.restart", "updated OFFLINE"]);
});

test("the ceiling doubles from 500 ms to 20 s and starts over after a welcome", async (t) => {
  const pass = still(t);
  const { socket, sockets } = await readyClient({ re: true });
  socket.end();
  for (const ceiling of [500, 1000, 2000, 4000, 8000, 16_000, 20_000, 20_000]) {
    const before = sockets.length;
    await pass(ceiling - 1);
    assert.equal(sockets.length, before, `${ceiling}`);
    await pass(1);
    assert.equal(sockets.length, before + 1, `${ceiling}`);
    sockets.at(-1).end();
  }
  await pass(20_000);
  sockets.at(-1).open();
  sockets.at(-1).say("~wse:welcome", null, null);
  sockets.at(-1).end();
  const before = sockets.length;
  await pass(500);
  assert.equal(sockets.length, before + 1);
});

test("the wait is drawn evenly from 0 to the ceiling, and the bounds may be given", async (t) => {
  const pass = still(t, 0.5);
  const { socket, sockets } = await readyClient({ re: { min: 100, max: 150 } });
  socket.end();
  for (const wait of [50, 75, 75]) {
    const before = sockets.length;
    await pass(wait - 1);
    assert.equal(sockets.length, before);
    await pass(1);
    assert.equal(sockets.length, before + 1);
    sockets.at(-1).end();
  }
});

test("a reconnect says hi again, and the application sees each step once", async (t) => {
  const pass = still(t);
  const { socket, sockets, told, client } = await readyClient({ re: true, resume: false });
  socket.end(1012, "wse.restart");
  await pass(500);
  sockets[1].open();
  assert.deepEqual(sockets[1].take(), [["~wse:hi", { identity: "ann", meta: {} }, null]]);
  sockets[1].say("~wse:welcome", "again", null);
  assert.deepEqual(told, ["closed 1012 wse.restart", "updated RE_CONNECTING", "connected", "updated READY", "ready again"]);
  assert.equal(client.status, "READY");
});

test("listeners, procedures and hooks stay across reconnects", async (t) => {
  const pass = still(t);
  const { socket, sockets, client } = await readyClient({ re: true });
  const heard = [];
  client.channel.on("m", (message) => heard.push(message));
  client.register("double", (n) => 2 * n);
  socket.end();
  await pass(500);
  sockets[1].open();
  sockets[1].say("~wse:welcome", null, null);
  sockets[1].take();
  sockets[1].say("m", 1, null);
  sockets[1].say("double", 4, "S");
  await tick();
  assert.deepEqual([heard, sockets[1].take()], [[1], [["~wse:response", 8, "S"]]]);
});

test("a first connect with re goes on trying until it is welcomed", async (t) => {
  const pass = still(t);
  const { client, sockets, told } = fakeClient({ re: true });
  const welcome = client.connect();
  await tick();
  sockets[0].end();
  assert.equal(client.status, "RE_CONNECTING");
  await pass(500);
  sockets[1].open();
  sockets[1].say("~wse:welcome", "at last", null);
  assert.equal(await welcome, "at last");
  assert.deepEqual(told, [
    "updated CONNECTING", "closed 1006 ", "updated RE_CONNECTING", "error wse.client.ws-error no route",
    "connected", "updated READY", "ready at last",
  ]);
});

test("a reconnect that is refused is final, and told as an error", async (t) => {
  const pass = still(t);
  const { client, socket, sockets, told } = await readyClient({ re: true });
  socket.end();
  await pass(500);
  sockets[1].open();
  sockets[1].end(1000, "wse.not-authorized");
  assert.equal(client.status, "OFFLINE");
  assert.equal(told.at(-1), "error wse.not-authorized closed: 1000 wse.not-authorized");
  await pass(100_000);
  assert.equal(sockets.length, 2);
});

test("close stops a waiting reconnect, and rejects a connect that waits with it", async (t) => {
  const pass = still(t);
  const { client, sockets } = fakeClient({ re: true });
  const welcome = client.connect();
  await tick();
  sockets[0].end();
  client.close();
  assert.equal(client.status, "OFFLINE");
  assert.equal(await refusal(welcome), "wse.client.connection-closed closed: 1000 wse.by-client");
  await pass(100_000);
  assert.equal(sockets.length, 1);
});

test("connect while waiting tries at once, and both promises get the welcome", async (t) => {
  const pass = still(t);
  const { client, sockets } = fakeClient({ re: true });
  const first = client.connect("old");
  await tick();
  sockets[0].end();
  const second = client.connect("new");
  await tick();
  sockets[1].open();
  assert.equal(sockets[1].take()[0][1].identity, "new");
  sockets[1].say("~wse:welcome", 7, null);
  assert.deepEqual(await Promise.all([first, second]), [7, 7]);
  await pass(100_000);
  assert.equal(sockets.length, 2);
});

test("a closed hook may connect again by itself", async () => {
  const { client, socket, sockets } = await readyClient();
  const statuses = [];
  const off = client.when.closed(() => {
    off();
    client.connect().catch(() => {});
  });
  client.when.updated((status) => statuses.push(status));
  socket.end();
  await tick();
  assert.equal(client.status, "CONNECTING");
  assert.equal(sockets.length, 2);
  assert.deepEqual(statuses, ["READY", "CONNECTING"]);
  client.close();
});

test("it comes back at once when the network is back or the hidden page is looked at", async (t) => {
  const { scope, document, listeners } = browserPage(t);
  still(t);
  for (const wake of [() => scope.dispatchEvent(new Event("online")), () => document.dispatchEvent(new Event("visibilitychange"))]) {
    const { client, socket, sockets } = await readyClient({ re: true });
    socket.end();
    document.hidden = true;
    document.dispatchEvent(new Event("visibilitychange"));
    await tick();
    assert.equal(sockets.length, 1, "hiding the page is no reason");
    document.hidden = false;
    wake();
    await tick();
    assert.equal(sockets.length, 2);
    assert.equal(client.status, "RE_CONNECTING");
    client.close();
  }
  assert.equal(listeners.size, 0);
});

test("listeners on the page are there only while it waits or is connected", async (t) => {
  const { listeners } = browserPage(t);
  const pass = still(t);
  const { client, socket } = await readyClient({ re: true });
  assert.equal(listeners.size, 5, "a connection is probed when the page wakes");
  socket.end();
  assert.equal(listeners.size, 5);
  await pass(500);
  assert.equal(listeners.size, 0);
  client.close();
});

test("the ceiling starts over when the client was closed or the end was final", async (t) => {
  const pass = still(t);
  const { client, sockets } = fakeClient({ re: true });
  for (const end of [() => client.close(), () => sockets.at(-1).end(1000, "wse.by-server")]) {
    client.connect("ann").catch(() => {});
    await tick();
    for (const ceiling of [500, 1000, 2000]) {
      const before = sockets.length;
      sockets.at(-1).end();
      await pass(ceiling - 1);
      assert.equal(sockets.length, before, `${ceiling}`);
      await pass(1);
      assert.equal(sockets.length, before + 1, `${ceiling}`);
    }
    end();
    await tick();
    assert.equal(client.status, "OFFLINE");
  }
});

test("a restart that says when to come back is waited for, with a tenth or 100 ms more at most, and not longer than 5 minutes", async (t) => {
  const pass = still(t);
  for (const [reason, wait] of [["wse.restart after=7000", 7100], ["wse.restart after=900000", 300_100], ["wse.restart after=500 x", 550], ["back after=7000", 7100], ["wse.restart after=soon", 500], ["wse.restart after=5s", 500], ["wse.restart", 500]]) {
    const { client, socket, sockets } = await readyClient({ re: true });
    socket.end(1012, reason);
    await pass(wait - 1);
    assert.equal(sockets.length, 1, reason);
    await pass(1);
    assert.equal(sockets.length, 2, reason);
    sockets[1].end();
    await pass(999);
    assert.equal(sockets.length, 2);
    await pass(1);
    assert.equal(sockets.length, 3, "then as after every failed attempt");
    client.close();
  }
});
