const clips = document.querySelectorAll("video");
const button = document.querySelector("#pause");
const still = matchMedia("(prefers-reduced-motion: reduce)");
const show = (playing) => {
  clips.forEach((clip) => (playing ? clip.play().catch(() => {}) : clip.pause()));
  button.textContent = playing ? "Pause clips" : "Play clips";
  button.setAttribute("aria-pressed", String(!playing));
};
if (clips.length) {
  button.hidden = false;
  button.addEventListener("click", () => show(button.getAttribute("aria-pressed") === "true"));
  still.addEventListener("change", () => show(!still.matches));
  show(!still.matches);
}
