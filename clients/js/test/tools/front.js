// A way to the testbed that can answer in its place.

import { connect, createServer } from "node:net";

/** Returns the address of that way. `takes` is given each connection, and returns true for one that it keeps. */
export async function front(t, bed, takes) {
  const sockets = new Set();
  const server = createServer((socket) => {
    sockets.add(socket.on("error", () => {}));
    if (takes(socket)) return;
    const back = connect(Number(bed.port), "127.0.0.1").on("error", () => {});
    socket.pipe(back).pipe(socket);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return `ws://127.0.0.1:${server.address().port}/`;
}
