// Time that a test moves: timers and the clock stand still until it says so.
// It waits for everything that a timer sets off before it goes to the next one.

/** Time that stands still. */
export interface Time {
  /** Lets so many milliseconds pass: runs each timer at its moment, and what follows from it. */
  pass(ms: number): Promise<void>;
  /** Gives the real timers back. Those that were set meanwhile never fire. */
  end(): void;
}

interface Timer {
  at: number;
  every?: number;
  run(): void;
}

let stopped = false;

/**
 * Stops `setTimeout`, `setInterval` and `Date.now`, for what is called from now on. A test of what waits
 * a minute then takes no time: `await time.pass(60_000)`.
 */
export function stopTime(): Time {
  const scope = globalThis as any;
  if (stopped) throw new Error("time stands still already: end() it first, in every test that has stopped it");
  stopped = true;
  const { setTimeout, clearTimeout, setInterval, clearInterval } = scope;
  const { now } = Date;
  const timers = new Map<number, Timer>();
  let present = now();
  let last = 0;
  const add = (repeats: boolean) => (run: (...args: unknown[]) => void, ms?: number, ...args: unknown[]) => {
    const wait = Math.max(1, Number(ms) || 0);
    timers.set(++last, { at: present + wait, every: repeats ? wait : undefined, run: () => run(...args) });
    return last;
  };
  const remove = (id: any) => void timers.delete(id);
  Object.assign(scope, { setTimeout: add(false), setInterval: add(true), clearTimeout: remove, clearInterval: remove });
  Date.now = () => present;
  // Everything that waits for no timer comes before a real one.
  const settle = () => new Promise<void>((resolve) => setTimeout(resolve));
  return {
    async pass(ms) {
      const end = present + ms;
      for (;;) {
        await settle();
        const [next] = [...timers].filter(([, { at }]) => at <= end).sort(([, a], [, b]) => a.at - b.at);
        if (!next) break;
        const [id, timer] = next;
        present = timer.at;
        if (timer.every) timer.at += timer.every;
        else timers.delete(id);
        timer.run();
      }
      present = end;
    },
    end() {
      stopped = false;
      Object.assign(scope, { setTimeout, clearTimeout, setInterval, clearInterval });
      Date.now = now;
    },
  };
}
