"""From estimates to results: one family of tests, corrected and judged together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from videotcav.explain.accuracy import Accuracy
from videotcav.explain.correct import bonferroni, correct, max_t
from videotcav.explain.design import ConceptRows
from videotcav.explain.draws import Clips, generator
from videotcav.explain.gram import Floats
from videotcav.explain.settings import AnalysisSettings
from videotcav.explain.tests import Null
from videotcav.explain.verdict import verdict
from videotcav.records import Result, Statistic

Against = Literal["random", "frozen", "shuffled", "reversed", "group"]


@dataclass(frozen=True)
class Estimate:
    """One statistic of one concept, layer and class with its interval and its null, before any correction.

    `largest_effect` is the largest distance from the null's centre that the statistic can have at all.
    """

    of: ConceptRows
    against: Against
    layer: str
    class_name: str
    class_clips: Clips
    statistic: Statistic
    value: float
    low: float
    high: float
    null: Null
    largest_effect: float
    p_classic: float | None
    accuracy: Accuracy
    gradient_cosine: float
    random_clips: int
    group: str = ""
    runs: tuple[float, ...] = ()
    random_runs: tuple[float, ...] = ()

    @property
    def p(self) -> float:
        """How surprising the value is under its null."""
        return self.null.p(self.value)

    @property
    def effect(self) -> float:
        """The value's distance from the null's centre, with its sign."""
        return self.value - self.null.centre


@dataclass(frozen=True)
class Corrected:
    """A family's p-values after correction, and the distance from its centre that each value must exceed."""

    p: Floats
    critical: Floats


def judge(family: Sequence[Estimate], *, settings: AnalysisSettings, null_draws: int) -> list[Result]:
    """The results of one family: corrected together, then judged one by one."""
    corrected = _corrected(family, settings=settings, null_draws=null_draws)
    classic = [index for index, each in enumerate(family) if each.p_classic is not None]
    classic_p = np.array([family[index].p_classic for index in classic], dtype=np.float64)
    classic_corrected = dict(zip(classic, bonferroni(classic_p), strict=True))
    return [
        _result(
            each,
            settings=settings,
            p_corrected=float(corrected.p[index]),
            p_classic_corrected=classic_corrected.get(index),
            smallest_effect=float(corrected.critical[index]),
        )
        for index, each in enumerate(family)
    ]


def _corrected(family: Sequence[Estimate], *, settings: AnalysisSettings, null_draws: int) -> Corrected:
    """By the study's correction.

    What a value must exceed is stated at the level of the family's smallest p: α / m, or the maximum of the
    joint null for max-T. A step-down or step-up correction may be kinder to the others.
    """
    p = np.array([each.p for each in family])
    if settings.correction != "max-t":
        level = settings.alpha / (1 if settings.correction == "none" else len(family))
        critical = np.array([each.null.critical_distance(level) for each in family])
        return Corrected(correct(p, correction=settings.correction), critical)
    scales = np.array([_scale(each.null) for each in family])
    joint = np.stack([_joint_distances(each, null_draws, settings.seed) for each in family]) / scales[:, None]
    observed = np.array([abs(each.effect) for each in family]) / scales
    largest = Null(draws=joint.max(axis=0), centre=0.0).critical_distance(settings.alpha)
    return Corrected(np.maximum(p, max_t(observed, joint)), largest * scales)


def _scale(null: Null) -> float:
    """The null's standard distance from its centre, which makes statistics comparable; 1 where it has none."""
    return float(np.sqrt((null.distances**2).mean())) or 1.0


def _joint_distances(estimate: Estimate, draws: int, seed: int) -> Floats:
    """As many null distances as the other estimates have: a short exact null is drawn from again."""
    distances = estimate.null.distances
    if len(distances) == draws:
        return distances
    rng = generator(seed, "joint", estimate.of.name, estimate.against)
    return distances[rng.integers(len(distances), size=draws)]


def _result(
    estimate: Estimate,
    *,
    settings: AnalysisSettings,
    p_corrected: float,
    p_classic_corrected: float | None,
    smallest_effect: float,
) -> Result:
    null_low, null_high = estimate.null.band
    centre = estimate.null.centre
    return Result(
        concept=estimate.of.concept,
        kind=estimate.of.kind,
        against=estimate.against,
        group=estimate.group,
        layer=estimate.layer,
        class_name=estimate.class_name,
        statistic=estimate.statistic,
        value=estimate.value,
        low=estimate.low,
        high=estimate.high,
        null_centre=centre,
        null_low=null_low,
        null_high=null_high,
        p=estimate.p,
        p_corrected=p_corrected,
        null_draws=len(estimate.null.draws),
        p_classic=estimate.p_classic,
        p_classic_corrected=p_classic_corrected,
        runs=estimate.runs,
        random_runs=estimate.random_runs,
        accuracy=estimate.accuracy.value,
        accuracy_low=estimate.accuracy.low,
        accuracy_high=estimate.accuracy.high,
        smallest_effect=smallest_effect,
        gradient_cosine=estimate.gradient_cosine,
        concept_clips=len(estimate.of.clips),
        concept_sources=len(estimate.of.clips.counts),
        class_clips=len(estimate.class_clips),
        class_sources=len(estimate.class_clips.counts),
        random_clips=estimate.random_clips,
        verdict=verdict(
            effect=estimate.effect,
            low=estimate.low - centre,
            high=estimate.high - centre,
            p_corrected=p_corrected,
            alpha=settings.alpha,
            smallest_effect=smallest_effect,
            largest_effect=estimate.largest_effect,
            learned=estimate.accuracy.learned,
            degenerate=estimate.statistic in ("sign_count", "relative")
            and estimate.gradient_cosine > settings.degenerate_cosine,
        ),
    )
