"""Fills against the film that is rendered without the object."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from scipy import ndimage

from videotcav.errors import ArgumentError
from videotcav.planted.scenes import CameraPath, masks, render, sample_scene, swap
from videotcav.video.camera import camera_motion, standing
from videotcav.video.fill import Fill, filled
from videotcav.video.softly import border_width, grown, soft

SIZE = {"height": 64, "width": 64, "frames": 8}
STANDING, MOVING = CameraPath(), [CameraPath(right=0.2), CameraPath(turn=0.15, zoom=1.15)]
LARGEST_ERROR = 4.0
"""Grey levels, mean inside the object: a true fill still misses the scene's grain, and blurs by interpolation."""


def scene(seed: int, **factors: object):
    """An object that leaves every place: it slides or jumps by more than its width."""
    how = {"class_name": "slide", "shape": "bottle", "size": 0.35, "extent": 1.0, "duration": 0.9, "event_time": 0.5}
    how |= {"x": 0.5, "y": 0.5, "angle": 0.0, "grain": 0.005, "distractor_x": 9.0}
    return sample_scene(np.random.default_rng([8, seed]), **how | factors)


def error(one, fill: Fill | str) -> float:
    """Mean difference to the object-free film inside the object, in grey levels."""
    frames, truth = render(one, **SIZE), render(swap(one, x=9.0), **SIZE)
    where = grown(masks(one, **SIZE)["actor"])
    made = filled(frames, where, camera=camera_motion(frames, where), fill=fill)
    return float(np.abs(made.frames.astype(float) - truth)[where].mean())


def constant(frames: np.ndarray, where: np.ndarray) -> np.ndarray:
    return np.broadcast_to(frames[~where].mean(axis=0).round().astype(np.uint8), frames.shape).copy()


def blurred(frames: np.ndarray, where: np.ndarray) -> np.ndarray:
    return np.stack([cv2.GaussianBlur(frame, (0, 0), 8.0) for frame in frames])


@pytest.mark.parametrize("camera", [STANDING, *MOVING], ids=["stands", "pans", "turns and zooms"])
@pytest.mark.parametrize("background", ["checker", "stripes"])
def test_the_median_of_uncovered_frames_is_the_film_without_the_object(background: str, camera: CameraPath) -> None:
    errors = [error(scene(seed, background=background, camera=camera), "median") for seed in range(3)]
    assert max(errors) < LARGEST_ERROR


@pytest.mark.parametrize("camera", [STANDING, *MOVING], ids=["stands", "pans", "turns and zooms"])
@pytest.mark.parametrize("fill", [constant, blurred, "surroundings"])
def test_a_constant_and_a_blurred_fill_are_not(fill: Fill | str, camera: CameraPath) -> None:
    """The negative control: what fails the test above must not be called the scene."""
    for seed in range(3):
        assert error(scene(seed, background="checker", camera=camera), fill) > 2 * LARGEST_ERROR


def test_an_object_that_is_never_uncovered_is_made_up_and_that_is_told() -> None:
    still = scene(1, background="checker", class_name="rest")
    frames, where = render(still, **SIZE), masks(still, **SIZE)["actor"]
    made = filled(frames, where, camera=standing(frames, where))
    assert made.inpainted == 1.0
    np.testing.assert_array_equal(made.frames[~(soft(where) > 0)], frames[~(soft(where) > 0)])
    assert (made.frames[where] != frames[where]).any()
    inside = np.broadcast_to(ndimage.binary_erosion(where[0]), where.shape)
    assert np.ptp(made.frames.astype(int), axis=0)[inside[0]].max() == 0  # what is made up does not flicker


