// The CommonJS entries beside the client in a page of jsdom, with Jest's fake timers: how an application tests its components.

const { WseClient } = require("../..");
const { outbox } = require("../../dist/cjs/outbox.js");
const { latestOf, roomOf } = require("../../dist/cjs/stores.js");
const { stopTime, testServer } = require("../../dist/cjs/testing.js");

/** Returns a server in memory, and a client of it. */
const made = () => {
  const server = testServer();
  return { server, client: new WseClient({ url: "ws://test", re: true, WebSocket: server.WebSocket }) };
};

afterEach(() => jest.useRealTimers());

test("the server in memory works with Jest's fake timers, and a session goes on", async () => {
  const { server, client } = made();
  const room = roomOf(client, "kitchen");
  const line = latestOf(client, "line");
  server.register("join", () => null);
  await client.connect("ann");
  jest.useFakeTimers();
  const off = room.subscribe(() => {});
  server.cut();
  server.send("line", "meanwhile");
  await jest.advanceTimersByTimeAsync(500);
  expect([client.status, line.getSnapshot(), room.getSnapshot().joined]).toEqual(["READY", "meanwhile", true]);
  off();
  await jest.advanceTimersByTimeAsync(1);
  expect(server.received).toEqual([["join", "kitchen"], ["leave", "kitchen"]]);
  client.close();
});

test("time of its own passes without Jest's, and an outbox keeps messages in localStorage", async () => {
  const time = stopTime();
  const { server, client } = made();
  server.reachable = false;
  const options = { ids: true, storage: localStorage, name: "ann" };
  outbox(made().client, options).send("say", "hello"); // a page before this one
  expect(localStorage.length).toBe(1);
  const box = outbox(client, options);
  client.connect("ann").catch(() => {});
  server.register("say", () => null);
  await time.pass(60_000);
  expect([client.status, box.getSnapshot().length, server.received]).toEqual(["RE_CONNECTING", 1, []]);
  server.reachable = true;
  await time.pass(20_000);
  expect(server.received).toEqual([["say", [expect.any(String), "hello"]]]);
  expect([box.getSnapshot(), localStorage.length]).toEqual([[], 0]);
  client.close();
  time.end();
});
