// A WebSocket that a test controls, and clients that use it. It never touches a network.

import { after } from "node:test";
import { WseClient } from "../../dist/index.js";

/** What a hi that asks for a session says that the client understands. */
export const CAN = ["skip", "cancel", "time", "renew", "move"];

const clients = [];
after(() => clients.forEach((client) => client.close()));

export class FakeSocket {
  sent = [];
  readyState = 0;
  closedWith = undefined;
  constructor(url, protocols, options) {
    Object.assign(this, { url, protocols, options });
  }
  send(data) {
    this.sent.push(data);
  }
  close(code, reason) {
    if (Buffer.byteLength(`${reason}`) > 123) throw new SyntaxError("the reason is too long");
    if (this.readyState > 1) return;
    this.readyState = 2;
    this.closedWith = [code, reason];
  }

  /** The server accepts the upgrade. */
  open() {
    this.readyState = 1;
    this.onopen({});
  }
  /** The server sends an envelope. */
  say(...envelope) {
    this.raw(JSON.stringify(envelope));
  }
  raw(data) {
    this.onmessage({ data });
  }
  /** The connection ends, with a close frame of the server or without one. */
  end(code = 1006, reason = "") {
    this.readyState = 3;
    if (code === 1006) this.onerror({ message: "no route" });
    this.onclose({ code, reason });
  }
  /** Returns what was sent since the last time, decoded. */
  take() {
    return this.sent.splice(0).map((text) => JSON.parse(text));
  }
}

/** Lets everything run that does not wait for a timer or a socket. */
export const tick = () => new Promise((resolve) => setImmediate(resolve));

/** Returns a client, its sockets in the order of their creation, and what its hooks were told, as text. */
export function fakeClient(options = {}) {
  const sockets = [];
  class Socket extends FakeSocket {
    constructor(...args) {
      super(...args);
      sockets.push(this);
    }
  }
  const client = new WseClient({ url: "ws://a.test/", WebSocket: Socket, ...options });
  clients.push(client);
  const told = [];
  client.when.ready((welcome) => told.push(`ready ${typeof welcome === "string" ? welcome : JSON.stringify(welcome)}`));
  for (const event of ["connected", "closed", "updated", "ignored"]) {
    client.when[event]((...args) => told.push([event, ...args.map((arg) => (typeof arg === "string" ? arg : JSON.stringify(arg)))].join(" ")));
  }
  client.when.error((error) => told.push(`error ${error.code} ${error.message}`));
  return { client, sockets, told };
}

/** Returns the same after the welcome. The hi is taken. */
export async function readyClient(options) {
  const fake = fakeClient(options);
  const welcome = fake.client.connect("ann");
  await tick();
  const [socket] = fake.sockets;
  socket.open();
  socket.say("~wse:welcome", { hey: 1 }, null);
  await welcome;
  socket.take();
  fake.told.length = 0;
  return { ...fake, socket };
}

/** Returns a client whose server has asked it this, its socket, and the promise of its welcome. The hi is taken. */
export async function challengedClient(handler, quest = 1) {
  const { client, sockets } = fakeClient();
  client.challenge(handler);
  const welcome = client.connect();
  welcome.catch(() => {});
  await tick();
  const [socket] = sockets;
  socket.open();
  socket.take();
  socket.say("~wse:challenge", quest, null);
  return { client, socket, welcome };
}

/** Resolves to what a promise rejects with, as `code message`. */
export const refusal = (promise) =>
  promise.then(
    (value) => `resolved ${JSON.stringify(value)}`,
    (error) => (error.constructor.name === "WseError" ? `${error.code} ${error.message}` : `no WseError: ${error}`),
  );
