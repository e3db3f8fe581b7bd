"""What is told beside a verdict, held against whole studies with fewer videos and against calculations by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from support.planted_scores import Planted, normal, row
from videotcav.explain.cavs.gram import Gram
from videotcav.explain.design.design import ConceptRows, Design
from videotcav.explain.design.draws import GramRows
from videotcav.explain.design.settings import AnalysisSettings
from videotcav.explain.inference.fragility import LEAST_KEPT, removal_order
from videotcav.explain.inference.interval_null import Margins, against_pool
from videotcav.explain.inference.multiplicity import holm
from videotcav.explain.questions import moves
from videotcav.explain.questions.all import answers
from videotcav.explain.questions.contrast import ClipScores
from videotcav.records import Result

FEW = AnalysisSettings(relabellings=1999, minimum_clips=LEAST_KEPT, minimum_sources=LEAST_KEPT)


def asked(concept: np.ndarray, pool: np.ndarray, *hypotheses: str) -> Result:
    """What is found of one concept beside another, which is far from nothing."""
    study = Planted.empty()
    study.add("c", concept)
    study.add("other", normal(20, 0.9, 7))
    study.add("pool", pool)
    return row(study.asked(*hypotheses, settings=FEW), "c")


HYPOTHESES = [
    (),
    ("c pushes swing", "other does not matter"),
    ("c does not matter",),
    ("c does not matter", "other does not matter"),
]


def removed_first(values: np.ndarray, other: np.ndarray, *, is_effect: bool, of: np.ndarray) -> np.ndarray:
    nothing = np.array([0.1 * of.std(ddof=1)])
    return removal_order(values[:, None], other[:, None], nothing=nothing, is_effect=np.array([is_effect]))[:, 0]


@pytest.mark.parametrize("hypotheses", HYPOTHESES, ids=["none", "effect", "nothing", "nothing of both"])
@pytest.mark.parametrize(("mean", "seed"), [(0.75, 1), (-0.8, 2), (0.45, 3)])
def test_without_as_many_videos_a_whole_study_finds_something_else(
    mean: float, seed: int, hypotheses: tuple[str, ...]
) -> None:
    """The study is asked anew without the videos that went; one fewer leaves its verdict as it was."""
    concept, pool = normal(18, mean, seed), normal(50, 0, 4)
    whole = asked(concept, pool, *hypotheses)
    is_effect = whole.verdict in ("positive", "negative")
    order = removed_first(concept, pool, is_effect=is_effect, of=pool)

    def is_overturned(removed: int) -> bool:
        left = asked(np.delete(concept, order[:removed]), pool, *hypotheses)
        return (left.verdict in ("positive", "negative")) != is_effect

    if whole.removed_of_concept is None:
        assert not is_overturned(len(order))
        return
    assert 1 <= whole.removed_of_concept <= len(order)
    assert is_overturned(whole.removed_of_concept)
    assert not is_overturned(whole.removed_of_concept - 1)


@pytest.mark.parametrize("mean", [0.75, -0.8])
def test_without_as_many_random_videos_it_does_too(mean: float) -> None:
    def alone(pool: np.ndarray) -> Result:
        study = Planted.empty()
        study.add("c", normal(18, mean, 1))
        study.add("pool", pool)
        return row(study.asked(settings=FEW), "c")

    pool = normal(40, 0, 4)
    whole = alone(pool)
    is_effect = whole.verdict in ("positive", "negative")
    order = removed_first(pool, normal(18, mean, 1), is_effect=is_effect, of=pool)
    assert whole.removed_of_pool is not None
    for removed, overturned in ((whole.removed_of_pool, True), (whole.removed_of_pool - 1, False)):
        left = alone(np.delete(pool, order[:removed]))
        assert ((left.verdict in ("positive", "negative")) != is_effect) is overturned


def test_it_is_asked_up_to_a_number_of_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two contrasts of 1 999 relabellings each."""
    for most, is_asked in ((2 * 1999, True), (2 * 1999 - 1, False)):
        monkeypatch.setattr(moves, "MOST_DRAWS", most)
        assert (asked(normal(18, 0.75, 1), normal(50, 0, 4)).removed_of_concept is not None) is is_asked


def test_margins_are_the_studys_and_both_p_are_told() -> None:
    settings = AnalysisSettings(negligible_below=0.25, equivalence_margin=0.5, relabellings=1999)
    concept, pool = normal(40, 0.4, 1), np.random.default_rng(2).exponential(1, 60)
    study = Planted.empty("weak")
    study.add("c", concept, weak=0.8 * concept)
    study.add("pool", pool)
    contrast, shift = study.asked(settings=settings)
    directly = against_pool(
        concept[:, None], pool[:, None], margins=Margins(0.25, 0.5), draws=9, rng=np.random.default_rng(0)
    )
    assert contrast.p >= directly.p_t[0] - 1e-12
    assert (contrast.low, contrast.high) == pytest.approx((directly.low[0], directly.high[0]))
    assert contrast.p_equivalence == contrast.p_equivalence_corrected == pytest.approx(directly.p_equivalence[0])
    reach = stats.norm.isf(0.05) + stats.norm.isf(0.2)
    assert contrast.smallest_effect == pytest.approx(0.25 + reach * directly.standard_error[0])
    assert (contrast.effect_of_interest, contrast.negligible_below, contrast.null_centre) == (0.5, 0.25, 0.0)
    assert (shift.null_low, shift.null_high, shift.negligible_below) == (-0.25, 0.25, 0.25)
    strict = AnalysisSettings(negligible_below=0.0, equivalence_margin=0.5, relabellings=1999)
    assert study.asked(settings=strict)[0].p < contrast.p


