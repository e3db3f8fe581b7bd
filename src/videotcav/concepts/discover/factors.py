"""Rows of a layer → non-negative factors → where each video shows each of them most. Pure: arrays in, arrays out.

A *tubelet* is one position of the layer's grid: a place for some of the clip's time. Its row is split in its positive
and its negative part, so that nothing of a signed layer is lost and of a rectified one nothing changes; non-negative
factors of both (NMF) are then parts that add up, where principal components would cancel each other.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from einops import rearrange
from numpy.typing import NDArray

from videotcav.errors import NotEnoughData

if TYPE_CHECKING:
    from sklearn.decomposition import NMF

Float32s = NDArray[np.float32]
Volumes = Callable[[], Iterable[Float32s]]
"""The rows of one video after the other, `channel time height width`, as often as they are asked for."""

MOST_TUBELETS, MOST_FACTORS, EXPLAINED = 50_000, 16, 0.9


class GridPlace(NamedTuple):
    """A position of a layer's grid, or how many positions it has along each axis."""

    time: int
    height: int
    width: int


class Strongest(NamedTuple):
    """Of one video and each factor: the strength of its strongest tubelet, the tubelet's `place` (factor, 3: time,
    height, width), and the strengths at that place at all times of the grid, (factor, time).
    """

    strength: Float32s
    place: NDArray[np.intp]
    over_time: Float32s
    grid: GridPlace


def split(volume: Float32s) -> Float32s:
    """The tubelets of a video in their two parts, `tubelet 2·channel`, none below 0."""
    rows = rearrange(volume, "c t h w -> (t h w) c")
    return np.concatenate([np.maximum(rows, 0), np.maximum(-rows, 0)], axis=1)


def number_of_factors(rows: Float32s) -> int:
    """As many as principal components hold 90 % of the rows' variance: 2 at least and 16 at most."""
    variances = np.linalg.eigvalsh(np.cov(rows, rowvar=False))[::-1]
    needed = int(np.searchsorted(np.cumsum(variances), EXPLAINED * variances.sum())) + 1
    return min(max(needed, 2), MOST_FACTORS)


def strongest_tubelets(
    volumes: Volumes, finding: NDArray[np.bool_], *, count: int | None, seed: int, memory_bytes: int
) -> list[Strongest]:
    """Where each video shows each factor most, the factors being those of the `finding` videos alone.

    They are fitted to as many tubelets of each of these videos, drawn by `seed`, as a quarter of `memory_bytes` holds.
    `count` is their number, see `number_of_factors` for None. Raises NotEnoughData where all rows are alike, or have
    fewer parts than that.
    """
    from sklearn.decomposition import NMF  # noqa: PLC0415 - it would take a second of every start
    from sklearn.exceptions import ConvergenceWarning  # noqa: PLC0415 - as above

    rng = np.random.default_rng(seed)
    drawn: list[Float32s] = []
    for volume, is_finding in zip(volumes(), finding, strict=True):
        if is_finding:
            rows = split(volume)
            room = min(MOST_TUBELETS, memory_bytes // 4 // (4 * rows.shape[1])) // int(finding.sum())
            drawn.append(rows[np.sort(rng.permutation(len(rows))[: max(1, room)])])
    fitted_to = np.concatenate(drawn)
    if not fitted_to.std(axis=0).any():
        raise NotEnoughData("all tubelets of the layer are alike, so that there is nothing to find; name another layer")
    most = min(fitted_to.shape)
    number = min(number_of_factors(fitted_to), most) if count is None else count
    if not 0 < number <= most:
        raise NotEnoughData(f"{number} factors were asked for, and the layer's tubelets can have 1 to {most}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a factor is looked at, not believed
        model = NMF(number, init="nndsvda", tol=1e-3, max_iter=200, random_state=seed).fit(fitted_to)
    return [_strongest(model, volume) for volume in volumes()]


def by_turns(videos: Iterable[int], sources: Sequence[str]) -> list[int]:
    """The videos in another order: the first of each source, then the second of each, and so on."""
    turns: Counter[str] = Counter()
    placed = []
    for video in videos:
        placed.append((turns[sources[video]], video))
        turns[sources[video]] += 1
    return [video for _, video in sorted(placed, key=lambda each: each[0])]


def _strongest(model: NMF, volume: Float32s) -> Strongest:
    _, *grid = volume.shape
    t, h, w = grid
    strengths = rearrange(model.transform(split(volume)), "(t h w) factor -> factor t h w", t=t, h=h, w=w)
    flat = strengths.reshape(len(strengths), -1)
    best = flat.argmax(axis=1)
    place = np.stack(np.unravel_index(best, (t, h, w)), axis=1)
    over_time = np.stack([each[:, y, x] for each, (_, y, x) in zip(strengths, place, strict=True)])
    return Strongest(flat.max(axis=1), place, over_time, GridPlace(t, h, w))
