"""Scenes: exact boxes, independent factors, the same pixels for the same seed."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import ndimage
from scipy.stats import chi2_contingency

from videotcav.planted.factors import BACKGROUNDS, DISTRACTORS, MOTIONS, SHAPES
from videotcav.planted.scenes import CameraPath, boxes, event_frame, masks, render, render_batch, sample_scene, swap

SIZE = {"height": 72, "width": 96, "frames": 7}


def scene(seed: int, **factors: object):
    return sample_scene(np.random.default_rng(seed), grain=0.0, **factors)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("motion", MOTIONS)
def test_boxes_are_where_the_actor_alone_changes_the_picture(shape, motion):
    whole = scene(3, shape=shape, class_name=motion, background="plain", distractor_x=9.0)
    changed = _difference(whole, swap(whole, x=9.0))
    _assert_same_boxes(boxes(whole, **SIZE)["actor"], changed)


@pytest.mark.parametrize("distractor", DISTRACTORS)
def test_boxes_are_where_the_distractor_alone_changes_the_picture(distractor):
    whole = scene(4, distractor=distractor, background="plain", x=9.0)
    changed = _difference(whole, swap(whole, distractor_x=9.0))
    _assert_same_boxes(boxes(whole, **SIZE)["distractor"], changed)


def test_an_object_outside_the_frame_has_no_box():
    assert boxes(scene(1, x=9.0), **SIZE)["actor"] == (None,) * SIZE["frames"]


def test_the_same_seed_gives_the_same_pixels_alone_and_in_a_batch():
    scenes = [sample_scene(np.random.default_rng(seed)) for seed in range(12)]
    batch = render_batch(scenes, **SIZE).numpy()
    for number, one in enumerate(scenes):
        np.testing.assert_array_equal(batch[number], render(one, **SIZE))


def test_a_larger_picture_shows_the_same_scene():
    """Averaging 4×4 pixels of the large one gives the small one: the scene does not depend on resolution."""
    one = scene(6, shape="bottle", background="gradient")
    small = render(one, height=40, width=40, frames=3).astype(float)
    large = render(one, height=160, width=160, frames=3).astype(float)
    reduced = large.reshape(3, 40, 4, 40, 4, 3).mean(axis=(2, 4))
    assert np.abs(reduced - small).mean() < 1.5


def test_classes_are_balanced_and_nothing_else_depends_on_them():
    scenes = [sample_scene(np.random.default_rng([11, seed])) for seed in range(3000)]
    counts = Counter(one.motion for one in scenes)
    assert max(counts.values()) < 1.2 * min(counts.values())
    for factor in ("shape", "distractor", "background", "direction"):
        table = Counter((one.motion, getattr(one, factor)) for one in scenes)
        values = {value for _, value in table}
        p = chi2_contingency([[table[motion, value] for value in values] for motion in MOTIONS]).pvalue
        assert p > 1e-3, factor
    for factor in ("x", "y", "size", "angle", "distractor_x", "distractor_speed", "background_scale"):
        means = [np.mean([getattr(one, factor) for one in scenes if one.motion == motion]) for motion in MOTIONS]
        spread = np.std([getattr(one, factor) for one in scenes])
        assert np.ptp(means) < 0.3 * spread, factor


def test_the_middle_of_a_swing_is_the_same_object_at_rest():
    """A stroke is symmetric about its event, so that a single frame does not tell the classes apart."""
    swing = scene(8, class_name="swing", event_time=0.5)
    middle = SIZE["frames"] // 2
    turning, resting = (boxes(one, **SIZE)["actor"][middle] for one in (swing, swap(swing, motion="rest")))
    assert turning == resting


def test_the_event_is_when_most_changes():
    for motion in ("swing", "slide"):
        one = scene(9, class_name=motion, size=0.5, x=0.5, y=0.5, distractor_x=9.0, background="plain", event_time=0.65)
        pixels = render(one, height=64, width=64, frames=21).astype(int)
        change = np.abs(np.diff(pixels, axis=0)).mean(axis=(1, 2, 3))
        assert abs(int(change.argmax()) + 0.5 - event_frame(one, frames=21)) <= 3
    assert event_frame(scene(9, class_name="rest"), frames=21) is None


def test_every_background_is_painted_from_its_own_two_colours():
    for background in BACKGROUNDS:
        one = scene(2, background=background, x=9.0, distractor_x=9.0)
        mean = render(one, **SIZE).mean(axis=(0, 1, 2)) / 255
        low, high = np.min(one.background_colours, axis=0), np.max(one.background_colours, axis=0)
        lines = 0.15 if background == "court" else 0.01
        assert (mean >= low - 0.01).all()
        assert (mean <= high + lines).all()


def test_swap_validates():
    with pytest.raises(ValidationError, match="motion"):
        swap(scene(1), motion="fly")


def _difference(one, other) -> np.ndarray:
    return np.abs(render(one, **SIZE).astype(int) - render(other, **SIZE).astype(int)).max(axis=-1) > 0


def _assert_same_boxes(found, changed: np.ndarray) -> None:
    """A changed pixel is covered by a trace, a box's pixel by half: they differ by the rim, 2 pixels at a sharp tip."""
    for box, picture in zip(found, changed, strict=True):
        rows, columns = np.flatnonzero(picture.any(1)), np.flatnonzero(picture.any(0))
        if box is None:
            assert len(rows) <= 1 or len(columns) <= 1
            continue
        edges = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
        np.testing.assert_allclose((box.left, box.top, box.right, box.bottom), edges, atol=2)


