"""A paper folder in, its figures and `paper.html` out: `write_paper`. Recomputes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from matplotlib.figure import Figure

from videotcav.errors import RunFolderError
from videotcav.records import Result
from videotcav.report.answer import trust
from videotcav.report.paper_figures import figures
from videotcav.report.render import data_uri, write_page
from videotcav.results import words
from videotcav.results.manifest import MANIFEST, read_manifest
from videotcav.results.paper_facts import PAPER_KINDS, PaperFacts
from videotcav.results.read import RunResults

PAPER_PAGE = "paper.html"
FIGURES = "figures"
_TRUST = (
    "The published t-test takes its runs for independent, but they share one concept set: it finds too much.",
    "Set-level randomisation of the same data does not.",
    "What differs from the paper stands below.",
)


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


def read_paper(folder: Path) -> PaperResults:
    """The paper in a folder. Raises RunFolderError when it is none, or is damaged."""
    try:
        facts = read_manifest(folder / MANIFEST, PaperFacts)
    except RunFolderError as error:
        raise RunFolderError(
            f"{folder} is no folder of a study by the paper's protocol: {error.message}", hint="`paper()` writes one"
        ) from error
    return PaperResults(folder, facts, RunResults.read(folder / "run"))


def write_paper(folder: Path) -> Path:
    """The page written into the folder, and each figure as PNG and PDF below `figures/`.

    Raises RunFolderError when it is not a paper folder.
    """
    paper = read_paper(folder)
    (folder / FIGURES).mkdir(exist_ok=True)
    drawn = figures(paper.facts, paper.run.results, paper.tested, folder / "media")
    return write_page(
        folder / PAPER_PAGE,
        "paper.html",
        paper=paper,
        facts=paper.facts,
        manifest=paper.run.manifest,
        pictures={number: _saved(figure, folder / FIGURES / f"figure-{number}") for number, figure in drawn},
        kinds=PAPER_KINDS,
        answer=summary(paper),
        trust=[*trust(paper.run), *_TRUST],
    )


def summary(paper: PaperResults) -> str:
    """Figure 10 in one sentence: the published test, and set-level randomisation of the same data."""
    classic = [row.p_classic_corrected for row in paper.tested if row.p_classic_corrected is not None]
    significant = sum(p <= paper.facts.alpha for p in classic)
    decided = sum(row.verdict in ("positive", "negative") for row in paper.tested)
    of = words.count(len(paper.tested), "test")
    return (
        f"The published test calls {significant} of {of} significant after Bonferroni; set-level randomisation of the "
        f"same data gives a verdict for {decided}."
    )


def _saved(figure: Figure, stem: Path) -> str:
    """The figure as PNG and PDF on disk, and as a data URI."""
    figure.savefig(stem.with_suffix(".pdf"), metadata={"CreationDate": None}, bbox_inches="tight", pad_inches=0.03)
    picture = BytesIO()
    figure.savefig(picture, format="png", dpi=300, metadata={"Software": None}, bbox_inches="tight", pad_inches=0.03)
    stem.with_suffix(".png").write_bytes(picture.getvalue())
    return data_uri(picture.getvalue(), "image/png")
