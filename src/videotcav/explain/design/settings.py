"""What may be chosen about the inference of a study, with defaults that can be defended."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import Field

from videotcav.explain.cavs.cav import ClassifierName
from videotcav.records import Correction, Positive, Record

MOST_SEED = 2**63 - 1

_AT_LEAST = 999  # p is then resolved to 0.001


class AnalysisSettings(Record):
    """How CAVs are trained, tested and judged.

    `penalty` is in units of the spread of the random clips (see `cav.spread`). `pseudo_concepts` is the number
    of null draws M; left out, it is chosen from the number of tests and the correction. `minimum_clips` and
    `minimum_sources` are what a concept set needs at least. Above `degenerate_cosine` the class clips'
    gradients count as one and the same.
    """

    alpha: Annotated[float, Field(gt=0.0, lt=0.5)] = 0.05
    correction: Correction = "holm"
    classifier: ClassifierName = "ridge"
    penalty: Positive = 0.1
    random_draws: Annotated[int, Field(ge=2, le=10_000)] = 20
    pseudo_concepts: Annotated[int, Field(ge=19, le=1_000_000)] | None = None
    bootstrap_resamples: Annotated[int, Field(ge=100, le=1_000_000)] = 2000
    accuracy_folds: Annotated[int, Field(ge=2, le=1000)] = 5
    minimum_clips: Annotated[int, Field(ge=2, le=1_000_000)] = 10
    minimum_sources: Annotated[int, Field(ge=2, le=1_000_000)] = 5
    degenerate_cosine: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.999
    seed: Annotated[int, Field(ge=0, le=MOST_SEED)] = 0

    def null_draws_needed(self, tests: int) -> int:
        """The fewest null draws with which one of `tests` tests can be significant after the correction.

        (1 / (1 + M)) · m ≤ α gives M ≥ m/α − 1; without a correction it is compared with α itself.
        """
        factor = 1 if self.correction == "none" else tests
        return math.ceil(factor / self.alpha - 1e-9) - 1

    def null_draws(self, tests: int) -> int:
        """The null draws to make: what was asked for, or twice what is needed, at least 999.

        Twice, so that one chance draw beyond a clear effect does not already decide against it.
        """
        return self.pseudo_concepts or max(_AT_LEAST, 2 * self.null_draws_needed(tests) + 1)
