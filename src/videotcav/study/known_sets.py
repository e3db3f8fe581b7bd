"""What a person's own concept sets leave unexplained of a class, and of what was found."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from einops import reduce
from numpy.typing import NDArray

from videotcav.concepts.discover.candidates import Explained
from videotcav.concepts.discover.factors import Float32s
from videotcav.concepts.review.review import counted_clips, reviewed_sets
from videotcav.errors import ArgumentError, NotEnoughData
from videotcav.explain.cavs.gram import Floats
from videotcav.explain.questions.contrast import Units
from videotcav.explain.questions.coverage import explained_share
from videotcav.explain.questions.presence import FEWEST
from videotcav.features.measure import ClipFile
from videotcav.records import ConceptClip
from videotcav.study.class_shares import chief_sets
from videotcav.study.tubelets import UnlabelledVideos


@dataclass(frozen=True)
class KnownSets:
    """The moving clips that count of each concept, or the still ones where none move, and those of the random pool."""

    concepts: dict[str, tuple[ConceptClip, ...]]
    pool: tuple[ConceptClip, ...]

    @classmethod
    def of(cls, concepts: Path | str | None, random: Path | str | None) -> KnownSets:
        """Those of two folders, or none.

        Raises NothingAccepted, ArgumentError where one is named without the other, and NotEnoughData where one has
        fewer than three sources.
        """
        if concepts is None or random is None:
            if concepts != random:
                raise ArgumentError("concepts and random belong together: sets are held against clips cut alike")
            return cls({}, ())
        sets = chief_sets(reviewed_sets(concepts).sets)
        found = cls({each.concept: each.clips for each in sets}, counted_clips(random))
        for name, clips in {**found.concepts, "the random pool": found.pool}.items():
            if (sources := len({clip.source for clip in clips})) < FEWEST:
                raise NotEnoughData(f"{name} has clips of {sources} source videos, and its direction needs {FEWEST}")
        return found

    @property
    def clips(self) -> tuple[ConceptClip, ...]:
        """All of them, the pool's last."""
        return (*(clip for clips in self.concepts.values() for clip in clips), *self.pool)

    @property
    def files(self) -> tuple[ClipFile, ...]:
        """They as files."""
        return tuple(ClipFile(path=clip.path, source=clip.source) for clip in self.clips)


@dataclass(frozen=True)
class KnownRows:
    """The mean rows over time and places, by layer: of the given videos, and of the known clips."""

    known: KnownSets
    given: UnlabelledVideos
    layers: Mapping[str, tuple[Floats, Floats]]
    seed: int

    @cached_property
    def _apart(self) -> NDArray[np.bool_]:
        """Videos that no known clip is cut from."""
        return ~self.given.cut_into(self.known.clips)

    def explained(self, layer: str, first: NDArray[np.bool_], second: NDArray[np.bool_]) -> Explained | None:
        """How much the known sets explain of what tells the first videos from the second; a source is never both."""
        own = self._units(layer, first)
        rest = self._units(layer, second, without=own.names)
        *sets, pool = self._sets(layer)
        found = explained_share(own.values, rest.values, sets, pool, rng=np.random.default_rng([self.seed, 2]))
        if found is None:
            return None
        share, chance = found
        by_chance = None if np.isnan(chance) else chance
        return Explained(share=share.value, low=share.low, high=share.high, by_chance=by_chance)

    def _units(self, layer: str, some: NDArray[np.bool_], without: Collection[str] = ()) -> Units:
        places = np.flatnonzero(some & self._apart)
        sources = [self.given.files[place].source for place in places]
        return Units.of(self.layers[layer][0][places], sources, without=without)

    def _sets(self, layer: str) -> Iterator[Floats]:
        start = 0
        for clips in (*self.known.concepts.values(), self.known.pool):
            rows = self.layers[layer][1][start : start + len(clips)]
            yield Units.of(rows, [clip.source for clip in clips]).values
            start += len(clips)


def mean_rows(volumes: Iterable[Float32s]) -> Floats:
    """What each clip shows at the layer, the mean over time and places, `clip channel`."""
    return np.stack([reduce(each, "c t h w -> c", "mean") for each in volumes]).astype(np.float64)