# --- the camera, and an actor at other moments ---------------------------------------------------------------------


@pytest.mark.parametrize("background", BACKGROUNDS)
def test_a_camera_that_moves_by_whole_pixels_shows_the_same_pixels_elsewhere(background):
    """2 pixels to the right and 1 down a frame: each frame is its neighbour, moved; the actor is held in the scene."""
    frames, side = 5, 48
    size = {"height": side, "width": side + 16, "frames": frames}
    held = scene(3, class_name="rest", background=background, distractor_speed=0.0, x=0.5, y=0.5, size=0.5)
    panned = swap(held, camera=CameraPath(right=2 * (frames - 1) / side, down=(frames - 1) / side))
    pixels, standing = render(panned, **size).astype(int), render(held, **size).astype(int)
    np.testing.assert_allclose(pixels[2], standing[2], atol=1)
    for earlier, later in pairwise(pixels):
        np.testing.assert_allclose(later[:-1, :-2], earlier[1:, 2:], atol=1)  # of rounding
    covered = masks(panned, **size)["actor"]
    assert covered[0].any()
    assert (
        covered[1:, :-1, :-2] == covered[:-1, 1:, 2:]
    ).mean() > 0.999  # half a pixel is half a pixel within rounding


def test_a_camera_that_turns_by_a_right_angle_or_zooms_shows_what_an_array_turned_or_averaged_shows():
    held = scene(5, class_name="rest", background="grass", distractor_speed=0.0)
    size = {"height": 64, "width": 64, "frames": 3}
    turned = render(swap(held, camera=CameraPath(turn=np.pi)), **size).astype(int)  # −90°, 0, +90°
    np.testing.assert_allclose(turned[0], np.rot90(turned[1], -1), atol=2)
    np.testing.assert_allclose(turned[2], np.rot90(turned[1]), atol=2)
    near = swap(held, camera=CameraPath(zoom=4.0))  # ½, 1, 2
    zoomed = render(near, height=128, width=128, frames=3).astype(float)
    standing = render(held, **size).astype(float)
    large = zoomed[0][32:96, 32:96]  # as far away as half the resolution
    assert np.abs(large - standing[0]).mean() < 2.5
    assert np.abs(zoomed[2].reshape(64, 2, 64, 2, 3).mean(axis=(1, 3)) - _middle_enlarged(standing[2])).mean() < 6


def _middle_enlarged(frame: np.ndarray) -> np.ndarray:
    return frame[16:48, 16:48].repeat(2, 0).repeat(2, 1)


def test_an_actor_at_other_moments_leaves_the_rest_of_the_scene_as_it_was():
    moving = scene(8, class_name="slide", background="checker", size=0.4, camera=CameraPath(right=0.2))
    times = np.linspace(0, 1, SIZE["frames"])
    np.testing.assert_array_equal(render(moving, **SIZE), render(moving, **SIZE, actor_times=times))
    backwards = render(moving, **SIZE, actor_times=times[::-1])
    nowhere, film = render(swap(moving, x=9.0), **SIZE), render(moving, **SIZE)
    shown = (film != nowhere).any(-1) | (backwards != nowhere).any(-1)
    np.testing.assert_array_equal(backwards[~shown], film[~shown])
    np.testing.assert_array_equal(backwards[3], film[3])  # the middle moment is its own mirror
    assert (backwards[0] != film[0]).any()
    standing = swap(moving, camera=CameraPath(), distractor_x=9.0, background="plain")
    np.testing.assert_array_equal(
        render(standing, **SIZE, actor_times=times[::-1]), render(standing, **SIZE)[::-1]
    )  # where nothing else moves, reversing the actor is reversing the film


@pytest.mark.parametrize("shape", SHAPES)
def test_beyond_a_pixel_from_its_mask_nothing_of_an_object_is_seen_not_even_strings(shape):
    size = {"height": 112, "width": 112, "frames": 3}
    for seed in range(4):
        whole = scene(seed, shape=shape, distractor_x=9.0)
        change = np.abs(render(whole, **size).astype(int) - render(swap(whole, x=9.0), **size)).max(-1) > 10
        covered = masks(whole, **size)["actor"]
        grown = ndimage.binary_dilation(covered, np.ones((1, 3, 3)))
        assert (change & ~grown).sum() <= 0.002 * change.sum()
        assert covered.sum() < 1.4 * change.sum()  # and it is no box


def test_masks_are_where_the_actor_changes_the_picture_by_half_of_its_colour():
    whole = scene(3, shape="bottle", background="plain", distractor_x=9.0)
    change = np.abs(render(whole, **SIZE).astype(int) - render(swap(whole, x=9.0), **SIZE)).max(-1)
    covered = masks(whole, **SIZE)["actor"]
    assert (change[covered] > 0).all()
    assert change[~covered].max() < 128
    assert (change[~covered] > 0).mean() < 0.02  # the rim
