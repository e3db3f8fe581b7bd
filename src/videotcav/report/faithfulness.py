"""A folder of measured maps in, `report.html` out: methods side by side. Recomputes nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeGuard

from matplotlib.figure import Figure

from videotcav.errors import RunFolderError
from videotcav.report.render import PAGE, data_uri, write_page
from videotcav.results import words
from videotcav.results.folder import MEDIA, copied
from videotcav.results.manifest import MANIFEST, RESULTS, read_manifest
from videotcav.results.map_facts import Faithfulness, FaithfulnessManifest
from videotcav.results.read import read_rows
from videotcav.results.shown_figure import ShownFigure
from videotcav.results.table import data_frame, sentences_html

if TYPE_CHECKING:
    from pandas import DataFrame

_TRUTH = "Is the map where the truth is?"
_NEED = "Does the model need what the map marks?"
_STILL = "Does it come from what was learned, and does it hold still?"
_NOTES = {
    _TRUTH: "What is true was given: boxes, and events where there are any. The dashed line is what a flat map scores.",
    _NEED: "Only a frozen frame leaves a clip that could have been filmed; blur and flat colour may mislead the model.",
    _STILL: "",
}


@dataclass(frozen=True)
class Measure:
    """A measure in words: `about` says what the number is; of a headline one a sentence tells which method is best."""

    name: str
    title: str
    better: Literal["higher", "lower", "neither"]
    group: str
    about: str
    headline: bool = False


def _measures() -> Iterator[Measure]:
    about = "The share of the map inside the boxes, divided by the boxes’ share of the volume: 1 is chance."
    yield Measure("energy", "Energy in the box", "higher", _TRUTH, about, headline=True)
    about = "How often the strongest voxel lies inside a box of its own frame."
    yield Measure("pointing in space", "Pointing in space", "higher", _TRUTH, about, headline=True)
    about = "How often the frame that holds most of the map lies in the event."
    yield Measure("pointing in time", "Pointing in time", "higher", _TRUTH, about, headline=True)
    about = (
        "Rank correlation, over the frames of a clip, of how much of the map lies in a frame with how much the class’s "
        "score falls when that frame is covered. Around 0 the map says nothing about when."
    )
    yield Measure("moments", "Full when it counts", "higher", _NEED, about, headline=True)
    fills = {"blur": "a blur", "freeze": "a frozen frame", "mean": "the mean colour"}
    for fill, seen in fills.items():
        about = f"The class’s probability, averaged while the clip is uncovered from {seen}, strongest voxels first."
        yield Measure(f"insertion {fill}", f"Insertion into {seen}", "higher", _NEED, about, headline=fill == "freeze")
    for fill, seen in fills.items():
        about = f"The class’s probability, averaged while the clip is covered by {seen}, strongest voxels first."
        yield Measure(f"deletion {fill}", f"Deletion by {seen}", "lower", _NEED, about, headline=fill == "freeze")
    about = "How much of the map moves from a frame to the next: 0 stands still, 1 shares no place with the next."
    yield Measure("flicker", "Flicker", "lower", _STILL, about)
    same = "Rank correlation with the map of the"
    about = f"{same} same network, its weights in random places. Near 1 the map does not come from what was learned."
    yield Measure("random weights", "Same with random weights", "lower", _STILL, about)
    about = f"{same} clip played backwards, turned round again. Near 1 the order of frames plays no part."
    yield Measure("reversal", "Same when reversed", "neither", _STILL, about)
    about = f"{same} clip with its frames in random order, put in order again."
    yield Measure("shuffle", "Same when shuffled", "neither", _STILL, about)
    yield Measure("noise", "Same under small noise", "higher", _STILL, f"{same} clip with a little noise added.")


MEASURES = MappingProxyType({measure.name: measure for measure in _measures()})
"""All measures by name, in the order in which they are told."""


@dataclass(frozen=True)
class MeasurePanel:
    """The figure of one measure: methods below each other on one axis that starts at 0 unless something is below."""

    measure: Measure
    rows: Sequence[Faithfulness]

    @property
    def ends(self) -> tuple[float, float]:
        """Of the axis."""
        shown = [end for row in self.rows for end in (row.value, row.low, row.high, row.chance) if is_number(end)]
        low, high = min([0.0, *shown]), max([0.0, *shown])
        return low, high if high > low else low + 1

    def percent(self, value: float) -> float:
        """Where a value stands on the axis, from 0 to 100."""
        low, high = self.ends
        return round(100 * (value - low) / (high - low), 2)

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """Position and label of the ends and the middle."""
        low, high = self.ends
        return [(self.percent(tick), shown_value(tick)) for tick in (low, (low + high) / 2, high)]

    @property
    def chance(self) -> float | None:
        """What a flat map scores, where that is known."""
        return next((row.chance for row in self.rows if is_number(row.chance)), None)


@dataclass(frozen=True, repr=False)
class FaithfulnessRun:
    """Measured maps as they lie on disk: facts, and a row a method and measure."""

    folder: Path
    manifest: FaithfulnessManifest
    results: tuple[Faithfulness, ...]

    def __iter__(self) -> Iterator[Faithfulness]:
        return iter(self.results)

    def __len__(self) -> int:
        return len(self.results)

    def __repr__(self) -> str:
        return "\n".join(headlines(self.results))

    def _repr_html_(self) -> str:
        return sentences_html([f"Maps of {words.count(self.manifest.clips, 'clip')}", *headlines(self.results)])

    @property
    def panels(self) -> list[MeasurePanel]:
        """A panel a measure that there is."""
        all_of = ((measure, [row for row in self if row.measure == name]) for name, measure in MEASURES.items())
        return [MeasurePanel(measure, rows) for measure, rows in all_of if rows]

    def to_pandas(self) -> DataFrame:
        """One row a method and measure. Raises MissingExtra without pandas."""
        return data_frame(row.model_dump() for row in self)

    def save(self, folder: Path | str) -> Path:
        """Copies the folder to a new one, which `read_faithfulness` reads back. Raises PathTaken."""
        return copied(self.folder, Path(folder))

    @property
    def _trust(self) -> list[str]:
        """How far to trust it."""
        facts = self.manifest
        return [
            f"{words.count(facts.clips, 'clip')} of {words.listing(facts.classes)}.",
            f"The mean probability of the class explained is {shown_value(facts.mean_probability)}.",
            "A method that does not beat a map that never saw the model says nothing about the model that it does not.",
            f"Known boxes: {facts.boxes.source if facts.boxes else 'none'}.",
        ]

    def report(self) -> Path:
        """Writes the page anew, from the results alone; where it lies."""
        return write_page(
            self.folder / PAGE,
            "faithfulness.html",
            manifest=self.manifest,
            notes=_NOTES,
            panels=self.panels,
            answer=next(iter(headlines(self.results)), "No method was held against a map that knows no model."),
            trust=self._trust,
            headlines=headlines(self.results)[1:],
            examples=[data_uri(path.read_bytes(), "image/png") for path in sorted((self.folder / MEDIA).glob("*.png"))],
            rows=self.results,
            measures=MEASURES,
            number=shown_value,
            interval=interval,
            is_number=is_number,
        )

    def plot(self) -> Figure:
        """A panel a measure: methods below each other with their 95 % intervals; dashed what a flat map scores."""
        panels = self.panels
        figure = ShownFigure(figsize=(9, 1.6 * len(panels)), layout="constrained", facecolor="white")
        for axes, panel in zip(figure.subplots(len(panels), squeeze=False)[:, 0], panels, strict=True):
            for place, row in enumerate(panel.rows):
                colour = "#8a8d96" if row.baseline else "#0072b2"
                axes.plot([row.low, row.high], [place, place], color=colour, lw=1.5)
                axes.plot(row.value, place, "o", color=colour, ms=5)
            if panel.chance is not None:
                axes.axvline(panel.chance, color="#1c1d21", lw=0.8, ls=(0, (4, 3)))
            axes.set_yticks(range(len(panel.rows)), [row.method for row in panel.rows], fontsize=7)
            axes.invert_yaxis()
            axes.set_title(panel.measure.title, fontsize=9, loc="left")
        return figure


def read_faithfulness(folder: Path | str) -> FaithfulnessRun:
    """The measured maps in a folder. Raises RunFolderError where there are none, or they are damaged."""
    folder = Path(folder)
    if not (folder / MANIFEST).is_file():
        raise RunFolderError(f"{folder} holds no measured maps", hint="`faithfulness()` measures them")
    manifest = read_manifest(folder / MANIFEST, FaithfulnessManifest)
    rows = read_rows(folder / RESULTS, Faithfulness, sha256=manifest.results_sha256)
    if strange := {row.measure for row in rows} - MEASURES.keys():
        raise RunFolderError(f"{folder} holds measures that are not known here ({', '.join(sorted(strange))})")
    return FaithfulnessRun(folder, manifest, rows)


def write_faithfulness_page(folder: Path) -> Path:
    """The page written into the folder, from what lies in that folder alone. Raises RunFolderError."""
    return read_faithfulness(folder).report()


def headlines(rows: Sequence[Faithfulness]) -> list[str]:
    """A plain sentence for each headline measure: the best method, and the best map that knows no model."""
    found = []
    for name, measure in MEASURES.items():
        own = [row for row in rows if row.measure == name and is_number(row.value)]
        models, baselines = ([row for row in own if row.baseline == side] for side in (False, True))
        if not (measure.headline and models and baselines):
            continue
        sign = 1 if measure.better == "higher" else -1
        best, rival = (max(side, key=lambda row: sign * row.value) for side in (models, baselines))
        told = "not clearly apart from"
        if best.low > rival.high or best.high < rival.low:
            told = f"clearly {'better' if sign * best.value > sign * rival.value else 'worse'} than"
        found.append(
            f"{measure.title}: {best.method} is best with {shown_value(best.value)} ({interval(best)}), {told} "
            f"“{rival.method}”, which knows nothing of the model, with {shown_value(rival.value)} ({interval(rival)})."
        )
    return found


def shown_value(value: float) -> str:
    """A value with as many digits as it deserves."""
    return words.number(value, 1 if abs(value) >= 10 else 2)  # noqa: PLR2004 - three digits in all


def interval(row: Faithfulness) -> str:
    """The 95 % interval as `low to high`; words where there is none."""
    return f"{shown_value(row.low)} to {shown_value(row.high)}" if is_number(row.low) else "no interval: one video"


def is_number(value: float | None) -> TypeGuard[float]:
    """Whether there is a value that can be drawn."""
    return value is not None and math.isfinite(value)
