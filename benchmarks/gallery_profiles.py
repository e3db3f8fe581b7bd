"""Profiles side by side: every network of examples/profiles is probed on clips of its own classes.

The two of UCF50 are taken from the results of gallery_ucf50. Draws the picture of the gallery's page.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib as mpl

from harness import Book, options
from validation.provenance import ROOT

sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(Path(__file__).parent / "pages"))
from gallery_tables import PROFILED, profiles

from examples.profiles.recipe import NETWORKS, probed

PICTURE = ROOT / "docs" / "images" / "gallery-profiles.png"
SAID = {"negative": ("#0072b2", "o"), "positive": ("#d55e00", "^"), "negligible": ("#6f727a", "s")}
"""Colour and mark of a verdict, which colour-blind people and print without colour tell apart."""

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
    """A row a network, a column an edit, a dot a class: filled with a verdict, hollow without one."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415 - after its backend is chosen

    found = profiles()
    figure, panels = plt.subplots(
        1, len(PROFILED), figsize=(9.2, 0.42 * len(found) + 1.1), sharey=True, sharex=True, layout="constrained"
    )
    figure.set_facecolor("white")
    for axes, edit in zip(panels, PROFILED, strict=True):
        axes.axvspan(-0.1, 0.1, color="#e4e2dc", lw=0)
        axes.axvline(0, color="#1c1d21", lw=0.8)
        for line, of_edit in enumerate(found.values()):
            for row in of_edit[edit].rows:
                colour, mark = SAID.get(row["verdict"], ("#6f727a", "o"))
                fill = colour if row["verdict"] in SAID else "white"
                axes.plot(row["effect"], line, mark, color=colour, mfc=fill, ms=5.5, mew=1)
        axes.set_title(edit, fontsize=10)
        axes.tick_params(labelsize=9, length=0)
        axes.grid(axis="y", color="#e4e2dc", lw=0.6)
        axes.spines[["top", "right", "left"]].set_visible(False)
    panels[0].set_yticks(range(len(found)), list(found), fontsize=9)
    panels[0].invert_yaxis()
    figure.supxlabel("effect on a class’s score, in σ; left of 0 the class needs what the edit takes away", fontsize=9)
    figure.savefig(PICTURE, dpi=130)
    plt.close(figure)


if __name__ == "__main__":
    main()
