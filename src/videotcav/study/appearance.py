"""How a concept's clips and the pool's look, told without alarm.

Brightness and the like differ in most clean studies, and miss in most confounded ones what the class goes by: they help
to understand a difference, and to warn by them would be to warn always.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from videotcav.results.pool_facts import AppearanceDifference, AppearanceMeasure
from videotcav.video.read import VideoFile

Floats = NDArray[np.float64]

_LOOKS = 4  # places of a clip that are looked at, two frames each
_ROUNDING = 1e-9
_LUMA = np.array([0.299, 0.587, 0.114])


class Appearance(NamedTuple):
    """How a clip looks: means over a few of its frames, of pixels 0 … 1.

    `contrast` is the standard deviation of luma, `sharpness` the mean size of its Laplacian, `saturation` the mean of
    (max − min) / max over the colours, `motion` the mean absolute change of luma from a frame to the next.
    """

    brightness: float
    contrast: float
    sharpness: float
    saturation: float
    motion: float


def appearance(frames: NDArray[np.uint8]) -> Appearance:
    """How pairs of neighbouring frames look (2 × pair, height, width, 3): one after the other, two by two."""
    pixels = frames.astype(np.float64) / 255
    luma = pixels @ _LUMA
    middle = luma[:, 1:-1, 1:-1]
    around = luma[:, :-2, 1:-1] + luma[:, 2:, 1:-1] + luma[:, 1:-1, :-2] + luma[:, 1:-1, 2:]
    # A colour at a time: along an axis of three numpy takes ten times as long.
    red, green, blue = np.moveaxis(frames, -1, 0)
    brightest, darkest = (of(of(red, green), blue) for of in (np.maximum, np.minimum))
    colours = (brightest - darkest) / np.maximum(brightest, 1)
    return Appearance(
        brightness=float(luma.mean()),
        contrast=float(luma.std(axis=(1, 2)).mean()),
        sharpness=float(np.abs(around - 4 * middle).mean()) if middle.size else 0.0,
        saturation=float(colours.mean()),
        motion=float(np.abs(luma[1::2] - luma[::2]).mean()),
    )


def appearance_of(video: VideoFile) -> Appearance:
    """How a file looks, by at most four pairs of neighbouring frames spread over it. Raises VideoError."""
    last = len(video.times) - 1
    first = np.unique(np.linspace(0, max(last - 1, 0), _LOOKS).round().astype(int)).tolist()
    return appearance(video.frames([rank for at in first for rank in (at, min(at + 1, last))]))


def appearance_differences(
    concepts: Mapping[str, Mapping[str, Sequence[Appearance]]], pool: Mapping[str, Sequence[Appearance]]
) -> tuple[AppearanceDifference, ...]:
    """Every measure of every concept; both sides give the clips of each source video."""
    found = []
    for name, sources in concepts.items():
        here, there = _means(sources), _means({key: each for key, each in pool.items() if key not in sources})
        if not len(here) or len(there) < 2:  # noqa: PLR2004 - one video has no spread
            continue
        for at, measure in enumerate(get_args(AppearanceMeasure)):
            difference, spread = here[:, at].mean() - there[:, at].mean(), there[:, at].std(ddof=1)
            found.append(
                AppearanceDifference(
                    concept=name,
                    measure=measure,
                    of_concept=float(here[:, at].mean()),
                    of_pool=float(there[:, at].mean()),
                    in_deviations=float(difference / spread)
                    if spread > _ROUNDING * np.abs(there[:, at]).max()
                    else 0.0,
                )
            )
    return tuple(found)


def _means(sources: Mapping[str, Sequence[Appearance]]) -> Floats:
    means = [np.mean(clips, axis=0) for clips in sources.values() if clips]
    return np.array(means).reshape(len(means), len(Appearance._fields))
