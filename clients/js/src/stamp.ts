// The stamps that connect calls with their answers.

/** Returns 96 random bits as 16 characters. They can be guessed where the platform has no `crypto`, as in Node 18. */
export function newStamp(): string {
  const bytes = new Uint8Array(12).map(() => Math.random() * 256);
  globalThis.crypto?.getRandomValues(bytes);
  return btoa(String.fromCharCode(...bytes));
}
