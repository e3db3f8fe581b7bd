"""Whole studies with a planted truth: what must come out comes out, and nothing else."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from support.analysed import analyse
from videotcav.errors import NotEnoughData, NumericalError
from videotcav.explain.cavs.cav import spread
from videotcav.explain.cavs.gram import Gram
from videotcav.explain.design.design import ConceptRows, concept_negatives, null_shape, pseudo_runs
from videotcav.explain.design.draws import GramRows
from videotcav.explain.design.settings import AnalysisSettings
from videotcav.records import STATISTICS, ConceptClip, ConceptSet, Result

FAST = AnalysisSettings(scores="classic", random_draws=4, pseudo_concepts=399, bootstrap_resamples=200)


def planted(make: Any, *, seed: int = 0, **options: Any) -> Any:
    """A moving concept along w, whose frozen twin is not; and an irrelevant one, the same for its twin."""
    study = make(np.random.default_rng(seed), **options)
    for name, along in (("racket", 3.0), ("advert", 0.0)):
        base = study.base(20)
        study.add(name, "spatiotemporal", base + along * study.w)
        study.add(name, "frozen", base + 0.2 * study.rng.normal(size=base.shape))
    return study


def run(study: Any, settings: AnalysisSettings = FAST, *, grams: dict[str, Gram] | None = None) -> list[Result]:
    return analyse(
        grams or {"stage": study.gram},
        concepts=study.concepts,
        random=study.random,
        classes=study.classes,
        settings=settings,
    )


def row(results: list[Result], concept: str, kind: str, against: str, statistic: str = "sign_count") -> Result:
    [found] = [
        each
        for each in results
        if (each.concept, each.kind, each.against, each.statistic) == (concept, kind, against, statistic)
    ]
    return found


@pytest.mark.parametrize("correction", ["holm", "bonferroni"])
def test_the_planted_truth_comes_out(gaussian_study: Any, correction: Any) -> None:
    results = run(planted(gaussian_study), FAST.model_copy(update={"correction": correction}))
    assert len(results) == (4 + 2) * len(STATISTICS)
    for statistic in STATISTICS:
        assert row(results, "racket", "spatiotemporal", "random", statistic).verdict == "positive"
        motion = row(results, "racket", "spatiotemporal", "frozen", statistic)
        assert motion.p_corrected <= 0.05
        assert motion.value > 0
        if statistic != "sign_count":  # a twin along no direction in particular has any sign count: a wide interval
            assert motion.verdict == "positive"
        assert row(results, "racket", "frozen", "random", statistic).verdict == "no evidence"
        assert row(results, "advert", "spatiotemporal", "random", statistic).verdict == "no evidence"
        assert row(results, "advert", "spatiotemporal", "frozen", statistic).verdict == "no evidence"
    for each in results:
        assert each.low <= each.value <= each.high
        assert each.null_low <= each.null_centre <= each.null_high
        assert 0 < each.p <= each.p_corrected <= 1
        assert (each.p_classic is None) == (each.against != "random")
        assert each.smallest_effect > 0


def test_pushing_the_class_away_is_negative(gaussian_study: Any) -> None:
    study = gaussian_study(np.random.default_rng(1))
    study.add("brake", "spatial", study.base(20) - 3 * study.w)
    found = row(run(study), "brake", "spatial", "random")
    assert found.verdict == "negative"
    assert found.value < 0.1


def test_a_draw_from_the_pool_is_not_learned(gaussian_study: Any) -> None:
    study = gaussian_study(np.random.default_rng(2))
    study.add("nothing", "spatial", study.rng.normal(size=(20, study.dimensions)))
    found = row(run(study), "nothing", "spatial", "random")
    assert found.verdict == "not learned"
    assert found.accuracy_low <= 0.5 <= found.accuracy_high


def test_equal_gradients_make_sign_counts_degenerate_and_leave_magnitudes(gaussian_study: Any) -> None:
    results = run(planted(gaussian_study, gradient_noise=1e-4))
    for each in results:
        assert each.gradient_cosine > 0.999
        assert (each.verdict == "degenerate") == (each.statistic == "sign_count")
    assert row(results, "racket", "spatiotemporal", "random", "cosine").verdict == "positive"


def test_too_few_videos_to_flip_are_underpowered(gaussian_study: Any) -> None:
    """Five videos flip in 2^4 ways up to the sign: no p below 1/16 exists, whatever is seen."""
    study = gaussian_study(np.random.default_rng(3), pool=90, clips_per_random_video=3)
    base = study.base(20)
    study.add("racket", "spatiotemporal", base + 3 * study.w, clips_per_video=4)
    study.add("racket", "frozen", base, clips_per_video=4)
    found = row(run(study), "racket", "spatiotemporal", "frozen", "cosine")
    assert found.verdict == "underpowered"
    assert found.p == pytest.approx(1 / 16)
    assert found.null_draws == 16
    assert found.smallest_effect == np.inf


def test_neither_order_nor_company_nor_scale_changes_a_row(gaussian_study: Any) -> None:
    study = planted(gaussian_study)
    before = run(study)
    study.concepts.reverse()
    assert sorted(before, key=repr) == sorted(run(study), key=repr)
    scaled = Gram(25 * study.gram.kernel, 5 * study.gram.cross, study.gram.gradients)
    for a, b in zip(run(study), run(study, grams={"stage": scaled}), strict=True):
        assert a.verdict == b.verdict
        np.testing.assert_allclose([a.value, a.low, a.high, a.p], [b.value, b.low, b.high, b.p], atol=1e-9)
    study.concepts = [each for each in study.concepts if each.concept == "racket"]
    alone = row(run(study), "racket", "spatiotemporal", "random")
    beside = row(before, "racket", "spatiotemporal", "random")
    assert (alone.value, alone.low, alone.high, alone.p) == (beside.value, beside.low, beside.high, beside.p)


def test_the_whole_of_set_level_randomisation_in_a_plain_loop(gaussian_study: Any) -> None:
    """The draws are taken from the design; everything after them is done again in R^d with scikit-learn."""
    study = gaussian_study(np.random.default_rng(4), pool=40, dimensions=15, class_clips=6)
    study.add("racket", "spatial", study.base(10) + 0.3 * study.w)
    settings = AnalysisSettings(
        scores="classic", random_draws=3, pseudo_concepts=59, correction="none", bootstrap_resamples=100
    )
    found = [row(run(study, settings), "racket", "spatial", "random", statistic) for statistic in STATISTICS]
    X, G = study.X, study.G
    penalty = settings.penalty * spread(X[:40] @ X[:40].T)
    [concept] = study.concepts
    shape = null_shape(concept, study.random)

    def statistics(runs: np.ndarray) -> np.ndarray:
        scores = []
        for rows in runs:
            v = Ridge(alpha=penalty).fit(X[rows], np.repeat([1.0, -1.0], [10, len(rows) - 10])).coef_
            S = G @ v / np.linalg.norm(v)
            scores.append([(S > 0).mean(), S.mean(), (S / np.linalg.norm(G, axis=1)).mean()])
        return np.mean(scores, axis=0)

    negatives = concept_negatives(concept, study.random, shape, settings)
    observed = statistics(np.hstack([np.tile(concept.clips.rows, (3, 1)), negatives]))
    runs = pseudo_runs(study.random, shape, sets=59, settings=settings)
    null = np.array([statistics(each) for each in runs])
    for index, result in enumerate(found):
        assert result.value == pytest.approx(observed[index], abs=1e-6)
        centre = null[:, index].mean()
        assert result.null_centre == pytest.approx(centre, abs=1e-6)
        extreme = (np.abs(null[:, index] - centre) >= abs(observed[index] - centre) - 1e-9).sum()
        assert result.p == pytest.approx((1 + extreme) / 60)


def test_the_whole_of_the_paired_test_by_enumeration(gaussian_study: Any) -> None:
    """Ten clips of six videos: all 2^6 flips, both sides of each contrast trained again in R^d."""
    study = gaussian_study(np.random.default_rng(5), pool=40, dimensions=15, class_clips=6)
    base = study.base(10)
    study.add("racket", "spatiotemporal", base + 0.5 * study.w, clips_per_video=2)
    study.add("racket", "frozen", base + 0.3 * study.rng.normal(size=base.shape), clips_per_video=2)
    settings = AnalysisSettings(scores="classic", random_draws=2, correction="none", bootstrap_resamples=100)
    found = row(run(study, settings), "racket", "spatiotemporal", "frozen", "sensitivity")
    X, G = study.X, study.G
    penalty = settings.penalty * spread(X[:40] @ X[:40].T)
    dynamic, frozen = study.concepts
    negatives = concept_negatives(dynamic, study.random, null_shape(dynamic, study.random), settings)

    def score(rows: np.ndarray) -> float:
        scores = []
        for random_rows in negatives:
            train = np.concatenate([rows, random_rows])
            v = Ridge(alpha=penalty).fit(X[train], np.repeat([1.0, -1.0], [10, len(random_rows)])).coef_
            scores.append((G @ v / np.linalg.norm(v)).mean())
        return float(np.mean(scores))

    contrasts = []
    for flip in product((False, True), repeat=5):
        swapped = np.repeat(flip, 2)
        first = np.where(swapped, frozen.clips.rows, dynamic.clips.rows)
        second = np.where(swapped, dynamic.clips.rows, frozen.clips.rows)
        contrasts.append(score(first) - score(second))
    assert found.value == pytest.approx(contrasts[0], abs=1e-6)
    assert found.p == pytest.approx((np.abs(contrasts) >= abs(contrasts[0]) - 1e-9).mean())
    assert found.null_centre == 0


def test_swapping_concept_and_twin_flips_the_sign(gaussian_study: Any) -> None:
    study = planted(gaussian_study)
    there = row(run(study), "racket", "spatiotemporal", "frozen", "cosine")
    swap = {"spatiotemporal": "frozen", "frozen": "spatiotemporal"}
    study.concepts = [ConceptRows(each.concept, swap[each.kind], each.ids, each.clips) for each in study.concepts]
    back = row(run(study), "racket", "spatiotemporal", "frozen", "cosine")
    assert back.value == pytest.approx(-there.value)
    assert back.p == pytest.approx(there.p)


def test_twins_are_paired_by_id_whatever_their_order(gaussian_study: Any) -> None:
    study = planted(gaussian_study)
    before = row(run(study), "racket", "spatiotemporal", "frozen")
    _, twin, *_ = study.concepts
    study.concepts[1] = twin.restricted(twin.ids[::-1])
    after = row(run(study), "racket", "spatiotemporal", "frozen")
    assert (after.value, after.p) == (before.value, before.p)


def test_what_is_too_little_is_refused_with_the_number_needed(gaussian_study: Any) -> None:
    study = planted(gaussian_study)
    with pytest.raises(NotEnoughData, match=r"6 tests.*at least 119 pseudo-concepts, not 50"):
        run(study, FAST.model_copy(update={"pseudo_concepts": 50}))
    few = gaussian_study(np.random.default_rng(0))
    few.add("racket", "spatial", few.base(7))
    with pytest.raises(NotEnoughData, match=r"'racket/spatial' has 7 clips of 7 .* at least 10 clips of 5 videos"):
        run(few)
    one_video = gaussian_study(np.random.default_rng(0))
    one_video.add("racket", "spatial", one_video.base(20), clips_per_video=20)
    with pytest.raises(NotEnoughData, match="20 clips of 1 source videos"):
        run(one_video)
    small = gaussian_study(np.random.default_rng(0), pool=25)
    small.add("racket", "spatial", small.base(20))
    with pytest.raises(NotEnoughData, match=r"random pool has 25 clips.* needs about 30 clips of 30 videos"):
        run(small)


def test_a_layer_that_is_the_same_for_all_random_clips_is_refused(gaussian_study: Any) -> None:
    study = planted(gaussian_study)
    with pytest.raises(NumericalError, match=r"layer 'dead'.*another layer"):
        run(study, grams={"dead": Gram(0 * study.gram.kernel, 0 * study.gram.cross, study.gram.gradients)})


def test_a_concepts_own_videos_are_never_its_random_clips(gaussian_study: Any) -> None:
    study = gaussian_study(np.random.default_rng(0))
    study.add("racket", "spatial", study.base(12))
    [concept] = study.concepts
    shared = GramRows(study.random.rows, (*concept.clips.sources, *study.random.sources[12:]))
    negatives = concept_negatives(concept, shared, null_shape(concept, shared), FAST)
    assert negatives.min() >= 12


def test_a_concept_set_of_records_becomes_rows() -> None:
    made = (
        ConceptClip(id=f"t{index}", concept="ball", kind="spatial", path="x.mp4", source=f"v{index // 2}")
        for index in range(4)
    )
    rows = ConceptRows.of(ConceptSet(concept="ball", kind="spatial", clips=tuple(made)), first_row=7)
    assert rows.name == "ball/spatial"
    assert rows.clips.rows.tolist() == [7, 8, 9, 10]
    assert rows.clips.counts == (2, 2)
