"""Contrast and shift on scores that are made by hand, and on a network whose last layer is linear."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from support.planted_scores import Planted, normal, row
from videotcav.errors import NotEnoughData, NumericalError
from videotcav.explain.design.design import ConceptRows, Design
from videotcav.explain.design.draws import GramRows
from videotcav.explain.design.settings import AnalysisSettings
from videotcav.explain.questions import moves
from videotcav.explain.questions.all import answers
from videotcav.explain.questions.contrast import ClipScores
from videotcav.features.measure import Batch, measure
from videotcav.models.class_score import CENTRED, LOGIT, against_class, class_score, own_score
from videotcav.models.load import load_model
from videotcav.models.model import VideoModel
from videotcav.records import ClipSpec, Kind, ModelCard, Result


def test_what_is_planted_is_found_and_the_rest_is_undecided() -> None:
    study = Planted.empty("third")
    study.add("up", normal(30, 1.5, 1))
    study.add("down", normal(30, -1.5, 2))
    study.add("none", normal(30, 0.0, 3))
    study.add("pool", normal(60, 0.0, 4))
    found = study.asked()
    assert [row(found, name).verdict for name in ("up", "down", "none")] == ["positive", "negative", "undecided"]
    assert [row(found, name, layer="third").verdict for name in ("up", "down", "none")] == [
        "positive",
        "negative",
        "undecided",
    ]
    up = row(found, "up")
    assert up.value == pytest.approx(
        (normal(30, 1.5, 1).mean() - normal(60, 0, 4).mean()) / normal(60, 0, 4).std(ddof=1)
    )
    assert (up.null_low, up.null_high, up.p_classic, up.accuracy) == (-0.1, 0.1, None, None)
    assert up.concept_predicted == pytest.approx((normal(30, 1.5, 1) > 1).mean())


def test_holm_holds_over_contrasts_and_over_layers_apart() -> None:
    study = Planted.empty("first", "second")
    for number in range(4):
        study.add(f"c{number}", normal(20, 0.8, number))
    study.add("pool", normal(60, 0, 9))
    found = study.asked()
    for statistic, m in (("contrast", 4), ("shift", 8)):
        rows = sorted((each for each in found if each.statistic == statistic), key=lambda each: each.p)
        expected = np.maximum.accumulate([min(1, (m - place) * each.p) for place, each in enumerate(rows)])
        assert [each.p_corrected for each in rows] == pytest.approx(list(expected))


def test_a_layer_must_agree_with_the_score() -> None:
    """Its p is the larger of the two, its effect the smaller; of opposite signs nothing is shown."""
    scores, pool = normal(30, 1.5, 1), normal(60, 0, 2)
    study = Planted.empty("same", "weaker", "opposite")
    study.add("swing", scores, weaker=normal(30, 0.6, 3), opposite=-scores)
    study.add("pool", pool)
    found = study.asked()
    contrast = row(found, "swing")
    same, weaker, opposite = (row(found, "swing", layer=layer) for layer in ("same", "weaker", "opposite"))
    assert (same.value, same.p) == (contrast.value, contrast.p)
    assert weaker.p >= contrast.p
    assert weaker.value == weaker.shift < contrast.value
    assert (opposite.p, opposite.verdict) == (1.0, "undecided")
    assert opposite.shift is not None
    assert opposite.shift < 0


def test_a_readout_that_does_not_follow_the_score_has_no_verdict() -> None:
    scores, pool = normal(30, 2, 1), normal(60, 0, 2)
    study = Planted.empty("deaf", "true")
    study.add("swing", scores)
    study.add("pool", pool, deaf=normal(60, 0, 5))
    found = study.asked()
    deaf = row(found, "swing", layer="deaf")
    assert deaf.fidelity == pytest.approx(stats.pearsonr(pool, normal(60, 0, 5)).statistic)
    assert deaf.verdict == "fidelity too low"
    assert row(found, "swing", layer="true").fidelity == pytest.approx(1)
    few = Planted.empty("true")
    few.add("swing", scores)
    few.add("pool", normal(29, 0, 2))
    unknown = row(few.asked(), "swing", layer="true")
    assert (unknown.fidelity, unknown.verdict) == (None, "undecided")


def test_negligible_is_shown_by_many_videos_only() -> None:
    study = Planted.empty()
    study.add("many", normal(400, 0, 1))
    study.add("few", normal(20, 0, 2))
    study.add("pool", normal(400, 0, 3))
    found = study.asked()
    assert (row(found, "many").verdict, row(found, "few").verdict) == ("negligible", "undecided")
    # An effect beyond what counts as none is an effect, however surely it lies within the margin.
    shown = Planted.empty()
    shown.add("small", normal(4000, 0.2, 1))
    shown.add("pool", normal(4000, 0, 3))
    assert row(shown.asked(), "small").verdict == "positive"


def test_clips_of_one_video_are_one_unit_and_shared_videos_leave_the_pool() -> None:
    study = Planted.empty()
    scores = normal(24, 1, 1)
    study.add("swing", scores, sources=[f"video {number // 2}" for number in range(24)])
    pool = normal(40, 0, 2)
    study.add("pool", pool, sources=["video 0", *(f"other {number}" for number in range(39))])
    found = row(study.asked(), "swing")
    units, others = scores.reshape(12, 2).mean(axis=1), pool[1:]
    assert found.value == pytest.approx((units.mean() - others.mean()) / pool.std(ddof=1))
    assert found.concept_sources == 12


def test_still_concepts_are_compared_with_still_random_clips() -> None:
    """What stands still scores lower here; that is no property of the concept. The unit is the spread of all."""
    still, moving = normal(20, -3, 1), normal(30, 0, 3)
    pool = np.concatenate([moving, normal(30, -3, 2)])
    concept = ConceptRows(
        "racket", "spatial", tuple(map(str, range(20))), GramRows(np.arange(20), tuple(map(str, range(20))))
    )
    clips = GramRows(np.arange(20, 80), tuple(f"r{number}" for number in range(60)))
    values = np.concatenate([still, pool])[:, None]

    def asked(kinds: tuple[Kind | None, ...]) -> Result:
        classes = {"swing": GramRows(np.arange(2), ("a", "b"))}
        design = Design((concept,), clips, classes, layers=0, settings=AnalysisSettings(), random_kinds=kinds)
        return answers({}, design, scores=ClipScores(values, values > 1))[0]

    like_with_like = asked(("spatiotemporal",) * 30 + ("spatial",) * 30)
    assert like_with_like.value == pytest.approx((still.mean() - pool[30:].mean()) / pool.std(ddof=1))
    assert (like_with_like.verdict, like_with_like.random_clips) == ("negligible", 30)
    for unsaid in (), (None,) * 60, ("spatiotemporal",) * 60:
        assert asked(unsaid).verdict == "negative"


def test_twins_are_joined_by_track() -> None:
    moving, noise = normal(20, 1, 1), normal(20, 0, 2) / 10
    tracks = [f"t{number}" for number in range(20)]
    order = np.random.default_rng(0).permutation(20)
    sources = np.array([f"video {number}" for number in range(20)])
    found = []
    for at in (np.arange(20), order):
        study = Planted.empty()
        study.add("swing", moving, kind="spatiotemporal", sources=list(sources), ids=tracks)
        twins = (moving - 0.5 + noise)[at]
        study.add("swing", twins, kind="frozen", sources=list(sources[at]), ids=[tracks[place] for place in at])
        study.add("pool", normal(40, 0, 3))
        found.append(row(study.asked(), "swing", against="frozen"))
    assert found[0] == found[1]
    assert found[0].value == pytest.approx((0.5 - noise.mean()) / normal(40, 0, 3).std(ddof=1))
    assert found[0].verdict == "positive"


def test_two_concepts_of_the_same_videos_are_held_within_them() -> None:
    """The videos differ far more than the concepts do: only pairs can tell."""
    videos = 5 * normal(20, 0, 1)
    sources = [f"video {number}" for number in range(20)]
    study = Planted.empty()
    study.add("racket", videos + 1 + normal(20, 0, 2) / 5, sources=sources)
    study.add("ball", videos + normal(20, 0, 3) / 5, sources=sources)
    study.add("pool", normal(40, 0, 4))
    assert row(study.asked("racket > ball"), "racket", against="concept").verdict == "positive"
    apart = Planted.empty()
    apart.add("racket", videos + 1)
    apart.add("ball", videos[::-1])
    apart.add("pool", normal(40, 0, 4))
    assert row(apart.asked("racket > ball"), "racket", against="concept").verdict == "undecided"


@pytest.mark.parametrize("shared", [4, 5])
def test_two_concepts_are_held_within_videos_where_half_of_them_show_both(shared: int) -> None:
    """Of ten videos each: five that show both are half, and paired; with four each keeps the six of its own."""
    first, second, pool = normal(10, 1, 1), normal(10, 0, 2), normal(40, 0, 4)
    both = [f"both {number}" for number in range(shared)]
    study = Planted.empty()
    study.add("racket", first, sources=[*both, *(f"racket {number}" for number in range(10 - shared))])
    study.add("ball", second, sources=[*both, *(f"ball {number}" for number in range(10 - shared))])
    study.add("pool", pool)
    found = row(study.asked("racket > ball"), "racket", against="concept")
    compared = slice(None, shared) if shared == 5 else slice(shared, None)
    expected = (first[compared].mean() - second[compared].mean()) / pool.std(ddof=1)
    assert found.value == pytest.approx(expected)
    assert found.other == "ball/spatial"


def test_a_concept_has_one_row_for_each_of_its_twins() -> None:
    study = Planted.empty()
    for kind in ("spatial", "spatiotemporal", "frozen"):
        study.add("racket", normal(12, 1, 1), kind=kind, sources=[f"video {number}" for number in range(12)])
    study.add("pool", normal(40, 0, 4))
    assert [(each.kind, each.against) for each in study.asked()] == [
        ("spatial", "random"),
        ("spatiotemporal", "random"),
        ("spatiotemporal", "frozen"),
        ("frozen", "random"),
    ]


def test_of_a_random_video_only_the_clips_of_ones_own_kind_are_compared() -> None:
    """Each video of the pool has a moving clip and a still one; the unit is the spread of all its clips' means."""
    still, pool = normal(20, 0, 1), np.concatenate([normal(40, 3, 2), normal(40, 0, 3)])
    concept = ConceptRows(
        "c", "spatial", tuple(map(str, range(20))), GramRows(np.arange(20), tuple(map(str, range(20))))
    )
    clips = GramRows(np.arange(20, 100), tuple(f"r{number % 40}" for number in range(80)))
    kinds: tuple[Kind, ...] = ("spatiotemporal",) * 40 + ("spatial",) * 40
    classes = {"swing": GramRows(np.arange(2), ("a", "b"))}
    design = Design((concept,), clips, classes, layers=0, settings=AnalysisSettings(), random_kinds=kinds)
    values = np.concatenate([still, pool])[:, None]
    [found] = answers({}, design, scores=ClipScores(values, values > 1))
    unit = (pool[:40] / 2 + pool[40:] / 2).std(ddof=1)
    assert found.value == pytest.approx((still.mean() - pool[40:].mean()) / unit)


