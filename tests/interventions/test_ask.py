"""Edits whose changes are made by hand: p by scipy, and every rule of what may be concluded."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from support.flips import flips_by_scipy
from videotcav.errors import NumericalError
from videotcav.explain.cavs.gram import Floats
from videotcav.explain.design.hypotheses import parse_need
from videotcav.explain.design.settings import AnalysisSettings
from videotcav.explain.inference.multiplicity import Family, holm
from videotcav.interventions.ask import Edits, ask, judged_edits
from videotcav.report.edits import why
from videotcav.results.edit_effect import EditEffect

SETTINGS = AnalysisSettings(seed=3)
REFERENCE = {"swing": np.random.default_rng(9).normal(0, 2, 40)}
SIGMA = float(REFERENCE["swing"].std(ddof=1))


def noise(seed: int, size: float = 0.3, clips: int = 14) -> Floats:
    return np.random.default_rng(seed).normal(0, size, clips)


def edits(change: Floats, **others: Any) -> Edits:
    """An edit that changes the scores of as many videos by so much, in units of σ."""
    clips = len(change)
    before = np.random.default_rng(1).normal(1, 2, clips)
    scores = {name: before + SIGMA * others.pop(name) for name in ("sham", "second_fill") if name in others}
    facts: dict[str, Any] = {
        "edit": "freeze",
        "class_name": "swing",
        "sources": [f"video {clip}" for clip in range(clips)],
        "before": before,
        "after": before + SIGMA * change,
        "changed": np.ones(clips, dtype=np.bool_),
        "given_before": np.ones(clips, dtype=np.bool_),
        "given_after": change > -1,
    }
    return Edits(**facts | scores | others)


def row(change: Floats, **others: Any) -> EditEffect:
    return judged_edits(ask([edits(change, **others)], REFERENCE, settings=SETTINGS), settings=SETTINGS)[0]


def others(*p: float) -> Family:
    """Tests of another kind, none of which is declared."""
    none = np.zeros(len(p), dtype=np.bool_)
    return Family(np.array(p), np.ones(len(p)), none, none)


def by_t(values: Floats, margin: float) -> float:
    error, size, freedom = values.std(ddof=1) / np.sqrt(len(values)), abs(values.mean()), len(values) - 1
    return float(stats.t.sf((size - margin) / error, freedom) + stats.t.sf((size + margin) / error, freedom))


@pytest.mark.parametrize("mean", [-0.4, -0.15, 0.2])
def test_p_is_the_larger_of_scipys_flips_and_t(mean: float) -> None:
    change = noise(4, clips=12) + mean
    found = row(change)
    assert found.effect == pytest.approx(change.mean())
    assert found.p == pytest.approx(max(flips_by_scipy(change, 0.1), by_t(change, 0.1)))
    assert found.sigma == pytest.approx(SIGMA)


def test_clips_of_one_video_are_one_unit() -> None:
    change = noise(4, clips=12) - 0.4
    twice = row(np.repeat(change, 2), sources=[f"video {clip}" for clip in range(12) for _ in range(2)])
    assert (twice.clips, twice.sources) == (24, 12)
    assert twice.p == pytest.approx(row(change).p)


def test_a_class_needs_what_an_edit_takes_away() -> None:
    found = row(noise(5) - 1.5)
    assert found.verdict == "negative"
    assert found.accuracy_before == 1
    assert found.accuracy_after == pytest.approx((noise(5) > 0.5).mean())


def test_an_edit_must_move_the_score_by_more_than_its_sham() -> None:
    change = noise(6) - 1.0
    alone = row(change, sham=noise(7, 0.1))
    assert alone.verdict == "negative"
    assert (alone.raw, alone.with_sham) == (pytest.approx(change.mean()), 14)
    as_much = row(change, sham=change + noise(7, 0.1))
    assert (as_much.verdict, as_much.reason) == ("undecided", "sham moves it too")
    more = row(change, sham=change - 1.0 + noise(7, 0.1))  # the sham costs more: the edit itself then helps
    assert (more.verdict, more.p) == ("undecided", 1.0)


def test_p_is_the_larger_and_the_effect_the_smaller_of_raw_and_sham() -> None:
    change, sham = noise(6, clips=12) - 1.0, noise(7, clips=12) - 0.4
    found = row(change, sham=sham)
    assert found.p == pytest.approx(
        max(max(flips_by_scipy(each, 0.1), by_t(each, 0.1)) for each in (change, change - sham))
    )
    assert found.effect == pytest.approx((change - sham).mean())
    assert found.sham == pytest.approx(sham.mean())


def test_clips_without_a_sham_leave_both_sides() -> None:
    change, sham = noise(6, clips=20) - 1.0, noise(7, 0.1, clips=20)
    change[:6], sham[:6] = -9.0, np.nan
    found = row(change, sham=sham)
    assert (found.clips, found.with_sham, found.sources) == (20, 14, 14)
    assert found.effect == pytest.approx(max(change[6:].mean(), (change - sham)[6:].mean()))


@pytest.mark.parametrize(
    ("clips", "without", "reason"),
    [(20, 9, "sham not possible"), (13, 2, "too few shams")],  # 55 % have one; 11 have one
)
def test_with_too_few_shams_a_raw_effect_must_be_twice_the_shams(clips: int, without: int, reason: str) -> None:
    change, sham = noise(6, clips=clips) - 1.0, noise(7, 0.1, clips=clips) - 0.2
    sham[:without] = np.nan
    clear = row(change, sham=sham)
    assert (clear.verdict, clear.p) == ("negative", pytest.approx(row(change).p))
    unclear = row(change, sham=sham - 0.5)
    assert (unclear.verdict, unclear.reason) == ("undecided", reason)
    assert row(change, sham=np.full(clips, np.nan)).reason == "sham not possible"


def test_clips_of_one_video_are_one_towards_the_videos_that_shams_need() -> None:
    change, sham = noise(6, clips=14) - 1.0, noise(7, 0.1, clips=14) - 0.9
    enough = row(change, sham=sham)
    assert enough.reason == "sham moves it too"  # it was held against them
    few = row(change, sham=sham, sources=[f"video {clip // 2}" for clip in range(14)])
    assert (few.verdict, few.reason, few.with_sham, few.sources) == ("undecided", "too few shams", 14, 7)
    assert why(few) == "too few videos to hold it against a sham of it"  # all clips have room for one


def test_room_and_number_of_shams_are_two_reasons() -> None:
    change, sham = noise(6, clips=9) - 1.0, noise(7, 0.1, clips=9) - 0.9
    assert row(change, sham=sham).reason == "too few shams"
    sham[:5] = np.nan
    assert row(change, sham=sham).reason == "sham not possible"


def test_an_edit_that_moves_no_score_has_no_number() -> None:
    """Without any spread no test can tell it from one that moves one clip in a hundred."""
    found = row(np.zeros(14), sham=noise(7, 0.1), second_fill=noise(8, 0.1))
    assert (found.verdict, found.reason, found.clips) == ("not asked", "moves no score", 14)
    assert (found.effect, found.raw, found.sham, found.p) == (None,) * 4
    assert row(np.eye(14)[3] * 0.2).effect is not None  # one clip is enough for a number


def test_clips_of_which_an_edit_cannot_be_made_are_counted_with_the_reason() -> None:
    found = row(noise(5) - 1.5, not_told=3, why="the clip does not hold it")
    assert (found.clips, found.not_told, found.why, found.asked_of) == (14, 3, "the clip does not hold it", 17)
    none = row(noise(5)[:0], not_told=17)
    assert (none.verdict, none.reason) == ("not asked", "not told")


def test_with_too_few_shams_nothing_is_negligible() -> None:
    change, sham = noise(6, 0.02, clips=20), np.full(20, np.nan)
    sham[:4] = 0.0
    assert row(change, sham=np.zeros(20) + noise(3, 0.01, clips=20)).verdict == "negligible"
    assert row(change).verdict == "negligible"
    assert row(change, sham=sham).verdict == "undecided"


def test_a_second_fill_must_agree() -> None:
    change = noise(8) - 1.0
    assert row(change, second_fill=noise(9) - 0.5).verdict == "negative"
    for second in (noise(9, 0.01) - 0.05, noise(9) + 1.0):
        found = row(change, second_fill=second)
        assert (found.verdict, found.reason) == ("undecided", "hangs on the fill")
    nothing = noise(8, 0.02)
    assert row(nothing, second_fill=nothing + 0.2).verdict == "negligible"
    assert row(nothing, second_fill=nothing + 0.4).reason == "hangs on the fill"


def test_clips_that_an_edit_leaves_alone_leave_the_test() -> None:
    change = noise(5) - 1.5
    changed = np.arange(14) >= 4
    found = row(change, changed=changed)
    assert (found.clips, found.unchanged, found.effect) == (10, 4, pytest.approx(change[4:].mean()))
    nothing = row(change, changed=np.zeros(14, dtype=np.bool_))
    assert (nothing.verdict, nothing.reason, nothing.effect, nothing.p) == ("not asked", "changes nothing", None, None)
    one = row(change, changed=np.arange(14) < 1)
    assert (one.verdict, one.reason, one.effect) == ("not asked", "too few videos", None)


def test_few_videos_are_told_where_no_flip_can_be_significant() -> None:
    found = row(noise(5, clips=5) - 3.0)
    assert (found.verdict, found.reason) == ("undecided", "too few videos")  # 2 / 2^5 is above 5 %


def test_two_videos_that_happen_to_agree_show_nothing_to_be_negligible() -> None:
    """t alone would say so of two; of five it is believed (`minimum_sources`)."""
    for clips, verdict in ((2, "undecided"), (4, "undecided"), (5, "negligible")):
        found = row(np.full(clips, 0.01) + noise(2, 1e-4, clips=clips))
        assert found.p_equivalence_corrected is not None
        assert found.p_equivalence_corrected <= 0.05
        assert (found.verdict, found.sources) == (verdict, clips)


def test_ranked_edits_are_one_family_with_what_stands_beside_them() -> None:
    shown = edits(noise(2) - 1.5, edit="blur", ranked=False)
    first, second = edits(noise(5) - 0.35), edits(noise(6) - 0.3, edit="reverse")
    asked = ask([first, shown, second], REFERENCE, settings=SETTINGS, beside=1)
    rows = judged_edits(asked, settings=SETTINGS, beside=others(0.04))
    p = [rows[0].p, rows[2].p, 0.04]
    assert None not in p
    by_hand, most = [0.0] * 3, 0.0
    for rank, place in enumerate(np.argsort(p)):  # Holm, step by step
        most = max(most, (3 - rank) * float(p[place] or 0))
        by_hand[place] = min(1.0, most)
    assert [rows[0].p_corrected, rows[2].p_corrected] == pytest.approx(by_hand[:2])
    assert (rows[1].verdict, rows[1].p) == ("shown", None)
    assert rows[1].effect is not None


def test_the_order_of_edits_changes_no_row() -> None:
    many = [edits(noise(seed, clips=30) - 0.2, edit=f"edit {seed}") for seed in range(4)]
    rows = judged_edits(ask(many, REFERENCE, settings=SETTINGS), settings=SETTINGS)
    turned = judged_edits(ask(many[::-1], REFERENCE, settings=SETTINGS), settings=SETTINGS)
    assert rows == turned[::-1]


def test_a_score_without_spread_is_refused() -> None:
    with pytest.raises(NumericalError, match="the score of 'swing' is the same for all clips"):
        ask([edits(noise(5))], {"swing": np.full(9, 2.0)}, settings=SETTINGS)


def test_what_is_declared_is_corrected_for_what_is_declared() -> None:
    first, second = edits(noise(5) - 0.5), edits(noise(6) - 0.6, edit="reverse", target="racket")
    third = edits(noise(7, 0.02), edit="remove", target="court")
    texts = ("swing needs racket direction", "swing needs nothing of court")
    needs = [need for text in texts if (need := parse_need(text))]
    asked = ask([first, second, third], REFERENCE, settings=SETTINGS)
    rows = judged_edits(asked, settings=SETTINGS, needs=needs, declares=True)
    assert [row.hypothesis for row in rows] == ["", "swing needs racket direction", "swing needs nothing of court"]
    assert [row.exploratory for row in rows] == [True, False, False]
    assert rows[0].p_corrected == pytest.approx(max(asked[0].p * 2, asked[1].p * 3))
    declared = [asked[1].p, asked[2].p_equivalence]
    assert rows[1].p_corrected == pytest.approx(holm(np.array(declared))[0])
    assert rows[2].verdict == "negligible"
