// permessage-deflate (RFC 7692) in a real browser: it agrees with a server that compresses, and what is said travels so.

import assert from "node:assert/strict";
import { front } from "../tools/front.js";
import { pageTest, tells } from "./page.js";

/** 80 kB, of which some hundred bytes travel. */
const LONG = "so much ".repeat(10_000);

/** Says something long and hears it. Resolves to how many bytes travelled to the server and back. */
async function talk({ t, bed, page }) {
  const sockets = [];
  const url = await front(t, bed, (socket) => void sockets.push(socket));
  await page.evaluate((url) => window.connect(url), url);
  const before = [sockets[0].bytesRead, sockets[0].bytesWritten];
  for (const payload of ["short", LONG, "ä€😀".repeat(300), "", LONG]) {
    await page.evaluate((payload) => client.send("echo", payload), payload);
    await tells(page, "echo", payload);
  }
  assert.equal(sockets.length, 1);
  return { there: sockets[0].bytesRead - before[0], back: sockets[0].bytesWritten - before[1] };
}

const agreed = (page, url) =>
  page.evaluate(
    (url) =>
      new Promise((resolve, reject) => {
        const socket = new WebSocket(url, "wse-default-json");
        socket.onopen = () => (resolve(socket.extensions), socket.close());
        socket.onerror = reject;
      }),
    url,
  );

pageTest("Chromium agrees with a server that compresses, and long messages travel compressed both ways", { args: ["--compress", "512"] }, async (parts) => {
  const { there, back } = await talk(parts);
  assert.ok(there < 5_000, `${there} bytes to the server`);
  assert.ok(back < 5_000, `${back} bytes from the server`);
  assert.match(await agreed(parts.page, parts.bed.url), /^permessage-deflate; server_no_context_takeover; client_no_context_takeover$/);
});

pageTest("it does not with one that does not, and they travel as they are", {}, async (parts) => {
  const { there, back } = await talk(parts);
  assert.ok(there > 2 * LONG.length, `${there} bytes to the server`);
  assert.ok(back > 2 * LONG.length, `${back} bytes from the server`);
  assert.equal(await agreed(parts.page, parts.bed.url), "");
});
