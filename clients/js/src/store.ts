// A value that changes, for everybody who shows it: React, Vue and Svelte alike.
// A subscriber that fails does not keep the others from being told.

/** A value that changes: a store as Svelte knows it, and as `useSyncExternalStore` of React takes it. */
export interface Store<T> {
  /** Calls `run` with the value: now, and whenever there is a new one. Returns what ends that. */
  subscribe(run: (value: T) => void): () => void;
  /** Returns the value. It is the same object until there is a new one. */
  getSnapshot(): T;
}

/** A store that its owner changes. */
export interface WritableStore<T> extends Store<T> {
  set(value: T): void;
  /** Whether somebody is subscribed. */
  watched(): boolean;
}

/** Creates a store. `watch` is called when the first subscriber comes, and when the last has left. */
export function createStore<T>(value: T, watch: () => void = () => {}): WritableStore<T> {
  const subscribers = new Set<{ run(value: T): void }>();
  const tell = (subscriber: { run(value: T): void }) => {
    try {
      subscriber.run(value);
    } catch (error) {
      console.error(error);
    }
  };
  return {
    getSnapshot: () => value,
    watched: () => subscribers.size > 0,
    subscribe(run) {
      const subscriber = { run };
      subscribers.add(subscriber);
      if (subscribers.size === 1) watch();
      tell(subscriber);
      return () => void (subscribers.delete(subscriber) && !subscribers.size && watch());
    },
    set(next) {
      value = next;
      [...subscribers].forEach(tell);
    },
  };
}
