// The client of this page, and a switch that cuts its network. Nothing here touches the page.

import { WseClient } from "./wse-client.js";

const url = new URL("ws", location.href);
url.protocol = url.protocol.replace("http", "ws");

/** Bounds of the wait between two attempts, in milliseconds: those that the client has by itself. */
const re = { min: 500, max: 20_000 };

/** Whatever listens is added once, by the other modules, and stays over every reconnect. */
export const client = new WseClient({ url: url.href, re, WebSocket: Socket });

/** The longest that the client waits before the next attempt; the wait itself is drawn by lot. */
export const longestWait = (failures) => Math.min(re.max, re.min * 2 ** failures);

// The switch. The client is not told of it: it sees a connection that ends, attempts that fail,
// and the event with which a browser says that the network is back.

let socket;
let plugged = true;

/** What the client dials with instead of the browser's WebSocket. */
function Socket(url, protocols) {
  return (socket = plugged ? new WebSocket(url, protocols) : new Unplugged());
}

/** An attempt without a network: it fails after a moment. */
class Unplugged {
  constructor() {
    setTimeout(() => this.onclose({ code: 1006, reason: "" }));
  }

  close() {}
}

export function switchNetwork(on) {
  plugged = on;
  if (on) dispatchEvent(new Event("online"));
  else socket?.close();
}
