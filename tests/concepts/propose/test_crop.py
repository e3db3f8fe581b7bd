"""What is cut out, pixel for pixel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from videotcav.concepts.propose import crop
from videotcav.records import Box

FILL = (10, 20, 30)


def numbered_frames(count: int, height: int, width: int) -> np.ndarray:
    """Frames in which every pixel says where and when it was: (frame, row, column)."""
    frames = np.empty((count, height, width, 3), dtype=np.uint8)
    frames[..., 0] = np.arange(count)[:, None, None]
    frames[..., 1] = np.arange(height)[None, :, None]
    frames[..., 2] = np.arange(width)[None, None, :]
    return frames


def box(left: float, top: float, right: float, bottom: float) -> Box:
    return Box(left=left, top=top, right=right, bottom=bottom)


def test_paper_canvas_is_the_largest_box_made_square_with_smaller_crops_centred():
    frames = numbered_frames(2, 40, 60)
    clip = crop.moving(frames, [box(10, 5, 20, 11), box(30, 20, 34, 22)], mode="paper", fill=FILL)
    assert clip.shape == (2, 10, 10, 3)
    assert (clip[0, 2:8] == frames[0, 5:11, 10:20]).all()
    assert (clip[1, 4:6, 3:7] == frames[1, 20:22, 30:34]).all()
    assert (clip[0, :2] == FILL).all()
    assert (clip[0, 8:] == FILL).all()
    assert (clip[1, :, :3] == FILL).all()


def test_partial_pixels_belong_to_the_box_and_the_side_is_even():
    clip = crop.moving(numbered_frames(1, 20, 20), [box(2.5, 3.0, 6.2, 6.0)], mode="paper", fill=FILL)
    assert clip.shape[1:3] == (6, 6)
    assert clip[0, 1, 0].tolist() == [0, 3, 2]


def test_window_has_real_surroundings_and_constant_size():
    frames = numbered_frames(3, 40, 60)
    boxes = [box(20, 10, 30, 20), box(22, 10, 30, 20), box(24, 10, 34, 20)]
    clip = crop.moving(frames, boxes, mode="window", fill=FILL, context=1.0, smoothing_frames=0)
    assert clip.shape == (3, 20, 20, 3)
    assert (clip[0] == frames[0, 5:25, 15:35]).all()
    assert (clip[2] == frames[2, 5:25, 19:39]).all()


def test_window_beyond_the_frame_is_filled():
    clip = crop.moving(numbered_frames(1, 40, 60), [box(0, 0, 10, 10)], mode="window", fill=FILL, context=1.0)
    assert (clip[0, :5] == FILL).all()
    assert (clip[0, :, :5] == FILL).all()
    assert clip[0, 5, 5].tolist() == [0, 0, 0]


def test_smoothing_a_steady_motion_changes_nothing_in_its_middle():
    frames = numbered_frames(31, 40, 120)
    boxes = [box(10 + 2 * t, 10, 20 + 2 * t, 20) for t in range(31)]
    plain = crop.moving(frames, boxes, mode="window", fill=FILL, smoothing_frames=0)
    smooth = crop.moving(frames, boxes, mode="window", fill=FILL, smoothing_frames=2)
    assert (plain[15] == smooth[15]).all()


def test_in_place_keeps_position_and_fills_the_rest():
    frames = numbered_frames(2, 20, 30)
    clip = crop.moving(frames, [box(3, 4, 8, 9), box(5, 4, 10, 9)], mode="in-place", fill=FILL)
    assert clip.shape == frames.shape
    assert (clip[1, 4:9, 5:10] == frames[1, 4:9, 5:10]).all()
    outside = np.ones((20, 30), dtype=bool)
    outside[4:9, 5:10] = False
    assert (clip[1][outside] == FILL).all()


@given(frames=st.integers(3, 40), seed=st.integers(0, 1000), data=st.data())
def test_twins_are_made_of_the_same_frames(frames: int, seed: int, data: st.DataObject):
    still = data.draw(st.integers(0, frames - 1))
    orders = crop.twin_orders(frames, still_frame=still, rng=np.random.default_rng(seed))
    assert orders["spatiotemporal"] == tuple(range(frames))
    assert orders["reversed"] == tuple(reversed(range(frames)))
    assert orders["frozen"] == (still,) * frames
    assert sorted(orders["shuffled"]) == list(range(frames))
    assert orders["shuffled"] not in (orders["spatiotemporal"], orders["reversed"])


def test_blur_takes_sharpness_away():
    rng = np.random.default_rng(0)
    sharp = rng.integers(0, 255, (20, 20, 3)).astype(np.uint8)
    blurred = np.asarray(Image.fromarray(sharp).filter(ImageFilter.GaussianBlur(2)))
    flat = np.full_like(sharp, 128)
    measured = [crop.sharpness(frame, box(0, 0, 20, 20)) for frame in (sharp, blurred, flat)]
    assert measured[0] > 10 * measured[1] > 0
    assert measured[2] == 0


def test_box_outside_the_frame_is_refused():
    with pytest.raises(ValueError, match="outside the 30×20 frame"):
        crop.moving(numbered_frames(1, 20, 30), [box(40, 0, 50, 10)], mode="paper", fill=FILL)
