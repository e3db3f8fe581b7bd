"""A folder of measured maps in, `report.html` out: methods side by side. Recomputes nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeGuard

import pyarrow as pa
import pyarrow.parquet as pq
from matplotlib.figure import Figure

from videotcav.errors import RunFolderError
from videotcav.records import Faithfulness
from videotcav.report.render import PAGE, data_uri, write_page
from videotcav.results.folder import copied
from videotcav.results.manifest import MANIFEST, RESULTS, FaithfulnessManifest, read_manifest
from videotcav.results.table import data_frame

if TYPE_CHECKING:
    from pandas import DataFrame

Better = Literal["higher", "lower", "neither"]


@dataclass(frozen=True)
class Words:
    """How the page speaks of a measure; `about` says what the number is, in one sentence."""

    title: str
    better: Better
    about: str


_FILL_WORDS = {"blur": "a blur", "freeze": "a frozen frame", "mean": "the mean colour"}
WORDS = MappingProxyType(
    {
        "energy": Words(
            "Energy in the box",
            "higher",
            "The share of the map inside the boxes, divided by the boxes’ share of the volume: 1 is chance.",
        ),
        "pointing in space": Words(
            "Pointing in space", "higher", "How often the strongest voxel lies inside a box of its own frame."
        ),
        "pointing in time": Words(
            "Pointing in time", "higher", "How often the frame that holds most of the map lies in the event."
        ),
        "moments": Words(
            "Full when it counts",
            "higher",
            "Rank correlation, over the frames of a clip, of how much of the map lies in a frame with how much the "
            "class’s score falls when that frame is covered. Around 0 the map says nothing about when.",
        ),
        **{
            f"insertion {fill}": Words(
                f"Insertion into {words}",
                "higher",
                f"The class’s probability, averaged while the clip is uncovered from {words}, strongest voxels first.",
            )
            for fill, words in _FILL_WORDS.items()
        },
        **{
            f"deletion {fill}": Words(
                f"Deletion by {words}",
                "lower",
                f"The class’s probability, averaged while the clip is covered by {words}, strongest voxels first.",
            )
            for fill, words in _FILL_WORDS.items()
        },
        "random weights": Words(
            "Same with random weights",
            "lower",
            "Rank correlation with the map of the same network, its weights in random places. Near 1 the map does not "
            "come from what was learned.",
        ),
        "noise": Words(
            "Same under small noise", "higher", "Rank correlation with the map of the clip with a little noise added."
        ),
        "reversal": Words(
            "Same when reversed",
            "neither",
            "Rank correlation with the map of the clip played backwards, turned round again. Near 1 the order of "
            "frames plays no part.",
        ),
        "shuffle": Words(
            "Same when shuffled",
            "neither",
            "Rank correlation with the map of the clip with its frames in random order, put in order again.",
        ),
        "flicker": Words(
            "Flicker",
            "lower",
            "How much of the map moves from a frame to the next: 0 stands still, 1 shares no place with the next.",
        ),
    }
)
_GROUPS = (
    (
        "Is the map where the truth is?",
        ("energy", "pointing in space", "pointing in time"),
        "What is true was given: boxes, and events where there are any. The dashed line is what a flat map scores.",
    ),
    (
        "Does the model need what the map marks?",
        ("moments", *(f"{curve} {fill}" for curve in ("insertion", "deletion") for fill in _FILL_WORDS)),
        "Only a frozen frame leaves a clip that could have been filmed; blur and flat colour may mislead the model.",
    ),
    (
        "Does it come from what was learned, and does it hold still?",
        ("random weights", "noise", "reversal", "shuffle", "flicker"),
        "",
    ),
)
_HEADLINES = ("energy", "pointing in space", "pointing in time", "moments", "insertion freeze", "deletion freeze")


@dataclass(frozen=True)
class Lane:
    """One method in a panel; positions in percent of the panel's width."""

    row: Faithfulness
    point: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Panel:
    """One measure with all its methods."""

    measure: str
    words: Words
    lanes: tuple[Lane, ...]
    chance: float | None
    ticks: tuple[tuple[float, str], ...]


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

    def to_pandas(self) -> DataFrame:
        """One row a method and measure. Raises MissingExtra without pandas."""
        return data_frame(row.model_dump() for row in self.results)

    def save(self, folder: Path | str) -> Path:
        """Copies the folder to a new one, which `read_faithfulness` reads back. Raises RunFolderError."""
        return copied(self.folder, Path(folder))

    def report(self) -> Path:
        """Writes the page anew, from the results alone; where it lies."""
        return write_faithfulness_page(self.folder)

    def plot(self) -> Figure:
        """A panel a measure: methods below each other with their 95 % intervals; dashed what a flat map scores."""
        measures = list(dict.fromkeys(row.measure for row in self.results))
        figure = Figure(figsize=(9, 1.6 * len(measures)), layout="constrained", facecolor="white")
        for axes, measure in zip(figure.subplots(len(measures), squeeze=False)[:, 0], measures, strict=True):
            own = [row for row in self.results if row.measure == measure]
            for place, row in enumerate(own):
                colour = "#8a8d96" if row.baseline else "#0072b2"
                axes.plot([row.low, row.high], [place, place], color=colour, lw=1.5)
                axes.plot(row.value, place, "o", color=colour, ms=5)
                if row.chance is not None:
                    axes.axvline(row.chance, color="#1c1d21", lw=0.8, ls=(0, (4, 3)))
            axes.set_yticks(range(len(own)), [row.method for row in own], fontsize=7)
            axes.invert_yaxis()
            axes.set_title(WORDS[measure].title, fontsize=9, loc="left")
        return figure


