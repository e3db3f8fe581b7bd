"""A folder of compared models in, `report.html` out: one question, a panel a concept, a bar a model and layer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from videotcav.records import StandardisedEffect
from videotcav.report.answer import MOST_CLAUSES
from videotcav.report.figures import Axis, nice
from videotcav.report.glance import MOST_ROWS, Dot, Glance, GlanceRow, dot, is_finite
from videotcav.report.render import PAGE, write_page
from videotcav.report.run import Run
from videotcav.report.sentences import unique
from videotcav.results import words
from videotcav.results.folder import copied
from videotcav.results.manifest import MANIFEST, RESULTS, ComparisonManifest, read_manifest
from videotcav.results.read import read_rows
from videotcav.results.table import data_frame, sentences_html

if TYPE_CHECKING:
    from pandas import DataFrame

_CENTRAL = 1.96
_TITLES = {
    "frozen": (
        "Dynamic reliance: what does the motion add?",
        "The moving concept against its own frozen twin. Right of 0 the motion raises the class, left it lowers it.",
    ),
    "random": (
        "Does the moving concept matter?",
        "The moving concept against random clips. Right of 0 it raises the class, left it lowers it.",
    ),
}


@dataclass(frozen=True)
class Lane:
    """One model's layer in a panel; positions in percent of its width. `first` of its model."""

    row: StandardisedEffect
    point: float
    low: float
    high: float
    first: bool


@dataclass(frozen=True)
class ConceptPanel:
    """One concept and class: lanes, where 0 lies, the ends of the central 95 % of the null, and ticks."""

    concept: str
    class_name: str
    lanes: tuple[Lane, ...]
    zero: float
    null: tuple[float, float]
    ticks: tuple[tuple[float, str], ...]


@dataclass(frozen=True, repr=False)
class Comparison:
    """Models that were asked one question, as they lie on disk: facts, where each stands, and a run of each."""

    folder: Path
    facts: ComparisonManifest
    standings: tuple[StandardisedEffect, ...]

    def __repr__(self) -> str:
        return "\n".join(self.sentences)

    def _repr_html_(self) -> str:
        return sentences_html([self.facts.question, *self.sentences])

    @property
    def sentences(self) -> list[str]:
        """Where each model stands, and where edits were asked for, what its classes need."""
        needs = [f"{label}: {sentence}" for label, model in self.facts.models.items() for sentence in model.needs]
        return [*comparison_sentences(self.facts, self.standings), *needs]

    @property
    def runs(self) -> dict[str, Run]:
        """The run of each model, by its label."""
        return {label: Run.read(self.folder / model.run) for label, model in self.facts.models.items()}

    def to_pandas(self) -> DataFrame:
        """One row a model, layer, concept and question. Raises MissingExtra without pandas."""
        return data_frame(row.model_dump() for row in self.standings)

    def save(self, folder: Path | str) -> Path:
        """Copies the folder to a new one, which `read_comparison` reads back. Raises PathTaken."""
        return copied(self.folder, Path(folder))

    def report(self) -> Path:
        """Writes the page anew, from the results alone; where it lies."""
        return write_comparison_page(self.folder)


def read_comparison(folder: Path | str) -> Comparison:
    """What was compared, and where each model stands. Raises RunFolderError."""
    folder = Path(folder)
    manifest = read_manifest(folder / MANIFEST, ComparisonManifest)
    rows = read_rows(folder / RESULTS, StandardisedEffect, sha256=manifest.results_sha256)
    return Comparison(folder, manifest, rows)


def write_comparison_page(folder: Path) -> Path:
    """Writes the page from the folder's results alone and says where it lies."""
    found = read_comparison(folder)
    manifest, rows = found.facts, found.standings
    central = _CENTRAL if manifest.negligible_below is None else manifest.negligible_below
    return write_page(
        folder / PAGE,
        "comparison.html",
        manifest=manifest,
        rows=rows,
        sections=[(*_TITLES[against], _panels(rows, against, central)) for against in _TITLES],
        answer=comparison_answer(manifest, rows),
        trust=_trust(manifest),
        at_a_glance=_glance(manifest, rows, central),
        sentences=found.sentences,
    )


def comparison_sentences(manifest: ComparisonManifest, rows: Sequence[StandardisedEffect]) -> list[str]:
    """A sentence a class, concept and model: what its deepest layer that can be judged says of motion."""
    told = []
    for class_name, concept in unique((row.class_name, row.concept) for row in rows):
        for model in manifest.models:
            row = _telling(manifest, rows, (model, class_name, concept, "frozen"))
            if row is None:
                told.append(f"{model}: no frozen twins of “{concept}”, so nothing is known of its motion.")
                continue
            where = f" at {row.layer}" if row.layer else ""
            numbers = f"index {_signed(row.value)} [{_signed(row.low)}, {_signed(row.high)}]{where}"
            told.append(f"{model}: {_said(row)} of “{concept}” for “{class_name}” ({numbers}; {row.verdict}).")
    return told