def test_what_is_found_with_a_power_of_80_percent_hangs_on_the_family() -> None:
    """By hand: what counts as nothing, and (z of the level + z of the power) standard errors."""
    study = Planted.empty("third")
    for number in range(4):
        study.add(f"c{number}", normal(20, 0.8, number))
    study.add("pool", normal(60, 0, 9))

    def factor(found: Result) -> float:
        assert found.smallest_effect is not None
        return (found.smallest_effect - 0.1) / (found.high - found.low)

    def expected(tests: int) -> float:
        return float(stats.norm.isf(0.05 / tests) + stats.norm.isf(0.2))

    plain = study.asked()
    declared = study.asked("c0 pushes swing", "c1 matters at third", "c2 matters at third")
    one = factor(row(plain, "c0")) / expected(4)  # 1 / the width of the interval in standard errors
    for layer, tests in (("", 1), ("third", 4)):
        assert factor(row(declared, "c0", layer=layer)) == pytest.approx(one * expected(tests))
    alone = study.asked(settings=AnalysisSettings(correction="none"))
    assert factor(row(alone, "c0")) == pytest.approx(one * expected(1))
    for name in ("c1", "c2"):
        width = factor(row(plain, name, layer="third")) / expected(4)
        assert factor(row(declared, name, layer="third")) == pytest.approx(width * expected(2))


def test_a_family_mixes_effects_and_claims_of_nothing() -> None:
    study = Planted.empty()
    for name, mean in (("up", 0.7), ("level", 0.0), ("even", 0.02), ("rest", 0.9), ("nothing", 0.0)):
        study.add(name, normal(300, mean, len(name)))
    study.add("pool", normal(300, 0, 9))
    found = study.asked("up pushes swing", "level does not matter", "even pushes swing")
    up, level, even, rest = (row(found, name) for name in ("up", "level", "even", "rest"))
    assert level.p_equivalence is not None
    family = holm(np.array([up.p, level.p_equivalence, even.p]))
    assert [up.p_corrected, level.p_equivalence_corrected, even.p_corrected] == pytest.approx(family.tolist())
    assert [each.verdict for each in (up, level, even, rest)] == ["positive", "negligible", "negligible", "positive"]
    # What was found is what was declared, but for an effect that turned out to be none, and what nobody declared.
    assert [each.exploratory for each in (up, level, even, rest)] == [False, False, True, True]
    assert row(found, "nothing").verdict in ("undecided", "negligible")
    assert row(found, "nothing").exploratory


def test_an_effect_of_a_layer_has_its_sign_whatever_its_size() -> None:
    study = Planted.empty("weak", "still")
    for name, sign in (("up", 1), ("down", -1)):
        study.add(name, normal(90, 1.5 * sign, 1), weak=normal(90, 0.7 * sign, 1))
    study.add("pool", normal(60, 0, 2), still=np.ones(60))
    found = study.asked()
    assert [row(found, name, layer="weak").verdict for name in ("up", "down")] == ["positive", "negative"]
    assert abs(row(found, "up", layer="weak").value) < 1
    # A readout that does not vary has no fidelity, and no verdict.
    still = row(found, "up", layer="still")
    assert (still.fidelity, still.verdict) == (None, "undecided")


def test_classes_of_other_levels_stand_side_by_side() -> None:
    """Of two classes each has its own score, shares of clips and fidelity."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(50, 2)) + np.array([0.0, 1e4])
    given = rng.random((50, 2)) < np.array([0.2, 0.7])
    readouts = values + rng.normal(size=(50, 2))
    concept = ConceptRows(
        "c", "spatial", tuple(map(str, range(20))), GramRows(np.arange(20), tuple(map(str, range(20))))
    )
    pool = GramRows(np.arange(20, 50), tuple(f"r{number}" for number in range(30)))
    classes = {"a": GramRows(np.array([0, 1]), ("u", "v")), "b": GramRows(np.array([2, 3]), ("x", "y"))}
    design = Design((concept,), pool, classes, layers=1, settings=AnalysisSettings())
    gram = Gram(np.eye(50), np.repeat(readouts.T, 2, axis=0), np.ones((4, 4)))
    rows = answers({"l": gram}, design, scores=ClipScores(values, given))
    found = {(each.class_name, each.layer): each for each in rows}
    for column, name in enumerate(classes):
        score = found[name, ""]
        unit = values[20:, column].std(ddof=1)
        assert score.value == pytest.approx((values[:20, column].mean() - values[20:, column].mean()) / unit)
        assert score.concept_predicted == pytest.approx(given[:20, column].mean())
        assert score.pool_predicted == pytest.approx(given[20:, column].mean())
        fidelity = stats.pearsonr(readouts[20:, column], values[20:, column]).statistic  # of 30 videos: enough to tell
        assert found[name, "l"].fidelity == pytest.approx(fidelity, abs=1e-7)
