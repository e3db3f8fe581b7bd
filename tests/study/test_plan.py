"""A plan counts before anything is passed."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

from videotcav.explain.design.settings import AnalysisSettings
from videotcav.explain.inference.interval_null import Margins, against_pool
from videotcav.explain.inference.power import detectable, videos_for_flips, visible_effect
from videotcav.features.measure import ClipFile
from videotcav.records import ConceptClip, ConceptSet, Kind
from videotcav.study.cost_model import Rates, statistics_seconds
from videotcav.study.design import study_design
from videotcav.study.file import StudyFile
from videotcav.study.inputs import Inputs
from videotcav.study.plan import Spreads, plan

THREE = {"one": 1, "two": 1, "three": 1}
RATES = Rates(forward=2, forward_and_backward=0.5, written_bytes=1, read_bytes=1, operations=1)


def concept_set(kind: Kind, clips: int) -> ConceptSet:
    made = (
        ConceptClip(id=str(n), concept="racket", kind=kind, path=Path(f"{n}.mp4"), source=f"v{n}") for n in range(clips)
    )
    return ConceptSet(concept="racket", kind=kind, clips=tuple(made))


def inputs(clips: int = 12, pool: int = 40) -> Inputs:
    files = tuple(ClipFile(path=Path(f"r{n}.mp4"), source=f"r{n}") for n in range(pool))
    return Inputs(
        concepts=(concept_set("spatiotemporal", clips), concept_set("frozen", clips)),
        random=files,
        classes={"swing": files[:10]},
        reviews={},
        declared={},
    )


def study(*hypotheses: str, scores: str = "classic") -> StudyFile:
    return StudyFile.model_validate(
        {
            "question": "?",
            "hypotheses": hypotheses,
            "model": {"name": "planted:swin"},
            "classes": {"swing": {"videos": ["*.mp4"]}},
            "concepts": {"folder": "concepts"},
            "random": {"folder": "random"},
            "tests": {"scores": scores},
        }
    )


def contrast_study(*hypotheses: str) -> StudyFile:
    return study(*hypotheses, scores="contrast")


def test_the_declared_family_says_how_many_draws_are_needed() -> None:
    """Two hypotheses at three layers: 6 tests, M ≥ 6 / 0.05 − 1 = 119; undeclared, 3 questions at 3 layers: 179."""
    declared = plan(study("racket matters", "racket: dynamic > frozen"), inputs(), widths=THREE)
    assert (declared.tests, declared.needs[0].needs) == (6, 119)
    everything = plan(study(), inputs(), widths=THREE)
    assert (everything.tests, everything.needs[0].needs) == (9, 179)
    assert declared.is_enough


def test_what_is_missing_is_named_with_its_number() -> None:
    told = [need.sentence for need in plan(study(), inputs(clips=7, pool=9), widths=THREE).needs if not need.is_met]
    assert "clips of racket/spatiotemporal: 7, but 10 are needed" in told
    assert "source videos of racket/frozen: 7, but 9 are needed" in told  # 2^8 flips reach 0.05 / 9, 2^7 do not
    assert "random clips (better 21): 9, but 11 are needed" in told


def test_a_contrast_is_one_test_whatever_the_layers() -> None:
    """Two hypotheses: 2 tests, and the p of an interval test is a sum of two: M ≥ 2 · 2 / 0.05 − 1 = 79."""
    declared = plan(contrast_study("racket pushes swing", "racket: moving > frozen"), inputs(), widths=THREE)
    assert (declared.tests, declared.needs[0].needs) == (2, 79)
    everything = plan(contrast_study(), inputs(), widths=THREE)
    assert (everything.tests, everything.needs[0].needs) == (3, 119)
    assert everything.needs[0].has >= 20 * 3 * 3 / 0.05 - 1  # the rows of three layers ask for more


def test_what_a_contrast_lacks_is_named_with_its_number() -> None:
    made = plan(contrast_study(), inputs(clips=6, pool=4), widths=THREE)
    told = [need.sentence for need in made.needs if not need.is_met]
    assert "clips of racket/spatiotemporal: 6, but 10 are needed" in told
    assert "source videos of racket/frozen: 6, but 7 are needed" in told  # 2^(1 − 7) reaches 0.05 / 3, 2^(1 − 6) not
    assert "random source videos beside racket/spatiotemporal (better 30): 4, but 5 are needed" in told


def test_what_negligible_takes_is_said() -> None:
    """One test at 5 %: 1/n + 1/N ≤ (0.3 / 2.93)², which 191 against 191 meet, and 460 against 120."""
    asked = contrast_study("nothing about racket matters")
    assert "about 191 videos against 191 random ones" in plan(asked, inputs(), widths=THREE).equivalence
    assert "by 460 against these 120" in plan(asked, inputs(pool=120), widths=THREE).equivalence
    assert not plan(asked, inputs(clips=191, pool=191), widths=THREE).equivalence


def test_a_detectable_effect_is_found_in_four_of_five_studies() -> None:
    settings = AnalysisSettings()
    rng = np.random.default_rng(0)
    n, N = 30, 60
    effect = detectable(math.sqrt(1 / n + 1 / N), tests=4, settings=settings)
    found = against_pool(
        effect + rng.normal(size=(n, 2000)), rng.normal(size=(N, 2000)), margins=Margins(), draws=1599, rng=rng
    )
    assert (found.p <= 0.05 / 4).mean() == pytest.approx(0.8, abs=0.06)


@pytest.mark.parametrize("tests", [1, 9, 100])
def test_so_many_videos_can_be_significant_and_one_less_cannot(tests: int) -> None:
    settings = AnalysisSettings()
    videos = videos_for_flips(tests, settings)
    assert 1 / 2 ** (videos - 1) <= 0.05 / tests < 1 / 2 ** (videos - 2)


def test_the_cost_is_that_of_the_cost_model() -> None:
    """12 dynamic, 12 frozen and 40 random clips; 10 of the class, each also backward; 4 bytes a float32."""
    found = plan(study(), inputs(), widths={"one": 10, "two": 5}, rates=RATES).cost
    assert (found.clips_forward, found.clips_backward) == (2 * 12 + 40 + 10, 10)
    assert found.store_bytes == 4 * 74 * 15
    assert found.seconds["passes"] == 64 / 2 + 10 / 0.5
    assert plan(study(), inputs(), widths=THREE).cost.seconds == {}
    with_maps = plan(study(), inputs(), widths={"one": 10, "two": 5}, rates=RATES, map_passes=30).cost
    assert with_maps.seconds == found.seconds | {"maps": 30 / 2}


def test_the_time_of_the_tests_is_that_of_the_first_concept_times_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """By hand: three questions of a concept at one class; eight concepts at six classes, of which four are timed."""
    file = contrast_study()
    one = study_design(file, inputs(), layers=2)
    sets = [replace(each, concept=f"c{n}") for n in range(8) for each in one.concepts]
    many = replace(one, concepts=tuple(sets), classes={f"k{n}": one.classes["swing"] for n in range(6)})
    assert (one.tests, many.tests) == (3, 8 * 3 * 6)
    asked: list[int] = []
    clock = iter((0.0, 2.0))
    monkeypatch.setattr("videotcav.study.cost_model.answers", lambda _, design, **__: asked.append(design.tests))
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    assert statistics_seconds(many) == pytest.approx(2 * many.tests / (3 * 4))
    assert asked == [3 * 4]
    assert statistics_seconds(study_design(study(), inputs(), layers=2)) == 0  # of classic scores


def test_tests_that_cannot_be_made_take_no_time() -> None:
    assert statistics_seconds(study_design(contrast_study(), inputs(clips=6, pool=4), layers=2)) == 0


def test_the_visible_effect_has_its_power_by_simulation() -> None:
    settings = AnalysisSettings()
    effect = visible_effect(0.1, 0.08, tests=5, settings=settings)
    estimates = effect + 0.08 * np.random.default_rng(0).normal(size=200_000)
    critical = 0.1 * norm.isf(0.05 / 5 / 2)
    assert (estimates > critical).mean() == pytest.approx(0.8, abs=0.005)
    stated = plan(
        study("racket matters"), inputs(), widths={str(layer): 1 for layer in range(5)}, spreads=Spreads(0.1, 0.08)
    )
    assert stated.visible[0].effect == pytest.approx(effect)


def test_still_sets_need_still_random_videos() -> None:
    """As `Design.pool_of` compares them: of 40 random videos 10 give still clips."""
    asked = inputs()
    kinds: list[Kind] = ["spatial"] * 10 + ["spatiotemporal"] * 30
    files = tuple(file.model_copy(update={"kind": kind}) for file, kind in zip(asked.random, kinds, strict=True))
    found = plan(contrast_study(), replace(asked, random=files), widths=THREE)
    there = {need.what.split(" (")[0]: need.has for need in found.needs}
    assert there["random source videos beside racket/frozen"] == 10
    assert there["random source videos beside racket/spatiotemporal"] == 30
