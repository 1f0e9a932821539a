// Code that must compile and, after `@ts-expect-error`, code that must not. tsc checks it; it never runs.

import WebSocket from "ws";
import { type Arrival, type Contract, type Protocol, WSE_ERROR, WSE_STATUS, WseClient, WseError, type WseStatus } from "wse-client";
import { messages } from "wse-client/messages";

interface Line {
  from: string;
  text: string;
}

interface Chat {
  welcome: { hey: string };
  send: { say: string; typing: void; move: { x: number } };
  channel: { line: Line; left: string };
  call: { add(pair: { a: number; b: number }): number; devices(): number; find(name?: string): Line[] | null; later(ms: number): Promise<string> };
  register: { whoami(): string; double(n: number): number };
}

const chat = new WseClient<Chat>({ url: "ws://a.test/", re: { min: 100 }, resume: false, tO: 5, WebSocket });

export async function typed() {
  const { hey } = await chat.connect("token");
  hey.toUpperCase();
  // @ts-expect-error the welcome has no such field
  (await chat.connect()).nope;
  (await chat.jump("ws://b.test/")).hey;

  chat.send("say", "hello");
  chat.send("typing");
  chat.send("move", { x: 1 });
  // @ts-expect-error no such message
  chat.send("shout", "hello");
  // @ts-expect-error the payload is a string
  chat.send("say", 5);
  // @ts-expect-error the payload is missing
  chat.send("say");
  // @ts-expect-error the payload has another shape
  chat.send("move", { y: 1 });
  // @ts-expect-error only the server sends this message
  chat.send("line", { from: "a", text: "b" });

  chat.send("move", { x: 1 }, { latest: "me", ttl: 500 });
  chat.send("typing", undefined, { latest: 7 });
  // @ts-expect-error no such option
  chat.send("move", { x: 1 }, { last: "me" });
  // @ts-expect-error a key is a text or a number
  chat.send("move", { x: 1 }, { latest: true });
  // @ts-expect-error milliseconds are a number
  chat.send("move", { x: 1 }, { ttl: "500" });

  const five: number = await chat.call("add", { a: 2, b: 3 });
  const devices: number = await chat.call("devices");
  const found: Line[] | null = await chat.call("find", "ann", { timeout: 100, signal: AbortSignal.timeout(5) });
  (await chat.call("find"))?.length;
  const text: string = await chat.call("later", 5);
  void [five, devices, found, text];
  // @ts-expect-error no such procedure
  await chat.call("subtract", { a: 2, b: 3 });
  // @ts-expect-error an argument is missing
  await chat.call("add", { a: 2 });
  // @ts-expect-error the argument is missing
  await chat.call("add");
  // @ts-expect-error the result is a number
  const wrong: string = await chat.call("add", { a: 2, b: 3 });
  // @ts-expect-error no such option
  await chat.call("add", { a: 2, b: 3 }, { timeOut: 5 });
  void wrong;

  chat.channel.on("line", ({ from, text }) => from + text).once("left", (name) => name.length);
  // @ts-expect-error no such message
  chat.channel.on("lines", () => {});
  // @ts-expect-error the payload is an object
  chat.channel.on("line", (line: string) => line);
  for await (const { text } of messages(chat, "line")) text.length;
  // @ts-expect-error no such message
  messages(chat, "say");

  chat.register("whoami", () => "a phone");
  chat.register("double", async (n, stamp) => 2 * n + stamp.length);
  chat.register("double", async (n, _, { aborted, reason }) => (aborted ? reason : n));
  // @ts-expect-error a signal has no such field
  chat.register("double", (n, _, { gone }) => n);
  // @ts-expect-error the result is a number
  chat.register("double", (n) => `${n}`);
  // @ts-expect-error no such procedure
  chat.register("treble", (n: number) => 3 * n);
  // @ts-expect-error no such procedure
  chat.unregister("treble");
}

export function hooks() {
  const off: () => void = chat.when.ready(({ hey }) => hey.length);
  off();
  chat.when.ready((welcome, arrival?: Arrival) => arrival?.resumed || arrival?.lost.toFixed() + welcome.hey);
  // @ts-expect-error no such field
  chat.when.ready((_, { late }) => late);
  chat.when.closed((code, reason) => code.toFixed() + reason.trim());
  chat.when.error(({ code, details }) => code === WSE_ERROR.RP_TIMEOUT && details.rpc);
  chat.when.updated((status: WseStatus) => status === WSE_STATUS.READY);
  chat.when.ignored((type, payload) => type + payload);
  chat.when.connected(() => {});
  // @ts-expect-error no such hook
  chat.when.opened(() => {});
  // @ts-expect-error no such status
  void (chat.status === "OPEN");
  // @ts-expect-error the status is read-only
  chat.status = "READY";
}

/** Without a contract every name is allowed. */
export async function untyped() {
  const client = new WseClient({ url: "ws://a.test/", WebSocket, headers: { a: "b" } });
  const welcome = await client.connect({ token: 1 }, { device: "x" });
  client.send("anything", welcome.whatever);
  client.send("anything");
  const result: number = await client.call("anything", [1], { timeout: 5 });
  await client.call("anything");
  client.channel.on("anything", (payload) => payload.whatever).off("anything");
  client.register("anything", (payload, stamp) => payload.whatever + stamp);
  client.challenge((quest, solve) => solve(quest.a + result));
  // @ts-expect-error a URL is needed
  new WseClient({});
  // @ts-expect-error yes or no
  new WseClient({ url: "ws://a.test/", resume: "no" });
  // @ts-expect-error seconds are a number
  new WseClient({ url: "ws://a.test/", tO: "20" });
  // @ts-expect-error a name is a string
  client.send(5);
}

/** A part that is left out is not checked; an untyped client takes a typed one's place. */
export function partly() {
  const client = new WseClient<{ send: { say: string } }>({ url: "ws://a.test/" });
  void client.call("anything", 1);
  client.channel.on("anything", () => {});
  // @ts-expect-error this part is checked
  client.send("anything");
  const two: WseClient<{ call: { add(a: number, b: number): number } }> = new WseClient({ url: "ws://a.test/" });
  // @ts-expect-error a call has one argument
  void two.call("add", 1);
  const any: WseClient = chat;
  void any;
  // @ts-expect-error parts are objects
  type Wrong = WseClient<{ send: string }>;
  const contract: Contract = {} as Chat;
  void contract;
}

export const protocol: Protocol = {
  name: "mine",
  pack: ({ type, payload, stamp }) => JSON.stringify({ type, payload, stamp }),
  unpack: (data: string) => JSON.parse(data),
  internal_types: { hi: "h", challenge: "c", welcome: "w", response: "r", response_error: "e" },
};
void new WseClient({ url: "ws://a.test/", protocol });
void new WseClient({ url: "ws://a.test/", protocol: { ...protocol, internal_types: { ...protocol.internal_types, ack: "a" } } });
// @ts-expect-error a protocol has a name
void new WseClient({ url: "ws://a.test/", protocol: { pack: protocol.pack, unpack: protocol.unpack } });

export const failure: Error = new WseError("code", { a: 1 }, "text");
