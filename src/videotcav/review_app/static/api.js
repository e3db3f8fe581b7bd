/** Talking to the server: reads, and a queue of writes that keeps its order and never gives one up silently. */

export class Refused extends Error {}

async function answer(path, options) {
  const response = await fetch(path, { credentials: "same-origin", ...options });
  if (response.ok) return response.json();
  const sentence = await response.json().then((body) => body.detail, () => `The server answered ${response.status}.`);
  if (response.status >= 500 || response.status === 408) throw new Error(sentence);
  throw new Refused(sentence);
}

export const read = (path) => answer(path);

/** The answer to one question that is asked once. */
export const send = (path, body) =>
  answer(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });

export const importLines = (text) =>
  answer("/api/decisions/import", { method: "POST", headers: { "content-type": "application/x-ndjson" }, body: text });

/** A new name for one key press: a request that is sent twice is recorded once. */
export const newGesture = () => crypto.randomUUID();

const waiting = [];
let working = false;
let listener = () => {};

/** Tells `heard({waiting, trouble})` whenever the queue changes. */
export function onQueue(heard) {
  listener = heard;
}

export const unsaved = () => waiting.length;

/** The server's answer to a write, after all writes before it. Network failures are retried until they succeed. */
export function write(path, body) {
  return new Promise((resolve, reject) => {
    waiting.push({ path, body, resolve, reject });
    listener({ waiting: waiting.length, trouble: "" });
    if (!working) work();
  });
}

async function work() {
  working = true;
  let pause = 250;
  while (waiting.length) {
    const { path, body, resolve, reject } = waiting[0];
    try {
      const result = await send(path, body);
      pause = 250;
      waiting.shift();
      listener({ waiting: waiting.length, trouble: "" });
      resolve(result);
    } catch (error) {
      if (error instanceof Refused) {
        waiting.shift();
        listener({ waiting: waiting.length, trouble: error.message });
        reject(error);
        continue;
      }
      listener({ waiting: waiting.length, trouble: "The review server does not answer. Decisions wait here and are sent again; keep this page open." });
      await new Promise((done) => setTimeout(done, pause));
      pause = Math.min(4000, pause * 2);
    }
  }
  working = false;
}

addEventListener("beforeunload", (event) => {
  if (waiting.length) event.preventDefault();
});
