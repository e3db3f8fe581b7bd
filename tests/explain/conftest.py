"""A study whose truth is known: Gaussian activations, and a class that goes along one direction w."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from videotcav.explain.cavs.gram import Gram, gram
from videotcav.explain.design.design import ConceptRows
from videotcav.explain.design.draws import GramRows
from videotcav.records import Kind


@dataclass
class GaussianStudy:
    """Random clips first; concept sets are added one by one."""

    rng: np.random.Generator
    pool: int = 80
    dimensions: int = 60
    class_clips: int = 20
    gradient_noise: float = 0.15
    clips_per_random_video: int = 1
    concepts: list[ConceptRows] = field(default_factory=list)

    def __post_init__(self) -> None:
        w = self.rng.normal(size=self.dimensions)
        self.w = w / np.linalg.norm(w)
        self.rows = [self.rng.normal(size=(self.pool, self.dimensions))]
        self.G = self.w + self.gradient_noise * self.rng.normal(size=(self.class_clips, self.dimensions))

    def base(self, clips: int, *, distinct: float = 0.25) -> np.ndarray:
        """Activations of tracks that differ from random clips, but not along w."""
        away = self.rng.normal(size=self.dimensions)
        away -= (away @ self.w) * self.w
        return self.rng.normal(size=(clips, self.dimensions)) + distinct * away

    def add(self, concept: str, kind: Kind, activations: np.ndarray, *, clips_per_video: int = 1) -> None:
        first = sum(len(rows) for rows in self.rows)
        count = len(activations)
        sources = tuple(f"{concept} video {clip // clips_per_video}" for clip in range(count))
        ids = tuple(f"track {clip:03d}" for clip in range(count))
        self.concepts.append(ConceptRows(concept, kind, ids, GramRows(np.arange(first, first + count), sources)))
        self.rows.append(activations)

    @property
    def X(self) -> np.ndarray:  # noqa: N802 - the name of method.md and of the literature
        return np.concatenate(self.rows)

    @property
    def gram(self) -> Gram:
        return gram([(self.X, self.G)])

    @property
    def random(self) -> GramRows:
        videos = tuple(f"random video {clip // self.clips_per_random_video}" for clip in range(self.pool))
        return GramRows(np.arange(self.pool), videos)

    @property
    def classes(self) -> dict[str, GramRows]:
        return {
            "swing": GramRows(np.arange(self.class_clips), tuple(f"class {clip}" for clip in range(self.class_clips)))
        }


@pytest.fixture(scope="session")
def gaussian_study() -> type[GaussianStudy]:
    """How to make such a study."""
    return GaussianStudy