@pytest.mark.parametrize("unit", [1e-9, 1e9])
def test_a_score_in_another_unit_is_answered_the_same(unit: float) -> None:
    found = []
    for scale in (1.0, unit):
        study = Planted.empty()
        study.add("c", scale * normal(20, 0.7, 1))
        study.add("pool", scale * normal(40, 0, 2))
        found.append(row(study.asked(), "c"))
    assert (found[1].value, found[1].p) == pytest.approx((found[0].value, found[0].p))
    assert found[1].removed_of_concept == found[0].removed_of_concept


def test_hypotheses_make_the_families() -> None:
    study = Planted.empty("third")
    for number in range(3):
        study.add(f"c{number}", normal(20, 1.2, number))
    study.add("pool", normal(60, 0, 9))
    found = study.asked("c0 pushes swing", "c1 pushes away from swing", "c2 matters at third")
    declared = {(each.concept, each.statistic): each for each in found if each.hypothesis}
    assert set(declared) == {("c0", "contrast"), ("c1", "contrast"), ("c2", "shift")}
    assert declared["c2", "shift"].p_corrected == declared["c2", "shift"].p
    assert declared["c0", "contrast"].p_corrected <= 2 * declared["c0", "contrast"].p
    assert all(each.exploratory == (not each.hypothesis) for each in found)


