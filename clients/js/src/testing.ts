// A server in memory, for tests of what uses a client: no socket, no port, no timer.
// It speaks the protocol as a real one does: in order, exactly once over a cut, one answer for a call.

import { WSE_ERROR, WseError } from "./error.js";
import type { Socket, SocketConstructor } from "./socket.js";
import { baseOf } from "./stamp.js";

export { stopTime, type Time } from "./time.js";

/** What a {@link testServer} is told. */
export interface TestServerOptions {
  /** Whether clients that ask for a session get one. Default true. */
  sessions?: boolean;
}

/** A client that was welcomed. In a session it stays the same over a cut. */
export interface TestDevice {
  readonly identity: any;
  readonly meta: any;
  /** Sends a message. In a session it waits for the client to come back. */
  send(type: string, payload?: unknown): void;
  /** Calls a procedure of the client. */
  call(rp: string, payload?: unknown): Promise<any>;
  /** Closes the connection with a close frame, and ends the session. */
  close(code?: number, reason?: string): void;
}

/** Decides about a client: returns the payload of its welcome, or a promise of it, or throws to refuse it. */
export type Accept = (identity: any, meta: any) => unknown;

/** Takes a message or a call. `signal` is aborted when the caller waits no more. */
export type TestHandler = (payload: any, device: TestDevice, signal: AbortSignal) => unknown;

/** A server in memory: see {@link testServer}. */
export interface TestServer {
  /** The constructor of sockets that lead here, for the options of a client. */
  readonly WebSocket: SocketConstructor;
  /** Whether it can be reached. An attempt to connect fails while it cannot; connections stay, see {@link cut}. */
  reachable: boolean;
  /** Who is connected, and who may come back to a session. */
  readonly devices: readonly TestDevice[];
  /** The one that was welcomed last. Throws if there is none. */
  readonly device: TestDevice;
  /** How many connections were welcomed, resumed ones too. */
  readonly connections: number;
  /** The messages and calls that have come, in their order: name and payload. */
  readonly received: [name: string, payload: any][];
  /** Sets who is welcomed, and with what. By default everybody is, with `{}`. */
  accept(accept: Accept): void;
  /** Sets what is done with the messages of a type. */
  on(type: string, handler: TestHandler): void;
  /** Sets what answers the calls of a procedure. A `WseError` that it throws reaches the caller. */
  register(rp: string, handler: TestHandler): void;
  /** Sends a message to all devices. */
  send(type: string, payload?: unknown): void;
  /** Resolves to the payload of the next message or call of that name. */
  next(name: string): Promise<any>;
  /** Cuts all connections without a close frame. What is under way is lost, and sent again in a session. */
  cut(): void;
  /** Closes all connections with a close frame. */
  close(code?: number, reason?: string): void;
  /** Forgets all sessions, as a server does that is started anew, and cuts the connections. */
  restart(): void;
}

