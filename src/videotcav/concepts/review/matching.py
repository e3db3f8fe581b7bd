"""Matched pools: clips of other things that bear the labels of a concept's clips as often as these do.

By drawing, never by weights. Source videos are what is matched, because they are what is compared.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from videotcav.errors import ArgumentError, ConceptError, NotEnoughData
from videotcav.records import Record

Cell = tuple[str, ...]
"""One label of each matched column."""

LEAST_SOURCES = 5
"""Of a matched pool, as of a concept in a study."""

MOST_LEVELS = 10
"""Of a column of numbers that are labels."""


@dataclass(frozen=True)
class Labelled:
    """A clip, the source video that it counts with, and its label in each column; None where nobody says."""

    source: str
    clip: str
    labels: Mapping[str, str | None]


class Matching(Record):
    """How near a matched pool came: `farthest` is the largest difference of a share between concept and pool, over all
    combinations of labels. `unlabelled` clips of the pool had no label in some column.
    """

    columns: tuple[str, ...]
    sources: int
    farthest: float
    unlabelled: int = 0

    @property
    def sentence(self) -> str:
        """In words."""
        near = "exactly" if self.farthest < 0.0005 else f"to within {100 * self.farthest:.1f} %"  # noqa: PLR2004
        without = f"; {self.unlabelled} clips of the pool have no such label and were left out" * bool(self.unlabelled)
        return f"matched on {', '.join(self.columns)}: shares of source videos are the concept's {near}{without}"


@dataclass(frozen=True)
class Matched:
    """The clips of a pool that may be drawn, of as many source videos as the match allows, and how near it came."""

    clips: tuple[Labelled, ...]
    matching: Matching


def match(
    concept: Sequence[Labelled],
    pool: Sequence[Labelled],
    columns: Sequence[str],
    *,
    name: str,
    own: Collection[str] = (),
    most: int | None = None,
    rng: np.random.Generator,
) -> Matched:
    """The clips of a drawn part of the pool whose source videos have the labels of the concept's as often.

    Args:
        concept: the clips of the concept; all of them must have a label in every column.
        pool: clips of other things; videos that the concept is cut from, and clips without a label, are left out.
        columns: what is matched, jointly.
        name: of the concept.
        own: columns that say what the concept is.
        most: source videos at most.
        rng: which of them are taken.

    Raises:
        ArgumentError: a column is the concept's own or cannot be told from its own, or no column of labels.
        ConceptError: a clip of the concept has no label.
        NotEnoughData: the pool lacks clips of such labels.
    """
    if not columns:
        raise ArgumentError("match names no column of the table of labels")
    _refuse_unlabelled(concept, columns, name)
    for column in columns:
        refuse_own(column, concept, pool, name=name, own=own)
        _refuse_numbers(column, (*concept, *pool))
    sources = {clip.source for clip in concept}
    others = [clip for clip in pool if clip.source not in sources]
    usable = [clip for clip in others if all(clip.labels.get(column) is not None for column in columns)]
    wanted = _shares((clip.source, _cell(clip, columns)) for clip in concept)
    there = _assigned(((clip.source, _cell(clip, columns)) for clip in usable), wanted)
    for cell, share in wanted.items():
        if not there.get(cell):
            raise NotEnoughData(
                f"the pool has no clip with {_named(cell, columns)} from other videos than the concept's, as "
                f"{100 * share:.0f} % of the source videos of '{name}' have: add such clips to the pool"
            )
    quotas = _quotas(wanted, {cell: len(found) for cell, found in there.items()}, most=most)
    count = sum(quotas.values())
    if count < LEAST_SOURCES and (most is None or most >= LEAST_SOURCES):
        scarce = min(wanted, key=lambda cell: len(there[cell]) / wanted[cell])
        raise NotEnoughData(
            f"a pool matched to '{name}' on {', '.join(columns)} has {count} source videos; at least {LEAST_SOURCES} "
            f"are needed. Add clips with {_named(scarce, columns)}: the pool has them from {len(there[scarce])} videos"
        )
    drawn = {
        source: cell
        for cell in sorted(quotas)
        for source in rng.permutation(sorted(there[cell]))[: quotas[cell]].tolist()
    }
    return Matched(
        tuple(clip for clip in usable if drawn.get(clip.source) == _cell(clip, columns)),
        Matching(
            columns=tuple(columns),
            sources=count,
            farthest=max(abs(quotas[cell] / count - share) for cell, share in wanted.items()),
            unlabelled=len(others) - len(usable),
        ),
    )


def refuse_own(
    column: str, concept: Sequence[Labelled], pool: Sequence[Labelled], *, name: str, own: Collection[str]
) -> None:
    """Nothing where a pool may be matched on the column: matched on what the concept *is*, it would be the concept.

    Raises ArgumentError for a column that is declared as the concept's own, bears or holds its name, or tells concept
    and pool apart perfectly.
    """
    labels = {str(label).casefold() for clip in concept if (label := clip.labels.get(column)) is not None}
    called = labels == {name.casefold()} or column.casefold() == name.casefold()
    if column in own or called:
        why = "is its own column" if column in own else "says what it is"
        raise ArgumentError(
            f"'{name}' cannot be matched on '{column}', which {why}: the pool would then be the concept itself, and no "
            "effect be left to find; match on other columns"
        )
    if apart := tells_apart(column, concept, pool, name=name):
        raise ArgumentError(
            f"{apart}: if it says what the concept is, name it as its own column; if not, add clips to the pool that "
            "have the concept's labels in it"
        )


def tells_apart(column: str, concept: Sequence[Labelled], pool: Sequence[Labelled], *, name: str) -> str:
    """That the column tells concept and pool apart perfectly, as the beginning of a sentence; empty where it does not.

    A column in which every source video has a label of its own tells nothing.
    """
    here = {clip.labels.get(column) for clip in concept} - {None}
    there = {clip.labels.get(column) for clip in pool} - {None}
    pairs = {(clip.source, clip.labels.get(column)) for clip in (*concept, *pool)}
    known = [label for _, label in pairs if label is not None]
    if not here or not there or here & there or len(known) == len(set(known)):
        return ""
    return f"the column '{column}' tells '{name}' and the pool apart perfectly ({_some(here)} against {_some(there)})"


def _refuse_unlabelled(concept: Sequence[Labelled], columns: Sequence[str], name: str) -> None:
    for column in columns:
        without = [clip.clip for clip in concept if clip.labels.get(column) is None]
        if without:
            raise ConceptError(
                f"{len(without)} of {len(concept)} clips of '{name}' have no label in the column '{column}', the first "
                f"is {without[0]}: give each of them one, or leave these clips out"
            )


def _refuse_numbers(column: str, clips: Iterable[Labelled]) -> None:
    found = {label for clip in clips if (label := clip.labels.get(column)) is not None}
    if len(found) > MOST_LEVELS and all(reads_as_number(label) for label in found):
        raise ArgumentError(
            f"the column '{column}' holds {len(found)} different numbers, and only labels can be matched: add a column "
            "that sorts them, as into 'low' and 'high'"
        )


def reads_as_number(label: str) -> bool:
    """Whether a label is a finite number."""
    try:
        return math.isfinite(float(label))
    except ValueError:
        return False


def _cell(clip: Labelled, columns: Iterable[str]) -> Cell:
    return tuple(str(clip.labels.get(column)) for column in columns)


def _shares(clips: Iterable[tuple[str, Cell]]) -> dict[Cell, float]:
    """The share of each cell over source videos: a video of several cells counts in part for each."""
    of_source: dict[str, Counter[Cell]] = defaultdict(Counter)
    for source, cell in clips:
        of_source[source][cell] += 1
    shares: dict[Cell, float] = defaultdict(float)
    for cells in of_source.values():
        for cell, count in cells.items():
            shares[cell] += count / cells.total() / len(of_source)
    return dict(sorted(shares.items()))


def _assigned(clips: Iterable[tuple[str, Cell]], wanted: Mapping[Cell, float]) -> dict[Cell, list[str]]:
    """The sources of each wanted cell. One of several cells goes to that of which there are fewest for what is wanted.

    Its clips of other cells are then not drawn.
    """
    of_source: dict[str, set[Cell]] = defaultdict(set)
    for source, cell in clips:
        if cell in wanted:
            of_source[source].add(cell)
    found: dict[Cell, list[str]] = defaultdict(list)
    for source in sorted(of_source, key=lambda source: (len(of_source[source]), source)):
        scarcest = min(sorted(of_source[source]), key=lambda cell: len(found[cell]) / wanted[cell])
        found[scarcest].append(source)
    return found


def _quotas(wanted: Mapping[Cell, float], there: Mapping[Cell, int], *, most: int | None) -> dict[Cell, int]:
    """How many sources of each cell: of the largest set that has the wanted shares, rounded to whole sources."""
    total = sum(there.values()) if most is None else min(most, sum(there.values()))
    for size in range(total, 0, -1):
        exact = {cell: share * size for cell, share in wanted.items()}
        quotas = {cell: int(count + 1e-9) for cell, count in exact.items()}
        rest = sorted(wanted, key=lambda cell: (quotas[cell] - exact[cell], cell))
        for cell in rest[: size - sum(quotas.values())]:
            quotas[cell] += 1
        if all(quotas[cell] <= there[cell] for cell in wanted):
            return quotas
    return dict.fromkeys(wanted, 0)


def _named(cell: Cell, columns: Sequence[str]) -> str:
    return ", ".join(f"{column} = {label}" for column, label in zip(columns, cell, strict=True))


def _some(labels: Iterable[str | None], most: int = 3) -> str:
    named = sorted(f"'{label}'" for label in labels)
    return ", ".join(named[:most]) + (f" and {len(named) - most} more" if len(named) > most else "")
