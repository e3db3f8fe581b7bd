/** The dialogs: who is reviewing, relabelling, the summary with its files, the keys. */

import { importLines, read, send } from "./api.js";
import { byId, el, plural, setText } from "./dom.js";
import { store } from "./store.js";

const LONGEST = 60;

/** What is wrong with a name, in a sentence; empty where nothing is. The server checks again. */
function wrongName(text) {
  if (!text) return "Give a name.";
  if (text.length > LONGEST) return `At most ${LONGEST} characters.`;
  if (/[/\\]|^\./.test(text)) return "No slash, and no dot in front.";
  return "";
}

export function setUpDialogs() {
  for (const dialog of document.querySelectorAll("dialog")) {
    for (const button of dialog.querySelectorAll(".close")) button.addEventListener("click", () => dialog.close());
  }
}

export const dialogIsOpen = () => document.querySelector("dialog[open]") !== null;

/** The name that the person gives; asks until there is one. */
export function askName(suggestion) {
  const dialog = byId("name-dialog");
  byId("name").value = suggestion;
  setText(byId("name-error"), "");
  dialog.showModal();
  byId("name").select();
  return new Promise((resolve) => {
    dialog.oncancel = (event) => {
      if (!store.me) event.preventDefault();
    };
    dialog.onclose = () => resolve(store.me);
    dialog.querySelector("form").onsubmit = (event) => {
      event.preventDefault();
      const name = byId("name").value.trim().replace(/\s+/g, " ");
      setText(byId("name-error"), wrongName(name));
      if (wrongName(name)) return;
      store.me = name;
      resolve(name);
      dialog.close();
    };
  });
}

/** The concept that these clips show instead; null where the person thinks better of it. */
export function askLabel(own) {
  const dialog = byId("relabel-dialog");
  const input = byId("label");
  let choose;
  const answer = new Promise((resolve) => {
    choose = (name) => {
      resolve(name); // at once: the next key may follow before the dialog's own close event
      dialog.close();
    };
    dialog.onclose = () => resolve(null);
  });
  input.value = "";
  setText(byId("label-error"), "");
  const given = new Set([...store.table.concepts, ...[...store.standings.values()].map((standing) => standing.label)]);
  const names = [...given].filter((name) => name && name !== own).sort().slice(0, 9);
  byId("labels").replaceChildren(...names.map((name, n) => {
    const button = el("button", { type: "button", "aria-keyshortcuts": String(n + 1) }, el("kbd", {}, String(n + 1)), " ", name);
    button.addEventListener("click", () => choose(name));
    return button;
  }));
  dialog.onkeydown = (event) => {
    const name = names[Number(event.key) - 1];
    if (name !== undefined && event.target !== input && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      choose(name);
    }
  };
  dialog.showModal();
  (byId("labels").querySelector("button") ?? input).focus();
  dialog.querySelector("form").onsubmit = (event) => {
    event.preventDefault();
    const name = input.value.trim().replace(/\s+/g, " ");
    setText(byId("label-error"), wrongName(name));
    if (!wrongName(name)) choose(name);
  };
  return answer;
}

export async function showSummary({ onImport }) {
  const dialog = byId("summary-dialog");
  const box = byId("summary");
  setText(byId("import-result"), "");
  byId("import").onchange = async (event) => {
    const [file] = event.target.files;
    if (!file) return;
    try {
      const { new: fresh } = await importLines(await file.text());
      setText(byId("import-result"), `${plural(fresh, "decision")} of ${file.name} ${fresh === 1 ? "was" : "were"} new.`);
      await onImport();
      await fill(box);
    } catch (error) {
      setText(byId("import-result"), `Nothing was imported. ${error.message}`);
    }
    event.target.value = "";
  };
  if (!dialog.open) dialog.showModal();
  await fill(box);
}

async function fill(box) {
  const { reviews, agreement, reviewers } = await read("/api/summary");
  const head = ["Concept", "Accepted", "Rejected", "Unsure", "Conflicts", "Undecided", ...(store.finds ? ["Find"] : [])];
  const cells = (review) => [review.accepted + review.unseen, review.rejected, review.unsure, review.conflicts, review.undecided];
  const table = el("table", {},
    el("thead", {}, el("tr", {}, ...head.map((name) => el("th", { scope: "col" }, name)))),
    el("tbody", {}, ...reviews.map((review) => el("tr", {},
      el("th", { scope: "row" }, review.concept), ...cells(review).map((count) => el("td", {}, count.toLocaleString("en"))),
      ...(store.finds ? [el("td", {}, moreLike(review.concept))] : [])))));
  const people = Object.entries(reviewers).map(([name, count]) => `${name} (${count.toLocaleString("en")})`);
  box.replaceChildren(
    el("p", {}, people.length ? `Judged by ${people.join(", ")}.` : "Nobody has judged anything yet."),
    el("p", { class: "agreement" }, agreed(agreement)),
    el("div", { class: "wide", tabIndex: 0, role: "region", "aria-label": "What was decided, by concept" }, table));
}

/** The button that finds more like a concept; what came of it takes its place. */
function moreLike(concept) {
  const button = el("button", { type: "button" }, "More like this");
  button.addEventListener("click", async () => {
    button.disabled = true;
    setText(byId("more-result"), `Looking for more like ${concept} …`);
    try {
      const { folder } = await send("/api/more", { concept });
      setText(byId("more-result"), `The first candidates lie in ${folder}: videotcav concepts review "${folder}"`);
    } catch (error) {
      setText(byId("more-result"), error.message);
    }
    button.disabled = false;
  });
  return button;
}

function agreed(found) {
  if (!found) return "Agreement shows once two people have judged the same candidate.";
  const share = `${Math.round(100 * found.agreed)} % of their judgements are equal`;
  const over = `over ${plural(found.candidates, "candidate")} that at least two people judged`;
  if (found.kappa === null) return `${share} ${over}; ${found.measure} is undefined, as all said one and the same.`;
  return `${found.measure} = ${found.kappa.toFixed(2)} ${over}; ${share}.`;
}

export function showHelp(keys) {
  byId("key-list").replaceChildren(...keys.flatMap(([names, what]) => [
    el("dt", {}, ...names.flatMap((name) => [el("kbd", {}, name), " "])), el("dd", {}, what)]));
  byId("help-dialog").showModal();
}
