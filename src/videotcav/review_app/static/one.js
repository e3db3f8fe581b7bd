/** One candidate, large: its clip in a loop, the frame it was cut from, its facts. */

import { byId, el, setText } from "./dom.js";
import {
  ICONS, WORDS, clipUrl, conceptName, current, firstKind, mine, nextPosition, pictureUrl, settling, sourceName, standing, store,
} from "./store.js";

const SPEEDS = [0.1, 0.25, 0.5, 1, 2];
const POOL = 5; // the clip on show, the next two, the one before, and one to come
const KIND_WORDS = {
  spatiotemporal: "moving", spatial: "still", frozen: "frozen", shuffled: "shuffled", reversed: "reversed",
};

let speed = SPEEDS.indexOf(1);
let paused = matchMedia("(prefers-reduced-motion: reduce)").matches;
let kind = 0;
let shown; // the video on show
let pressed = 0; // when the key was pressed that asked for what comes

export function setUpOne() {
  const stage = byId("stage");
  for (let n = 0; n < POOL; n += 1) {
    const video = el("video", { muted: true, loop: true, playsInline: true, preload: "auto", class: "waiting" });
    video.setAttribute("aria-hidden", "true");
    video.addEventListener("error", () => video === shown && note("This clip cannot be played here. Judge it by its picture, or leave it unsure."));
    for (const ready of ["loadeddata", "seeked"]) video.addEventListener(ready, () => video === shown && reveal());
    stage.prepend(video);
  }
  byId("slower").addEventListener("click", () => changeSpeed(-1));
  byId("faster").addEventListener("click", () => changeSpeed(1));
  byId("pause").addEventListener("click", togglePause);
  byId("picture").addEventListener("load", ({ target }) => {
    target.style.aspectRatio = `${target.naturalWidth} / ${target.naturalHeight}`;
    target.classList.remove("absent");
  });
  byId("picture").addEventListener("error", noPicture);
  drawPlaying();
}

/** Notes the moment of a key press, from which the next clip's first frame is timed. */
export function keyPressed(time) {
  pressed = time;
}

export function showOne() {
  const i = current();
  kind = firstKind(i);
  showClip();
  showPicture(i);
  showFacts(i);
  drawVerdict();
  // What comes next loads once this clip is on its way.
  requestAnimationFrame(() => setTimeout(preload, 0));
}

export function stopOne() {
  shown?.pause();
}

export function showKind(number) {
  const kinds = store.table.clips[current()];
  if (number >= kinds.length) return;
  kind = kinds[number];
  showClip();
}

export function nextKind() {
  const kinds = store.table.clips[current()];
  showKind((kinds.indexOf(kind) + 1) % kinds.length);
}

export function changeSpeed(step) {
  speed = Math.min(SPEEDS.length - 1, Math.max(0, speed + step));
  drawPlaying();
}

export function togglePause() {
  paused = !paused;
  drawPlaying();
}

function drawPlaying() {
  setText(byId("speed"), `${SPEEDS[speed]}×`);
  setText(byId("pause"), paused ? "Play" : "Pause");
  byId("pause").setAttribute("aria-pressed", String(paused));
  if (!shown) return;
  shown.playbackRate = SPEEDS[speed];
  if (paused) shown.pause();
  else play(shown);
}

function play(video) {
  video.play().catch(() => {}); // interrupted by the next clip, or not allowed: the first frame stays
}

const pool = () => [...byId("stage").querySelectorAll("video")];

/** The pool's video for an address: the one that has it, or one that nobody needs. */
function videoFor(url, needed) {
  const videos = pool();
  const having = videos.find((video) => video.getAttribute("src") === url);
  if (having) return having;
  const free = videos.find((video) => !needed.includes(video.getAttribute("src")) && video !== shown);
  free.src = url;
  return free;
}

function showClip() {
  const i = current();
  const url = clipUrl(i, kind);
  note("");
  const video = videoFor(url, wanted());
  if (video.error) video.load();
  if (shown && shown !== video) {
    shown.pause();
    shown.currentTime = 0; // now, so that coming back to it waits for nothing
    shown.removeAttribute("id");
  }
  shown = video;
  shown.id = "clip";
  for (const other of pool()) other.classList.add("waiting"); // never the old clip beside the new question
  if (shown.currentTime > 0 && !shown.seeking) shown.currentTime = 0;
  shown.defaultPlaybackRate = SPEEDS[speed];
  shown.playbackRate = SPEEDS[speed];
  if (!paused) play(shown);
  if (shown.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA) reveal();
  drawKinds(i);
}

