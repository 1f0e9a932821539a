// Measures what a page pays: bundled and minified by esbuild, gzipped at level 9. It fails when
// that is above the limit.

import { build } from "esbuild";
import { gzipSync } from "node:zlib";

const LIMITS = { "src/index.ts": 4600, "src/react.ts": 800 };

/** Bytes of one entry, gzipped. */
export async function size(entry) {
  const entryPoints = [new URL(`../${entry}`, import.meta.url).pathname];
  const { outputFiles } = await build({ entryPoints, bundle: true, minify: true, format: "esm", target: "es2022", external: ["react"], write: false });
  return gzipSync(outputFiles[0].contents, { level: 9 }).length;
}

for (const [entry, limit] of Object.entries(LIMITS)) {
  const bytes = await size(entry);
  console.log(`${entry}: ${bytes} of ${limit} bytes, minified and gzipped`);
  if (bytes > limit) process.exitCode = 1;
}
