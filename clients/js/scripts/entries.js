// What the entries share: one module at run time, and not a copy in each of them.
// So there is one class of errors, and one registry of stores.

/**
 * A plugin of esbuild, for every entry but the client's own: errors come from that one, and stores from
 * theirs. The client is imported by its name, which says which of its builds it is. A CommonJS module
 * below `dist/cjs` cannot find it so.
 */
export const shared = {
  name: "shared",
  setup({ initialOptions: { format }, onResolve }) {
    onResolve({ filter: /^\.\/error\.js$/ }, () => ({ path: format === "esm" ? "wse-client" : "./index.js", external: true }));
    onResolve({ filter: /^\.\/stores\.js$/ }, () => ({ path: "./stores.js", external: true }));
  },
};
