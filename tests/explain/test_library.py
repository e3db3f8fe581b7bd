"""Other yardsticks: other concepts, other networks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from videotcav.errors import NotEnoughData
from videotcav.explain.analyse import analyse
from videotcav.explain.design import Design
from videotcav.explain.gram import gram
from videotcav.explain.library import concept_values, random_weights_values, refuse_few_networks
from videotcav.explain.settings import AnalysisSettings
from videotcav.explain.tests import set_null
from videotcav.records import STATISTICS

SETTINGS = AnalysisSettings(random_draws=3, pseudo_concepts=99, correction="none", bootstrap_resamples=100)


def library(make: Any, *, seed: int = 0) -> Any:
    """Twenty unrelated concepts, and a last one along w."""
    study = make(np.random.default_rng(seed))
    for index in range(20):
        study.add(f"other {index}", "spatial", study.base(12))
    study.add("racket", "spatial", study.base(12) + 3 * study.w)
    return study


def design(study: Any) -> Design:
    return Design(tuple(study.concepts), study.random, study.classes, 1, SETTINGS)


def test_values_are_those_of_the_whole_analysis(gaussian_study: Any) -> None:
    study = library(gaussian_study)
    study.concepts = study.concepts[-2:]
    results = analyse(
        {"l": study.gram}, concepts=study.concepts, random=study.random, classes=study.classes, settings=SETTINGS
    )
    values = concept_values(study.gram, design(study), study.concepts)
    np.testing.assert_allclose(values.transpose(1, 2, 0).ravel(), [each.value for each in results])


def test_a_concept_that_matters_stands_out_of_a_library(gaussian_study: Any) -> None:
    study = library(gaussian_study)
    *others, racket = concept_values(study.gram, design(study), study.concepts)[2, :, 0]
    assert set_null(np.array(others)).p(racket) == pytest.approx(1 / 21)


@pytest.mark.parametrize("correction", ["holm", "max-t"])
def test_a_study_sets_the_named_concepts_beside_all_others(gaussian_study: Any, correction: Any) -> None:
    """Against a plain loop over the other concepts' own rows; nothing else in the results changes."""
    study = library(gaussian_study)
    settings = SETTINGS.model_copy(update={"correction": correction, "pseudo_concepts": None})
    asked = settings.model_copy(update={"library": ("racket",)})
    parts = {"concepts": study.concepts, "random": study.random, "classes": study.classes}
    without, rows = (analyse({"l": study.gram}, settings=each, **parts) for each in (settings, asked))
    assert [row for row in rows if row.against != "library"] == without
    beside = [row for row in rows if row.against == "library"]
    assert [(row.concept, row.statistic) for row in beside] == [("racket", name) for name in STATISTICS]
    for row in beside:
        same = [each for each in without if each.statistic == row.statistic]
        [own] = [each.value for each in same if each.concept == "racket"]
        others = np.array([each.value for each in same if each.concept != "racket"])
        farther = sum(abs(other - others.mean()) >= abs(own - others.mean()) - 1e-12 for other in others)
        assert row.value == own
        assert row.null_centre == pytest.approx(others.mean())
        assert row.p == pytest.approx((1 + farther) / 21)
        assert row.null_draws == 20
        assert row.exploratory
    assert beside[2].verdict == "positive"


def test_a_library_that_can_never_reach_alpha_is_refused(gaussian_study: Any) -> None:
    study = library(gaussian_study)
    parts = {"random": study.random, "classes": study.classes}
    asked = SETTINGS.model_copy(update={"library": ("racket",)})
    with pytest.raises(NotEnoughData, match=r"beside 'racket/spatial' stand 18 .* below 1/19; 1 tests .* at least 19"):
        analyse({"l": study.gram}, concepts=study.concepts[2:], settings=asked, **parts)
    two = asked.model_copy(update={"library": ("racket", "other 3"), "correction": "holm", "pseudo_concepts": 999})
    with pytest.raises(NotEnoughData, match=r"2 tests .* at least 39"):
        analyse({"l": study.gram}, concepts=study.concepts, settings=two, **parts)
    unknown = asked.model_copy(update={"library": ("raket",)})
    with pytest.raises(NotEnoughData, match="no concept 'raket'; the study has: other 0, "):
        analyse({"l": study.gram}, concepts=study.concepts, settings=unknown, **parts)


