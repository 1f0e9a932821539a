// Bundles the client for the page of the example `chat`, which is built without Node.
// With `--check` it only tells whether the committed bundle is that of the sources. An argument names
// another file than that of the example.

import { build } from "esbuild";
import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { define, mangleProps } from "./names.js";

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const options = process.argv.slice(2);
const check = options.includes("--check");
const file = options.find((option) => option !== "--check") ?? at("../../../crates/wse/examples/chat/wse-client.js");

const { outputFiles } = await build({
  entryPoints: [at("../src/index.ts")],
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  charset: "utf8",
  mangleProps,
  define,
  tsconfig: at("../tsconfig.json"),
  banner: { js: "// The client for JavaScript, bundled: written by clients/js/scripts/chat.mjs, not by hand." },
  write: false,
});
const bundle = outputFiles[0].text;

if (!check) {
  await writeFile(file, bundle);
  console.log(`${file}: ${Buffer.byteLength(bundle)} bytes`);
} else if ((await readFile(file, "utf8").catch(() => "")) !== bundle) {
  console.error(`${file} is not what clients/js/src gives: run \`npm run build:chat\` in clients/js and commit it`);
  process.exitCode = 1;
} else {
  console.log(`${file} is up to date`);
}