def read_faithfulness(folder: Path | str) -> FaithfulnessRun:
    """The measured maps in a folder. Raises RunFolderError where there are none, or they are damaged."""
    manifest, rows = _read(Path(folder))
    return FaithfulnessRun(Path(folder), manifest, tuple(rows))


def write_faithfulness_page(folder: Path) -> Path:
    """The page written into the folder, from what lies in that folder alone.

    Raises RunFolderError when it is not a folder of measured maps.
    """
    manifest, rows = _read(folder)
    sections = [
        (title, note, [panel(measure, rows) for measure in measures if any(row.measure == measure for row in rows)])
        for title, measures, note in _GROUPS
    ]
    return write_page(
        folder / PAGE,
        "faithfulness.html",
        manifest=manifest,
        sections=[section for section in sections if section[2]],
        headlines=headlines(rows),
        examples=[data_uri(path.read_bytes(), "image/png") for path in sorted((folder / "media").glob("*.png"))],
        rows=rows,
        measures=WORDS,
        number=number,
        interval=interval,
    )


def panel(measure: str, rows: Sequence[Faithfulness]) -> Panel:
    """The figure of one measure: methods below each other on one axis that starts at 0 unless something is below."""
    own = [row for row in rows if row.measure == measure]
    edges = [edge for row in own for edge in (row.value, row.low, row.high, row.chance) if _is_number(edge)]
    low, high = min(0.0, *edges, 0.0), max(*edges, 0.0)
    high = high if high > low else low + 1

    def place(value: float | None) -> float | None:
        return round(100 * (value - low) / (high - low), 2) if _is_number(value) else None

    lanes = [Lane(row, place(row.value) or 0.0, place(row.low), place(row.high)) for row in own]
    chance = next((row.chance for row in own if row.chance is not None), None)
    return Panel(
        measure=measure,
        words=WORDS[measure],
        lanes=tuple(lanes),
        chance=place(chance),
        ticks=tuple((place(tick) or 0.0, number(tick)) for tick in (low, (low + high) / 2, high)),
    )


def headlines(rows: Sequence[Faithfulness]) -> list[str]:
    """A plain sentence for each headline measure: the best method, and the best map that knows no model."""
    found = []
    for measure in _HEADLINES:
        own = [row for row in rows if row.measure == measure and _is_number(row.value)]
        models, baselines = ([row for row in own if row.baseline == side] for side in (False, True))
        if not models or not baselines:
            continue
        words = WORDS[measure]
        sign = 1 if words.better == "higher" else -1
        best, rival = (max(side, key=lambda row: sign * row.value) for side in (models, baselines))
        found.append(
            f"{words.title}: {best.method} is best with {number(best.value)} ({interval(best)}), "
            f"{_against(best, rival, words.better)} “{rival.method}”, which knows nothing of the model, with "
            f"{number(rival.value)} ({interval(rival)})."
        )
    return found


def _against(best: Faithfulness, rival: Faithfulness, better: Better) -> str:
    """How two means compare, as far as their intervals let one say it."""
    above, below = best.low > rival.high, best.high < rival.low
    if above or below:
        return "clearly better than" if above == (better == "higher") else "clearly worse than"
    return "not clearly apart from"


def number(value: float) -> str:
    """A value with as many digits as it deserves."""
    if not _is_number(value):
        return "–"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"  # noqa: PLR2004 - three digits in all


def interval(row: Faithfulness) -> str:
    """The 95 % interval as `low to high`; empty words where there is none."""
    return f"{number(row.low)} to {number(row.high)}" if _is_number(row.low) else "no interval: one video"


def _is_number(value: float | None) -> TypeGuard[float]:
    return value is not None and math.isfinite(value)


def _read(folder: Path) -> tuple[FaithfulnessManifest, list[Faithfulness]]:
    try:
        rows = [Faithfulness(**row) for row in pq.read_table(folder / RESULTS).to_pylist()]
    except (OSError, ValueError, pa.ArrowException) as error:
        raise RunFolderError(f"{folder} holds no measured maps ({error}); make it: videotcav faithfulness") from None
    manifest = read_manifest(folder / MANIFEST, FaithfulnessManifest)
    if strange := {row.measure for row in rows} - WORDS.keys():
        raise RunFolderError(f"{folder} holds measures that are not known here ({', '.join(sorted(strange))})")
    return manifest, rows
