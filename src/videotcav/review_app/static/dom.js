/** Small helpers: nothing here ever parses text as HTML. */

export const byId = (id) => document.getElementById(id);

/** An element with properties, `class`, `data-…` and `aria-…` attributes, and children (text stays text). */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (name === "class") element.className = value;
    else if (name in element && !name.startsWith("aria")) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** Sets text only where it differs, so that live regions and layout stay quiet. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Says something to people who listen rather than look. */
export function say(text) {
  byId("status").textContent = text;
}

export const plural = (count, word) => `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;

/** A bar of shares: [class, count] pairs of a total. The colours are repeated in words beside it. */
export function fillBar(bar, parts, total) {
  while (bar.children.length < parts.length) bar.append(el("i"));
  parts.forEach(([name, count], index) => {
    const part = bar.children[index];
    if (part.className !== name) part.className = name;
    part.style.width = `${total ? (100 * count) / total : 0}%`;
  });
}