def test_the_share_that_no_frame_shows_is_counted_by_hand() -> None:
    """A square of 8 columns moves 4 to the right a frame: 4 frames cover 20 columns, each uncovered somewhere."""
    frames = np.random.default_rng(0).integers(0, 256, (1, 32, 48, 3), dtype=np.uint8).repeat(4, axis=0)
    where = np.zeros(frames.shape[:3], dtype=np.bool_)
    for at in range(4):
        where[at, 10:20, 4 * at : 4 * at + 8] = True
    painted = np.where(where[..., None], np.uint8(200), frames)
    made = filled(painted, where, camera=standing(painted))
    assert made.inpainted == 0
    np.testing.assert_array_equal(made.frames, frames)
    slow = where.copy()
    slow[:, 10:20, 8:12] = True  # never uncovered
    made = filled(painted, slow, camera=standing(painted))
    assert made.inpainted == pytest.approx(4 * 10 * 4 / slow.sum())


def test_the_median_is_the_median_of_a_plain_loop() -> None:
    rng = np.random.default_rng(1)
    frames = rng.integers(0, 256, (5, 6, 7, 3), dtype=np.uint8)
    where = rng.random((5, 6, 7)) < 0.4
    made = filled(frames, where, camera=standing(frames)).frames
    for t, y, x in np.argwhere(where):
        shown = frames[~where[:, y, x], y, x]
        if len(shown):
            middle = (
                np.sort(shown, axis=0)[(len(shown) - 1) // 2].astype(int) + np.sort(shown, axis=0)[len(shown) // 2]
            ) / 2
            np.testing.assert_array_equal(made[t, y, x], np.floor(middle + 0.5))


def test_what_may_not_be_asked_for_is_not_shown() -> None:
    """Places elsewhere are filled from frames in which neither they nor the object are."""
    frames = np.full((4, 20, 20, 3), 50, dtype=np.uint8)
    object_, place = np.zeros((2, 4, 20, 20), dtype=np.bool_)
    place[:2, 5:10, 5:10] = True
    object_[2:3, 5:10, 5:10] = True
    frames[object_] = 250
    made = filled(frames, place, covered=place | object_, camera=standing(frames))
    assert (made.frames[:2] == 50).all()
    assert made.inpainted == 0


def test_borders_are_soft_and_nothing_else_changes() -> None:
    where = np.zeros((1, 128, 128), dtype=np.bool_)
    where[0, 40:80, 40:80] = True
    softness = soft(where)
    assert border_width(where) == 2
    np.testing.assert_allclose(softness[0, 60, 78:84], [1, 1, 2 / 3, 1 / 3, 0, 0], atol=1e-6)
    frames = np.full((1, 128, 128, 3), 30, dtype=np.uint8)
    made = filled(frames, where, camera=standing(frames), fill=lambda frames, _: frames + np.uint8(90)).frames
    np.testing.assert_array_equal(made[0, 60, 78:84, 0], [120, 120, 90, 60, 30, 30])
    assert (made[softness == 0] == 30).all()


def test_nothing_to_fill_is_nothing_filled() -> None:
    frames = render(scene(0), **SIZE)
    made = filled(frames, np.zeros(frames.shape[:3], dtype=np.bool_), camera=standing(frames))
    np.testing.assert_array_equal(made.frames, frames)
    assert made.inpainted == 0


def test_an_object_that_hides_everything_leaves_nothing_to_go_by() -> None:
    frames = render(scene(0), **SIZE)
    everywhere = np.ones(frames.shape[:3], dtype=np.bool_)
    for fill in ("median", "surroundings"):
        assert filled(frames, everywhere, camera=standing(frames), fill=fill).frames.shape == frames.shape
    assert filled(frames, everywhere, camera=standing(frames)).inpainted == 1


def test_a_callers_own_fill_gives_frames_or_is_refused() -> None:
    frames = render(scene(0), **SIZE)
    where = masks(scene(0), **SIZE)["actor"]
    black = filled(frames, where, camera=standing(frames), fill=lambda frames, _: np.zeros_like(frames))
    assert (black.frames[where] == 0).all()
    with pytest.raises(ArgumentError, match="uint8"):
        filled(frames, where, camera=standing(frames), fill=lambda frames, _: frames / 2)
    with pytest.raises(ArgumentError, match="no fill 'medien'; closest: 'median'"):
        filled(frames, where, camera=standing(frames), fill="medien")
