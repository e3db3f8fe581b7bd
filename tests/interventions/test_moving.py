"""What moves in a clip, by hand and on planted scenes whose camera and actor are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from videotcav.interventions.moving import moving_places
from videotcav.planted.scenes import CameraPath, masks, render, sample_scene


def film(seed: int, *, frames: int = 8, size: int = 64, **factors: object):
    scene = sample_scene(np.random.default_rng([9, seed]), grain=0.0, **factors)
    return render(scene, height=size, width=size, frames=frames), scene


def test_what_changes_by_no_more_than_twenty_grey_levels_has_not_moved() -> None:
    quiet = np.full((9, 16, 16, 3), 100, dtype=np.uint8)
    quiet[0, 5, 5, 1] = 120
    assert not moving_places(quiet).any()
    quiet[0, 5, 5, 1] = 121
    expected = np.zeros((16, 16), dtype=bool)
    expected[4:7, 4:7] = True
    assert all(np.array_equal(mask, expected) for mask in moving_places(quiet))


def test_between_two_grey_levels_the_median_is_not_rounded() -> None:
    quiet = np.full((4, 16, 16, 3), 100, dtype=np.uint8)
    quiet[:2, 5, 5] = (101, 101, 101)
    quiet[0, 5, 5, 0] = 121  # 20.5 above the median of 121, 101, 100 and 100
    assert moving_places(quiet)[0, 5, 5]
    quiet[0, 5, 5, 0] = 120
    assert not moving_places(quiet).any()


def test_a_standing_camera_shows_the_same_places_in_every_frame() -> None:
    clip, _ = film(1, motion="slide", size=64)
    found = moving_places(clip)
    assert not isinstance(found, str)
    assert all(np.array_equal(mask, found[0]) for mask in found)
    assert 0 < found.mean() < 0.75


def test_under_a_moving_camera_the_places_are_those_that_a_standing_one_shows() -> None:
    """The middle frame of an odd number is where a standing camera would be; elsewhere the places go with the scene."""
    told = []
    for seed in range(12):
        factors = {"background": "checker", "motion": "swing"}
        clip, scene = film(seed, frames=9, camera=CameraPath(right=(-0.2, 0.2)[seed % 2]), **factors)
        found = moving_places(clip)
        if isinstance(found, str):
            continue
        still = scene.model_copy(update={"camera": CameraPath()})
        known = masks(still, height=64, width=64, frames=9)
        truth = ndimage.binary_dilation((known["actor"] | known["distractor"]).any(axis=0))
        now = masks(scene, height=64, width=64, frames=9)["actor"]
        told.append((found[4][truth].mean(), found[4][~truth].mean(), found[now].mean()))
        assert (found[0] != found[-1]).any()
    inside, outside, of_actor = np.mean(told, axis=0)
    assert len(told) >= 6
    assert inside > 0.85
    assert outside < 0.15
    assert of_actor > 0.9  # in all frames; but for what the middle one does not show


@pytest.mark.parametrize("background", ["plain", "gradient"])
def test_a_thing_that_fills_the_view_before_a_wall_is_not_taken_for_a_camera(background: str) -> None:
    """The camera stands: where all is told, no frame's places are shifted."""
    for seed in range(10):
        clip, _ = film(seed, motion="slide", size=64, background=background)
        found = moving_places(clip)
        assert isinstance(found, str) or all(np.array_equal(mask, found[0]) for mask in found)


def test_noise_moves_everywhere_and_that_is_told() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), dtype=np.uint8)
    assert moving_places(noise) == "nearly all of the picture moves"


def test_a_single_frame_has_nothing_that_moves() -> None:
    assert not moving_places(np.random.default_rng(0).integers(0, 256, (1, 16, 16, 3), dtype=np.uint8)).any()
