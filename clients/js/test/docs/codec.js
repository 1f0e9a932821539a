// As much MessagePack as the snippet of the README needs to run.
// An application uses a package instead.

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Puts a head byte and a length of four bytes in front of the parts. */
const long = (head, length, parts) => [head, length >>> 24, length >>> 16, length >>> 8, length, ...parts].map((byte) => byte & 255);

const bytesOf = (value) => {
  if (value == null) return [0xc0];
  if (typeof value === "boolean") return [value ? 0xc3 : 0xc2];
  if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value < 2 ** 32) return long(0xce, value, []);
  if (typeof value === "number") return [0xcb, ...new Uint8Array(new Float64Array([value]).buffer).reverse()];
  if (typeof value === "string") {
    const text = encoder.encode(value);
    return long(0xdb, text.length, text);
  }
  if (Array.isArray(value)) return long(0xdd, value.length, value.flatMap(bytesOf));
  const entries = Object.entries(value);
  return long(0xdf, entries.length, entries.flat().flatMap(bytesOf));
};

export const encode = (value) => Uint8Array.from(bytesOf(value));

export function decode(data) {
  const view = new DataView(data);
  let at = 0;
  const number = (how, size) => {
    at += size;
    return view[how](at - size);
  };
  const text = (length) => decoder.decode(new Uint8Array(data, (at += length) - length, length));
  const array = (length) => Array.from({ length }, read);
  const map = (length) => Object.fromEntries(Array.from({ length }, () => [read(), read()]));
  const sizes = ["Uint8", "Uint16", "Uint32"];
  const read = () => {
    const head = number("getUint8", 1);
    const length = (first) => number(`get${sizes[head - first]}`, 2 ** (head - first));
    if (head < 0x80) return head;
    if (head < 0x90) return map(head & 15);
    if (head < 0xa0) return array(head & 15);
    if (head < 0xc0) return text(head & 31);
    if (head >= 0xe0) return head - 256;
    if (head === 0xc0) return null;
    if (head === 0xc2 || head === 0xc3) return head === 0xc3;
    if (head === 0xcb) return number("getFloat64", 8);
    if (head >= 0xcc && head <= 0xce) return length(0xcc);
    if (head >= 0xd0 && head <= 0xd2) return number(`getInt${8 << (head - 0xd0)}`, 2 ** (head - 0xd0));
    if (head >= 0xd9 && head <= 0xdb) return text(length(0xd9));
    if (head === 0xdc || head === 0xdd) return array(length(0xdb));
    if (head === 0xde || head === 0xdf) return map(length(0xdd));
    throw new Error(`no MessagePack that is known here: ${head}`);
  };
  return read();
}
