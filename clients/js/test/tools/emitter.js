// The emitter of the sources, which the package does not export.
// It is bundled when it is imported.

import { build } from "esbuild";

const entry = new URL("../../src/emitter.ts", import.meta.url).pathname;
const { outputFiles } = await build({ entryPoints: [entry], bundle: true, format: "esm", write: false });

export const { createEmitter } = await import(`data:text/javascript,${encodeURIComponent(outputFiles[0].text)}`);
