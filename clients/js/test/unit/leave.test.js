// Tests of close and jump, and of the promises that wait meanwhile.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fakeClient, readyClient, refusal, tick } from "../tools/fake.js";

test("close and disconnect say 1000 and the reason, by default wse.by-client, and take effect at once", async () => {
  for (const [leave, args, reason] of [["close", [], "wse.by-client"], ["disconnect", [], "wse.by-client"], ["close", ["bye"], "bye"], ["disconnect", ["bye"], "bye"], ["close", [""], ""]]) {
    const { client, socket, told } = await readyClient({ re: true });
    client[leave](...args);
    assert.deepEqual(socket.closedWith, [1000, reason]);
    assert.equal(client.status, "OFFLINE");
    assert.deepEqual(told, [`closed 1000 ${reason}`, "updated OFFLINE"]);
    client[leave](...args);
    assert.equal(told.length, 2);
  }
});

test("a reason is cut after 123 bytes, at a character", async () => {
  for (const [reason, cut] of [["x".repeat(200), "x".repeat(123)], ["ü".repeat(100), "ü".repeat(61)], ["😀".repeat(40), "😀".repeat(30)]]) {
    const { client, socket } = await readyClient();
    client.close(reason);
    assert.deepEqual(socket.closedWith, [1000, cut]);
  }
});

test("closing before anything was tried is quiet", () => {
  const { client, told } = fakeClient();
  client.close();
  assert.deepEqual([client.status, told], ["OFFLINE", ["updated OFFLINE"]]);
});

test("jump closes with 4000 jump and connects there with the same identity and meta", async () => {
  const { client, socket, sockets, told } = await readyClient();
  const welcome = client.jump("ws://b.test/");
  assert.deepEqual(socket.closedWith, [4000, "jump"]);
  assert.equal(client.url, "ws://b.test/");
  await tick();
  assert.equal(sockets[1].url, "ws://b.test/");
  sockets[1].open();
  assert.deepEqual(sockets[1].take(), [["~wse:hi", { identity: "ann", meta: {} }, null]]);
  sockets[1].say("~wse:welcome", "there", null);
  assert.equal(await welcome, "there");
  assert.deepEqual(told, ["closed 4000 jump", "updated CONNECTING", "connected", "updated READY", "ready there"]);
});

test("jump uses a new identity, and reconnects go to the new server with it", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { client, sockets } = await readyClient({ re: true, resume: false });
  const welcome = client.jump("ws://b.test/", "bob", { device: 2 });
  await tick();
  sockets[1].open();
  sockets[1].say("~wse:welcome", null, null);
  await welcome;
  sockets[1].end();
  t.mock.timers.tick(500);
  await tick();
  sockets[2].open();
  assert.deepEqual([sockets[2].url, sockets[2].take()[0][1]], ["ws://b.test/", { identity: "bob", meta: { device: 2 } }]);
});

test("a jump that fails rejects and leaves the client offline", async () => {
  const { client, sockets } = await readyClient();
  const refused = client.jump("ws://b.test/");
  await tick();
  sockets[1].end(1000, "wse.not-authorized");
  assert.match(await refusal(refused), /^wse.not-authorized/);
  assert.equal(client.status, "OFFLINE");
});

test("jump connects when there is no connection, and settles a connect that waits", async () => {
  const { client, sockets } = fakeClient();
  const connected = client.connect("ann");
  await tick();
  const jumped = client.jump("ws://b.test/");
  await tick();
  assert.deepEqual(sockets[0].closedWith, [4000, "jump"]);
  sockets[1].open();
  sockets[1].say("~wse:welcome", 9, null);
  assert.deepEqual(await Promise.all([connected, jumped]), [9, 9]);
  const idle = fakeClient();
  idle.client.jump("ws://c.test/", "me").catch(() => {});
  await tick();
  assert.equal(idle.sockets[0].url, "ws://c.test/");
  idle.client.close();
});

test("calls in flight fail with the connection, whoever ends it", async () => {
  for (const end of [({ client }) => client.close("x"), ({ socket }) => socket.end(1000, "x"), ({ client }) => client.jump("ws://b.test/").catch(() => {})]) {
    const fake = await readyClient();
    const call = fake.client.call("slow");
    end(fake);
    const error = await call.catch((error) => error);
    assert.equal(error.code, "wse.client.rp.disconnect");
    const { code, reason, disconnected } = error.details;
    assert.ok(code === 4000 || reason === "x");
    assert.deepEqual(disconnected, [code, reason]);
    fake.client.close();
  }
});
