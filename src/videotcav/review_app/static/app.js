/** Where the page begins: loads the candidates, shows one or many, sends decisions, follows the others. */

import { newGesture, onQueue, read, unsaved, write } from "./api.js";
import { askLabel, askName, dialogIsOpen, setUpDialogs, showHelp, showSummary } from "./dialogs.js";
import { byId, el, plural, say, setText } from "./dom.js";
import * as grid from "./grid.js";
import { HELP, setUpKeys } from "./keys.js";
import * as one from "./one.js";
import { buildSources, drawProgress, setUpProgress } from "./progress.js";
import { WORDS, conceptName, current, learn, mine, nextPosition, refilter, settling, standing, store, total } from "./store.js";

const FOLLOW_MS = 4000;
const MOST_AT_ONCE = 1000;
let inGrid = false;

// --- showing ---------------------------------------------------------------------------------------------------

function show() {
  const nothing = store.list.length === 0 || store.at >= store.list.length;
  byId("one").hidden = inGrid || nothing;
  byId("grid").hidden = !inGrid;
  byId("done").hidden = inGrid || !nothing;
  for (const name of ["accept", "reject", "unsure", "relabel"]) byId(name).disabled = nothing && (!inGrid || !store.list.length);
  setText(byId("view-word"), inGrid ? "One" : "Grid");
  document.body.classList.toggle("in-grid", inGrid);
  if (inGrid) {
    one.stopOne();
    grid.showGrid();
  } else if (nothing) {
    one.stopOne();
    showDone();
  } else {
    one.showOne();
  }
  drawProgress();
}

function showDone() {
  const left = countOf("todo");
  const conflicts = countOf("conflicts");
  const judged = total() - left;
  setText(byId("done-title"), left === 0 ? "Everything is judged." : store.list.length ? "That was the last one of this list." : "Nothing here.");
  setText(byId("done-text"), `You have judged ${judged.toLocaleString("en")} of ${plural(total(), "candidate")}.`
    + (conflicts ? ` ${plural(conflicts, "conflict")} with others to settle.` : ""));
  const choice = (text, key, action) => {
    const button = el("button", {}, text, " ", el("kbd", {}, key));
    button.addEventListener("click", action);
    return button;
  };
  const choices = [];
  if (left && !(store.filter.show === "todo" && !narrowed())) choices.push(choice(`Show the ${left.toLocaleString("en")} still to do`, "D", showTodo));
  if (conflicts && !settling()) choices.push(choice("Settle conflicts", "C", act.conflicts));
  choices.push(choice("Summary and export", "P", act.summary));
  byId("done-next").replaceChildren(...choices);
}

const narrowed = () => store.filter.concept >= 0 || store.filter.source >= 0 || store.filter.kind >= 0;

function countOf(showing) {
  let count = 0;
  for (let i = 0; i < total(); i += 1) count += showing === "todo" ? mine(i) === undefined : standing(i).outcome === "conflict";
  return count;
}

function showTodo() {
  setFilter({ show: "todo", concept: -1, kind: -1, source: -1 });
}

function setFilter(changes) {
  const keep = current();
  Object.assign(store.filter, changes);
  for (const name of ["show", "concept", "kind", "source"]) byId(name).value = String(store.filter[name]);
  refilter(keep);
  show();
  say(`${plural(store.list.length, "candidate")} in the list.`);
}

function setView(wanted) {
  if (inGrid && !wanted) grid.stopGrid();
  inGrid = wanted;
  show();
  byId(inGrid ? "cards" : "main").focus({ preventScroll: true });
}

function go(position) {
  store.at = Math.max(0, Math.min(store.list.length, position));
  show();
}

// --- deciding --------------------------------------------------------------------------------------------------

