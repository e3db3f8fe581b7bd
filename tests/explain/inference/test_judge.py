"""What judging adds to estimates, held against the definitions of a correction, a critical distance and an interval."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from support.analysed import analyse
from videotcav.explain.cavs.gram import gram
from videotcav.explain.design.design import Design
from videotcav.explain.design.hypotheses import parse
from videotcav.explain.design.settings import AnalysisSettings
from videotcav.explain.inference.judge import Equivalence, Estimate, judge
from videotcav.explain.inference.permutation import set_null
from videotcav.explain.questions.all import estimates
from videotcav.explain.questions.scorer import Scorer

SETTINGS = AnalysisSettings(scores="classic", random_draws=4, pseudo_concepts=199, bootstrap_resamples=200)


@pytest.fixture(scope="module")
def study(gaussian_study: Any) -> Any:
    made = gaussian_study(np.random.default_rng(0))
    base = made.base(12, distinct=1.0)
    made.add("racket", "spatiotemporal", base + 2 * made.w)
    made.add("racket", "frozen", base)
    made.add("person", "spatial", made.base(12))
    return made


@pytest.fixture(scope="module")
def cosines(study: Any) -> list[Estimate]:
    design = Design(tuple(study.concepts), study.random, study.classes, 1, SETTINGS)
    return [each for each in estimates(Scorer("l", study.gram, design)) if each.statistic == "cosine"]


@pytest.mark.parametrize(
    ("p", "low", "high", "is_shown"),
    [
        (0.05, -0.29, 0.29, True),
        (0.051, -0.1, 0.1, False),
        (0.01, -0.31, 0.1, False),
        (0.01, -0.1, 0.31, False),
        (0.01, -0.3, 0.1, False),  # an effect as large as the margin is not smaller than it
        (0.01, -0.1, 0.3, False),
    ],
)
def test_an_effect_is_small_where_p_and_the_whole_interval_say_so(
    p: float, low: float, high: float, is_shown: bool
) -> None:
    assert Equivalence(0.3, 0.01, p).shown(low, high, alpha=0.05) is is_shown


@pytest.mark.parametrize("correction", ["none", "bonferroni", "holm"])
def test_beyond_the_smallest_effect_a_value_is_significant_and_at_it_it_is_not(
    cosines: list[Estimate], correction: Any
) -> None:
    settings = SETTINGS.model_copy(update={"correction": correction})
    tests = 1 if correction == "none" else len(cosines)
    for each, found in zip(cosines, judge(cosines, settings=settings), strict=True):
        at = each.null.centre + found.smallest_effect
        assert each.null.p(at + 1e-6) * tests <= 0.05 + 1e-9
        assert each.null.p(at - 1e-9) * tests > 0.05


@pytest.mark.parametrize(
    ("value", "low", "high", "verdict"),
    [
        (0.9, 0.55, 1.0, "positive"),
        (0.9, 0.45, 1.0, "no evidence"),
        (0.1, 0.0, 0.45, "negative"),
        (0.1, 0.0, 0.55, "no evidence"),
    ],
)
def test_an_interval_is_held_against_the_nulls_centre(
    cosines: list[Estimate], value: float, low: float, high: float, verdict: str
) -> None:
    null = set_null(np.linspace(0.4, 0.6, 199))
    learned = replace(cosines[0].accuracy, low=0.8)
    each = replace(cosines[0], value=value, low=low, high=high, null=null, accuracy=learned, largest_effect=0.5)
    [found] = judge([each], settings=SETTINGS)
    assert found.verdict == verdict


def test_the_published_p_is_corrected_by_bonferroni_where_there_is_one(cosines: list[Estimate]) -> None:
    """Of its own tests: a twin has none. A declared row has it as every other."""
    published = [each.p_classic for each in cosines if each.p_classic is not None]
    assert 0 < len(published) < len(cosines)
    for declared in (None, {0: parse("racket matters")}):
        for each, found in zip(cosines, judge(cosines, settings=SETTINGS, declared=declared), strict=True):
            p = each.p_classic
            assert found.p_classic_corrected == (None if p is None else pytest.approx(min(1.0, p * len(published))))
            assert (found.p, found.value, found.accuracy) == (each.p, each.value, each.accuracy.value)


def test_a_test_of_equivalence_tells_its_margin_and_both_p(cosines: list[Estimate]) -> None:
    place = next(index for index, each in enumerate(cosines) if each.of.concept == "person")
    declared = {place: parse("person does not matter", equivalence_margin=0.4), 0: parse("racket matters")}
    found = judge(cosines, settings=SETTINGS.model_copy(update={"correction": "bonferroni"}), declared=declared)
    p = cosines[place].p_equivalence(0.4)
    assert (found[place].effect_of_interest, found[place].p_equivalence) == (0.4, p)
    assert found[place].p_equivalence_corrected == pytest.approx(min(1.0, 2 * p))
    assert (found[0].effect_of_interest, found[0].p_equivalence) == (None, None)
    assert found[0].p_corrected == pytest.approx(min(1.0, 2 * cosines[0].p))


def test_statistics_lie_within_what_their_definitions_allow(study: Any) -> None:
    """A share of clips, a mean of g · v with |v| = 1, a mean of cosines: no value and no interval goes beyond."""
    design = Design(tuple(study.concepts), study.random, study.classes, 1, SETTINGS)
    scorer = Scorer("l", study.gram, design)
    size = float(np.linalg.norm(study.G, axis=1).mean())
    bounds = {"sign_count": (0.0, 1.0), "sensitivity": (-size, size), "cosine": (-1.0, 1.0)}
    for each in estimates(scorer):
        low, high = bounds[each.statistic]
        if each.against != "random":
            low, high = low - high, high - low
        assert low <= each.low <= each.value <= each.high <= high
        assert each.largest_effect == pytest.approx(max(high - each.null.centre, each.null.centre - low))
    skewed = np.random.default_rng(0).exponential(0.05, 999)
    [first, *_] = estimates(scorer)
    for centre in (0.3, -0.3):
        far = {"null": set_null(np.array([centre, centre])), "accuracy": first.accuracy, "random_clips": 1}
        found = scorer.estimate(
            first.of, "random", class_name="swing", statistic="cosine", value=0.0, deviations=skewed, **far
        )
        assert found.largest_effect == pytest.approx(1.3)
    facts = {"null": first.null, "accuracy": first.accuracy, "random_clips": 1}
    for sign, beyond in ((1, "high"), (-1, "low")):
        found = scorer.estimate(
            first.of, "random", class_name="swing", statistic="cosine", value=0.0, deviations=sign * skewed, **facts
        )
        assert getattr(found, beyond) == pytest.approx(sign * np.quantile(skewed, 0.975))


def test_a_common_offset_of_all_activations_is_no_lack_of_spread(study: Any) -> None:
    settings = SETTINGS.model_copy(update={"pseudo_concepts": 99})

    def asked(offset: float) -> list[float]:
        rows = analyse(
            {"l": gram([(study.X + offset, study.G)])},
            concepts=study.concepts[2:],
            random=study.random,
            classes=study.classes,
            settings=settings,
        )
        return [row.value for row in rows]

    assert asked(1e4) == pytest.approx(asked(0.0), abs=1e-3)
