// A promise that is settled from outside. It may never be settled by itself.

import type { WseError } from "./error.js";

/** Who waits for the welcome. */
export interface Deferred {
  promise: Promise<any>;
  resolve(value: unknown): void;
  reject(error: WseError): void;
}

export function deferred(): Deferred {
  let settle!: Omit<Deferred, "promise">;
  const promise = new Promise((resolve, reject) => (settle = { resolve, reject }));
  return { promise, ...settle };
}
