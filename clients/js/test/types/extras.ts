// Code with stores, an outbox and the server in memory that must compile, and code that must not.

import { WseClient } from "wse-client";
import { outbox, OUTBOX_ERROR } from "wse-client/outbox";
import { createStore, keep, latestOf, presenceOf, roomOf, statusOf, type Store } from "wse-client/stores";
import { stopTime, testServer } from "wse-client/testing";

interface Chat {
  send: { say: string; typing: void };
  channel: { line: { text: string } };
}

export async function uses(storage: Storage) {
  const server = testServer({ sessions: false });
  const client: WseClient<Chat> = keep("chat", () => new WseClient<Chat>({ url: "ws://test", WebSocket: server.WebSocket }));
  const line: Store<{ text: string } | undefined> = latestOf(client, "line");
  line.subscribe((line) => line?.text.length)();
  // @ts-expect-error no such message
  latestOf(client, "lines");
  // @ts-expect-error there may be no message yet
  line.getSnapshot().text;
  const code: number | undefined = statusOf(client).getSnapshot().code;
  const status: "online" | "away" | undefined = presenceOf(client, "r").getSnapshot().get("ann");
  roomOf(client, "r", { leave: "exit" }).getSnapshot().members.size.toFixed();
  createStore(1).set(2);
  // @ts-expect-error a number is needed
  createStore(1).set("2");

  const box = outbox(client, { ids: true, storage, name: "ann", onError: (error, { payload }) => console.error(error.code, payload) });
  await box.send("say", "hello");
  await box.send("typing");
  // @ts-expect-error a text is needed
  void box.send("say", 1);
  // @ts-expect-error no such message
  void box.send("shout", "hello");
  const waiting: readonly { type: string }[] = box.getSnapshot();

  server.register("add", ([a, b], device, signal) => (signal.aborted ? device.identity : a + b));
  server.accept(async (identity) => ({ hello: identity }));
  await stopTime().pass(500);
  return [code, status, waiting, OUTBOX_ERROR.FULL, await server.next("say"), server.received[0]?.[1]];
}
