"""RISE on video: importance from scores of masked clips, for models whose gradients cannot be taken."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own abbreviation
from einops import rearrange
from torch import Tensor, einsum

from videotcav.errors import ArgumentError

ScoreFunction = Callable[[Tensor], Tensor]
"""Scores `clip class` of pixels `clip channel time height width`."""


def random_masks(
    number: int,
    *,
    size: tuple[int, int, int],
    grid: tuple[int, int, int],
    keep: float,
    rng: np.random.Generator,
    batch_size: int = 16,
) -> Iterator[Tensor]:
    """`number` soft masks `mask time height width` in 0…1, in batches; 1 keeps, 0 hides.

    A grid of cells is kept or hidden at random (`keep` is the probability), enlarged a cell beyond `size`
    linearly in time and space, and cut at a random place, so that cells have no fixed edges.
    """
    cell = [-(-length // cells) for length, cells in zip(size, grid, strict=True)]
    larger = [length + extra for length, extra in zip(size, cell, strict=True)]
    for start in range(0, number, batch_size):
        count = min(batch_size, number - start)
        kept = torch.from_numpy(rng.random((count, 1, *(cells + 1 for cells in grid))) < keep).float()
        smooth = rearrange(F.interpolate(kept, size=larger, mode="trilinear"), "n 1 t h w -> n t h w")
        places = rng.integers(0, cell, size=(count, 3))
        yield torch.stack([_cut(mask, place, size) for mask, place in zip(smooth, places.tolist(), strict=True)])


def rise(
    score: ScoreFunction,
    pixels: Tensor,
    *,
    masks: int,
    rng: np.random.Generator,
    grid: tuple[int, int, int] = (4, 7, 7),
    keep: float = 0.5,
    batch_size: int = 16,
) -> Tensor:
    """Maps of all classes, `class time height width`: how much higher the score is where a voxel is kept.

    Petsiuk et al. 2018: E[score | voxel kept], estimated over random masks; here less E[score], a constant that
    changes no order, and cut off at 0. Hidden pixels become 0, the model's mean. All classes share the masks.

    Args:
        score: of many clips at once; called `masks` / `batch_size` times.
        pixels: of one clip, channel time height width.
        masks: how many; the error falls with their square root.
        rng: decides the masks.
        grid: cells in time, height and width.
        keep: the probability that a cell is kept.
        batch_size: masked clips held at a time.
    """
    if masks < 1:
        raise ArgumentError("RISE needs at least one mask")
    frames, height, width = pixels.shape[1:]
    together = total = shown = torch.zeros((), device=pixels.device)
    drawn = random_masks(masks, size=(frames, height, width), grid=grid, keep=keep, rng=rng, batch_size=batch_size)
    for batch in drawn:
        scores = score(einsum("cthw,nthw->ncthw", pixels, batch))
        together = together + einsum("nk,nthw->kthw", scores, batch)
        total, shown = total + scores.sum(dim=0), shown + batch.sum(dim=0)
    where_kept = together / shown.clamp_min(torch.finfo(shown.dtype).tiny)
    return (where_kept - rearrange(total / masks, "k -> k 1 1 1")).relu()


def _cut(mask: Tensor, place: list[int], size: tuple[int, int, int]) -> Tensor:
    t, h, w = (slice(start, start + length) for start, length in zip(place, size, strict=True))
    return mask[t, h, w]
