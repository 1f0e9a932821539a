// The stamps that connect calls with their answers, and the time that is left in them.

/** Returns 96 random bits as 16 characters. They can be guessed where the platform has no `crypto`, as in Node 18. */
export function newStamp(): string {
  const bytes = new Uint8Array(12).map(() => Math.random() * 256);
  globalThis.crypto?.getRandomValues(bytes);
  return btoa(String.fromCharCode(...bytes));
}

/** Returns a stamp without what it says of the time. */
export const baseOf = (stamp: unknown): string => `${stamp}`.replace(/~.{8}$/, "");

/** Returns a stamp that says how many milliseconds are left, in 8 hexadecimal digits. */
export const timed = (stamp: string, left: number): string => `${baseOf(stamp)}~${(left + 2 ** 32).toString(16).slice(1, 9)}`;
