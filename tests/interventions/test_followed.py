"""Badges of maps on a score that is the brightness of one known place, and their numbers against other code."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from videotcav.errors import ArgumentError
from videotcav.explain.inference.interval_null import exceeding
from videotcav.interventions.followed import (
    TubeletCosts,
    map_verdicts,
    random_tubelet,
    strongest_tubelet,
    tubelet_costs,
    tubelet_shape,
)
from videotcav.models.class_score import LOGIT
from videotcav.models.model import VideoModel
from videotcav.records import ClipSpec, ModelCard
from videotcav.video.clips import normalised

SPEC = ClipSpec(frames=8, seconds_between_frames=0.1, height=32, width=32, resize=32)
PLACE = (slice(2, 4), slice(8, 12), slice(10, 14))
ELSEWHERE = (slice(5, 7), slice(20, 28), slice(18, 26))


class Brightness(nn.Module):
    """The mean of PLACE, over the pixels as they are normalised; the other class never gains."""

    def forward(self, pixels: Tensor) -> Tensor:
        seen = pixels[:, :, *PLACE].mean(dim=(1, 2, 3, 4))
        return torch.stack([seen, seen - 5], dim=1)


@pytest.fixture(scope="module")
def model() -> VideoModel:
    return VideoModel(Brightness(), ModelCard(name="brightness", clip_spec=SPEC, classes=("bright", "dark")))


def clips(count: int = 10) -> list[Tensor]:
    """Noise in which a small spot at PLACE, more or less bright, and a large one ELSEWHERE stand out."""
    rng = np.random.default_rng(5)
    found = []
    for _ in range(count):
        frames = rng.integers(60, 90, size=(8, 32, 32, 3), dtype=np.uint8)
        frames[PLACE] = rng.integers(130, 250)
        frames[ELSEWHERE] = 250
        found.append(normalised(torch.from_numpy(frames).permute(0, 3, 1, 2), SPEC))
    return found


def pointing(place: tuple[slice, slice, slice]) -> Tensor:
    found = torch.zeros(8, 32, 32)
    found[place] = 1
    return found


def costs_of(model: VideoModel, some: list[Tensor], *, seed: int = 0, maps: Tensor | None = None) -> TubeletCosts:
    """Of two maps, of which the first points at the place and the second elsewhere; the blank network's elsewhere."""
    maps = torch.stack([pointing(PLACE), pointing(ELSEWHERE)]) if maps is None else maps
    blank = pointing(ELSEWHERE).expand_as(maps)
    return TubeletCosts.joined(
        [tubelet_costs(model, clip, maps, blank, class_index=0, score=LOGIT, seed=seed) for clip in some]
    )


MAPS = (("there", "layer"), ("elsewhere", "layer"))


@pytest.mark.parametrize("shape", [(16, 224, 224), (8, 32, 32), (1, 64, 64), (5, 40, 60), (32, 112, 112)])
def test_a_tubelet_is_a_sixteenth_of_the_clip(shape: tuple[int, int, int]) -> None:
    assert np.prod(tubelet_shape(*shape)) / np.prod(shape) == pytest.approx(1 / 16, rel=0.03)
    assert tubelet_shape(16, 224, 224) == (4, 112, 112)


def test_the_strongest_tubelet_is_that_of_a_plain_loop() -> None:
    rng = np.random.default_rng(0)
    cam = rng.random((9, 10, 13)) ** 8
    frames, rows, columns = tubelet_shape(*cam.shape)
    sums = {
        (t, y, x): cam[t : t + frames, y : y + rows, x : x + columns].sum()
        for t in range(9 - frames + 1)
        for y in range(10 - rows + 1)
        for x in range(13 - columns + 1)
    }
    assert strongest_tubelet(cam, rng=rng) == max(sums, key=lambda corner: sums[corner])


def test_a_map_that_is_the_same_everywhere_points_anywhere() -> None:
    """Then its tubelets are spread as random ones are: every corner is reached."""
    rng = np.random.default_rng(0)
    for flat in (np.zeros((4, 6, 6)), np.full((4, 6, 6), 0.1)):
        corners = {strongest_tubelet(flat, rng=rng) for _ in range(1000)}
        assert corners == {random_tubelet((4, 6, 6), rng=rng) for _ in range(1000)}
        assert len(corners) == 4 * 4 * 4


