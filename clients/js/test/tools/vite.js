// An example in a folder of its own, as an application would have it, and Vite in front of it.
// The package is in its node_modules as npm would put it there. Nothing is left behind.

import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createServer } from "vite";

const at = (path) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

/** Starts Vite over a copy of an example. Returns its address, and a function that edits a file of it. */
export async function vite(t, example, env = {}) {
  const root = await mkdtemp(join(tmpdir(), `wse-${example}-`));
  let server;
  t.after(async () => {
    await server?.close();
    await rm(root, { recursive: true });
  });
  await cp(at(`examples/${example}`), root, { recursive: true });
  const modules = join(root, "node_modules");
  await mkdir(join(modules, "wse-client"), { recursive: true });
  for (const name of await readdir(at("node_modules"))) if (!name.startsWith(".")) await symlink(at(`node_modules/${name}`), join(modules, name));
  for (const name of ["package.json", "dist"]) await cp(at(name), join(modules, "wse-client", name), { recursive: true });
  Object.assign(process.env, env);
  server = await createServer({ root, configFile: join(root, "vite.config.mjs"), logLevel: "warn", server: { host: "127.0.0.1", port: 0 } });
  await server.listen();
  return {
    url: `http://127.0.0.1:${server.httpServer.address().port}/`,
    /** Replaces a text that stands in the file once. */
    async edit(file, text, by) {
      const parts = (await readFile(join(root, file), "utf8")).split(text);
      if (parts.length !== 2) throw new Error(`${file} has ${parts.length - 1} times: ${text}`);
      await writeFile(join(root, file), parts.join(by));
    },
  };
}
