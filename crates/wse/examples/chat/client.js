// The client of this page, and a switch that cuts its network. It does not touch the page.

import { WseClient } from "./wse-client.js";

const url = new URL("ws", location.href);
url.protocol = url.protocol.replace("http", "ws");

/** Bounds of the wait between two attempts, in milliseconds: the client's defaults. */
const re = { min: 500, max: 20_000 };

/** The other modules add their listeners once. They stay across reconnects. */
export const client = new WseClient({ url: url.href, re, WebSocket: Socket });

/** Returns the longest wait before the next attempt. The wait itself is random. */
export const longestWait = (failures) => Math.min(re.max, re.min * 2 ** failures);

// The switch. The client does not know it: it sees a connection that ends, attempts that fail,
// and the event with which a browser says that the network is back.

let socket;
let plugged = true;

/** The constructor that the client uses instead of the browser's `WebSocket`. */
function Socket(url, protocols) {
  return (socket = plugged ? new WebSocket(url, protocols) : new Unplugged());
}

/** The socket of an attempt without a network. It fails after a moment. */
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