async function decide(verdict, event) {
  if (store.list.length === 0 || (!inGrid && store.at >= store.list.length)) return;
  if (!inGrid && !one.isSeen()) {
    flash("wait for the clip");
    return;
  }
  const chosen = inGrid ? grid.targets() : [current()];
  if (!chosen.length) return;
  let label = null;
  if (verdict === "relabel") {
    label = await askLabel(chosen.length === 1 ? conceptName(chosen[0]) : undefined);
    if (label === null) return;
  }
  one.keyPressed(event?.timeStamp && verdict !== "relabel" ? event.timeStamp : 0);
  const keys = chosen.map((i) => store.table.key[i]);
  const settles = settling();
  const opinion = { verdict, label };
  if (!settles) for (const key of keys) store.ahead.set(key, opinion);
  const word = label ? `${WORDS[verdict]} as ${label}` : WORDS[verdict];
  say(`${chosen.length === 1 ? conceptName(chosen[0]) : plural(chosen.length, "candidate")} ${word}.`);
  if (inGrid) {
    grid.decided();
    drawProgress();
  } else {
    go(nextPosition());
  }
  const gesture = newGesture();
  for (let start = 0; start < keys.length; start += MOST_AT_ONCE) {
    send(keys.slice(start, start + MOST_AT_ONCE), { reviewer: store.me, verdict, label, settles, gesture }, opinion);
  }
}

async function send(keys, request, opinion) {
  try {
    learn((await write("/api/decisions", { ...request, keys })).standings);
  } catch (error) {
    trouble(`Not saved: ${error.message}`);
  }
  for (const key of keys) if (store.ahead.get(key) === opinion) store.ahead.delete(key);
  drawAgain();
}

async function undo() {
  try {
    const { standings } = await write("/api/undo", { reviewer: store.me, gesture: newGesture() });
    learn(standings);
    const keys = Object.keys(standings);
    if (!keys.length) {
      say("Nothing is left to undo.");
      flash("Nothing is left to undo");
      return;
    }
    say(`Undone: ${plural(keys.length, "candidate")}.`);
    flash(`Undone: ${plural(keys.length, "decision")}`);
    const back = store.table.key.indexOf(keys[0]);
    if (inGrid) {
      grid.draw();
      drawProgress();
      return;
    }
    if (!store.list.includes(back)) {
      const position = Math.min(store.at, store.list.length);
      store.list.splice(position, 0, back);
    }
    go(store.list.indexOf(back));
  } catch (error) {
    trouble(`Not undone: ${error.message}`);
  }
}

function drawAgain() {
  if (inGrid) grid.draw();
  else if (!byId("one").hidden) one.drawVerdict();
  drawProgress();
}

// --- following the others, saying how it goes ------------------------------------------------------------------

async function catchUp() {
  const { last, standings } = await read(`/api/standings?after=${store.last}`);
  store.last = last;
  learn(standings);
  return Object.keys(standings).length > 0;
}

async function follow() {
  try {
    if (!document.hidden && !unsaved() && (await catchUp())) drawAgain();
    if (!unsaved()) trouble("");
  } catch (error) {
    trouble(`The review server does not answer. ${error.message}`);
  }
  setTimeout(follow, FOLLOW_MS);
}

function trouble(sentence) {
  setText(byId("trouble"), sentence);
  byId("trouble").hidden = !sentence;
}

let flashing;

function flash(text) {
  setText(byId("saved"), text);
  clearTimeout(flashing);
  flashing = setTimeout(() => setText(byId("saved"), unsaved() ? "saving …" : "saved"), 1800);
}

// --- beginning -------------------------------------------------------------------------------------------------

