// The functions with which every part of the page uses the document. They never set text as HTML.

export const $ = (id) => document.getElementById(id);

export function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

/** Gives an element the colour of a name. */
export function tint(element, name) {
  let hash = 0;
  for (const char of name) hash = Math.imul(hash ^ char.codePointAt(0), 0x9e3779b1) >>> 0;
  element.style.setProperty("--hue", (hash >>> 8) % 360);
  return element;
}

export function avatar(name) {
  const element = tint(make("span", "avatar", [...name][0].toUpperCase()), name);
  element.ariaHidden = "true";
  return element;
}
