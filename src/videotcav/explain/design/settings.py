"""What may be chosen about the inference of a study, with defaults that can be defended."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from videotcav.explain.cavs.cav import ClassifierName
from videotcav.records import Positive, Record

Correction = Literal["none", "bonferroni", "holm", "bh"]
"""How p-values are corrected for the tests of a family."""

MOST_SEED = 2**63 - 1

_AT_LEAST = 999  # p is then resolved to 0.001
_MARGIN = 0.3

_OF_CAVS = (
    "classifier",
    "penalty",
    "pseudo_concepts",
    "bootstrap_resamples",
    "accuracy_folds",
    "degenerate_cosine",
)
"""The settings of what trains CAVs: classic scores, and the relative ones of groups."""
_OF_CLASSIC = ("random_draws",)
_OF_CONTRAST = ("negligible_below", "relabellings")


def unread(given: Collection[str], *, scores: object, groups: bool) -> Iterator[tuple[str, str]]:
    """The settings among those `given` that nothing reads where the `scores` are asked for, with or without `groups`:
    the name of each, and what to do.
    """
    if scores == "classic":
        cure = 'only contrasts read it; leave it out, or leave out scores = "classic"'
        yield from ((name, cure) for name in _OF_CONTRAST if name in given)
    elif scores == "contrast":
        for name in (*(() if groups else _OF_CAVS), *_OF_CLASSIC):
            if name in given:
                readers = "classic scores" if name in _OF_CLASSIC else "classic scores and groups"
                yield name, f'only {readers} read it; leave it out, or ask for scores = "classic"'


class AnalysisSettings(Record):
    """How concepts are tested and judged, and for classic scores how CAVs are trained.

    `scores` says which question is asked: `contrast` (method.md 8) or `classic` (sign count, sensitivity and cosine,
    method.md 3 and 4). An effect within ± `negligible_below` counts as none; one that is shown to lie within ±
    `equivalence_margin` is negligible. Both are in standard deviations of the score over the pool; a margin for classic
    scores is in the unit of the primary one, and has no default. `relabellings` M, at most, of each interval test; left
    out, it is chosen from the number of tests.

    `penalty` is in units of the spread of the random clips (see `cav.spread`). `pseudo_concepts` is the number
    of null draws M; left out, it is chosen from the number of tests and the correction. `minimum_clips` and
    `minimum_sources` are what a concept set needs at least. Above `degenerate_cosine` the class clips'
    gradients count as one and the same.
    """

    alpha: Annotated[float, Field(gt=0.0, lt=0.5)] = 0.05
    correction: Correction = "holm"
    scores: Literal["contrast", "classic"] = "contrast"
    negligible_below: Annotated[float, Field(ge=0.0, le=10.0)] = 0.1
    equivalence_margin: Positive | None = None
    relabellings: Annotated[int, Field(ge=19, le=100_000_000)] | None = None
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

    @model_validator(mode="after")
    def _margin_is_wider(self) -> Self:
        if self.scores == "contrast" and self.margin <= self.negligible_below:
            raise ValueError(
                f"equivalence_margin {self.margin:g} must be above negligible_below {self.negligible_below:g}: an "
                "effect that counts as none cannot be shown to be smaller still"
            )
        return self

    @property
    def margin(self) -> float:
        """The equivalence margin of contrasts."""
        return _MARGIN if self.equivalence_margin is None else self.equivalence_margin

    def relabellings_needed(self, tests: int) -> int:
        """The fewest relabellings with which one of `tests` interval tests can be significant: the p of an interval
        null is a sum of two, each at least 1 / (1 + M).
        """
        return math.ceil(2 * (1 if self.correction == "none" else tests) / self.alpha - 1e-9) - 1

    def most_relabellings(self, tests: int) -> int:
        """The relabellings of each test at most: what was asked for, or ten times what is needed, at least 999."""
        return self.relabellings or max(_AT_LEAST, 10 * self.relabellings_needed(tests) + 9)

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
