// The contrast of a page, by the formula of WCAG 2.
// It measures every visible text, every placeholder and every border of a field, and knows nothing of
// how the page is made.

/** Returns all that is too faint: below 4.5 for a text (3 for a large one), below 3 for the border of a field. */
export const faint = (page) =>
  page.evaluate(() => {
    const pen = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
    /** Paints any CSS colour over an opaque one, and returns the result. */
    const over = (color, [r, g, b]) => {
      pen.fillStyle = `rgb(${r} ${g} ${b})`;
      pen.fillRect(0, 0, 1, 1);
      pen.fillStyle = color;
      pen.fillRect(0, 0, 1, 1);
      return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
    };
    const canvas = () => over("canvas", [255, 255, 255]);
    const ground = (element) => {
      const below = element.parentElement ? ground(element.parentElement) : canvas();
      return over(getComputedStyle(element).backgroundColor, below);
    };
    const light = (color) => {
      const [r, g, b] = color.map((part) => (part <= 10.31 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4));
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ratio = (a, b) => {
      const [low, high] = [light(a), light(b)].sort((x, y) => x - y);
      return (high + 0.05) / (low + 0.05);
    };
    const found = new Set();
    let texts = 0;
    const check = (element, color, below, least, what) => {
      texts++;
      const is = ratio(over(color, below), below);
      if (is < least) found.add(`${what}: ${is.toFixed(2)} of ${least}, ${element.localName}#${element.id}.${element.className}`);
    };

    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const text = walker.currentNode.data.trim();
      const element = walker.currentNode.parentElement;
      if (!text || !element.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
      const style = getComputedStyle(element);
      const size = parseFloat(style.fontSize);
      const large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
      check(element, style.color, ground(element), large ? 3 : 4.5, text);
    }
    for (const field of document.querySelectorAll("input, textarea")) {
      if (!field.checkVisibility()) continue;
      if (field.type !== "checkbox") {
        check(field, getComputedStyle(field).color, ground(field), 4.5, "value");
        check(field, getComputedStyle(field, "::placeholder").color, ground(field), 4.5, "placeholder");
      }
      check(field, getComputedStyle(field).borderTopColor, ground(field.parentElement), 3, "border");
    }
    if (texts < 5) found.add("there is nothing to read");
    return [...found];
  });
