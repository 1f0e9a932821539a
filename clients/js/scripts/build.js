// Builds `dist/`: a bundle and declarations for ESM, and the same for CommonJS.
// It never bundles React, and no code twice.

import { build } from "esbuild";
import { execFileSync } from "node:child_process";
import { copyFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { shared } from "./entries.js";
import { define, mangleProps } from "./names.js";

process.chdir(new URL("..", import.meta.url).pathname);
rmSync("dist", { recursive: true, force: true });
const common = { bundle: true, target: "es2022", external: ["react"], define };
const extras = ["json", "messages", "outbox", "stores", "testing"].map((name) => `src/${name}.ts`);
const entries = [
  { entryPoints: ["src/index.ts"], mangleProps },
  // The same with sentences and warnings: the condition `development` of the package selects it.
  { entryPoints: { development: "src/index.ts" }, mangleProps, define: { DEVELOPMENT: "true" } },
  { entryPoints: extras, plugins: [shared] },
  // Hooks run in the browser only. Without the directive, a bundler for server components refuses them.
  { entryPoints: ["src/react.ts"], plugins: [shared], banner: { js: '"use client";' } },
];
for (const entry of entries) {
  await build({ ...common, ...entry, format: "esm", outdir: "dist" });
  await build({ ...common, ...entry, format: "cjs", outdir: "dist/cjs" });
}
const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");
execFileSync(process.execPath, [tsc, "-p", "."], { stdio: "inherit" });
for (const file of readdirSync("dist")) if (file.endsWith(".d.ts")) copyFileSync(`dist/${file}`, `dist/cjs/${file}`);
writeFileSync("dist/cjs/package.json", '{ "type": "commonjs" }\n');