def test_a_concept_that_is_one_of_its_library_is_rejected_no_more_often_than_claimed(gaussian_study: Any) -> None:
    """120 ranks among 20 alike, three a study: at 5 % the count stays below 5 % + 2.3 errors."""
    p = []
    for seed in range(40):
        study = gaussian_study(np.random.default_rng([17, seed]), pool=30, dimensions=20, class_clips=8)
        for index in range(20):
            study.add(f"c{index}", "spatial", study.rng.normal(size=(10, study.dimensions)))
        values = concept_values(study.gram, design(study), study.concepts)[2, :, 0]
        p += [set_null(np.delete(values, place)).p(values[place]) for place in range(3)]
    assert 0 < np.mean(np.array(p) <= 0.05 + 1e-9) <= 0.05 + 2.3 * np.sqrt(0.05 * 0.95 / len(p))


def test_random_weights_are_one_network_after_the_other(gaussian_study: Any) -> None:
    """Networks that turn activations at random, without turning the class with them, know nothing of racket."""
    study = library(gaussian_study)
    racket = study.concepts[-1]
    turns = [np.linalg.qr(np.random.default_rng([7, k]).normal(size=(60, 60)))[0] for k in range(19)]
    networks = [gram([(study.X @ turn, study.G)]) for turn in turns]
    values = random_weights_values(networks, design(study), racket)
    assert values.shape == (3, 19, 1)
    np.testing.assert_array_equal(values[:, 4], concept_values(networks[4], design(study), [racket])[:, 0])
    trained = concept_values(study.gram, design(study), [racket])[2, 0, 0]
    assert set_null(values[2, :, 0]).p(trained) == pytest.approx(0.05)


def test_a_concept_is_set_beside_itself_in_networks_with_random_weights(gaussian_study: Any) -> None:
    """Every row's null is its own value in each network, as `concept_values` gives it; value and interval stay."""
    study = library(gaussian_study)
    study.concepts[:] = study.concepts[-2:]
    turns = [np.linalg.qr(np.random.default_rng([7, k]).normal(size=(60, 60)))[0] for k in range(19)]
    networks = [gram([(study.X @ turn, study.G)]) for turn in turns]
    asked = SETTINGS.model_copy(update={"random_weights": 19, "correction": "max-t"})
    parts = {"concepts": study.concepts, "random": study.random, "classes": study.classes, "settings": asked}
    rows = analyse({"l": study.gram}, **parts, untrained=[{"l": each} for each in networks])
    plain = [row for row in rows if row.against == "random"]
    assert plain == analyse({"l": study.gram}, **parts)
    beside = [row for row in rows if row.against == "random weights"]
    assert [(row.concept, row.statistic) for row in beside] == [(row.concept, row.statistic) for row in plain]
    for row, own in zip(beside, plain, strict=True):
        [concept] = [each for each in study.concepts if each.concept == row.concept]
        null = [
            concept_values(each, design(study), [concept])[STATISTICS.index(row.statistic), 0, 0] for each in networks
        ]
        farther = sum(abs(value - np.mean(null)) >= abs(own.value - np.mean(null)) - 1e-12 for value in null)
        assert (row.value, row.low, row.high) == (own.value, own.low, own.high)
        assert row.p == pytest.approx((1 + farther) / 20)
        assert row.null_draws == 19
        assert row.exploratory


def test_too_few_networks_are_refused_with_the_number_needed() -> None:
    refuse_few_networks(SETTINGS, tests=500)  # none are asked for
    asked = SETTINGS.model_copy(update={"random_weights": 19, "correction": "holm"})
    with pytest.raises(NotEnoughData, match=r"beside 19 networks p cannot be below 1/20; 2 tests .* at least 39"):
        refuse_few_networks(asked, tests=2)
