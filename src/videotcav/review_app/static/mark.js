/** Marking clips by hand: plays a video, notes in, out and boxes, shows where the box goes, adds the clip. */

import { Refused, read, send } from "./api.js";
import { askName, dialogIsOpen, setUpDialogs, showHelp } from "./dialogs.js";
import { byId, el, say, setText } from "./dom.js";
import { drawFrame, isReady } from "./frames.js";
import { store } from "./store.js";

const HELP = [
  [["Space"], "play, pause"],
  [["←", "→"], "a frame back, on; with Shift a second"],
  [["I"], "the clip begins at this frame"],
  [["O"], "the clip ends with this frame"],
  [["P"], "play what is marked, again and again, with the box as it is followed"],
  [["X"], "remove the boxes"],
  [["Enter"], "add the clip"],
  [["?"], "these keys"],
];
const EDGES = ["left", "top", "width", "height"];

let video; // what the server says of it
let number = 0;
let frame = 0;
let playing = ""; // "all", "part" or nothing
let first = null;
let last = null;
let boxes = new Map(); // frame → [left, top, right, bottom] in pixels
let drag = null;
let followed = null; // the server's answer for what is marked now
let asked = 0;
let typed = false; // numbers that are no box yet: an answer that comes in between leaves them alone
const context = byId("picture").getContext("2d");

const total = () => video.times.length;
const clock = (index) => `${video.times[index].toFixed(2)} s`;

// --- showing ---------------------------------------------------------------------------------------------------

async function show(index) {
  const before = frame;
  frame = Math.max(0, Math.min(total() - 1, index));
  typed &&= frame === before;
  byId("at").value = String(frame);
  byId("at").setAttribute("aria-valuetext", `frame ${frame}, ${clock(frame)}`);
  setText(byId("clock"), `${clock(frame)} of ${clock(total() - 1)} · frame ${frame}`);
  showEdges();
  const [wanted, of] = [frame, number];
  byId("wait").hidden = isReady(number, frame, total());
  try {
    if (await drawFrame(context, number, frame, total(), () => frame === wanted && number === of)) {
      byId("wait").hidden = true;
      drawBoxes();
      document.body.dataset.frame = `${number}:${frame}`;
    }
  } catch {
    setText(byId("wait"), "This frame cannot be shown.");
  }
}

function boxNow() {
  if (drag) return drag;
  if (boxes.has(frame)) return boxes.get(frame);
  return followed?.boxes[frame - followed.first];
}

function drawBoxes() {
  const box = boxNow();
  if (box) {
    const scale = context.canvas.width / video.width;
    const [left, top, right, bottom] = box.map((edge) => edge * scale);
    const drawn = drag || boxes.has(frame);
    const unit = context.canvas.width / shownAt().width; // one pixel of the page
    for (const [colour, wide] of [["black", 4], [drawn ? "white" : "#57c9ae", 2]]) {
      context.strokeStyle = colour;
      context.lineWidth = wide * unit;
      context.setLineDash(drawn ? [] : [8 * unit, 4 * unit]);
      context.strokeRect(left, top, right - left, bottom - top);
    }
  } else if (followed && boxes.size && first <= frame && frame <= last) {
    label("lost: not part of the clip");
  }
}

function label(text) {
  context.font = `${Math.max(11, context.canvas.width / 40)}px system-ui, sans-serif`;
  const size = context.measureText(text);
  const high = size.fontBoundingBoxAscent + size.fontBoundingBoxDescent + 6;
  context.fillStyle = "rgb(0 0 0 / 70%)";
  context.fillRect(0, 0, size.width + 14, high);
  context.fillStyle = "white";
  context.fillText(text, 7, size.fontBoundingBoxAscent + 3);
}

function showEdges() {
  if (typed) return;
  const box = boxNow();
  const values = box ? [box[0], box[1], box[2] - box[0], box[3] - box[1]] : ["", "", "", ""];
  EDGES.forEach((name, index) => {
    if (document.activeElement !== byId(name)) byId(name).value = box ? String(Math.round(values[index])) : "";
  });
}

function showMarks() {
  setText(byId("in-at"), first === null ? "not marked" : `${clock(first)}, frame ${first}`);
  setText(byId("out-at"), last === null ? "not marked" : `${clock(last)}, frame ${last}`);
  const part = byId("part");
  part.hidden = first === null && last === null;
  const [from, to] = [first ?? last ?? 0, last ?? first ?? 0].map((index) => (100 * index) / Math.max(1, total() - 1));
  part.style.left = `${from}%`;
  part.style.width = `${Math.max(0, to - from)}%`;
  byId("play-part").disabled = first === null || last === null;
  byId("no-box").disabled = !boxes.size;
}

function tell(text, kind = "") {
  setText(byId("found"), text);
  byId("found").className = kind;
}