interface Waiting {
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

/** What the server can do for a client that can it too. */
const CAN = ["skip", "cancel", "time", "renew"];

/** Encodes an envelope of `wse-default-json`. */
const pack = (type: string, payload: unknown = null, stamp: unknown = null) => JSON.stringify([type, payload, stamp]);

/**
 * Returns a server in memory. It sets no timer, so that it works with those of a test runner, and with
 * {@link stopTime}.
 *
 * ```ts
 * const server = testServer();
 * const client = new WseClient({ url: "ws://test", re: true, WebSocket: server.WebSocket });
 * server.register("add", ([a, b]) => a + b);
 * await client.connect("ann");
 * server.send("line", "hello");
 * ```
 */
export function testServer({ sessions = true }: TestServerOptions = {}): TestServer {
  const devices = new Set<Device>();
  const handlers = new Map<string, TestHandler>();
  const wanted: [name: string, resolve: (payload: any) => void][] = [];
  let accepts: Accept = () => ({});
  let last: Device | undefined;
  let count = 0;

  class Device implements TestDevice {
    #socket: Wire | undefined;
    /** Whether what is sent without a connection is kept. */
    #session = false;
    /** What the client has not confirmed, and how many it has. */
    #kept: any[] = [];
    #confirmed = 0;
    #taken = 0;
    #calls = new Map<string, Waiting>();
    #running = new Map<string, AbortController>();
    token = "";
    constructor(
      public identity: any,
      public meta: any,
    ) {}

    /** Whether this device can go on after a client has taken in so much. */
    resumes(seen: number) {
      return seen >= this.#confirmed && seen <= this.#confirmed + this.#kept.length;
    }

    welcome(socket: Wire, { session, can }: any, payload: any, resumed: boolean) {
      this.#socket?.over();
      this.#socket = socket;
      this.#session = sessions && !!session;
      devices.add((last = socket.device = this));
      if (resumed) this.#confirm(session.seen);
      this.token = `T${++count}`;
      const cid = `${payload?.cid ?? this.identity}`;
      const grant = this.#session && { session: this.token, cid, seen: this.#taken, resumed, beat: 0, window: 3_600_000 };
      const both = Array.isArray(can) && { can: can.filter((word) => CAN.includes(word)) };
      socket.deliver(pack("~wse:welcome", payload, grant || both ? { ...grant, ...both } : null));
      for (const packed of this.#kept) socket.deliver(packed);
    }

    #confirm(seen: number) {
      this.#kept.splice(0, seen - this.#confirmed);
      this.#confirmed = Math.max(seen, this.#confirmed);
    }

    #write(type: string, payload?: unknown, stamp?: string) {
      if (!devices.has(this)) throw new WseError(WSE_ERROR.CONNECTION_NOT_READY, { type }, "this device has left");
      const packed = pack(type, payload, stamp);
      if (this.#session) this.#kept.push(packed);
      this.#socket?.deliver(packed);
    }

    send(type: string, payload?: unknown) {
      this.#write(type, payload);
    }

    call(rp: string, payload?: unknown) {
      return new Promise((resolve, reject) => {
        const stamp = `S${++count}`;
        this.#calls.set(stamp, { resolve, reject });
        this.#write(rp, payload, stamp);
      });
    }

    close(code = 1000, reason = "wse.by-server") {
      this.end(code, reason, this.#socket);
    }

    /** The connection is lost. Without a session the device is too. */
    lost() {
      this.#socket = undefined;
      if (!this.#session) this.end();
    }

    end(code = 1006, reason = "", socket?: Wire) {
      devices.delete(this);
      this.#socket = undefined;
      socket?.finish(code, reason);
      for (const { reject } of this.#calls.values()) reject(new WseError(WSE_ERROR.RP_DISCONNECT, { code, reason }));
      for (const running of this.#running.values()) running.abort();
    }

    take(type: string, payload: any, stamp: any) {
      if (!devices.has(this)) return; // it came behind the close frame
      if (type === "~wse:ack") return this.#confirm(payload);
      if (type === "~wse:skip") return void (this.#taken += payload);
      this.#taken++;
      if (this.#session) this.#socket!.deliver(pack("~wse:ack", this.#taken));
      const name = baseOf(stamp);
      const waiting = this.#calls.get(name);
      if (type === "~wse:cancel") this.#running.get(name)?.abort();
      else if (type === "~wse:response") waiting?.resolve(payload);
      else if (type === "~wse:response-err") waiting?.reject(new WseError(payload.code, payload.details, payload.message));
      else void this.#handle(type, payload, stamp);
    }

    async #handle(type: string, payload: any, stamp: any) {
      const probe = type === "~wse:ping";
      if (!probe) {
        server.received.push([type, payload]);
        for (const want of wanted.filter(([name]) => name === type)) {
          wanted.splice(wanted.indexOf(want), 1);
          want[1](payload);
        }
      }
      const controller = new AbortController();
      const handler = handlers.get(`${stamp ? "call" : "message"} ${type}`);
      if (!stamp) return void handler?.(payload, this, controller.signal);
      const name = baseOf(stamp);
      this.#running.set(name, controller);
      try {
        if (!probe && !handler) throw new WseError(WSE_ERROR.RP_NOT_REGISTERED, { rp: type });
        const result = await handler?.(payload, this, controller.signal);
        if (!controller.signal.aborted) this.#write("~wse:response", result, stamp);
      } catch (error: any) {
        const { code = WSE_ERROR.RP_EXECUTION_FAILED, message, details } = Object(error);
        if (!controller.signal.aborted) this.#write("~wse:response-err", { code, message, details }, stamp);
      }
      this.#running.delete(name);
    }
  }

  /** The client's end of a connection. What either side sends arrives a moment later, in order. */
  class Wire implements Socket {
    binaryType = "";
    readyState = 0;
    onopen: Socket["onopen"] = null;
    onmessage: Socket["onmessage"] = null;
    onerror: Socket["onerror"] = null;
    onclose: Socket["onclose"] = null;
    device: Device | undefined;
    #greeted = false;
    #later = Promise.resolve();

    constructor(_url: string, protocols: string[]) {
      this.#soon(() => {
        if (server.reachable && protocols.includes("wse-default-json")) {
          wires.add(this);
          this.readyState = 1;
          this.onopen?.({});
        } else {
          this.onerror?.({ message: "the test server is not reachable, or the client has another protocol than wse-default-json" });
          this.over();
        }
      });
    }

    #soon(run: () => void) {
      this.#later = this.#later.then(() => {
        if (this.readyState < 3) run();
      });
    }

    send(data: any) {
      if (this.readyState === 1) this.#soon(() => this.#read(data));
    }

    #read(data: any) {
      const [type, payload, stamp] = JSON.parse(data);
      if (this.device) return this.device.take(type, payload, stamp);
      if (this.#greeted) return; // a client that waits for its welcome says nothing
      this.#greeted = true;
      void this.#hi(payload);
    }

    async #hi(hi: any) {
      try {
        const payload = await accepts(hi.identity, hi.meta);
        if (this.readyState !== 1) return;
        const asked = sessions && hi.session;
        const known = asked && [...devices].find(({ token }) => token === asked.resume);
        const resumed = !!known && known.resumes(asked.seen);
        if (known && !resumed) known.end();
        server.connections++;
        (resumed ? known : new Device(hi.identity, hi.meta)).welcome(this, hi, payload, resumed);
      } catch (error: any) {
        this.over(1000, (error?.name === "WseError" && error.code) || WSE_ERROR.NOT_AUTHORIZED);
      }
    }

    deliver(packed: any) {
      this.#soon(() => this.onmessage?.({ data: packed }));
    }

    close(code = 1005, reason = "") {
      if (this.readyState > 1) return;
      this.readyState = 2;
      this.#soon(() => {
        this.device?.end(code, reason);
        this.over(code, reason);
      });
    }

    /** The server says that it ends the connection, behind what it has said before. */
    finish(code: number, reason: string) {
      this.#soon(() => this.over(code, reason));
    }

    over(code = 1006, reason = "") {
      if (this.readyState === 3) return;
      wires.delete(this);
      this.readyState = 3;
      this.device?.lost();
      void Promise.resolve().then(() => this.onclose?.({ code, reason }));
    }
  }

  const wires = new Set<Wire>();
  const server = {
    WebSocket: Wire as SocketConstructor,
    reachable: true,
    connections: 0,
    received: [] as [string, any][],
    get devices() {
      return [...devices];
    },
    get device() {
      if (last && devices.has(last)) return last;
      throw new Error("no device is connected: await client.connect() first");
    },
    accept: (accept: Accept) => void (accepts = accept),
    on: (type: string, handler: TestHandler) => void handlers.set(`message ${type}`, handler),
    register: (rp: string, handler: TestHandler) => void handlers.set(`call ${rp}`, handler),
    send: (type: string, payload?: unknown) => devices.forEach((device) => device.send(type, payload)),
    next: (name: string) => new Promise<any>((resolve) => wanted.push([name, resolve])),
    cut: () => wires.forEach((wire) => wire.over()),
    close: (code?: number, reason?: string) => devices.forEach((device) => device.close(code, reason)),
    restart() {
      for (const device of devices) device.end();
      server.cut();
    },
  };
  return server;
}
