// Listeners by name. It may never lose one that was added, nor let one that fails keep the others
// from being called.

/** Takes the listener off again; calling it twice does no harm. */
export type Off = () => void;

type Listener = (...args: any[]) => unknown;

interface Entry {
  listener: Listener;
  once?: boolean;
}

/** Listeners by name, called in the order they were added. */
export interface Emitter {
  /** Adds a listener, which stays until it is taken off. Added twice, it is called twice. */
  on(name: string, listener: Listener, once?: boolean): this;
  /** Adds a listener for the next time only. */
  once(name: string, listener: Listener): this;
  /** Takes a listener off, once if it was added twice; without a listener, all of that name. */
  off(name: string, listener?: Listener): this;
  /** Calls whoever listens now. False when nobody does. */
  emit(name: string, ...args: unknown[]): boolean;
}

/** `failed` is told what a listener throws or rejects with. */
export function emitter(failed: (error: unknown, name: string) => void): Emitter {
  const all = new Map<string, Entry[]>();
  const of = (name: string) => all.get(name) ?? [];
  const remove = (name: string, gone?: Entry) => all.set(name, of(name).filter((entry) => entry !== gone));
  /** What it throws is a rejection too. */
  const run = async (listener: Listener, args: unknown[]) => listener(...args);
  const self: Emitter = {
    on(name, listener, once) {
      all.set(name, [...of(name), { listener, once }]);
      return self;
    },
    once: (name, listener) => self.on(name, listener, true),
    off(name, listener) {
      if (listener) remove(name, of(name).find((entry) => entry.listener === listener));
      else all.delete(name);
      return self;
    },
    emit(name, ...args) {
      const listeners = of(name);
      for (const entry of listeners) {
        // The entry, and not the first one of that listener.
        if (entry.once) remove(name, entry);
        run(entry.listener, args).catch((error) => failed(error, name));
      }
      return listeners.length > 0;
    },
  };
  return self;
}
