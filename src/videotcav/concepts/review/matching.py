"""Matched pools: random clips that carry what a table says of clips as often as the concept's do (method.md 8.10).

By drawing, never by weights: whole clips are taken until each combination of labels is as frequent as in the concept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from videotcav.concepts.folder import ClipRecord
from videotcav.errors import ArgumentError, NotEnoughData, UnreadableText
from videotcav.texts import read_table

Levels = tuple[str, ...]
"""What the matched columns say of one clip, in their order."""


class LabelTable:
    """What a table says of clips: rows by `file`, which is a clip's own path or that of the video it was cut from,
    relative to the table, or the name of its source; every other column is a label.
    """

    def __init__(
        self, rows: Mapping[str, Mapping[str, str]], *, folder: Path, columns: Sequence[str], name: str
    ) -> None:
        self.columns = tuple(columns)
        self.name = name
        self._by_source = dict(rows)
        self._by_path = {(folder / file).resolve(): row for file, row in rows.items()}

    @classmethod
    def read(cls, path: Path | str, *, file: str = "file") -> LabelTable:
        """The table in a CSV file. Raises UnreadableText where it lacks the column or tells a file two ways."""
        path = Path(path)
        rows = read_table(path)
        if not rows or file not in rows[0]:
            found = ", ".join(filter(None, rows[0])) if rows else "no rows"
            raise UnreadableText(path, f"the table has no column '{file}'; found: {found}")
        columns = [name for name in rows[0] if name and name != file]
        told: dict[str, dict[str, str]] = {}
        for row in rows:
            labels = {name: row[name].strip() for name in columns}
            if told.setdefault(row[file], labels) != labels:
                raise UnreadableText(path, f"says two things of {row[file]}")
        return cls(told, folder=path.parent, columns=columns, name=str(path))

    def of(self, path: Path, source: str, cut_from: Path | None = None) -> Mapping[str, str] | None:
        """The labels of a clip; None where the table does not know it, its video or its source."""
        for each in (path, cut_from):
            if each is not None and each.resolve() in self._by_path:
                return self._by_path[each.resolve()]
        return self._by_source.get(source)

    def require(self, columns: Collection[str]) -> None:
        """Nothing where all of these are columns. Raises ArgumentError."""
        for column in columns:
            if column not in self.columns:
                raise ArgumentError(f"{self.name} has no column '{column}'; it has: {', '.join(self.columns)}")

    def levels(self, record: ClipRecord, place: Path, columns: Sequence[str]) -> Levels:
        """What the columns say of a concept clip. Raises ArgumentError where a value is missing."""
        labels = self.of(place / record.file_name, record.source, place / record.source_video)
        missing = [column for column in columns if not (labels or {}).get(column)]
        if labels is None or missing:
            what = f"{' and '.join(missing)} of {record.file_name}" if labels else f"anything of {record.file_name}"
            raise ArgumentError(
                f"{self.name} does not say {what}, from {record.source}; a pool is matched on whole rows"
            )
        return tuple(labels[column] for column in columns)


def refuse_unmatchable(
    columns: Sequence[str], own: Collection[str], concept: Collection[Levels], pool: Collection[Levels]
) -> None:
    """Nothing where a pool may be matched on these columns.

    Raises ArgumentError for the concept's own column, whose effect matching would take away, and for one that tells
    every clip of the concept from every clip of the pool, which can only be such a column.
    """
    for column in columns:
        if column in own:
            raise ArgumentError(
                f"'{column}' is the concept's own column: a pool that is matched on it has the concept as often, and "
                "nothing would be found; match on other columns"
            )
    for place, column in enumerate(columns):
        of_concept, of_pool = ({levels[place] for levels in each} for each in (concept, pool))
        if of_concept and of_pool and not of_concept & of_pool:
            raise ArgumentError(
                f"'{column}' tells every clip of the concept ({', '.join(sorted(of_concept))}) from every clip of the "
                f"pool ({', '.join(sorted(of_pool))}): it says what the concept is, and no pool can be matched on it"
            )


def counts_to_match(concept: Sequence[Levels], size: int) -> dict[Levels, int]:
    """How many of `size` clips have each combination of labels, in the concept's proportions (largest remainders)."""
    shares = {levels: size * count / len(concept) for levels, count in sorted(Counter(concept).items())}
    counts = {levels: int(share) for levels, share in shares.items()}
    by_remainder = sorted(shares, key=lambda levels: (counts[levels] - shares[levels], levels))
    for levels in by_remainder[: size - sum(counts.values())]:
        counts[levels] += 1
    return counts


def draw_matched(
    pool: Mapping[str, tuple[str, Levels]],
    concept: Sequence[Levels],
    *,
    columns: Sequence[str],
    size: int,
    rng: np.random.Generator,
) -> list[str]:
    """The clips of a matched pool, evenly over sources within each combination of labels.

    Args:
        pool: source and labels of each clip that may be drawn.
        concept: labels of the concept's clips.
        columns: what the labels are called.
        size: how many clips.
        rng: of the draw.

    Raises NotEnoughData where a combination has too few clips, with the largest pool that there is.
    """
    wanted = counts_to_match(concept, size)
    there = Counter(levels for _, levels in pool.values())
    if any(there[levels] < count for levels, count in wanted.items()):
        levels = min(wanted, key=lambda each: there[each] / wanted[each])
        said = ", ".join(f"{column} = {value}" for column, value in zip(columns, levels, strict=True))
        largest = next(
            n for n in range(size, -1, -1) if all(there[k] >= v for k, v in counts_to_match(concept, n).items())
        )
        raise NotEnoughData(
            f"a matched pool of {size} needs {wanted[levels]} clips with {said}, and there are {there[levels]}; "
            f"{largest} clips can be matched: ask for fewer, or give a larger pool"
        )
    drawn: list[str] = []
    for levels, count in wanted.items():
        by_source: dict[str, list[str]] = {}
        for clip, (source, labels) in sorted(pool.items()):
            if labels == levels:
                by_source.setdefault(source, []).append(clip)
        queues = [list(rng.permutation(by_source[source])) for source in rng.permutation(sorted(by_source))]
        taken: list[str] = []
        while len(taken) < count:
            taken += [str(clips.pop()) for clips in queues if clips][: count - len(taken)]
        drawn += taken
    return drawn