def test_the_map_that_points_where_the_score_is_read_is_followed_and_another_is_not(model: VideoModel) -> None:
    there, elsewhere = map_verdicts(costs_of(model, clips()), list("abcdefghij"), maps=MAPS, class_name="bright")
    assert (there.verdict, elsewhere.verdict) == ("followed", "not followed")
    assert (there.clips, there.right, there.sources) == (10, 10, 10)
    assert elsewhere.strongest == elsewhere.random_weights == 0  # nothing is read there
    assert there.strongest > 3 * there.random > 0
    assert "follows maps of there at layer" in there.sentence
    assert "does not follow maps of elsewhere at layer" in elsewhere.sentence


def test_costs_are_what_blurring_by_hand_costs(model: VideoModel) -> None:
    """A blurred place is read as the blur's own mean over it, whatever is around the tubelet."""
    (clip,) = clips(1)
    found = costs_of(model, [clip])
    levels = ((clip * torch.tensor(SPEC.std).view(3, 1, 1, 1) + torch.tensor(SPEC.mean).view(3, 1, 1, 1)) * 255).round()
    kernel = torch.exp(-(torch.arange(-16, 17) ** 2) / (2 * 3.2**2))
    kernel = (kernel[:, None] * kernel) / kernel.sum() ** 2
    padded = nn.functional.pad(levels.flatten(0, 1)[:, None], (16, 16, 16, 16), mode="replicate")
    blurred = nn.functional.conv2d(padded, kernel[None, None]).view_as(levels)
    change = ((levels - blurred) / 255 / torch.tensor(SPEC.std).view(3, 1, 1, 1))[:, *PLACE].mean()
    assert found.strongest[0, 0] == pytest.approx(float(change), rel=0.05)  # the blur that is used is three boxes
    assert found.score == pytest.approx([float(clip[:, *PLACE].mean())])


def test_a_map_that_points_where_the_network_with_random_weights_does_is_not_followed(model: VideoModel) -> None:
    maps = pointing(PLACE)[None]
    costs = TubeletCosts.joined(
        [tubelet_costs(model, clip, maps, maps, class_index=0, score=LOGIT, seed=0) for clip in clips()]
    )
    (badge,) = map_verdicts(costs, list("abcdefghij"), maps=MAPS[:1], class_name="bright")
    assert badge.verdict == "not followed"
    assert badge.p_random < 0.01
    assert badge.p_random_weights == badge.p == 1


def test_what_is_sure_and_tiny_is_not_followed() -> None:
    """A sure excess of .05 σ over random places counts as none, one of .15 σ does not; σ is that which is given."""
    rng = np.random.default_rng(1)
    excess = np.array([0.05, 0.15]) + rng.normal(0, 0.01, size=(12, 2))
    costs = TubeletCosts(np.ones(12), 2 * excess, np.zeros(12), np.full((12, 2), -1.0))
    tiny, enough = map_verdicts(costs, list("abcdefghijkl"), maps=MAPS, class_name="bright", sigma=2.0)
    assert (tiny.verdict, enough.verdict) == ("not followed", "followed")
    assert (tiny.strongest, enough.strongest) == pytest.approx(tuple(excess.mean(axis=0)))
    (_, other) = map_verdicts(costs, list("abcdefghijkl"), maps=MAPS, class_name="bright", sigma=4.0)
    assert other.verdict == "not followed"


def test_a_clip_alone_gives_what_it_gives_among_others_and_a_map_alone_too(model: VideoModel) -> None:
    some = clips(4)
    together, alone = costs_of(model, some), costs_of(model, some[2:3])
    only = costs_of(model, some[2:3], maps=pointing(ELSEWHERE)[None])
    for name in ("score", "strongest", "random", "random_weights"):
        np.testing.assert_array_equal(getattr(together, name)[2:3], getattr(alone, name))
    np.testing.assert_array_equal(only.strongest[:, 0], alone.strongest[:, 1])
    np.testing.assert_array_equal(only.random, alone.random)
    assert (costs_of(model, some, seed=1).random != together.random).any()