// --- playing ---------------------------------------------------------------------------------------------------

function play(what) {
  playing = playing === what ? "" : what;
  setText(byId("play"), playing === "all" ? "Pause" : "Play");
  byId("play").setAttribute("aria-pressed", String(playing === "all"));
  byId("play-part").setAttribute("aria-pressed", String(playing === "part"));
  if (!playing) return;
  const mine = playing;
  const from = mine === "part" ? first : 0;
  const to = mine === "part" ? last : total() - 1;
  if (frame < from || frame >= to) show(from);
  let then = performance.now();
  let seconds = video.times[frame];
  const tick = (now) => {
    if (playing !== mine || !video) return;
    if (isReady(number, frame, total())) seconds += (now - then) / 1000; // the clock waits for the pictures
    then = now;
    let next = frame;
    while (next < to && video.times[next + 1] <= seconds) next += 1;
    if (next >= to && mine === "all") {
      show(to);
      play("all");
      return;
    }
    if (seconds > video.times[to] + 0.2) {
      next = from;
      seconds = video.times[from];
    }
    if (next !== frame) show(next);
    requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
}

const stop = () => playing && play(playing);

// --- marking ---------------------------------------------------------------------------------------------------

const marking = () => ({
  first,
  last,
  boxes: [...boxes].sort(([one], [other]) => one - other)
    .map(([at, [left, top, right, bottom]]) => ({ frame: at, box: { left, top, right, bottom } })),
});

/** Asks the server where what is marked is; only the answer to the last question counts. */
async function changed() {
  asked += 1;
  const mine = asked;
  followed = null;
  byId("add").disabled = true;
  showMarks();
  show(frame);
  if (first === null || last === null) {
    tell(first === null && last === null ? "Mark where the clip begins and ends." : `Mark where it ${first === null ? "begins" : "ends"}.`);
    return;
  }
  tell(boxes.size ? "Following the box …" : "…");
  try {
    const answer = await send(`/api/videos/${number}/follow`, marking());
    if (mine !== asked) return;
    followed = answer;
    const whole = answer.first === first && answer.last === last;
    tell(answer.sentence, whole ? "good" : "part");
    byId("add").disabled = false;
    if (!playing) show(frame);
  } catch (error) {
    if (mine === asked) tell(sentenceOf(error), "bad");
  }
}

const sentenceOf = (error) => {
  const text = error instanceof Refused ? error.message : "The server does not answer: is it still running?";
  return text.charAt(0).toUpperCase() + text.slice(1) + (/[.?!]$/.test(text) ? "" : ".");
};

function markIn() {
  first = frame;
  if (last !== null && last < first) last = null;
  keepInside();
}

function markOut() {
  last = frame;
  if (first !== null && first > last) first = null;
  keepInside();
}

function keepInside() {
  boxes = new Map([...boxes].filter(([at]) => at >= (first ?? 0) && at <= (last ?? Infinity)));
  changed();
}

function setBox(box) {
  const [left, top] = [Math.max(0, box[0]), Math.max(0, box[1])];
  const [right, bottom] = [Math.min(video.width, box[2]), Math.min(video.height, box[3])];
  if (!(right - left >= 1 && bottom - top >= 1)) {
    tell("The box lies outside the picture or has no size.", "bad");
    return;
  }
  typed = false;
  boxes.set(frame, [left, top, right, bottom]);
  first = first === null ? null : Math.min(first, frame);
  last = last === null ? null : Math.max(last, frame);
  changed();
}

function typedBox() {
  const [left, top, width, height] = EDGES.map((name) => byId(name).valueAsNumber);
  setBox([left, top, left + width, top + height]);
}

async function add() {
  const concept = byId("concept").value.trim().replace(/\s+/g, " ");
  if (byId("add").disabled) return;
  if (!concept) {
    tell("Give the concept a name.", "bad");
    byId("concept").focus();
    return;
  }
  byId("add").disabled = true;
  tell("Cutting the clip …");
  try {
    const found = await send(`/api/videos/${number}/clips`, { marking: marking(), concept, reviewer: store.me });
    byId("added-title").hidden = false;
    byId("added").prepend(el("li", {}, el("b", {}, found.concept), ` · ${video.name}, ${clock(followed.first)} to ${clock(followed.last)}`));
    if (![...byId("concepts").options].some((option) => option.value === concept)) byId("concepts").append(el("option", { value: concept }));
    first = last = null;
    boxes = new Map();
    stop();
    changed();
    tell(`Added to ${found.concept}. Mark the next.`, "good");
  } catch (error) {
    tell(sentenceOf(error), "bad");
    byId("add").disabled = false;
  }
}

// --- the mouse and the keys ----------------------------------------------------------------------------------------

/** Where on the page the picture lies, which stands in the middle of its canvas. */
function shownAt() {
  const box = byId("picture").getBoundingClientRect();
  const scale = Math.min(box.width / context.canvas.width, box.height / context.canvas.height);
  const [width, height] = [context.canvas.width * scale, context.canvas.height * scale];
  return { left: box.left + (box.width - width) / 2, top: box.top + (box.height - height) / 2, width };
}

/** Where a pointer is, in pixels of the video. */
function placeOf(event) {
  const { left, top, width } = shownAt();
  const pixels = video.width / width;
  const inside = (value, most) => Math.round(Math.max(0, Math.min(most, value)));
  return [inside((event.clientX - left) * pixels, video.width), inside((event.clientY - top) * pixels, video.height)];
}

function setUpDrawing() {
  const canvas = byId("picture");
  let corner = null;
  canvas.addEventListener("pointerdown", (event) => {
    if (!video || event.button !== 0) return;
    stop();
    corner = placeOf(event);
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!corner) return;
    const [x, y] = placeOf(event);
    drag = [Math.min(corner[0], x), Math.min(corner[1], y), Math.max(corner[0], x), Math.max(corner[1], y)];
    typed = false;
    show(frame);
  });
  canvas.addEventListener("pointerup", () => {
    const box = drag;
    corner = drag = null;
    if (box && box[2] - box[0] > 2 && box[3] - box[1] > 2) setBox(box);
    else if (box) show(frame);
  });
  canvas.addEventListener("pointercancel", () => {
    corner = drag = null;
    show(frame);
  });
}

