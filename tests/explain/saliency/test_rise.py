"""RISE where the answer is known: scores that read a known part of the clip."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from videotcav.explain.saliency.rise import random_masks, rise

SIZE = (4, 16, 16)


def one_place(pixels: Tensor) -> Tensor:
    """Class 0 reads one block of frame 1, class 1 reads nothing."""
    block = pixels[:, :, 1, 4:8, 8:12].mean(dim=(1, 2, 3))
    return torch.stack([block, torch.full_like(block, 0.3)], dim=1)


def test_the_only_place_that_is_read_is_found_in_space_and_time() -> None:
    maps = rise(one_place, torch.ones(3, *SIZE), masks=800, grid=(4, 4, 4), rng=np.random.default_rng(0))
    assert maps.shape == (2, *SIZE)
    t, h, w = np.unravel_index(int(maps[0].argmax()), SIZE)
    assert t == 1
    assert 4 <= h < 8
    assert 8 <= w < 12
    torch.testing.assert_close(maps[1], torch.zeros(SIZE), atol=1e-5, rtol=0)


def test_a_voxel_is_worth_what_keeping_it_adds() -> None:
    """With one cell a voxel, uncut, f = x[0] gives E[f | x[0] kept] − E[f] = 1 − ½ there and 0 elsewhere."""

    def score(pixels: Tensor) -> Tensor:
        return pixels[:, 0, 0, 0, 0, None]

    masks = 4000
    found = rise(score, torch.ones(1, 2, 2, 2), masks=masks, grid=(2, 2, 2), rng=np.random.default_rng(1))[0]
    noise = 4 / masks**0.5
    assert float(found[0, 0, 0]) == pytest.approx(0.5, abs=noise)
    assert float(found.flatten()[1:].max()) < noise


def test_masks_keep_the_share_that_was_asked_for_everywhere() -> None:
    drawn = torch.cat(list(random_masks(2000, size=(3, 7, 9), grid=(2, 3, 3), keep=0.3, rng=np.random.default_rng(2))))
    assert drawn.shape == (2000, 3, 7, 9)
    assert 0 <= float(drawn.min()) <= float(drawn.max()) <= 1
    assert (drawn.mean(dim=0) - 0.3).abs().max() < 0.05


def test_batches_change_no_mask_in_law_and_the_seed_decides() -> None:
    def run(seed: int) -> Tensor:
        return rise(one_place, torch.ones(3, *SIZE), masks=20, rng=np.random.default_rng(seed))

    assert torch.equal(run(5), run(5))
    assert not torch.equal(run(5), run(6))
