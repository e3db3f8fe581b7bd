"""The way from pixels to pictures and back loses nothing, and what an edit leaves alone stays the same to the bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from videotcav.errors import ArgumentError
from videotcav.interventions.frames import to_frames, with_frames
from videotcav.records import ClipSpec
from videotcav.video.clips import preprocess

IMAGENET = ClipSpec(
    frames=3,
    seconds_between_frames=0.1,
    height=12,
    width=16,
    resize=(12, 16),
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
)
BARE = IMAGENET.model_copy(update={"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)})
NARROW = IMAGENET.model_copy(update={"mean": (0.43, 0.39, 0.38), "std": (1 / 255, 1 / 255, 1 / 255)})


def pictures(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (3, 12, 16, 3), dtype=np.uint8)


@pytest.mark.parametrize("spec", [IMAGENET, BARE, NARROW], ids=["imagenet", "bare", "narrow"])
def test_the_pictures_behind_pixels_are_those_that_were_read(spec: ClipSpec) -> None:
    shown = pictures()
    shown[0, 0, :, :] = np.linspace(0, 255, 16, dtype=np.uint8)[:, None]
    assert np.array_equal(to_frames(preprocess(shown, spec), spec), shown)


@pytest.mark.parametrize("spec", [IMAGENET, BARE, NARROW], ids=["imagenet", "bare", "narrow"])
def test_an_edited_clip_is_what_a_video_with_the_edit_would_have_been_read_as(spec: ClipSpec) -> None:
    """Also to the last bit, so that a score moves by nothing but the edit."""
    before, after = pictures(), pictures()
    after[1, 2:7, 3:9] = pictures(seed=1)[1, 2:7, 3:9]
    pixels = preprocess(before, spec)
    edited = with_frames(pixels, before, after, spec)
    assert torch.equal(edited, preprocess(after, spec))
    assert torch.equal(with_frames(pixels, before, before.copy(), spec), pixels)


def test_unchanged_pixels_keep_bits_that_no_reader_of_ours_made() -> None:
    """A hair beside what the reader gives is within the tolerance, and an edit elsewhere does not round it away."""
    before = pictures()
    own = preprocess(before, IMAGENET) + 1e-6
    after = before.copy()
    after[0, 0, 0, 0] ^= 255
    edited = with_frames(own, to_frames(own, IMAGENET), after, IMAGENET)
    different = (edited != own).nonzero().tolist()
    assert different == [[0, 0, 0, 0]]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda pixels: pixels + 0.3, "whole grey levels"),
        (lambda pixels: pixels * 3, "whole grey levels"),
        (lambda pixels: pixels.index_fill(3, torch.tensor([4]), float("nan")), "whole grey levels"),
        (lambda pixels: pixels.index_fill(3, torch.tensor([4]), float("inf")), "whole grey levels"),
        (lambda pixels: pixels[:, :2], "shape"),
        (lambda pixels: pixels[None], "shape"),
    ],
    ids=["between levels", "beyond 255", "NaN", "infinite", "too short", "a batch"],
)
def test_what_is_no_clip_of_grey_levels_is_refused(change, said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        to_frames(change(preprocess(pictures(), IMAGENET)), IMAGENET)


def test_a_spec_of_one_channel_is_refused() -> None:
    grey = IMAGENET.model_copy(update={"mean": (0.5,), "std": (0.5,)})
    with pytest.raises(ArgumentError, match="1 channels instead of 3"):
        to_frames(torch.zeros(1, 3, 12, 16), grey)


@pytest.mark.parametrize(
    "edited",
    [np.zeros((3, 12, 16, 3)), np.zeros((2, 12, 16, 3), dtype=np.uint8), [[0]]],
    ids=["floats", "short", "list"],
)
def test_an_edit_that_gives_other_than_its_frames_is_refused(edited) -> None:
    before = pictures()
    with pytest.raises(ArgumentError, match="uint8"):
        with_frames(preprocess(before, IMAGENET), before, edited, IMAGENET)
