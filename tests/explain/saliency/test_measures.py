"""Measures of maps where the answer is known: by hand, by another library, or because the map is the truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from scipy.stats import spearmanr
from torch import Tensor

from videotcav.explain.saliency.measures import (
    FILLS,
    area,
    blurred,
    centre_map,
    energy_ratio,
    flicker,
    frozen,
    losses_by_frame,
    masking_curve,
    mean_colour,
    mean_over_videos,
    motion_map,
    pointing_in_space,
    pointing_in_time,
    random_map,
    rank_agreement,
    ranks,
    temporal_agreement,
)

SIZE = (4, 6, 8)


@pytest.fixture
def inside() -> Tensor:
    """A box of 2 × 3 × 2 of the 4 × 6 × 8 voxels: a sixteenth."""
    box = torch.zeros(1, *SIZE, dtype=torch.bool)
    box[0, 1:3, 2:5, 5:7] = True
    return box


def test_energy_is_held_against_the_boxs_share(inside: Tensor) -> None:
    flat = torch.ones(1, *SIZE)
    all_in = inside.float()
    half = torch.where(inside, 1 / 12, 1 / 180)  # 12 voxels inside, 180 outside
    found = [float(energy_ratio(cam, inside)) for cam in (flat, all_in, half)]
    assert found == pytest.approx([1, 16, 8])


def test_what_has_no_answer_is_nan(inside: Tensor) -> None:
    nothing, everything = torch.zeros_like(inside), torch.ones_like(inside)
    cam = torch.rand(1, *SIZE, generator=torch.Generator().manual_seed(0))
    assert energy_ratio(cam, nothing).isnan()
    assert energy_ratio(cam, everything).isnan()
    assert energy_ratio(torch.zeros(1, *SIZE), inside).isnan()
    assert pointing_in_space(cam, nothing).isnan()
    assert flicker(torch.zeros(1, *SIZE)).isnan()
    assert rank_agreement(cam, torch.ones(1, *SIZE)).isnan()


def test_pointing_follows_the_strongest_voxel_in_its_own_frame(inside: Tensor) -> None:
    cam = torch.rand(1, *SIZE, generator=torch.Generator().manual_seed(1))
    for place, hit in (((1, 2, 5), 1), ((2, 4, 6), 1), ((0, 2, 5), 0), ((1, 2, 4), 0)):
        peaked = cam.clone()
        peaked[0, *place] = 2
        assert float(pointing_in_space(peaked, inside)) == hit
    assert float(pointing_in_space(torch.zeros(1, *SIZE), inside)) == pytest.approx(1 / 16)


def test_pointing_in_time_follows_the_fullest_frame() -> None:
    during = torch.tensor([[False, True, True, False]])
    cam = torch.ones(1, *SIZE)
    cam[0, 3, 0, 0] = 3  # a single strong voxel does not make a full frame
    cam[0, 2] = 1.2
    assert float(pointing_in_time(cam, during)) == 1
    assert float(pointing_in_time(cam.flip(1), during)) == 1
    assert float(pointing_in_time(torch.ones(1, *SIZE), during)) == 0.5


def test_flicker_by_hand() -> None:
    still = torch.rand(1, 1, 6, 8, generator=torch.Generator().manual_seed(2)).expand(1, *SIZE)
    jumping = torch.zeros(1, *SIZE)
    for time in range(4):
        jumping[0, time, time] = 1
    assert float(flicker(still)) == 0
    assert float(flicker(jumping)) == 1
    fading = torch.tensor([4.0, 3.0, 1.0]).reshape(1, 3, 1, 1)
    assert float(flicker(fading)) == pytest.approx((1 + 2) / (7 + 4))


def test_agreement_is_scipys_rank_correlation() -> None:
    generator = torch.Generator().manual_seed(3)
    one = torch.randn(3, *SIZE, generator=generator).relu()  # half of it tied at 0
    two = (one + torch.randn(3, *SIZE, generator=generator)).relu()
    expected = [spearmanr(a.flatten(), b.flatten()).statistic for a, b in zip(one, two, strict=True)]
    assert rank_agreement(one, two).tolist() == pytest.approx(expected)
    torch.testing.assert_close(rank_agreement(one, 7 * one), torch.ones(3))


def test_fills_are_what_they_say() -> None:
    pixels = torch.randn(2, 3, 5, 20, 24, generator=torch.Generator().manual_seed(4))
    oracle = gaussian_filter(pixels.double().numpy(), sigma=(0, 0, 0, 2, 2), mode="nearest", truncate=3)
    np.testing.assert_allclose(blurred(pixels, sigma=2).numpy(), oracle, atol=1e-5)
    assert (frozen(pixels) == pixels[:, :, 2:3]).all()
    torch.testing.assert_close(mean_colour(pixels)[1, 2, 3, 4, 5], pixels[1, 2].mean())
    assert {name: fill(pixels).shape for name, fill in FILLS.items()} == dict.fromkeys(FILLS, pixels.shape)


def test_ranks_put_the_strongest_first_and_break_ties_evenly() -> None:
    cam = torch.tensor([[0.0, 3.0, 1.0, 0.0]]).reshape(1, 1, 2, 2)
    seen = [ranks(cam, rng=np.random.default_rng(seed)).flatten().tolist() for seed in range(40)]
    assert {(row[1], row[2]) for row in seen} == {(0.125, 0.375)}
    assert {row[0] for row in seen} == {0.625, 0.875}
    flat = torch.zeros(1, 4, 16, 16)
    place = ranks(flat, rng=np.random.default_rng(0))
    assert float(place[0, 0].mean()) == pytest.approx(0.5, abs=0.05)


def weighted(pixels: Tensor) -> Tensor:
    """A score whose truth is known: the mean of one frame's upper half."""
    return pixels[:, 0, 1, :3].mean(dim=(1, 2))