/** Whether the clip that the question is about has been seen, or cannot be. Until then nothing may be decided. */
export const isSeen = () => shown !== undefined && (!shown.classList.contains("waiting") || shown.error !== null);

/** Brings the clip to the front now that it has a frame. */
function reveal() {
  shown.classList.remove("waiting");
  const since = pressed;
  pressed = 0;
  requestAnimationFrame(() => requestAnimationFrame((now) => {
    if (since) performance.measure("key to clip", { start: since, end: now });
    else if (!performance.getEntriesByName("first clip").length) performance.measure("first clip", { start: 0, end: now });
  }));
}

function note(text) {
  const paragraph = byId("stage-note");
  setText(paragraph, text);
  paragraph.hidden = !text;
  if (text) shown.classList.add("waiting");
}

const neighbours = () =>
  [nextPosition(), store.at + 1, store.at + 2, store.at - 1].map((position) => store.list[position]).filter((i) => i !== undefined);

const wanted = () => [clipUrl(current(), kind), ...neighbours().map((i) => clipUrl(i, firstKind(i)))];

function preload() {
  const needed = wanted();
  for (const url of needed) videoFor(url, needed);
  const [next] = neighbours();
  if (next !== undefined) new Image().src = pictureUrl(next);
}

function drawKinds(i) {
  const kinds = store.table.clips[i];
  byId("kinds").replaceChildren(...kinds.map((each, n) => {
    const button = el("button", { "aria-pressed": String(each === kind), "aria-keyshortcuts": String(n + 1) }, KIND_WORDS[store.table.kinds[each]], " ", el("kbd", {}, String(n + 1)));
    button.addEventListener("click", () => showKind(n));
    return button;
  }));
}

function showPicture(i) {
  const picture = byId("picture");
  picture.alt = `Frame of ${sourceName(i)} with a box around the ${conceptName(i)} and the way it moves`;
  if (picture.getAttribute("src") === pictureUrl(i)) return;
  setText(byId("caption"), "Source frame; the line is the way the centre moves.");
  picture.classList.add("absent");
  picture.src = pictureUrl(i);
}

async function noPicture() {
  const picture = byId("picture");
  const url = picture.getAttribute("src");
  picture.classList.add("absent");
  const sentence = await fetch(url).then((response) => response.json()).then((body) => body.detail, () => "The source frame cannot be shown.");
  if (picture.getAttribute("src") === url) setText(byId("caption"), sentence);
}

function showFacts(i) {
  const { table } = store;
  const rows = [["Source", sourceName(i)], ["Track", table.id[i]]];
  if (table.frames[i]) {
    const seconds = (table.frames[i] / table.frames_per_second[i]).toFixed(1);
    rows.push(["Length", `${table.frames[i]} frames, ${seconds} s`]);
  }
  if (table.score[i] !== null) rows.push(["Detector’s score", table.score[i].toFixed(2)]);
  byId("facts").replaceChildren(...rows.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
  setText(byId("position"), `${(store.at + 1).toLocaleString("en")} of ${store.list.length.toLocaleString("en")}`);
  byId("question").replaceChildren(settling() ? "Settle: is this " : "Is this ", el("b", {}, conceptName(i)), "?");
}

const phrase = (opinion) => (opinion.label ? `${WORDS.relabel} “${opinion.label}”` : WORDS[opinion.verdict]);

/** What was said of this candidate. Others' opinions show only after one's own, so that nobody leans on them. */
export function drawVerdict() {
  const i = current();
  const own = mine(i);
  const found = standing(i);
  const parts = [];
  if (own) parts.push(el("span", { class: `badge ${own.verdict}` }, `${ICONS[own.verdict]} You: ${phrase(own)}`));
  if (own || settling()) {
    for (const [name, opinion] of Object.entries(found.opinions)) {
      if (name !== store.me) parts.push(el("span", { class: `badge ${opinion.verdict}` }, `${ICONS[opinion.verdict]} ${name}: ${phrase(opinion)}`));
    }
    if (found.settled_by) parts.push(el("span", { class: "badge" }, `Settled by ${found.settled_by}: ${found.outcome}`));
  }
  byId("verdict").replaceChildren(...(parts.length ? parts : [el("span", { class: "badge none" }, "Not judged by you yet")]));
}
