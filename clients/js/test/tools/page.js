// As much of a page as the client listens to: its window, and its document.
// It is gone when the test ends.

/** Sets the globals. Returns the targets of events, and the listeners that are there. */
export function browserPage(t) {
  const scope = new EventTarget();
  const document = new EventTarget();
  const listeners = new Set();
  const counted = (target) => ({
    addEventListener(type, listener) {
      listeners.add(`${type}`);
      EventTarget.prototype.addEventListener.call(target, type, listener);
    },
    removeEventListener(type, listener) {
      listeners.delete(`${type}`);
      EventTarget.prototype.removeEventListener.call(target, type, listener);
    },
  });
  Object.assign(globalThis, counted(scope), { document: Object.assign(document, counted(document)) });
  t.after(() => ["addEventListener", "removeEventListener", "document"].forEach((name) => delete globalThis[name]));
  return { scope, document, listeners };
}
