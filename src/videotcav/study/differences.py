"""What a concept's clips and the pool's differ in besides the concept, as far as a table of labels tells.

Against the pool a contrast is an association: whatever else the two differ in may be what moves the class.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from videotcav.concepts.review.matching import MOST_LEVELS, Labelled, reads_as_number
from videotcav.explain.cavs.gram import Floats
from videotcav.explain.design.draws import generator
from videotcav.explain.inference.interval_null import random_subsets
from videotcav.results.pool_facts import DIFFERENCE_ALPHA, LabelDifference

_DRAWS = 1999


def label_differences(
    concepts: Mapping[str, Sequence[Labelled]],
    pools: Mapping[str, Sequence[Labelled]],
    columns: Mapping[str, Collection[str]],
    *,
    seed: int,
) -> tuple[LabelDifference, ...]:
    """For each concept and each of its `columns`, which are not its own, the label that differs most from its pool.

    Source videos are the units. The pool's that the concept is cut from too are left out, and videos without a label;
    so are columns that say nothing of one side, or in which no two videos have the same label.
    """
    found = []
    draws = max(_DRAWS, math.ceil(4 * len(concepts) / DIFFERENCE_ALPHA))
    for name, clips in concepts.items():
        sources = {clip.source for clip in clips}
        units = [*clips, *(clip for clip in pools[name] if clip.source not in sources)]
        order = list(dict.fromkeys(clip.source for clip in units))
        flags = np.array([source in sources for source in order])
        both = (table for column in columns[name] if (table := _levels(units, order, column)))
        tables = [table for table in both if table.known[flags].any() and table.known[~flags].any()]
        if not tables:
            continue
        values = np.concatenate([table.values for table in tables], axis=1)
        z, largest = _permuted(values, flags, draws=draws, rng=generator(seed, "differences", name))
        first = 0
        for table in tables:
            mine = z[first : first + table.values.shape[1]]
            at = int(np.abs(mine).argmax())
            exceeding = 1 + int((largest >= abs(mine[at]) - 1e-9).sum())
            here, there = table.values[flags & table.known, at], table.values[~flags & table.known, at]
            found.append(
                LabelDifference(
                    concept=name,
                    column=table.column,
                    level=table.levels[at],
                    of_concept=float(here.mean()),
                    of_pool=float(there.mean()),
                    z=float(mine[at]),
                    p=min(1.0, exceeding / (1 + draws) * len(concepts)),
                )
            )
            first += len(mine)
    return tuple(found)


class _Levels(NamedTuple):
    """Of each source video the share of its clips with each label of a column, (video, level); NaN where unknown."""

    column: str
    levels: tuple[str, ...]
    values: Floats

    @property
    def known(self) -> NDArray[np.bool_]:
        """Which videos have a label."""
        return ~np.isnan(self.values[:, 0])


def _levels(clips: Iterable[Labelled], order: Sequence[str], column: str) -> _Levels | None:
    """None where the column says nothing that two videos have in common."""
    of_source: dict[str, list[str]] = defaultdict(list)
    for clip in clips:
        if (label := clip.labels.get(column)) is not None:
            of_source[clip.source].append(label)
    videos: dict[str, set[str]] = defaultdict(set)
    for source, labels in of_source.items():
        for label in labels:
            videos[label].add(source)
    if len(videos) > MOST_LEVELS and all(reads_as_number(label) for label in videos):
        means = [
            [float(np.mean([float(label) for label in of_source.get(source, ())] or [np.nan]))] for source in order
        ]
        return _Levels(column, ("",), np.array(means))
    if all(len(sources) == 1 for sources in videos.values()):
        return None
    levels = tuple(sorted(videos))
    shares = [
        [of_source[source].count(level) / len(of_source[source]) if source in of_source else np.nan for level in levels]
        for source in order
    ]
    return _Levels(column, levels, np.array(shares))


def _permuted(
    values: Floats, flags: NDArray[np.bool_], *, draws: int, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """The z of each column of `values` (video, column), and the largest |z| of each draw of as many videos.

    The sum over the concept's videos of what is known, centred, is held against its own mean 0 and standard deviation
    under relabelling, which are known exactly.
    """
    known = ~np.isnan(values)
    counts = np.maximum(known.sum(axis=0), 1)
    filled = np.where(known, values, 0.0)
    centred = np.where(known, filled - filled.sum(axis=0) / counts, 0.0)
    n, size = len(values), int(flags.sum())
    spread = np.sqrt((centred**2).sum(axis=0) * size * (n - size) / (n * (n - 1)))
    scaled = centred / np.where(spread > 1e-9 * np.abs(filled).max(initial=1e-300), spread, np.inf)
    labels, largest = random_subsets(n, size, rng), np.empty(0)
    while len(largest) < draws:
        largest = np.append(largest, np.abs(next(labels) @ scaled).max(axis=1))
    return scaled[flags].sum(axis=0), largest[:draws]
