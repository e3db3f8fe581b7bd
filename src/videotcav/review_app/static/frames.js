/** Pictures of a video's frames, a dozen to a strip, as the server decodes them; the strips around what is shown wait ready. */

const STRIP = 12;
const MOST = 24;
const strips = new Map();

async function load(number, start, count) {
  const image = new Image();
  image.src = `/api/videos/${number}/frames?first=${start}&count=${count}`;
  await image.decode();
  return image;
}

function strip(number, start, total) {
  const name = `${number}:${start}`;
  let entry = strips.get(name);
  if (!entry) {
    const count = Math.min(STRIP, total - start);
    entry = { count, image: undefined };
    entry.ready = load(number, start, count).then((image) => {
      entry.image = image;
      return entry;
    });
    entry.ready.catch(() => strips.delete(name));
  }
  strips.delete(name);
  strips.set(name, entry); // the newest last
  while (strips.size > MOST) strips.delete(strips.keys().next().value);
  return entry;
}

const startOf = (frame) => frame - (frame % STRIP);

/** Whether a frame can be drawn now; asks for it and for the strip after it. */
export function isReady(number, frame, total) {
  const start = startOf(frame);
  const now = strip(number, start, total);
  if (start + STRIP < total) strip(number, start + STRIP, total);
  return now.image !== undefined;
}

/** Draws a frame over the whole canvas, which takes its size; waits for it where it has to. */
export async function drawFrame(context, number, frame, total, stillWanted) {
  const start = startOf(frame);
  const { image, count } = await strip(number, start, total).ready;
  if (!stillWanted()) return false;
  const { canvas } = context;
  const height = image.naturalHeight / count;
  if (canvas.width !== image.naturalWidth || canvas.height !== height) {
    canvas.width = image.naturalWidth;
    canvas.height = height;
  }
  context.drawImage(image, 0, (frame - start) * height, canvas.width, height, 0, 0, canvas.width, height);
  return true;
}
