// As much of a page as React needs to render text.
// The client itself never uses it.

const node = (ownerDocument, extra) => ({
  ownerDocument, nodeType: 1, childNodes: [], addEventListener() {}, removeEventListener() {}, setAttribute() {}, removeAttribute() {},
  appendChild(child) { this.childNodes.push(child); return child; },
  insertBefore(child) { this.childNodes.unshift(child); return child; },
  removeChild(child) { this.childNodes = this.childNodes.filter((other) => other !== child); return child; },
  ...extra,
});

/** Sets the globals, and returns a container for `createRoot` and a function that reads its text. */
export function page() {
  const document = { nodeType: 9, addEventListener() {}, removeEventListener() {}, activeElement: null };
  Object.assign(document, {
    createElement: (name) => node(document, { nodeName: name, tagName: name, namespaceURI: "http://www.w3.org/1999/xhtml", style: {} }),
    createTextNode: (text) => node(document, { nodeType: 3, nodeValue: text }),
    documentElement: {},
  });
  globalThis.window = Object.assign(Object.create(null), { event: undefined, document, HTMLIFrameElement: class {}, addEventListener() {}, removeEventListener() {} });
  globalThis.document = Object.assign(document, { defaultView: window });
  globalThis.navigator ??= { userAgent: "" };
  globalThis.IS_REACT_ACT_ENVIRONMENT = true;
  const container = document.createElement("DIV");
  const text = (at) => at.nodeValue ?? (at.childNodes.length ? at.childNodes.map(text).join("") : (at.textContent ?? ""));
  return { container, shown: () => text(container) };
}