def test_a_difference_beside_a_hypothesis_of_nothing_is_told_as_if_nothing_had_been_declared() -> None:
    """The difference was not declared: it is corrected among all, and hangs on as many videos as without a word."""
    study = Planted.empty()
    study.add("c0", normal(24, 0.5, 1))
    for number in range(1, 6):
        study.add(f"c{number}", normal(20, 0, 10 + number))
    study.add("pool", normal(60, 0, 4))
    plain, beside = row(study.asked(), "c0"), row(study.asked("c0 does not matter"), "c0")
    assert (beside.verdict, beside.exploratory) == ("positive", True)
    for fact in ("p_corrected", "smallest_effect", "removed_of_concept", "removed_of_pool"):
        assert getattr(beside, fact) == getattr(plain, fact), fact


def test_a_set_alone_is_what_it_is_among_others() -> None:
    def asked(*names: int) -> Result:
        study = Planted.empty("third")
        for number in names:
            study.add(f"c{number}", normal(20, 0.7, number))
        study.add("pool", normal(60, 0, 9))
        return row(study.asked(settings=AnalysisSettings(correction="none", relabellings=4999)), "c1")

    alone, among = asked(1), asked(3, 1, 2)
    assert (alone.p, alone.null_draws) == pytest.approx((among.p, among.null_draws))
    assert (alone.value, alone.low, alone.high) == pytest.approx((among.value, among.low, among.high))