def comparison_answer(manifest: ComparisonManifest, rows: Sequence[StandardisedEffect]) -> str:
    """What the models do with the motion of the first concepts, in one sentence."""
    clauses = []
    for class_name, concept in unique((row.class_name, row.concept) for row in rows):
        alike: dict[str, dict[str, StandardisedEffect | None]] = {}
        for model in manifest.models:
            row = _telling(manifest, rows, (model, class_name, concept, "frozen"))
            alike.setdefault(_said(row), {})[f"{model} ({_signed(row.value)})" if row else model] = row
        about = f"of “{concept}” for “{class_name}”"
        clauses += [
            f"{words.listing([*told])} {_said(next(iter(told.values())), models=len(told))} {about}"
            for told in alike.values()
        ]
    return f"{'; '.join(clauses[:MOST_CLAUSES])}."


def _telling(
    manifest: ComparisonManifest,
    rows: Sequence[StandardisedEffect],
    asked: tuple[str, str, str, str],
) -> StandardisedEffect | None:
    """The row of the deepest layer that can be judged, or of the score, of a model, class, concept and comparison."""
    of_model = {row.layer: row for row in rows if (row.model, row.class_name, row.concept, row.against) == asked}
    judged = [of_model[layer] for layer in ("", *manifest.models[asked[0]].layers) if layer in of_model]
    sound = [row for row in judged if row.verdict not in ("degenerate", "not learned")]
    return (sound or judged)[-1] if judged else None


def _trust(manifest: ComparisonManifest) -> list[str]:
    own = "own null, which they share where their scores do not" if manifest.negligible_below is None else "own score"
    return [
        f"{words.count(len(manifest.models), 'model')} saw the same videos, each in its own input format.",
        f"The unit is one standard deviation of each model’s {own}.",
        "p is corrected within a model, not over models.",
        "Each model’s own report says how many videos there were, and what would overturn it.",
    ]


def _glance(manifest: ComparisonManifest, rows: Sequence[StandardisedEffect], central: float) -> Glance | None:
    """The motion of each concept, and the concept itself, a row a model."""
    asked = unique((row.class_name, row.concept) for row in rows)
    told = {
        (model, class_name, concept): [
            _telling(manifest, rows, (model, class_name, concept, against)) for against in ("frozen", "random")
        ]
        for class_name, concept in asked
        for model in manifest.models
    }
    shown = [*told.items()][:MOST_ROWS]
    found = [row for _, pair in shown for row in pair if row is not None]
    ends = [abs(end) for row in found for end in (row.value, row.low, row.high) if math.isfinite(end)]
    if not ends:
        return None
    axis = Axis(-nice(max(ends)), nice(max(ends)), "contrast")
    return Glance(
        heads=("its motion", "moving"),
        rows=tuple(
            GlanceRow(
                f"{model}: {concept}" if len(asked) > 1 else model,
                tuple(_dot(row, axis, central) for row in pair),
            )
            for (model, _, concept), pair in shown
        ),
        axis=axis,
        unit="each model’s own standard deviations",
        more=len(told) - len(shown),
    )


def _dot(row: StandardisedEffect | None, axis: Axis, central: float) -> Dot | None:
    if row is None or not is_finite(ends := (row.value, row.low, row.high)):
        return None
    look = "shown" if row.verdict in ("positive", "negative") else "none" if row.verdict == "negligible" else "open"
    text = f"{row.verdict}: {_signed(row.value)}, 95 % interval {_signed(row.low)} to {_signed(row.high)}"
    return dot(ends, (-central, central), axis, look=look, text=text)


def _said(row: StandardisedEffect | None, *, models: int = 1) -> str:
    """What one model, or several, do with the motion."""
    if row is None:
        return "was not asked about the motion" if models == 1 else "were not asked about the motion"
    one, several = {
        "positive": ("relies on the motion", "rely on the motion"),
        "negative": ("is moved against the class by the motion", "are moved against the class by the motion"),
        "not learned": (
            "does not tell the sets apart, so nothing is said of the motion",
            "do not tell the sets apart, so nothing is said of the motion",
        ),
    }.get(row.verdict, ("shows no reliance on the motion", "show no reliance on the motion"))
    return one if models == 1 else several


def _panels(rows: Sequence[StandardisedEffect], against: str, central: float) -> list[ConceptPanel]:
    """The panels of one section; `central` is how far the grey band reaches on either side."""
    asked = [row for row in rows if row.against == against]
    reach = max((abs(end) for row in asked for end in (row.value, row.low, row.high)), default=1.0)
    reach = max(1.25 * central, 1.05 * reach)  # one scale for all panels of a section

    def percent(value: float) -> float:
        return round(50 + 50 * max(-1.0, min(1.0, value / reach)), 2)

    panels = []
    for class_name, concept in unique((row.class_name, row.concept) for row in asked):
        of_panel = [row for row in asked if (row.class_name, row.concept) == (class_name, concept)]
        firsts = {row.model: row.layer for row in reversed(of_panel)}
        lanes = tuple(
            Lane(row, percent(row.value), percent(row.low), percent(row.high), firsts[row.model] == row.layer)
            for row in of_panel
        )
        ticks = tuple(
            (percent(tick), f"{tick:+.2g}".replace("-", "−") if tick else "0")
            for tick in (-reach / 1.05, 0, reach / 1.05)
        )
        panels.append(
            ConceptPanel(concept, class_name, lanes, percent(0), (percent(-central), percent(central)), ticks)
        )
    return panels


def _signed(value: float) -> str:
    return f"{value:+.1f}".replace("-", "−")