def test_curves_of_a_known_score() -> None:
    """The score needs 1/8 of the volume. A true map has it all by then; a false one only in the last 1/8."""
    pixels, fill = torch.ones(2, 3, *SIZE), torch.zeros(2, 3, *SIZE)
    truth = torch.zeros(2, *SIZE)
    truth[:, 1, :3] = 1
    rng = np.random.default_rng(0)
    for cam, insertion, deletion in (
        (truth, [0, *[1] * 8], [1, *[0] * 8]),
        (1 - truth, [*[0] * 8, 1], [*[1] * 8, 0]),
    ):
        places = ranks(cam, rng=rng)
        given = masking_curve(weighted, fill, pixels, places, steps=8, batch_size=5)
        taken = masking_curve(weighted, pixels, fill, places, steps=8)
        torch.testing.assert_close(given, torch.tensor([insertion] * 2, dtype=torch.float32))
        torch.testing.assert_close(taken, torch.tensor([deletion] * 2, dtype=torch.float32))


def test_area_of_a_straight_line_is_a_half() -> None:
    assert float(area(torch.linspace(0, 1, 11)[None])) == pytest.approx(0.5)
    assert float(area(torch.ones(1, 5))) == pytest.approx(1)


def test_a_map_is_held_against_what_each_frame_is_worth() -> None:
    """Score = 3 x₀ + x₁ + 2 x₂ of frames of ones against zeros: frame t is worth its weight, to the last bit."""
    weights = torch.tensor([3.0, 1.0, 2.0, 0.0])
    pixels = torch.ones(2, 1, 4, 1, 2)

    def score(clips: Tensor) -> Tensor:
        return clips.mean(dim=(1, 3, 4)) @ weights

    losses = losses_by_frame(score, pixels, torch.zeros_like(pixels), batch_size=3)
    assert torch.equal(losses, weights.expand(2, 4))
    right = torch.tensor([30.0, 1, 20, 0]).view(1, 4, 1, 1).expand(1, 4, 1, 2)
    maps = torch.cat([right, right.max() - right])
    torch.testing.assert_close(temporal_agreement(maps, losses), torch.tensor([1.0, -1.0]))
    assert temporal_agreement(torch.ones(2, 4, 1, 2), losses).tolist() == [0, 0]
    assert temporal_agreement(torch.zeros(2, 4, 1, 2), losses).isnan().all()
    assert temporal_agreement(maps, torch.ones(2, 4)).isnan().all()


def test_baselines_know_nothing_of_the_model() -> None:
    pixels = torch.zeros(2, 3, 4, 16, 16)
    pixels[:, :, 2:, 3, 4] = 1  # something appears at frame 2 and stays
    moving = motion_map(pixels)
    assert (moving.nonzero()[:, 1:] == torch.tensor([[1, 3, 4], [2, 3, 4]] * 2)).all()
    spot = centre_map(pixels)
    assert np.unravel_index(int(spot[0].argmax()), (4, 16, 16))[1:] in {(7, 7), (7, 8), (8, 7), (8, 8)}
    blobs = random_map(pixels, grid=(2, 4, 4), rng=np.random.default_rng(0))
    assert blobs.shape == (2, 4, 16, 16)
    assert float(blobs.min()) >= 0


def test_an_estimate_resamples_videos_and_not_clips() -> None:
    """Ten copies of each clip say no more than one: the interval is that of two hundred videos, by the normal law."""
    rng = np.random.default_rng(1)
    of_video = rng.normal(3, 2, size=200)
    values = np.repeat(of_video, 10)
    sources = [str(number) for number in range(200) for _ in range(10)]
    found = mean_over_videos([*values, math.nan], [*sources, "other"], rng=rng)
    error = of_video.std() / math.sqrt(200)
    assert found.value == pytest.approx(of_video.mean())
    assert found.high - found.value == pytest.approx(1.96 * error, rel=0.12)
    assert (found.clips, found.undefined) == (2000, 1)
    assert math.isnan(mean_over_videos([1.0, 2.0], ["a", "a"], rng=rng).low)
    assert mean_over_videos([math.nan], ["a"], rng=rng).clips == 0