def test_what_cannot_be_tested_is_refused_with_a_number() -> None:
    study = Planted.empty()
    study.add("swing", normal(20))
    study.add("pool", normal(4))
    with pytest.raises(NotEnoughData, match=r"4 source videos that 'swing/spatial' is not cut from too; at least 5"):
        study.asked()
    study.add("pool", normal(40))
    with pytest.raises(NotEnoughData, match="need at least 79 relabellings, not 19"):
        Planted(study.scores, study.layers, [study.sets[0], study.sets[0], study.sets[-1]]).asked(
            settings=AnalysisSettings(relabellings=19)
        )
    for level in (0.0, 1.0, 1e12):
        flat = Planted.empty()
        flat.add("swing", normal(20))
        flat.add("pool", np.full(40, level))
        with pytest.raises(NumericalError, match="the score of 'swing' is the same for all random clips"):
            flat.asked()


# --- a network ---------------------------------------------------------------------------------------------------

SPEC = ClipSpec(frames=4, seconds_between_frames=0.1, height=6, width=6, resize=6)


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv3d(3, 6, 3)
        self.last = nn.Identity()
        self.head = nn.Linear(6, 4)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.head(self.last(torch.tanh(3 * self.first(pixels)).mean(dim=(2, 3, 4))))


@pytest.fixture
def model() -> VideoModel:
    return load_model(Small(), card=ModelCard(name="small", clip_spec=SPEC, classes=("a", "b", "c", "d")))


def batches() -> list[Batch]:
    generator = torch.Generator().manual_seed(1)

    def batch(count: int, name: str | None, shift: float = 0.0) -> Batch:
        pixels = torch.randn(count, 3, 4, 6, 6, generator=generator) + shift
        return Batch(tuple(f"{name} {number}" for number in range(count)), pixels, name)

    return [batch(12, None, 0.5), batch(40, None), batch(6, "a")]


