/** The keyboard: what each key does in the view of one and in the grid. */

import { dialogIsOpen } from "./dialogs.js";
import { byId } from "./dom.js";

export const HELP = [
  [["A"], "accept"],
  [["R"], "reject"],
  [["U"], "unsure"],
  [["L"], "relabel"],
  [["Z"], "undo the last decision, again and again"],
  [["←", "→"], "back, forward without deciding"],
  [["1", "…", "5"], "the track’s other clips: still, frozen, shuffled, reversed"],
  [["T"], "the next of them"],
  [["Space"], "pause, play"],
  [[",", "."], "slower, faster"],
  [["G"], "grid of many; there arrows move, X selects, Shift selects a range, Ctrl A all, Enter opens"],
  [["F"], "filters"],
  [["D"], "what is still to do"],
  [["C"], "conflicts, and back"],
  [["P"], "summary, agreement, export, import"],
  [["?"], "these keys"],
];

const TYPING = "input:not([type=checkbox]):not([type=file]), textarea, select";

/** `act` maps names to functions; `inGrid()` says which view is on show. */
export function setUpKeys(act, inGrid) {
  addEventListener("keydown", (event) => {
    if (dialogIsOpen() || event.altKey || event.metaKey) return;
    if (event.target.closest(TYPING)) {
      if (event.key === "Escape") byId("main").focus({ preventScroll: true });
      return;
    }
    const name = inGrid() ? gridKey(event) ?? anyKey(event) : oneKey(event) ?? anyKey(event);
    if (!name) return;
    event.preventDefault();
    act[name](event);
  });
}

const letters = () => byId("single-keys").checked;

function anyKey(event) {
  const key = event.key.toLowerCase();
  if (event.ctrlKey) return key === "z" && !event.repeat ? "undo" : undefined;
  if (!letters()) return undefined;
  // A key held down must not decide on what nobody has seen.
  const once = { a: "accept", r: "reject", u: "unsure", l: "relabel", z: "undo", d: "todo", g: "view", f: "filters", c: "conflicts", p: "summary", "?": "help" };
  return event.repeat ? undefined : once[key];
}

function oneKey(event) {
  if (event.ctrlKey) return undefined;
  const moves = { ArrowLeft: "back", ArrowRight: "forward" };
  if (moves[event.key]) return moves[event.key];
  const onButton = event.target.closest("button, a, summary");
  if (event.key === " ") return onButton ? undefined : "pause";
  if (!letters()) return undefined;
  if (/^[1-5]$/.test(event.key)) return `kind${event.key}`;
  return { t: "nextKind", ",": "slower", ".": "faster" }[event.key];
}

function gridKey(event) {
  const onButton = event.target.closest("button, a, summary");
  if (event.ctrlKey && event.key.toLowerCase() === "a") return "chooseAll";
  if (event.ctrlKey) return undefined;
  const moves = { ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down", Home: "start", End: "end" };
  if (moves[event.key]) return moves[event.key];
  if (event.key === "Escape") return "chooseNone";
  if (onButton) return undefined;
  if (event.key === "Enter") return "open";
  if (event.key === " ") return "playAll";
  return letters() && event.key === "x" ? "toggle" : undefined;
}
