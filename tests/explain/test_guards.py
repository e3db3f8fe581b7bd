"""Guards and scale factors, each held by a truth that fails without it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from videotcav.errors import NotEnoughData, NotEnoughMemory, NumericalError
from videotcav.explain.cavs.cav import ridge
from videotcav.explain.cavs.gram import gram
from videotcav.explain.design.design import ConceptRows, Design, Group, draws_bytes
from videotcav.explain.design.draws import GramRows, draw_sets
from videotcav.explain.design.hypotheses import parse
from videotcav.explain.design.settings import AnalysisSettings
from videotcav.explain.inference.accuracy import held_out_accuracy
from videotcav.explain.inference.intervals import Influences, concept_influence, joint_influence, wilson
from videotcav.explain.inference.multiplicity import benjamini_hochberg, bonferroni, correct, holm
from videotcav.explain.inference.permutation import classic_one_sample, classic_two_sample, set_null
from videotcav.explain.questions.all import answers, estimates, refuse_untestable
from videotcav.explain.questions.scorer import Scorer

SETTINGS = AnalysisSettings(scores="classic", random_draws=5, pseudo_concepts=99, bootstrap_resamples=200)


def test_two_draws_from_the_pool_are_told_apart_no_more_often_than_claimed(gaussian_study: Any) -> None:
    """A comparison in which both sides are given the same pseudo-concept has a null of nothing but zeros."""
    studies, rejected = 80, np.zeros(3, dtype=int)
    hypothesis = parse("a > b")
    for seed in range(studies):
        study = gaussian_study(np.random.default_rng([5, seed]), pool=40, dimensions=30, class_clips=10)
        for name in ("a", "b"):
            study.add(name, "spatial", study.rng.normal(size=(10, study.dimensions)))
        settings = SETTINGS.model_copy(update={"seed": seed})
        design = Design(tuple(study.concepts), study.random, study.classes, 1, settings, hypotheses=(hypothesis,))
        rows = [row for row in answers({"l": study.gram}, design) if row.against == "concept"]
        rejected += [row.p <= 0.05 for row in sorted(rows, key=lambda row: row.statistic)]
    assert (rejected <= stats.binom.ppf(0.999, studies, 0.05)).all(), rejected


def test_a_comparisons_null_is_as_wide_as_that_of_a_difference_of_two(gaussian_study: Any) -> None:
    study = gaussian_study(np.random.default_rng(3), pool=60)
    for name in ("a", "b"):
        study.add(name, "spatial", study.rng.normal(size=(12, study.dimensions)))
    settings = SETTINGS.model_copy(update={"pseudo_concepts": 999})
    hypothesis = parse("a > b")
    design = Design(tuple(study.concepts), study.random, study.classes, 1, settings, hypotheses=(hypothesis,))
    found = estimates(Scorer("l", study.gram, design))
    for statistic in ("sign_count", "sensitivity", "cosine"):
        alone, difference = (
            next(each for each in found if each.against == against and each.statistic == statistic).null.draws
            for against in ("random", "concept")
        )
        assert difference.std() == pytest.approx(np.sqrt(2) * alone.std(), rel=0.1)


VALUES = np.array([0.2, 1.0, 0.4, 3.0])


def mean_of_values(rows: np.ndarray) -> np.ndarray:
    return np.broadcast_to(VALUES[rows].mean(axis=-1)[None, :, None], (3, len(rows), 1))


def test_influences_have_the_variance_of_a_mean(gaussian_study: Any) -> None:
    """Of a plain mean of four the jackknife's variance is s² / 4 with s² over three degrees of freedom."""
    four = GramRows(np.arange(4), tuple("abcd"))
    nothing = np.zeros((3, 1, 1))
    alone = concept_influence(four, score=mean_of_values)
    both = joint_influence(
        four,
        GramRows(np.arange(4, 6), ("a", "b")),
        score_runs=lambda runs, positives: mean_of_values(runs[:, :positives]),
    )
    shares = np.zeros((1, 1)), np.zeros((40_000, 1, 1))
    for influences in (alone, both):
        within = Influences(influences, nothing, np.zeros((3, 1)))
        resampled = within.resampled_deviations(*shares, rng=np.random.default_rng(0))
        assert resampled.var(axis=1)[0, 0] == pytest.approx(VALUES.var(ddof=1) / 4, rel=0.03)


