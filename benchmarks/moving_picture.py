"""Draws docs/images/moving.gif, the README's first screen: a class clip of the demo, and what is left of its score
when one thing in it stands still.

python benchmarks/moving_picture.py demo/classes docs/images/moving.gif

Shown is the first clip by name that holds a racket and a ball and that the model takes for a swing. What stands below
is counted over all clips that the model takes for one.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

import videotcav as vt
from videotcav.video.read import Frames

THINGS = ("racket", "ball")
MILLISECONDS = 160
HOLD = 3  # pictures that the last frame stays for
COLOURS = 96


def main(classes: Path, picture: Path) -> None:
    """Writes the picture. `classes` is the folder of class clips that the demo or `planted render` wrote."""
    model = vt.load_model("planted:swin")
    swing = model.class_index("swing")
    every = vt.read_clips(classes / "swing", model.card.clip_spec)
    is_swing = {
        str(record.video.path): float(p) > 0.5  # noqa: PLR2004 - more likely than all others together
        for record, p in zip(every.records, model.probabilities(model(every.pixels))[:, swing], strict=True)
    }
    films, told = {}, {}
    for thing in THINGS:
        edited = vt.edit(every, classes / "boxes.json", "freeze", label=thing, skip_bad=True)
        odds = model.probabilities(model(edited.pixels))[:, swing].tolist()
        films[thing] = {
            str(record.video.path): (edited.preview(place), p)
            for place, (record, p) in enumerate(zip(edited.records, odds, strict=True))
        }
        counted = [p > 0.5 for path, (_, p) in films[thing].items() if is_swing[path]]  # noqa: PLR2004 - as above
        told[thing] = f"{thing} frozen: still a swing in {sum(counted)} of {len(counted)} clips"
    chosen = next(path for path in sorted(is_swing) if is_swing[path] and all(path in film for film in films.values()))
    place = [str(record.video.path) for record in every.records].index(chosen)
    before = float(model.probabilities(model(every.pixels[place : place + 1]))[0, swing])
    side = films[THINGS[0]][chosen][0].shape[2] // 2  # a preview is the clip as it was, and as it is now
    panels = [("the clip", films[THINGS[0]][chosen][0][:, :, :side], before)]
    panels += [(f"{thing} frozen", films[thing][chosen][0][:, :, -side:], films[thing][chosen][1]) for thing in THINGS]
    pictures = [drawn(panels, frame, told) for frame in range(len(panels[0][1]))]
    palette = pictures[0].quantize(COLOURS)
    few = [each.quantize(palette=palette, dither=Image.Dither.NONE) for each in pictures]
    few += few[-1:] * HOLD
    few[0].save(picture, save_all=True, append_images=few[1:], duration=MILLISECONDS, loop=0, optimize=True)


def drawn(panels: list[tuple[str, Frames, float]], frame: int, told: dict[str, str]) -> Image.Image:
    """One picture: every panel at this frame, over a bar of its probability, and what was counted."""
    figure = Figure(figsize=(9, 4.5), facecolor="white")
    figure.text(0.5, 0.94, "Does the model see the swing, or the racket?", ha="center", fontsize=15, weight="bold")
    grid = figure.add_gridspec(2, len(panels), height_ratios=[12, 1], left=0.02, right=0.98, top=0.85, bottom=0.17)
    for column, (caption, film, probability) in enumerate(panels):
        axes = figure.add_subplot(grid[0, column])
        axes.imshow(film[frame], interpolation="nearest")
        axes.set_title(caption, fontsize=12)
        axes.axis("off")
        bar = figure.add_subplot(grid[1, column])
        bar.barh([0, 0], [1, probability], color=["#e6e8ec", "#7fb2e5"])
        bar.text(0.5, 0, f"swing {probability:.0%}", ha="center", va="center", fontsize=11, weight="bold")
        bar.set_xlim(0, 1)
        bar.axis("off")
    figure.text(0.5, 0.055, "   ·   ".join(told.values()), ha="center", fontsize=11)
    stream = io.BytesIO()
    figure.savefig(stream, dpi=100, format="png", metadata={"Software": None})
    return Image.open(stream).convert("RGB")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
