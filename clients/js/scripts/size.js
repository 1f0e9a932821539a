// Measures the size of the client: bundled and minified by esbuild, gzipped at level 9.
// It fails if a size is above its limit. `index.ts` is the client with all constants, `client.ts` what `import { WseClient }` costs.

import { build } from "esbuild";
import { gzipSync } from "node:zlib";
import { shared } from "./entries.js";
import { define, mangleProps } from "./names.js";

const CLIENT = ["src/index.ts", "src/client.ts"];
const LIMITS = {
  "src/index.ts": 6080,
  "src/client.ts": 5680,
  "src/json.ts": 1200,
  "src/messages.ts": 300,
  "src/react.ts": 800,
  "src/stores.ts": 1350,
  "src/outbox.ts": 2000,
  "src/testing.ts": 2400,
};

/** Returns the size of one entry, gzipped, in bytes: what it adds to the client and to the entries that it shares code with. */
export async function size(entry) {
  const entryPoints = [new URL(`../${entry}`, import.meta.url).pathname];
  const { outputFiles } = await build({ entryPoints, bundle: true, minify: true, format: "esm", target: "es2022", external: ["react"], define, ...(CLIENT.includes(entry) ? { mangleProps } : { plugins: [shared] }), write: false });
  return gzipSync(outputFiles[0].contents, { level: 9 }).length;
}

for (const [entry, limit] of Object.entries(LIMITS)) {
  const bytes = await size(entry);
  console.log(`${entry}: ${bytes} of ${limit} bytes, minified and gzipped`);
  if (bytes > limit) process.exitCode = 1;
}
