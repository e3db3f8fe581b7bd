"""Gaussian stand-ins for a layer's activations, with a known truth, for the benchmarks of the statistics."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from videotcav.explain.cavs.gram import gram
from videotcav.explain.design.design import ConceptRows, Design
from videotcav.explain.design.draws import GramRows
from videotcav.explain.design.settings import AnalysisSettings
from videotcav.explain.questions.scorer import Scorer


@dataclass(frozen=True)
class World:
    """A layer of `dimensions` units; the class's gradient is w plus noise; concepts lie `effect` along w."""

    clips: int = 20
    pool: int = 80
    class_clips: int = 20
    dimensions: int = 60
    clips_per_video: int = 1
    between_videos: float = 0.0  # share of the variance that clips of one video have in common
    effect: float = 0.0
    gradient_noise: float = 0.15

    def layer(self, seed: int, *, concepts: int, settings: AnalysisSettings) -> Scorer:
        """One study: `concepts` sets, drawn afresh with their pool and class clips; w is the same in all."""
        w = np.random.default_rng(0).normal(size=self.dimensions)
        w /= np.linalg.norm(w)
        rng = np.random.default_rng([1, seed])
        pool = GramRows(np.arange(self.pool), self._videos("random", self.pool))
        rows, sets = [self._activations(rng, self.pool)], []
        for index in range(concepts):
            first = self.pool + index * self.clips
            ids = tuple(map(str, range(self.clips)))
            own = GramRows(np.arange(first, first + self.clips), self._videos(f"{index}", self.clips))
            sets.append(ConceptRows(f"concept {index}", "spatial", ids, own))
            rows.append(self._activations(rng, self.clips) + self.effect * w)
        G = w + self.gradient_noise * rng.normal(size=(self.class_clips, self.dimensions))
        classes = {"class": GramRows(np.arange(self.class_clips), tuple(map(str, range(self.class_clips))))}
        design = Design(tuple(sets), pool, classes, layers=1, settings=settings)
        return Scorer("layer", gram([(np.concatenate(rows), G)]), design)

    def _activations(self, rng: np.random.Generator, count: int) -> np.ndarray:
        shared = rng.normal(size=(-(-count // self.clips_per_video), self.dimensions))
        own = rng.normal(size=(count, self.dimensions))
        repeated = np.repeat(shared, self.clips_per_video, axis=0)[:count]
        both: np.ndarray = np.sqrt(self.between_videos) * repeated + np.sqrt(1 - self.between_videos) * own
        return both

    def _videos(self, name: str, count: int) -> tuple[str, ...]:
        return tuple(f"{name} {clip // self.clips_per_video}" for clip in range(count))
