// A phone plays some forty clips at once and no more: those out of sight give their place back and leave a picture.
const clips = [...document.querySelectorAll("video")];
const sources = new Map(clips.map((clip) => [clip, clip.src]));
const inSight = new Set();
const button = document.querySelector("#pause");
const still = matchMedia("(prefers-reduced-motion: reduce)");
let playing = !still.matches;

const run = (clip) => (playing ? clip.play().catch(() => {}) : clip.pause());

const rest = (clip) => {
  if (!clip.videoWidth) return;
  const canvas = document.createElement("canvas");
  canvas.width = clip.videoWidth;
  canvas.height = clip.videoHeight;
  canvas.getContext("2d").drawImage(clip, 0, 0);
  clip.poster = canvas.toDataURL();
  clip.removeAttribute("src");
  clip.load();
};

const wake = (clip) => {
  if (!clip.hasAttribute("src") || clip.error) clip.src = sources.get(clip);
  run(clip);
};

const watcher = new IntersectionObserver(
  (changes) =>
    changes.forEach(({ target, isIntersecting }) => {
      inSight[isIntersecting ? "add" : "delete"](target);
      (isIntersecting ? wake : rest)(target);
    }),
  { rootMargin: "300px" },
);

const set = (value) => {
  playing = value;
  clips.forEach((clip) => (clip.autoplay = playing));
  inSight.forEach(run);
  button.textContent = playing ? "Pause clips" : "Play clips";
};

clips.forEach((clip) => {
  clip.addEventListener("loadeddata", () => inSight.has(clip) || rest(clip));
  watcher.observe(clip);
});
button.hidden = !clips.length;
button.addEventListener("click", () => set(!playing));
still.addEventListener("change", () => set(!still.matches));
set(playing);