@pytest.mark.parametrize("name", ["centred logit", "logit", "a - c"])
def test_before_the_last_linear_layer_shift_is_contrast(model: VideoModel, name: str) -> None:
    """s = w · a with one and the same w at every clip: the score but for a constant."""
    score = against_class(model, name)[1] if " - " in name else class_score(name, model)  # type: ignore[arg-type]
    measured = measure(model, batches(), classes=["a"], layers=["last"], pooling="none", score=score)
    design = Design(
        (ConceptRows("c", "spatial", tuple(map(str, range(12))), GramRows(np.arange(12), tuple(map(str, range(12))))),),
        GramRows(np.arange(12, 52), tuple(f"r{number}" for number in range(40))),
        {"a": GramRows(np.arange(6), tuple("uvwxyz"))},
        layers=1,
        settings=AnalysisSettings(),
    )
    contrast, shift = answers(measured.grams, design, scores=measured.scores(model, score))
    assert shift.fidelity == pytest.approx(1, abs=1e-6)
    assert shift.shift == pytest.approx(contrast.value, rel=1e-4)
    assert shift.value == pytest.approx(contrast.value, rel=1e-4)
    assert shift.p == pytest.approx(contrast.p, rel=1e-3)


def test_scores_are_what_their_names_say() -> None:
    logits = torch.randn(5, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    net = load_model(Small(), card=ModelCard(name="small", clip_spec=SPEC, classes=("a", "b - c", "c", "d")))
    p = logits.softmax(dim=1)[:, 2]
    expected = {
        "logit": logits[:, 2],
        "centred logit": logits[:, 2] - logits.mean(dim=1),
        "log-odds": torch.log(p / (1 - p)),
        "probability": p,
    }
    for name, values in expected.items():
        torch.testing.assert_close(class_score(name, net)(logits, 2), values)  # type: ignore[arg-type]
    index, difference = against_class(net, "b - c - d")  # the class "b - c" against "d"
    torch.testing.assert_close(difference(logits, index), logits[:, 1] - logits[:, 3])
    torch.testing.assert_close(own_score(lambda z: z[:, 0] ** 2)(logits, 0), logits[:, 0] ** 2)
    assert own_score(len).name != own_score(len).name  # nothing of it is found in a store again
    assert CENTRED.name != LOGIT.name


def test_a_score_of_ones_own_that_is_no_number_a_clip_is_refused(model: VideoModel) -> None:
    with pytest.raises(Exception, match=r"must be a tensor of shape \(4,\), got \(4, 4\)"):
        measure(model, batches(), classes=["a"], layers=["last"], pooling="none", score=own_score(lambda z: z))


def test_a_score_that_is_not_linear_has_no_layers(model: VideoModel) -> None:
    score = class_score("log-odds", model)
    measured = measure(model, batches(), classes=["a"], layers=["last"], pooling="none", score=score)
    scores = measured.scores(model, score)
    assert not scores.linear
    design = Design(
        (ConceptRows("c", "spatial", tuple(map(str, range(12))), GramRows(np.arange(12), tuple(map(str, range(12))))),),
        GramRows(np.arange(12, 52), tuple(f"r{number}" for number in range(40))),
        {"a": GramRows(np.arange(6), tuple("uvwxyz"))},
        layers=1,
        settings=AnalysisSettings(),
    )
    assert [each.statistic for each in answers(measured.grams, design, scores=scores)] == ["contrast"]


def test_how_few_videos_overturn_a_verdict_is_not_asked_of_very_many_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    study = Planted.empty()
    study.add("up", normal(20, 1.0, 1))
    study.add("pool", normal(60, 0.0, 4))
    asked = row(study.asked(), "up")
    assert asked.removed_of_concept is not None
    assert asked.removed_of_pool is not None
    monkeypatch.setattr(moves, "MOST_DRAWS", 0)
    unasked = row(study.asked(), "up")
    assert (unasked.removed_of_concept, unasked.removed_of_pool) == (None, None)
    assert unasked.verdict == asked.verdict