const act = {
  accept: (event) => decide("accept", event),
  reject: (event) => decide("reject", event),
  unsure: (event) => decide("unsure", event),
  relabel: (event) => decide("relabel", event),
  undo,
  back: (event) => {
    one.keyPressed(event.timeStamp);
    if (store.at > 0) go(store.at - 1);
  },
  forward: (event) => {
    one.keyPressed(event.timeStamp);
    if (store.at < store.list.length) go(store.at + 1);
  },
  ...Object.fromEntries([1, 2, 3, 4, 5].map((n) => [`kind${n}`, () => !byId("one").hidden && one.showKind(n - 1)])),
  nextKind: () => !byId("one").hidden && one.nextKind(),
  slower: () => one.changeSpeed(-1),
  faster: () => one.changeSpeed(1),
  pause: () => one.togglePause(),
  view: () => setView(!inGrid),
  filters: () => {
    toggleFilters(true);
    byId("show").focus();
  },
  conflicts: () => setFilter({ show: settling() ? "todo" : "conflicts" }),
  todo: showTodo,
  summary: () => showSummary({ onImport: async () => (await catchUp()) && drawAgain() }),
  help: () => showHelp(HELP),
  left: (event) => grid.moveFocus("left", { extend: event.shiftKey }),
  right: (event) => grid.moveFocus("right", { extend: event.shiftKey }),
  up: (event) => grid.moveFocus("up", { extend: event.shiftKey }),
  down: (event) => grid.moveFocus("down", { extend: event.shiftKey }),
  start: (event) => grid.moveFocus("start", { extend: event.shiftKey }),
  end: (event) => grid.moveFocus("end", { extend: event.shiftKey }),
  toggle: grid.toggleFocused,
  open: grid.openFocused,
  chooseAll: grid.chooseAll,
  chooseNone: grid.chooseNone,
  playAll: grid.togglePlaying,
};

function toggleFilters(open) {
  document.body.classList.toggle("filters-open", open);
  byId("filters-toggle").setAttribute("aria-expanded", String(open));
}

async function changeName() {
  await askName(store.me);
  setText(byId("me"), store.me);
  store.ahead.clear();
  setFilter({});
}

function fillSelect(id, names) {
  byId(id).append(...names.map((name, index) => el("option", { value: String(index) }, name)));
}

function connect() {
  for (const name of ["accept", "reject", "unsure", "relabel", "undo", "back", "forward", "view", "help"]) {
    byId(name).addEventListener("click", (event) => act[name](event));
  }
  byId("open-summary").addEventListener("click", act.summary);
  byId("me").addEventListener("click", changeName);
  byId("filters-toggle").addEventListener("click", () => toggleFilters(!document.body.classList.contains("filters-open")));
  for (const name of ["show", "concept", "kind", "source"]) {
    byId(name).addEventListener("change", () => setFilter({ [name]: name === "show" ? byId(name).value : Number(byId(name).value) }));
  }
  onQueue(({ waiting, trouble: sentence }) => {
    clearTimeout(flashing);
    setText(byId("saved"), waiting ? `saving ${waiting.toLocaleString("en")} …` : "saved");
    if (sentence || !waiting) trouble(sentence);
  });
  setUpKeys(act, () => inGrid);
}

async function begin() {
  const [session, table, changes] = await Promise.all([read("/api/session"), read("/api/candidates"), read("/api/standings")]);
  store.table = table;
  store.last = changes.last;
  store.me = session.reviewer ?? "";
  store.finds = session.finds;
  learn(changes.standings);
  setText(byId("folder"), session.folder);
  document.title = `Review ${session.folder}`;
  byId("to-mark").hidden = !session.videos;
  fillSelect("concept", table.concepts);
  const used = new Set(table.clips.flat());
  byId("kind").append(...table.kinds.flatMap((name, index) => (used.has(index) ? [el("option", { value: String(index) }, name)] : [])));
  setUpDialogs();
  one.setUpOne();
  grid.setUpGrid({ onOpen: () => setView(false) });
  setUpProgress({ onPick: (field, index) => setFilter({ [field]: index }) });
  connect();
  refilter();
  show();
  document.body.classList.add("ready");
  if (!store.me) {
    await askName(session.suggestion);
    refilter();
    show();
  }
  setText(byId("me"), store.me);
  if (!dialogIsOpen()) byId("main").focus({ preventScroll: true });
  setTimeout(() => {
    buildSources();
    fillSelect("source", table.sources);
    drawProgress();
  }, 50);
  setTimeout(follow, FOLLOW_MS);
}

begin().catch((error) => trouble(`The review cannot begin: ${error.message}`));
