/** Many candidates at once. Only the cards in sight exist, so fifty thousand are as quick as fifty. */

import { byId, el, plural, setText } from "./dom.js";
import { ICONS, WORDS, clipUrl, conceptName, firstKind, mine, sourceName, standing, store } from "./store.js";

const NARROWEST = 150;
const GAP = 10;
const UNDER = 46; // pixels for the text below a clip
const MOST_VIDEOS = 48; // browsers limit how many players a page may have
const SETTLE_MS = 90; // clips load once scrolling pauses

let columns = 1;
let side = NARROWEST;
let focused = 0; // position in the list
let anchor = 0; // where a range began
let playing = false;
let settle;
const cards = new Map(); // position → element
const chosen = new Set(); // positions
let opened = () => {};

export function setUpGrid({ onOpen }) {
  opened = onOpen;
  const scroller = byId("cards");
  scroller.addEventListener("scroll", draw, { passive: true });
  new ResizeObserver(() => !byId("grid").hidden && layOut()).observe(scroller);
  byId("canvas").addEventListener("click", (event) => {
    const card = event.target.closest("[data-position]");
    if (!card) return;
    const position = Number(card.dataset.position);
    if (event.detail > 1) open(position);
    else if (event.shiftKey) range(position);
    else toggle(position);
  });
  byId("canvas").addEventListener("pointerover", (event) => hover(event.target.closest("[data-position]")));
  byId("canvas").addEventListener("pointerleave", () => hover(null));
  byId("choose-all").addEventListener("click", chooseAll);
  byId("choose-none").addEventListener("click", chooseNone);
  byId("play-all").addEventListener("click", togglePlaying);
}

export function showGrid() {
  chosen.clear();
  focused = Math.min(store.at, Math.max(0, store.list.length - 1));
  anchor = focused;
  for (const card of cards.values()) drop(card);
  cards.clear();
  layOut();
  reach();
}

export function stopGrid() {
  for (const card of cards.values()) drop(card);
  cards.clear();
}

/** The candidates that a decision is about: the selected ones, or the one in focus. */
export const targets = () =>
  [...(chosen.size ? [...chosen].sort((a, b) => a - b) : [focused])].map((position) => store.list[position]).filter((i) => i !== undefined);

/** After a decision: nothing is selected, and the focus goes past what was decided. */
export function decided() {
  const last = chosen.size ? Math.max(...chosen) : focused;
  chosen.clear();
  focused = Math.min(last + 1, store.list.length - 1);
  anchor = focused;
  draw();
  reach();
}

export function moveFocus(step, { extend = false } = {}) {
  const by = { left: -1, right: 1, up: -columns, down: columns, start: -store.list.length, end: store.list.length }[step];
  const to = Math.min(store.list.length - 1, Math.max(0, focused + by));
  if (extend) range(to);
  else {
    focused = to;
    anchor = to;
  }
  draw();
  reach();
}

export function toggleFocused() {
  toggle(focused);
}

export function openFocused() {
  open(focused);
}

export function chooseAll() {
  for (let position = 0; position < store.list.length; position += 1) chosen.add(position);
  draw();
}

export function chooseNone() {
  chosen.clear();
  draw();
}

export function togglePlaying() {
  playing = !playing;
  byId("play-all").setAttribute("aria-pressed", String(playing));
  draw();
}

function open(position) {
  store.at = position;
  opened();
}

function toggle(position) {
  focused = position;
  anchor = position;
  if (!chosen.delete(position)) chosen.add(position);
  draw();
}

function range(to) {
  for (let position = Math.min(anchor, to); position <= Math.max(anchor, to); position += 1) chosen.add(position);
  focused = to;
  draw();
}

function layOut() {
  const scroller = byId("cards");
  const width = scroller.clientWidth - 2 * GAP;
  let narrowest = Math.min(NARROWEST, (width - GAP) / 2);
  do {
    columns = Math.max(1, Math.floor((width + GAP) / (narrowest + GAP)));
    side = Math.floor((width - (columns - 1) * GAP) / columns);
    narrowest *= 1.15;
  } while (columns > 1 && columns * (Math.ceil(scroller.clientHeight / rowHeight()) + 1) > MOST_VIDEOS);
  const rows = Math.ceil(store.list.length / columns);
  byId("canvas").style.height = `${rows * rowHeight() + GAP}px`;
  for (const card of cards.values()) place(card);
  draw();
}

