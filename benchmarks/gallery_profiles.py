"""Profiles side by side: every network that loads here with its weights is probed on clips of its own classes.

The bundled one on planted scenes, TransNetV2 on the films of examples/cut, a Video Swin on the tennis scenes that were held
out of its training; the two of UCF50 are taken from gallery_ucf50's results. Draws the picture of the gallery's page.
"""

from __future__ import annotations

import csv
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl

from harness import Book, need, options

sys.path.insert(0, str(Path(__file__).parent / "pages"))
from tables import PROFILED, profiles

import videotcav as vt
from validation.moments.network import network_and_card
from validation.provenance import ROOT
from videotcav.planted.render import render_demo
from videotcav.report.probe import ProbeRun

FILMS = ROOT / "examples" / "cut" / "films"
TENNIS = ROOT / "examples" / "tennis"
PICTURE = ROOT / "docs" / "images" / "gallery-profiles.png"
KEPT = {"edit", "class_name", "effect", "low", "high", "p_corrected", "verdict", "clips", "sources"}


def planted(folder: Path) -> ProbeRun:
    """The bundled network on planted scenes."""
    render_demo(folder / "scenes", class_clips=12, other_clips=12, concept_sources=1, random_sources=1)
    return vt.probe(vt.load_model("planted:swin"), folder / "scenes" / "classes")


def transnet(_folder: Path) -> ProbeRun:
    """TransNetV2 on films with a cut, and on films without."""
    need(FILMS / "sources.csv", "what examples/cut/recipe.py makes")
    network, card = network_and_card()
    clips = {"cut": sorted((FILMS / "class").glob("*.mp4")), "no cut": sorted((FILMS / "random").glob("*.mp4"))}
    return vt.probe(vt.load_model(network, card=card), clips, table=FILMS / "sources.csv")


def tennis(folder: Path) -> ProbeRun:
    """The Video Swin of examples/tennis on the scenes that were held out of its training."""
    videos = need(ROOT.parent / "shared" / "data" / "tennis", "the tennis clips")
    held_out = set(json.loads((TENNIS / "swin.json").read_text(encoding="utf-8"))["held_out_files"])
    with (videos / "labels.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["file"] in held_out]
    with (folder / "clips.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(
            [("path", "label", "source"), *((row["file"], row["label"], row["scene"]) for row in rows)]
        )
    model = vt.load_model("torchvision:swin3d", weights=str(TENNIS / "swin.safetensors"))
    return vt.probe(model, vt.ClipList(list=folder / "clips.csv", videos=videos))


PROBED: dict[str, Callable[[Path], ProbeRun]] = {
    "planted:swin, planted scenes": planted,
    "TransNetV2, films with and without cuts": transnet,
    "Video Swin, held-out tennis scenes": tennis,
}


def main() -> None:
    """Probes, writes down and draws."""
    parser = options(__doc__)
    book = Book(__file__, "reliance profiles of networks side by side", parser.parse_args())
    if not book.arguments.from_results:
        _measure(book)
    _draw()


def _measure(book: Book) -> None:
    for title in book.wanted(*PROBED):
        with tempfile.TemporaryDirectory(prefix="videotcav-profiles-") as folder:
            found = PROBED[title](Path(folder))
        rows = [row.model_dump(mode="json", include=KEPT) for row in found.main if row.ranked]
        book.note(
            title, clips=found.manifest.clips, sources=found.manifest.sources, rows=rows, answer=found.sentences[0]
        )


def _draw() -> None:
    """A row a network, a column an edit: the darker, the more its classes lose on average."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415 - after its backend is chosen

    found = profiles()
    figure, axes = plt.subplots(figsize=(8, 0.55 * len(found) + 1), layout="constrained")
    values = [[min(0.0, row[edit].mean) for edit in PROFILED] for row in found.values()]
    axes.imshow(values, cmap="BuPu_r", vmin=-2, vmax=0, aspect="auto")
    axes.set_xticks(range(len(PROFILED)), PROFILED, fontsize=9)
    axes.set_yticks(range(len(found)), list(found), fontsize=9)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    for line, row in enumerate(found.values()):
        for column, edit in enumerate(PROFILED):
            colour = "white" if row[edit].mean < -1 else "black"
            axes.text(column, line, f"{row[edit].mean:+.2f}", ha="center", va="center", fontsize=9, color=colour)
    figure.savefig(PICTURE, dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    main()
