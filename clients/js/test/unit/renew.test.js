// Tests of an identity that the server asks for anew on the open connection.

import assert from "node:assert/strict";
import { test } from "node:test";
import { WseError } from "../../dist/index.js";
import { fakeClient, tick } from "../tools/fake.js";

async function connected(identity) {
  const fake = fakeClient();
  const welcome = fake.client.connect(identity);
  await tick();
  fake.sockets[0].open();
  fake.sockets[0].say("~wse:welcome", null, { can: ["renew"] });
  await welcome;
  fake.sockets[0].take();
  return { ...fake, socket: fake.sockets[0] };
}

test("a client is asked for its identity anew, and answers what its function gives or the value that it has", async () => {
  let asked = 0;
  for (const [identity, answers] of [["ann", ["ann", "ann"]], [async () => `token ${++asked}`, ["token 2", "token 3"]], [null, [null, null]]]) {
    const { client, socket, told } = await connected(identity);
    const before = told.length;
    for (const stamp of ["S1", "S2~00001388"]) socket.say("~wse:identity", null, stamp);
    await tick();
    assert.deepEqual(socket.take(), [["~wse:response", answers[0], "S1"], ["~wse:response", answers[1], "S2~00001388"]]);
    assert.deepEqual([client.status, told.length], ["READY", before], "the application sees nothing of it");
  }
});

test("an identity function that throws is an error for the server, without its text, and is reported", async () => {
  let thrown;
  const { client, socket, told } = await connected(() => {
    if (thrown) throw thrown;
    return "token";
  });
  for (const [error, code] of [[new Error("secret"), "wse.server.rp.failed"], [new WseError("logged-out"), "logged-out"]]) {
    thrown = error;
    socket.say("~wse:identity", null, "S1");
    await tick();
    const [[type, answer, stamp]] = socket.take();
    assert.deepEqual([type, answer.code, stamp, JSON.stringify(answer).includes("secret")], ["~wse:response-err", code, "S1", false]);
  }
  assert.deepEqual([client.status, told.at(-1)], ["READY", "error wse.server.rp.failed secret"]);
});

test("an application cannot take the call away", async () => {
  const { client, socket } = await connected("ann");
  assert.throws(() => client.unregister("~wse:identity"), { code: "wse.server.rp.not-registered" });
  socket.say("~wse:identity", null, "S1");
  await tick();
  assert.deepEqual(socket.take(), [["~wse:response", "ann", "S1"]]);
});