const rowHeight = () => side + UNDER + GAP;

function reach() {
  const scroller = byId("cards");
  const top = Math.floor(focused / columns) * rowHeight();
  if (top < scroller.scrollTop) scroller.scrollTop = top;
  else if (top + rowHeight() > scroller.scrollTop + scroller.clientHeight) scroller.scrollTop = top + rowHeight() + GAP - scroller.clientHeight;
}

/** Puts the cards in sight into the page, takes the others out, and brings all up to date. */
export function draw() {
  const scroller = byId("cards");
  const first = Math.max(0, Math.floor(scroller.scrollTop / rowHeight())) * columns;
  const last = Math.min(store.list.length, Math.ceil((scroller.scrollTop + scroller.clientHeight) / rowHeight()) * columns);
  for (const [position, card] of cards) {
    if (position < first || position >= last) {
      drop(card);
      cards.delete(position);
    }
  }
  for (let position = first; position < last; position += 1) {
    if (!cards.has(position)) cards.set(position, make(position));
    update(cards.get(position), position);
  }
  scroller.setAttribute("aria-activedescendant", cards.has(focused) ? `card-${focused}` : "");
  const what = settling() ? "settle" : "decide";
  setText(byId("chosen"), store.list.length
    ? `${plural(store.list.length, "candidate")}; ${chosen.size ? `${chosen.size.toLocaleString("en")} selected` : `none selected: keys ${what} on the one in focus`}`
    : "Nothing matches these filters.");
  clearTimeout(settle);
  settle = setTimeout(load, SETTLE_MS);
}

const settling = () => store.filter.show === "conflicts";

function make(position) {
  const i = store.list[position];
  const video = el("video", { muted: true, loop: true, playsInline: true, preload: "auto" });
  video.setAttribute("aria-hidden", "true");
  const card = el("div", { class: "card", role: "option", id: `card-${position}`, "data-position": String(position) },
    video, el("span", { class: "tick", "aria-hidden": "true" }, "✓"),
    el("span", { class: "badge" }), el("span", { class: "name" }, conceptName(i)), el("span", { class: "from" }, sourceName(i)));
  card.setAttribute("aria-setsize", String(store.list.length));
  card.setAttribute("aria-posinset", String(position + 1));
  place(card);
  byId("canvas").append(card);
  return card;
}

function place(card) {
  const position = Number(card.dataset.position);
  card.style.width = `${side}px`;
  card.style.height = `${side + UNDER}px`;
  card.style.transform = `translate(${GAP + (position % columns) * (side + GAP)}px, ${GAP + Math.floor(position / columns) * rowHeight()}px)`;
  card.firstChild.style.height = `${side}px`;
}

function update(card, position) {
  const i = store.list[position];
  const verdict = mine(i)?.verdict;
  card.setAttribute("aria-selected", String(chosen.has(position)));
  card.classList.toggle("focused", position === focused);
  const badge = card.children[2];
  const conflict = settling() && standing(i).outcome === "conflict";
  badge.className = `badge ${conflict ? "conflict" : verdict ?? "none"}`;
  setText(badge, conflict ? "≠ conflict" : verdict ? `${ICONS[verdict]} ${WORDS[verdict]}` : "");
  card.setAttribute("aria-label", `${conceptName(i)}, ${sourceName(i)}, ${conflict ? "conflict" : verdict ? WORDS[verdict] : "not judged"}`);
  const video = card.firstChild;
  if (!video.getAttribute("src")) return;
  if (playing || position === focused) video.play().catch(() => {});
  else video.pause();
}

function load() {
  for (const [position, card] of cards) {
    const i = store.list[position];
    const url = clipUrl(i, firstKind(i));
    if (card.firstChild.getAttribute("src") !== url) card.firstChild.src = url;
    update(card, position);
  }
}

function drop(card) {
  card.firstChild.removeAttribute("src");
  card.firstChild.load(); // gives the player back
  card.remove();
}

function hover(card) {
  for (const [position, each] of cards) {
    if (each === card) each.firstChild.play().catch(() => {});
    else if (!playing && position !== focused) each.firstChild.pause();
  }
}