def test_influences_among_more_sources_vary_as_before() -> None:
    """Those of another set are 0; a mean over all sources must vary as that over its own does."""
    rng = np.random.default_rng(0)
    own = Influences(rng.normal(size=(3, 6, 1)), rng.normal(size=(3, 5, 1)), np.zeros((3, 1)))
    own = Influences(own.concept - own.concept.mean(axis=1, keepdims=True), np.zeros((3, 5, 1)), own.clips)
    among = own.among(np.array([0, 2, 3, 5, 7, 9]), 12, np.array([1, 2, 3, 4, 5]), 20)
    before, after = (
        each.resampled_deviations(np.zeros((1, 1)), np.zeros((40_000, 1, 1)), rng=np.random.default_rng(1)).std(axis=1)
        for each in (own, among)
    )
    np.testing.assert_allclose(after, before, rtol=0.03)


def test_a_video_on_both_sides_is_never_learned_from_and_tested_on() -> None:
    """Clips that say nothing but which video they are from: a CAV that met the other side's copy is always wrong."""
    rng = np.random.default_rng(0)
    videos = 20 * rng.normal(size=(20, 40))
    rows = np.concatenate([videos, videos]) + 0.01 * rng.normal(size=(40, 40))
    names = tuple(f"video {number}" for number in range(20))
    accuracy = held_out_accuracy(
        rows @ rows.T,
        GramRows(np.arange(20), names),
        GramRows(np.arange(20, 40), names),
        np.arange(20)[None],
        classifier=ridge,
        penalty=0.1,
        folds=5,
        resamples=200,
        rng=rng,
    )
    assert 0.35 < accuracy.value < 0.65


def test_the_larger_share_of_a_set_comes_from_the_larger_video() -> None:
    """Five clips of one video and one of another: where a video of eight is drawn, the five are five different ones."""
    pool = GramRows(np.arange(20), tuple("aaaaaaaabbbbbbbbcdef"))
    sizes = np.bincount(pool.source_index)
    for positions in draw_sets(pool, (5, 1), sets=400, rng=np.random.default_rng(0)):
        large, small = positions[:5], positions[5]
        if sizes[pool.source_index[[*large, small]]].max() == 8:
            assert len(set(large.tolist())) == 5


def test_a_relative_count_that_all_clips_agree_on_has_an_interval(gaussian_study: Any) -> None:
    study = gaussian_study(np.random.default_rng(0), gradient_noise=0.01)
    for name, along in (("for", 3.0), ("against", -3.0)):
        study.add(name, "spatial", study.base(12) + along * study.w)
    groups = (Group("pair", tuple(study.concepts)),)
    design = Design(tuple(study.concepts), study.random, study.classes, 1, SETTINGS, groups=groups)
    found = {each.of.concept: each for each in estimates(Scorer("l", study.gram, design)) if each.against == "group"}
    assert (found["for"].value, found["against"].value) == (1.0, 0.0)
    assert (found["for"].low, found["for"].high) == (wilson(1.0, sources=20)[0], 1.0)
    assert (found["against"].low, found["against"].high) == (0.0, wilson(0.0, sources=20)[1])


