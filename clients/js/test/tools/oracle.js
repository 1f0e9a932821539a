// A small server of sessions, written after PROTOCOL.md alone.
// It keeps every rule itself, and reports every rule that the client breaks.

import { WebSocketServer } from "ws";

const ACK = "~wse:ack";

/** Starts one on loopback. `beat` and `window` are in milliseconds. `app` gets each message and call once. */
export async function oracle(t, { beat = 0, window = 60_000, app = () => {} } = {}) {
  const http = new WebSocketServer({ port: 0, host: "127.0.0.1", handleProtocols: (offered) => [...offered][0] });
  await new Promise((resolve) => http.once("listening", resolve));
  const server = { url: `ws://127.0.0.1:${http.address().port}/`, sessions: new Map(), breaches: [], his: [], current: null };
  let tokens = 0;
  const breach = (text) => server.breaches.push(text);
  t.after(() => {
    for (const socket of http.clients) socket.terminate();
    http.close();
  });

  const begin = () => ({ kept: [], base: 0, taken: 0, told: 0, tokens: [], socket: null });

  /** Sends in a session: counts and keeps the envelope, and sends it if there is a connection. */
  server.say = (session, ...envelope) => {
    const text = JSON.stringify(envelope);
    session.kept.push(text);
    if (session.socket) session.socket.send(text);
  };

  const confirm = (session, n) => {
    if (!Number.isInteger(n) || n < session.base || n > session.base + session.kept.length) return breach(`ack ${n}`);
    session.kept.splice(0, n - session.base);
    session.base = n;
  };

  const welcome = (socket, { session: asked, identity }) => {
    let session = asked?.resume && server.sessions.get(asked.resume);
    const resumed = Boolean(session) && asked.seen >= session.base && asked.seen <= session.base + session.kept.length;
    if (!resumed) session = begin();
    if (resumed) confirm(session, asked.seen);
    session.socket?.terminate();
    session.socket = socket;
    server.current = session;
    const token = `token-${++tokens}`;
    session.tokens.push(token);
    server.sessions.set(token, session);
    // The previous token is valid until something has come over the new connection.
    socket.once("message", () => {
      for (const old of session.tokens.splice(0, session.tokens.length - 1)) server.sessions.delete(old);
    });
    socket.session = session;
    socket.fresh = resumed;
    const grant = { session: token, cid: identity, seen: session.taken, resumed, beat, window };
    socket.send(JSON.stringify(["~wse:welcome", { hey: 1 }, asked ? grant : null]));
    for (const text of session.kept) socket.send(text);
  };

  http.on("connection", (socket) => {
    let first = true;
    socket.on("message", (data) => {
      const [type, payload, stamp] = JSON.parse(data);
      if (first) {
        first = false;
        server.his.push(payload);
        if (server.onHi?.(socket, payload)) return;
        return welcome(socket, payload);
      }
      const { session } = socket;
      if (socket.fresh && type !== ACK) breach(`${type} before the first ack`);
      socket.fresh = false;
      if (session.socket !== socket) return breach(`${type} on a connection that was replaced`);
      if (type === ACK) return confirm(session, payload);
      session.taken++;
      if (session.taken - session.told >= 32) socket.send(JSON.stringify([ACK, (session.told = session.taken), null]));
      app({ type, payload, stamp, session, server });
    });
    socket.on("close", (code) => {
      const { session } = socket;
      if (session?.socket !== socket) return;
      session.socket = null;
      if (code !== 1006) for (const token of session.tokens) server.sessions.delete(token);
    });
    socket.on("error", () => {});
  });

  /** Cuts all connections without a close frame. */
  server.cut = () => http.clients.forEach((socket) => socket.terminate());
  /** Forgets every session, as a restarted process does. */
  server.forget = () => server.sessions.clear();
  return server;
}
