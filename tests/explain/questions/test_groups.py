"""Relative scores: against scikit-learn in R^d, by what two opposites must add up to, and by a planted concept."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from support.analysed import analyse
from videotcav.explain.cavs.cav import spread
from videotcav.explain.design.design import ConceptRows, Group
from videotcav.explain.design.draws import GramRows
from videotcav.explain.design.settings import AnalysisSettings
from videotcav.records import Result

SETTINGS = AnalysisSettings(scores="classic", random_draws=3, pseudo_concepts=199, bootstrap_resamples=100)


@pytest.fixture
def study(gaussian_study: Any) -> Any:
    """Three concepts; the clips of \"racket\" lie along the class's direction."""
    study = gaussian_study(np.random.default_rng(3), gradient_noise=0.3)
    study.add("ball", "spatial", study.base(12))
    study.add("racket", "spatial", study.base(14) + 4 * study.w)
    study.add("person", "spatial", study.base(10))
    return study


def relative(study: Any, *members: str, settings: AnalysisSettings = SETTINGS) -> dict[str, Result]:
    group = Group("objects", tuple(each for each in study.concepts if each.concept in members))
    results = analyse(
        {"l": study.gram},
        concepts=study.concepts,
        random=study.random,
        classes=study.classes,
        settings=settings,
        groups=[group],
    )
    return {each.concept: each for each in results if each.statistic == "relative"}


def test_values_are_the_sign_counts_of_scikit_learns_directions(study: Any) -> None:
    found = relative(study, "ball", "racket", "person")
    assert {(each.against, each.group, each.kind) for each in found.values()} == {("group", "objects", "spatial")}
    penalty = SETTINGS.penalty * spread(study.X[: study.pool] @ study.X[: study.pool].T)
    for concept in study.concepts:
        rows = np.concatenate([each.clips.rows for each in study.concepts])
        labels = np.where(np.isin(rows, concept.clips.rows), 1.0, -1.0)
        direction = Ridge(alpha=penalty).fit(study.X[rows], labels).coef_
        assert found[concept.concept].value == pytest.approx((study.G @ direction > 0).mean())


def test_two_concepts_of_a_group_are_opposites(study: Any) -> None:
    found = relative(study, "ball", "racket")
    assert set(found) == {"ball", "racket"}
    assert found["ball"].value + found["racket"].value == pytest.approx(1.0)


def test_the_concept_that_matters_stands_out_of_its_group_and_the_others_do_not(study: Any) -> None:
    found = relative(study, "ball", "racket", "person")
    assert found["racket"].verdict == "positive"
    assert found["racket"].low > found["racket"].null_centre
    assert {found[name].verdict for name in ("ball", "person")} <= {"negative", "no evidence", "not learned"}


def test_groups_leave_every_other_row_as_it_was(study: Any) -> None:
    asked = {"concepts": study.concepts, "random": study.random, "classes": study.classes, "settings": SETTINGS}
    without = analyse({"l": study.gram}, **asked)
    beside = analyse({"l": study.gram}, **asked, groups=[Group("objects", tuple(study.concepts))])
    assert beside[: len(without)] == without
    assert {each.statistic for each in beside[len(without) :]} == {"relative"}


def test_where_all_gradients_agree_it_is_degenerate(study: Any) -> None:
    study.G = np.broadcast_to(study.w, study.G.shape)
    found = relative(study, "ball", "racket", "person")
    assert found["racket"].verdict == "degenerate"
    assert found["racket"].value in (0.0, 1.0)


def test_a_video_that_both_sides_share_is_never_both_learned_from_and_tested_on(study: Any) -> None:
    """Clips of two concepts that only their video tells apart: an accuracy by clip would be far above chance."""
    rng = np.random.default_rng(0)
    videos = rng.normal(size=(12, study.dimensions)) * 5
    for name in ("one", "other"):
        study.add(name, "spatial", videos + 0.1 * rng.normal(size=videos.shape))
    shared = tuple(f"video {index}" for index in range(12))
    study.concepts[-2:] = [
        ConceptRows(each.concept, each.kind, each.ids, GramRows(each.clips.rows, shared))
        for each in study.concepts[-2:]
    ]
    found = relative(study, "one", "other")
    assert {each.verdict for each in found.values()} == {"not learned"}


def test_runs_are_what_the_classic_test_was_made_of(study: Any) -> None:
    from scipy import stats  # noqa: PLC0415 - the oracle of this test alone

    results = analyse(
        {"l": study.gram}, concepts=study.concepts, random=study.random, classes=study.classes, settings=SETTINGS
    )
    for each in results:
        assert len(each.runs) == len(each.random_runs) == SETTINGS.random_draws
        assert each.value == pytest.approx(np.mean(each.runs))
        if np.ptp(each.runs) or np.ptp(each.random_runs):
            assert each.p_classic == pytest.approx(stats.ttest_ind(each.runs, each.random_runs, equal_var=False).pvalue)
