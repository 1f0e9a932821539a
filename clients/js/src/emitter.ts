// Listeners by name, called in the order in which they were added.
// A listener is never lost, and one that fails does not keep the others from being called.

/** Removes the listener. Calling it twice does no harm. */
export type Off = () => void;

type Listener = (...args: any[]) => unknown;

interface Entry {
  name: string;
  listener: Listener;
  once?: boolean;
}

/** Listeners by name, called in the order in which they were added. */
export interface Emitter {
  /** Adds a listener, which stays until it is removed. A listener that was added twice is called twice. */
  on(name: string, listener: Listener, once?: boolean): this;
  /** Adds a listener that is called once. */
  once(name: string, listener: Listener): this;
  /** Removes a listener, once if it was added twice. Without a listener, removes all of that name. */
  off(name: string, listener?: Listener): this;
  /** Adds a listener, calls it with the arguments that it missed, and returns what removes it. */
  when(name: string, listener: Listener, missed?: unknown[] | false): Off;
  /** Calls the listeners of a name. Returns false if there are none. */
  emit(name: string, ...args: unknown[]): boolean;
}

/** `onError` receives what a listener throws or rejects with. */
export function createEmitter(onError: (error: unknown, name: string) => void): Emitter {
  const entries = new Set<Entry>();
  const of = (name: string) => [...entries].filter((entry) => entry.name === name);
  const run = async ({ name, listener }: Entry, args: unknown[]) => {
    try {
      await listener(...args);
    } catch (error) {
      onError(error, name);
    }
  };
  const emitter: Emitter = {
    on(name, listener, once) {
      entries.add({ name, listener, once });
      return emitter;
    },
    once: (name, listener) => emitter.on(name, listener, true),
    off(name, listener) {
      for (const entry of of(name)) {
        if (listener && entry.listener !== listener) continue;
        entries.delete(entry);
        if (listener) break;
      }
      return emitter;
    },
    when(name, listener, missed) {
      const entry = { name, listener };
      entries.add(entry);
      if (missed) void run(entry, missed);
      return () => void entries.delete(entry);
    },
    emit(name, ...args) {
      const called = of(name);
      for (const entry of called) {
        if (entry.once) entries.delete(entry);
        void run(entry, args);
      }
      return called.length > 0;
    },
  };
  return emitter;
}
