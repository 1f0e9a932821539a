// What every part of the page needs of the document. Text is only ever set as text.

export const $ = (id) => document.getElementById(id);

export function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

/** A colour that belongs to a name. */
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
