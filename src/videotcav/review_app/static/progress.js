/** How far the review is, altogether, by concept and by source; a row is also a filter. */

import { byId, el, fillBar, plural, setText } from "./dom.js";
import { judged, store, tally } from "./store.js";

const MOST_ROWS = 400;
const DELAY_MS = 60;
const PARTS = ["accept", "relabel", "unsure", "reject"];
let picked = () => {};

export function setUpProgress({ onPick }) {
  picked = onPick;
  build("by-concept", store.table.concepts, "concept");
}

/** The rows by source are built after the first clip is on show: there may be many. */
export function buildSources() {
  build("by-source", store.table.sources, "source");
}

function build(id, names, field) {
  const rows = names.slice(0, MOST_ROWS).map((name, index) => {
    const button = el("button", { "aria-pressed": "false", title: name },
      el("span", { class: "name" }, name), el("span", { class: "count" }), el("span", { class: "bar", "aria-hidden": "true" }));
    button.addEventListener("click", () => picked(field, store.filter[field] === index ? -1 : index));
    return el("li", {}, button);
  });
  if (names.length > MOST_ROWS) rows.push(el("li", { class: "more" }, `and ${names.length - MOST_ROWS} more: choose one above`));
  byId(id).replaceChildren(...rows);
}

let due = false;

/** Brings the bars up to date, once the next clip is on show: counting fifty thousand takes a moment. */
export function drawProgress() {
  if (due) return;
  due = true;
  setTimeout(() => {
    due = false;
    draw();
  }, DELAY_MS);
}

function draw() {
  const { concepts, sources, whole } = tally();
  const text = `${judged(whole).toLocaleString("en")} of ${whole.all.toLocaleString("en")} judged`;
  setText(byId("meter-text"), text);
  byId("meter").setAttribute("aria-label", `${text}: ${whole.accept} accepted, ${whole.reject} rejected, ${plural(whole.unsure, "time")} unsure, ${whole.relabel} relabelled`);
  fillBar(byId("meter"), PARTS.map((part) => [part, whole[part]]), whole.all);
  drawRows("by-concept", concepts, store.filter.concept);
  drawRows("by-source", sources, store.filter.source);
}

function drawRows(id, counts, pressed) {
  const rows = byId(id).children;
  for (let n = 0; n < Math.min(rows.length, MOST_ROWS, counts.length); n += 1) {
    const [, count, bar] = rows[n].firstChild.children;
    const now = `${judged(counts[n])}/${counts[n].all}`;
    rows[n].firstChild.setAttribute("aria-pressed", String(n === pressed));
    setText(count, now);
    fillBar(bar, PARTS.map((part) => [part, counts[n][part]]), counts[n].all);
  }
}