@pytest.mark.parametrize("unit", [1.0, 1e-13, 1e9])
def test_no_p_hangs_on_the_unit_of_its_statistic(unit: float) -> None:
    draws = np.random.default_rng(0).normal(size=999)
    assert set_null(unit * draws).p(unit * 8.0) == pytest.approx(0.001)
    assert set_null(unit * draws).p(unit * draws[17]) == set_null(draws).p(draws[17])
    a, b = np.array([0.8, 0.9, 0.7, 0.8]), np.array([0.1, 0.4, 0.2, 0.3])
    assert classic_two_sample(unit * a, unit * b).p == pytest.approx(stats.ttest_ind(a, b, equal_var=False).pvalue)
    assert classic_one_sample(unit * a, chance=unit * 0.5).p == pytest.approx(stats.ttest_1samp(a, 0.5).pvalue)
    flat = np.full(4, unit * 0.3)
    assert classic_two_sample(flat, flat).p == 1.0
    assert classic_two_sample(flat, 2 * flat).p == 0.0


@pytest.mark.parametrize("seed", range(30))
def test_random_clips_that_are_all_alike_are_one_sentence(seed: int) -> None:
    """Their spread is a rounding error, of either sign and any size."""
    rng = np.random.default_rng(seed)
    alike = np.repeat(rng.normal(size=(1, 300)), 40, axis=0)
    X, G = np.concatenate([alike, rng.normal(size=(12, 300))]), rng.normal(size=(10, 300))
    concept = ConceptRows(
        "c", "spatial", tuple(map(str, range(12))), GramRows(np.arange(40, 52), tuple(f"c{n}" for n in range(12)))
    )
    pool = GramRows(np.arange(40), tuple(f"r{number}" for number in range(40)))
    classes = {"a": GramRows(np.arange(10), tuple(f"a{number}" for number in range(10)))}
    with pytest.raises(NumericalError, match="all random clips have the same activation at layer 'l'"):
        Scorer("l", gram([(X, G)]), Design((concept,), pool, classes, 1, SETTINGS))


@pytest.mark.parametrize("adjust", [bonferroni, holm, benjamini_hochberg, lambda p: correct(p, correction="none")])
@pytest.mark.parametrize("wrong", [float("nan"), -1.0, 2.0, float("inf")])
def test_what_is_no_probability_is_not_corrected(adjust: Any, wrong: float) -> None:
    with pytest.raises(ValueError, match=rf"p-values lie between 0 and 1, got {wrong:g}$"):
        adjust(np.array([0.1, 0.0, 1.0, wrong, 0.2]))


@pytest.mark.parametrize("adjust", [bonferroni, holm, benjamini_hochberg, lambda p: correct(p, correction="none")])
def test_a_p_of_nothing_and_one_of_one_are_probabilities(adjust: Any) -> None:
    """Scores without spread have a classic p of 0 or 1."""
    assert adjust(np.array([0.0, 1.0])).tolist() == [0.0, 1.0]


@pytest.mark.parametrize("missing", ["layer", "concept", "class"])
def test_a_question_without_its_parts_is_one_sentence(gaussian_study: Any, missing: str) -> None:
    study = gaussian_study(np.random.default_rng(0))
    study.add("c", "spatial", study.base(12))
    design = Design(
        () if missing == "concept" else tuple(study.concepts),
        study.random,
        {} if missing == "class" else study.classes,
        0 if missing == "layer" else 1,
        SETTINGS,
    )
    with pytest.raises(NotEnoughData, match=f"no {missing} is named"):
        answers({} if missing == "layer" else {"l": study.gram}, design)


def test_draws_that_no_machine_holds_are_refused_before_a_pass(gaussian_study: Any) -> None:
    """10 000 random sets beside each of a million pseudo-concepts of twelve clips: 3 TB of rows alone."""
    study = gaussian_study(np.random.default_rng(0))
    study.add("c", "spatial", study.base(12))
    settings = SETTINGS.model_copy(update={"random_draws": 10_000, "pseudo_concepts": 1_000_000})
    design = Design(tuple(study.concepts), study.random, study.classes, 1, settings)
    assert draws_bytes(12, random_draws=10_000, null_draws=1_000_000, classes=1) > 10**10 * 24 * 12
    with pytest.raises(
        NotEnoughMemory, match=r"GiB of memory, more than the \d+ GiB .* lower random_draws or pseudo_con"
    ):
        refuse_untestable(design)
