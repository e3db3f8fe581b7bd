"""A paper folder in, its figures and `paper.html` out: `write_paper`. Recomputes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from matplotlib.figure import Figure

from videotcav.errors import RunFolderError
from videotcav.records import Result
from videotcav.report import paper_bars, paper_frames
from videotcav.report.render import data_uri, write_page
from videotcav.results import words
from videotcav.results.manifest import MANIFEST, read_manifest
from videotcav.results.paper_facts import DYNAMIC, STATIC, PaperFacts
from videotcav.results.read import RunResults, read_run

PAGE = "paper.html"
FIGURES = "figures"

CAUTION = (
    "The t-test takes its runs for independent, but all of them share one concept set: with 10 random sets it rejected "
    "29 to 39 % of 1 000 true nulls at a nominal 5 %, set-level randomisation at most 5 %."
)
"""Measured by benchmarks/null_calibration.py; the whole table is in docs/statistics.md."""

DEGENERATE = (
    "At {layers} the gradients of all class clips point the same way, as behind the last nonlinearity of a network: "
    "every bar there is 0 or 1, a random vector's too, and says nothing about a concept. The cosine, in "
    "run/report.html, can still be read."
)

_TITLES = {
    "1": "Grad-CAM over time",
    "4": "Detections on a frame",
    "5": "Exemplars of spatial concepts",
    "6": "Exemplars of spatiotemporal concepts",
    "7": "Relative TCAV of static concepts",
    "8": "Relative TCAV of dynamic concepts",
    "9": "Relative TCAV, static against dynamic",
    "10": "The test",
}


@dataclass(frozen=True)
class PaperResults:
    """A paper folder as it lies on disk."""

    folder: Path
    facts: PaperFacts
    run: RunResults

    @property
    def tested(self) -> list[Result]:
        """The rows of Figure 10: sign counts of every set against random sets."""
        return [row for row in self.run.results if row.statistic == "sign_count" and row.against == "random"]

    @property
    def significant(self) -> tuple[int, int]:
        """How many of them the published test calls significant, and how many set-level randomisation does."""
        alpha = self.facts.alpha
        return (
            sum(
                (row.p_classic_corrected if row.p_classic_corrected is not None else 1.0) <= alpha
                for row in self.tested
            ),
            sum(row.verdict in ("positive", "negative") for row in self.tested),
        )


@dataclass(frozen=True)
class Shown:
    """A figure as the page shows it: a picture as a data URI, or what is missing."""

    number: str
    title: str
    note: str
    uri: str = ""
    missing: str = ""


def read_paper(folder: Path) -> PaperResults:
    """The paper in a folder. Raises RunFolderError when it is none, or is damaged."""
    try:
        facts = read_manifest(folder / MANIFEST, PaperFacts)
    except RunFolderError as error:
        raise RunFolderError(f"{folder} is not a folder that `videotcav paper` wrote: {error}") from error
    return PaperResults(folder, facts, read_run(folder / "run"))


def write_paper(folder: Path) -> Path:
    """The page written into the folder, and each figure as PNG and PDF below `figures/`.

    Raises RunFolderError when it is not a paper folder.
    """
    paper = read_paper(folder)
    (folder / FIGURES).mkdir(exist_ok=True)
    shown = []
    for number, title in _TITLES.items():
        figure = _figure(paper, number)
        uri = "" if figure is None else _write(figure, folder / FIGURES / f"figure-{number}")
        shown.append(Shown(number, title, _note(paper, number), uri, paper.facts.missing.get(number, "")))
    return write_page(
        folder / PAGE,
        "paper.html",
        paper=paper,
        facts=paper.facts,
        manifest=paper.run.manifest,
        figures=shown,
        caution=CAUTION,
        degenerate=DEGENERATE.format(layers=words.listing(paper.facts.degenerate)) if paper.facts.degenerate else "",
        summary=summary(paper),
    )


def summary(paper: PaperResults) -> str:
    """Figure 10 in one sentence: the published test, and set-level randomisation of the same data."""
    classic, honest = paper.significant
    of = words.count(len(paper.tested), "test")
    return (
        f"The published test calls {classic} of {of} significant after Bonferroni; set-level randomisation of the same "
        f"data gives a verdict for {honest}."
    )


def _figure(paper: PaperResults, number: str) -> Figure | None:
    """The figure, or None where the folder has nothing to draw it from."""
    facts = paper.facts
    match number:
        case "1" | "4" | "5" | "6":
            strips = facts.strips.get(number, ())
            drawn = paper_frames.frames_figure(strips, paper.folder / "media", tall=number == "4") if strips else None
            if drawn is not None and number == "1":
                paper_frames.add_scale(drawn, facts.colour_map)
            return drawn
        case "10":
            return paper_bars.box_plots(paper.tested, facts)
        case "9":
            rows = [row for row in paper.run.results if row.group and row.group not in (STATIC, DYNAMIC)]
            return paper_bars.static_against_dynamic(rows, facts) if rows else None
        case _:
            group = STATIC if number == "7" else DYNAMIC
            rows = [row for row in paper.run.results if row.group == group]
            return paper_bars.bars(rows, facts) if rows else None


def _note(paper: PaperResults, number: str) -> str:
    """What the reader of a figure must know, in a sentence or two."""
    facts = paper.facts
    bars = (
        "Each bar is the share of class clips whose score rises along the concept's CAV, trained against {rest}; "
        "whiskers are 95 % intervals from resampling videos, grey bands the central 95 % of what random sets of clips "
        "score in the concept's place."
    )
    notes = {
        "1": f"At {facts.cam_layer}, the last layer with time and space; one scale for all frames of a row.",
        "4": "The frame in which most concepts were found at once; numbers are the detector's scores.",
        "5": "One crop, repeated in time; a clip of each of several source videos.",
        "6": "One tracked instance, cropped frame by frame on a canvas of its largest box, padded.",
        "9": bars.format(rest="the other kind of the same concept, so that a pair adds up to 1"),
        "10": f"TCAV scores of {facts.random_sets} CAVs against {facts.random_sets} random sets (coloured), beside as "
        "many of random sets against random sets (grey); ★ two-sided t-test, Bonferroni over all boxes. Below each "
        "pair stands what set-level randomisation of the same data says: its verdict and its p after Bonferroni.",
    }
    return notes.get(number) or bars.format(rest="the clips of all the other concepts of the figure")


def _write(figure: Figure, stem: Path) -> str:
    """The figure as PNG and PDF on disk, and as a data URI."""
    figure.savefig(stem.with_suffix(".pdf"), metadata={"CreationDate": None}, bbox_inches="tight", pad_inches=0.03)
    picture = BytesIO()
    figure.savefig(picture, format="png", dpi=300, metadata={"Software": None}, bbox_inches="tight", pad_inches=0.03)
    stem.with_suffix(".png").write_bytes(picture.getvalue())
    return data_uri(picture.getvalue(), "image/png")