def test_the_order_and_the_unit_of_the_score_change_nothing(model: VideoModel) -> None:
    costs, sources = costs_of(model, clips()), list("abcdefghij")
    other = TubeletCosts(
        *(7 * each[::-1] for each in (costs.score, costs.strongest, costs.random, costs.random_weights))
    )
    for one, two in zip(
        map_verdicts(costs, sources, maps=MAPS, class_name="bright"),
        map_verdicts(other, sources[::-1], maps=MAPS, class_name="bright"),
        strict=True,
    ):
        assert two.sigma == pytest.approx(7 * one.sigma)
        same = {"sigma", "strongest", "random", "random_weights"}
        assert one.model_dump(exclude=same) == two.model_dump(exclude=same)
        assert two.strongest == pytest.approx(one.strongest)


def test_clips_that_the_model_gets_wrong_are_counted_and_not_asked(model: VideoModel) -> None:
    costs = costs_of(model, clips())
    wrong = TubeletCosts.joined([costs, TubeletCosts.of_wrong(0.0, 2)])
    told = map_verdicts(costs, list("abcdefghij"), maps=MAPS, class_name="bright", sigma=0.5)
    with_wrong = map_verdicts(wrong, list("abcdefghijk"), maps=MAPS, class_name="bright", sigma=0.5)
    assert [badge.clips for badge in with_wrong] == [11, 11]
    assert [badge.model_copy(update={"clips": 10}) for badge in with_wrong] == list(told)


def test_five_source_videos_are_needed_and_not_five_clips(model: VideoModel) -> None:
    costs = costs_of(model, clips())
    five = map_verdicts(costs, list("abcdeabcde"), maps=MAPS, class_name="bright")
    assert [badge.verdict for badge in five] == ["followed", "not followed"]
    assert five[0].p == pytest.approx(1 / 2**5)
    for sources, said in (("aabbccddaa", "4 source videos right"), ("aaaaaaaaaa", "one source video right")):
        for badge in map_verdicts(costs, list(sources), maps=MAPS, class_name="bright"):
            assert (badge.verdict, badge.p, badge.strongest) == ("not told", None, None)
            assert said in badge.sentence
    none = TubeletCosts.joined([TubeletCosts.of_wrong(float(place), 2) for place in range(8)])
    assert {badge.reason for badge in map_verdicts(none, list("abcdefgh"), maps=MAPS, class_name="bright")} == {
        "the model gets clips of no source videos right, and 5 are needed"
    }


def test_a_score_without_spread_tells_nothing(model: VideoModel) -> None:
    same = TubeletCosts(np.ones(8), np.ones((8, 2)), np.zeros(8), np.zeros((8, 2)))
    badges = map_verdicts(same, list("abcdefgh"), maps=MAPS, class_name="bright")
    assert {badge.sentence.rsplit(": ")[-1] for badge in badges} == {"the score is the same for all clips."}
    (badge, _) = map_verdicts(same, list("abcdefgh"), maps=MAPS, class_name="bright", sigma=1.0)
    assert badge.verdict == "not followed"  # nor are flips possible of what is the same eight times


def test_p_is_the_larger_of_all_sign_flips_and_students_t() -> None:
    """Against scipy, column by column, with what counts as none taken away beforehand."""
    rng = np.random.default_rng(3)
    differences = rng.normal(0.4, 1, size=(9, 4)) ** np.array([1, 3, 1, 3])
    found = exceeding(differences, beyond=0.1, draws=999, rng=rng)
    for column, p in zip((differences - 0.1).T, found, strict=True):
        flips = stats.permutation_test(
            (column,), np.mean, permutation_type="samples", alternative="greater", n_resamples=np.inf
        )
        assert p == pytest.approx(max(flips.pvalue, stats.ttest_1samp(column, 0, alternative="greater").pvalue))
    assert exceeding(np.ones((9, 1)), beyond=0.1, draws=999, rng=rng) == 1


def test_pixels_that_are_no_pictures_are_refused(model: VideoModel) -> None:
    with pytest.raises(ArgumentError, match="grey levels"):
        costs_of(model, [torch.randn(3, 8, 32, 32)])