function step(frames) {
  stop();
  show(frame + frames);
}

function second(direction) {
  stop();
  const wanted = video.times[frame] + direction;
  const found = video.times.findIndex((time) => time >= wanted);
  show(found < 0 ? total() - 1 : found);
}

function setUpKeys() {
  const keys = {
    ArrowLeft: (event) => (event.shiftKey ? second(-1) : step(-1)),
    ArrowRight: (event) => (event.shiftKey ? second(1) : step(1)),
    " ": () => play("all"),
    i: markIn, o: markOut, x: removeBoxes,
    p: () => !byId("play-part").disabled && play("part"),
    Enter: add, "?": () => showHelp(HELP),
  };
  addEventListener("keydown", (event) => {
    if (dialogIsOpen() || event.altKey || event.metaKey || event.ctrlKey || !video) return;
    if (event.target.closest("input:not([type=range]), select")) return;
    if (event.target.closest("button, a") && [" ", "Enter"].includes(event.key)) return;
    const action = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!action || (event.repeat && !event.key.startsWith("Arrow"))) return;
    event.preventDefault();
    action(event);
  });
}

function removeBoxes() {
  typed = false;
  boxes = new Map();
  changed();
}

// --- beginning -------------------------------------------------------------------------------------------------

async function choose(index) {
  typed = false;
  stop();
  number = index;
  video = undefined;
  setText(byId("wait"), "Reading the video …");
  byId("wait").hidden = false;
  try {
    video = await read(`/api/videos/${index}`);
  } catch (error) {
    setText(byId("wait"), sentenceOf(error));
    return;
  }
  first = last = null;
  boxes = new Map();
  byId("at").max = String(total() - 1);
  frame = 0;
  changed();
}

async function changeName(suggestion) {
  await askName(suggestion);
  setText(byId("me"), store.me);
}

async function begin() {
  const [session, { names }, table] = await Promise.all([read("/api/session"), read("/api/videos"), read("/api/candidates")]);
  store.me = session.reviewer ?? "";
  setText(byId("folder"), session.folder);
  document.title = `Mark clips for ${session.folder}`;
  byId("video").append(...names.map((name, index) => el("option", { value: String(index) }, name)));
  byId("concepts").append(...table.concepts.map((name) => el("option", { value: name })));
  setText(byId("me"), store.me);
  setUpDialogs();
  setUpDrawing();
  setUpKeys();
  const clicks = {
    back: () => step(-1), forward: () => step(1), play: () => play("all"), "play-part": () => play("part"), in: markIn,
    out: markOut, "set-box": typedBox, "no-box": removeBoxes, me: () => changeName(store.me), help: () => showHelp(HELP),
  };
  for (const [name, action] of Object.entries(clicks)) byId(name).addEventListener("click", () => (video || name === "me") && action());
  byId("at").addEventListener("input", () => {
    stop();
    show(byId("at").valueAsNumber);
  });
  for (const name of EDGES) byId(name).addEventListener("input", () => (typed = true));
  byId("video").addEventListener("change", () => choose(Number(byId("video").value)));
  byId("form").addEventListener("submit", (event) => {
    event.preventDefault();
    add();
  });
  await choose(0);
  if (!store.me) await changeName(session.suggestion);
  say("Ready.");
}

begin().catch((error) => {
  setText(byId("trouble"), sentenceOf(error));
  byId("trouble").hidden = false;
});
