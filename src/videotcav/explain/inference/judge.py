"""From estimates to results: families of tests, corrected and judged together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from videotcav.explain.cavs.gram import Floats
from videotcav.explain.design.design import ConceptRows
from videotcav.explain.design.draws import GramRows
from videotcav.explain.design.hypotheses import Hypothesis
from videotcav.explain.design.settings import AnalysisSettings
from videotcav.explain.inference.accuracy import Accuracy
from videotcav.explain.inference.multiplicity import bonferroni, correct
from videotcav.explain.inference.permutation import Null, equivalence_p
from videotcav.explain.inference.verdict import is_significant, verdict
from videotcav.records import Against, Result, Statistic


@dataclass(frozen=True)
class Estimate:
    """One statistic of one concept, layer and class with its interval and its null, before any correction.

    `deviations` (resample,) are those of the value as all source videos are drawn again. `largest_effect` is the
    largest distance from the null's centre that the statistic can have at all.
    """

    of: ConceptRows
    against: Against
    layer: str
    class_name: str
    class_clips: GramRows
    statistic: Statistic
    value: float
    low: float
    high: float
    deviations: Floats
    null: Null
    largest_effect: float
    p_classic: float | None
    accuracy: Accuracy
    gradient_cosine: float
    random_clips: int
    other: str = ""
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

    def p_equivalence(self, margin: float) -> float:
        """How surprising the value is where the effect is at least as large as `margin`, one way or the other."""
        return equivalence_p(self.effect, self.deviations, margin=margin)


@dataclass(frozen=True)
class Corrected:
    """A family's p-values after correction, and the distance from its centre that each value must exceed."""

    p: Floats
    critical: Floats

    def at(self, place: int) -> tuple[float, float]:
        """Those of one test."""
        return float(self.p[place]), float(self.critical[place])


@dataclass(frozen=True)
class Equivalence:
    """A declared test that an effect is smaller than `margin` either way, with its p before and after correction."""

    margin: float
    p: float
    p_corrected: float

    def shown(self, low: float, high: float, *, alpha: float) -> bool:
        """Whether the test says so and the whole 95 % interval of the effect, `low` to `high`, agrees."""
        return is_significant(self.p_corrected, alpha) and -self.margin < low and high < self.margin


def judge(
    estimates: Sequence[Estimate],
    *,
    settings: AnalysisSettings,
    declared: Mapping[int, Hypothesis] | None = None,
) -> list[Result]:
    """The results of all tests of one statistic, judged one by one after their correction.

    Without hypotheses (`declared` is None) all of them are one family. With hypotheses the family is what they ask for,
    by the place of each estimate; the others are exploratory, and corrected for all tests. A test of equivalence takes
    the place of the test of a difference in the family. Of one effect at most one of the two nulls is true, but the
    difference was not declared: what it says then is exploratory too.
    """
    p_classic = _classic_corrected(estimates)
    corrected = _corrected(estimates, [each.p for each in estimates], settings=settings)
    results = [
        _result(
            each,
            corrected.at(place),
            settings=settings,
            p_classic_corrected=p_classic[place],
            exploratory=declared is not None,
        )
        for place, each in enumerate(estimates)
    ]
    if not declared:
        return results
    family = [estimates[place] for place in declared]
    margins = [hypothesis.equivalence_margin for hypothesis in declared.values()]
    p = [each.p if margin is None else each.p_equivalence(margin) for each, margin in zip(family, margins, strict=True)]
    within = _corrected(family, p, settings=settings)
    for index, (place, hypothesis) in enumerate(declared.items()):
        result = partial(
            _result,
            estimates[place],
            settings=settings,
            p_classic_corrected=p_classic[place],
            hypothesis=hypothesis.text,
        )
        margin = margins[index]
        if margin is None:
            results[place] = result(within.at(index))
        else:
            equivalence = Equivalence(margin, p[index], float(within.p[index]))
            results[place] = result(corrected.at(place), equivalence=equivalence)
    return results


def _classic_corrected(estimates: Sequence[Estimate]) -> list[float | None]:
    places = [place for place, each in enumerate(estimates) if each.p_classic is not None]
    corrected = bonferroni(np.array([estimates[place].p_classic for place in places], dtype=np.float64))
    found = dict(zip(places, corrected.tolist(), strict=True))
    return [found.get(place) for place in range(len(estimates))]


def _corrected(family: Sequence[Estimate], p_values: Sequence[float], *, settings: AnalysisSettings) -> Corrected:
    """By the study's correction.

    What a value must exceed is stated at the level of the family's smallest p, α / m. A step-down or step-up correction
    may be kinder to the others.
    """
    level = settings.alpha / (1 if settings.correction == "none" else len(family))
    critical = np.array([each.null.critical_distance(level) for each in family])
    return Corrected(correct(np.array(p_values), correction=settings.correction), critical)


def _result(
    estimate: Estimate,
    corrected: tuple[float, float],
    *,
    settings: AnalysisSettings,
    p_classic_corrected: float | None,
    hypothesis: str = "",
    exploratory: bool = False,
    equivalence: Equivalence | None = None,
) -> Result:
    p_corrected, smallest_effect = corrected
    null_low, null_high = estimate.null.band
    centre = estimate.null.centre
    low, high = estimate.low - centre, estimate.high - centre
    found = verdict(
        effect=estimate.effect,
        low=low,
        high=high,
        p_corrected=p_corrected,
        alpha=settings.alpha,
        smallest_effect=smallest_effect,
        largest_effect=estimate.largest_effect,
        learned=estimate.accuracy.learned,
        degenerate=estimate.statistic in ("sign_count", "relative")
        and estimate.gradient_cosine > settings.degenerate_cosine,
        negligible=equivalence is not None and equivalence.shown(low, high, alpha=settings.alpha),
    )
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
        verdict=found,
        other=estimate.other,
        hypothesis=hypothesis,
        # A declared test of equivalence that finds a difference instead has found what was not declared.
        exploratory=exploratory or (equivalence is not None and found in ("positive", "negative")),
        effect_of_interest=equivalence.margin if equivalence else None,
        p_equivalence=equivalence.p if equivalence else None,
        p_equivalence_corrected=equivalence.p_corrected if equivalence else None,
    )
