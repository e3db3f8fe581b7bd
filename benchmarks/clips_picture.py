"""Draws docs/images/clips.png: the kinds of clips that a study is made of, from the folder that the demo wrote.

python benchmarks/clips_picture.py demo docs/images/clips.png
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from videotcav.video.read import read_all

FRAMES = 5
ROWS = (
    ("Concept", "racket, moving", "concepts/racket/spatiotemporal", "What is asked about."),
    ("Its twin", "the same track, frozen", "concepts/racket/frozen", "Nothing but the motion differs."),
    ("Pool", "random clips of other videos", "random/moving/other things/spatiotemporal", "The unit of every effect."),
    ("Class", "clips of “swing”", "classes/swing", "Layers are read at them; maps are drawn on them."),
)


def main(demo: Path, picture: Path) -> None:
    """Writes the picture."""
    figure = Figure(figsize=(9, 4.6), facecolor="white", layout="constrained")
    grid = figure.add_gridspec(len(ROWS), FRAMES + 2, width_ratios=[1.7, *[1.0] * FRAMES, 1.9])
    for row, (name, what, folder, use) in enumerate(ROWS):
        frames, _ = read_all(min((demo / folder).glob("*.mp4")))
        for place, index in enumerate(np.linspace(0, len(frames) - 1, FRAMES).round().astype(int)):
            axes = figure.add_subplot(grid[row, place + 1])
            axes.imshow(frames[index])
            axes.set_xticks([])
            axes.set_yticks([])
        for column, text, size in ((0, f"{name}\n", 12), (FRAMES + 1, use, 9)):
            axes = figure.add_subplot(grid[row, column])
            axes.axis("off")
            axes.text(0, 0.5, text, fontsize=size, va="center", weight="bold" if column == 0 else "normal", wrap=True)
            if column == 0:
                axes.text(0, 0.36, what, fontsize=9, va="center", wrap=True)
    figure.savefig(picture, dpi=110, metadata={"Software": None})


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
