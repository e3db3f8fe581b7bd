"""Profiles side by side: every network of examples/profiles is probed on clips of its own classes.

The two of UCF50 are taken from the results of gallery_ucf50. Draws the picture of the gallery's page.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np

from harness import Book, options
from validation.provenance import ROOT

sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(Path(__file__).parent / "pages"))
from gallery_tables import PROFILED, profiles

from examples.profiles.recipe import NETWORKS, probed

PICTURE = ROOT / "docs" / "images" / "gallery-profiles.png"
SAID = {"negative": ("#0072b2", "o"), "positive": ("#d55e00", "^"), "negligible": ("#6f727a", "s")}
"""Colour and mark of a verdict, which colour-blind people and print without colour tell apart."""
LEGEND = {
    "negative": "falls without it",
    "positive": "rises without it",
    "negligible": "shown to be negligible",
    "undecided": "undecided",
}

KEPT = {"edit", "class_name", "effect", "low", "high", "p_corrected", "verdict", "clips", "sources"}


def main() -> None:
    """Probes, writes down and draws."""
    parser = options(__doc__)
    parser.add_argument("--draw", action="store_true", help="take nothing: only the picture")
    arguments = parser.parse_args()
    if not arguments.draw:
        book = Book(__file__, "reliance profiles of networks side by side", arguments)
        for title in book.wanted(*(each.name for each in NETWORKS)):
            network = next(each for each in NETWORKS if each.name == title)
            found = probed(network)
            (model,) = found.manifest.models.values()
            book.note(
                title,
                shown=network.shown,
                clips=found.manifest.clips,
                sources=found.manifest.sources,
                accuracy={name: facts.accuracy for name, facts in model.classes.items()},
                rows=[row.model_dump(mode="json", include=KEPT) for row in found.main if row.ranked],
                answer=found.sentences[0],
            )
    _draw()


def _draw() -> None:
    """A row a network, a column an edit, a dot a class below the other: filled with a verdict, hollow without one."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415 - after its backend is chosen
    from matplotlib.lines import Line2D  # noqa: PLC0415

    def dot(verdict: str) -> dict[str, Any]:
        colour, mark = SAID.get(verdict, ("#6f727a", "o"))
        return {"marker": mark, "color": colour, "mfc": colour if verdict in SAID else "white", "ms": 4.5, "mew": 1}

    found = profiles()
    figure, panels = plt.subplots(
        1, len(PROFILED), figsize=(9.6, 0.5 * len(found) + 1.3), sharey=True, sharex=True, layout="constrained"
    )
    figure.set_facecolor("white")
    for axes, edit in zip(panels, PROFILED, strict=True):
        axes.axvspan(-0.1, 0.1, color="#e4e2dc", lw=0)
        axes.axvline(0, color="#1c1d21", lw=0.8)
        for line, of_edit in enumerate(found.values()):
            rows = of_edit[edit].rows
            for row, aside in zip(rows, np.linspace(-0.3, 0.3, len(rows)) if len(rows) > 1 else [0.0], strict=True):
                axes.plot(row["effect"], line + aside, **dot(row["verdict"]))
        axes.set_xticks((-2, 0, 2))
        axes.set_title(edit, fontsize=10)
        axes.tick_params(which="both", labelsize=9, length=0)
        axes.set_yticks([line - 0.5 for line in range(1, len(found))], minor=True)
        axes.grid(axis="y", which="minor", color="#e4e2dc", lw=0.6)
        axes.spines[["top", "right", "left"]].set_visible(False)
    panels[0].set_yticks(range(len(found)), list(found), fontsize=9)
    panels[0].set_ylim(len(found) - 0.5, -0.5)
    figure.legend(
        [Line2D([], [], ls="", **dot(verdict)) for verdict in LEGEND],
        list(LEGEND.values()),
        loc="outside upper center",
        ncols=len(LEGEND),
        fontsize=9,
        frameon=False,
    )
    figure.supxlabel("effect on a class’s score, in σ; left of 0 the class needs what the edit takes away", fontsize=9)
    figure.savefig(PICTURE, dpi=130)
    plt.close(figure)


if __name__ == "__main__":
    main()
