"""One frame registered on another: a motion found coarse to fine outside an object, and whether it is believed.

A motion is (a, b, right, down): (x, y) about the picture's centre goes to (a x − b y + right, b x + a y + down).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft2, rfft2

from videotcav.video.softly import Masks

_Plane = NDArray[np.float32]
Matrix = NDArray[np.float64]

LONGEST_SIDE = 128
"""Pixels: motions are estimated on pictures reduced to at most this, to a twentieth of their pixels."""

HALF = 0.5
"""A pixel reaches as far from its centre."""

_SMOOTH = 0.6  # pixels
_COARSEST_SIDE = 16
_STEPS, _SMALL_STEP = 20, 0.01  # of Gauss and Newton, pixels
_LEAST_OVERLAP = 0.4  # of two frames, as a share of one
_AS_GOOD = 0.8
_NEAR = 1 / 8  # of the shorter side
_LARGE = 20.0  # grey levels: a larger difference counts as this
_CELLS = 5  # in each direction
_FOR, _TIMES_AGAINST = 0.4, 3  # share of the cells that see a motion; how many times those that see none
_CLEARLY = 0.6  # of the residual, and of the texture, what is left at most where a cell sees a motion
_LEAST_GAIN, _LEAST_TEXTURE = 0.5, 1.5  # grey levels
_LEAST_SIDES = 3  # of the picture's four: one may be a blank sky, and no single thing is at three
_SIDES = (np.s_[0, :], np.s_[-1, :], np.s_[:, 0], np.s_[:, -1])


@dataclass(frozen=True, eq=False)
class Level:
    """A smoothed grey picture, where it is not the object, and how many times smaller than the frame it is."""

    picture: _Plane
    weight: _Plane
    shrunk: int
    centre: tuple[float, float]


def pyramid(frame: NDArray[np.uint8], mask: Masks | None) -> list[Level]:
    """From the finest level that is used to the coarsest; the object does not leak into what is beside it."""
    grey = cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2GRAY).astype(np.float32)
    weight = np.ones_like(grey) if mask is None else (~mask).astype(np.float32)
    height, width = grey.shape
    levels, shrunk, total = [], 1, grey * weight
    while True:
        if max(total.shape) <= LONGEST_SIDE:
            smooth, near = (cv2.GaussianBlur(each, (0, 0), _SMOOTH) for each in (total, weight))
            centre = ((width - 1) / 2 / shrunk, (height - 1) / 2 / shrunk)
            inside = (weight > 0.9).astype(np.float32)  # noqa: PLR2004 - a pixel that is the object's by a tenth is out
            levels.append(Level((smooth / np.maximum(near, 1e-3)).astype(np.float32), inside, shrunk, centre))
            if min(total.shape) // 2 < _COARSEST_SIDE:
                return levels
        total, weight = (np.asarray(cv2.pyrDown(each), dtype=np.float32) for each in (total, weight))
        shrunk *= 2


def matrix_of(motion: NDArray[np.float64], centre: tuple[float, float], shrunk: int, *, level: bool = False) -> Matrix:
    """The motion between pixels of the full frame, or of a level."""
    a, b, right, down = motion
    x, y = centre if level else (centre[0] * shrunk, centre[1] * shrunk)
    scale = shrunk if level else 1
    return np.array([[a, -b, x - a * x + b * y + right / scale], [b, a, y - b * x - a * y + down / scale]])


def _moved(level: Level, motion: NDArray[np.float64]) -> tuple[_Plane, _Plane]:
    """The picture under a motion, and its weights: 0 outside."""
    matrix = matrix_of(motion, level.centre, level.shrunk, level=True)
    size, how = level.picture.shape[::-1], cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    picture = cv2.warpAffine(level.picture, matrix, size, flags=how, borderMode=cv2.BORDER_REPLICATE)
    weight = cv2.warpAffine(level.weight, matrix, size, flags=how, borderMode=cv2.BORDER_CONSTANT, borderValue=0.0)
    return np.asarray(picture), np.asarray(weight > 0.9, dtype=np.float32)  # noqa: PLR2004 - as above


def _compose(first: NDArray[np.float64], then: NDArray[np.float64]) -> NDArray[np.float64]:
    a, b, right, down = first
    c, d, more_right, more_down = then
    return np.array([c * a - d * b, d * a + c * b, c * right - d * down + more_right, d * right + c * down + more_down])


def _inverse(motion: NDArray[np.float64]) -> NDArray[np.float64]:
    a, b, right, down = motion
    a, b = np.array([a, -b]) / (a * a + b * b)
    return np.array([a, b, -a * right + b * down, -b * right - a * down])


def relative(motions: NDArray[np.float64], at: int, anchors: Sequence[int]) -> NDArray[np.float64]:
    """The motion from a frame's anchor to the frame."""
    return _compose(_inverse(motions[anchors[at]]), motions[at])


def motions(
    levels: Sequence[list[Level]], reference: int, start: NDArray[np.float64], *, similarity: bool
) -> tuple[NDArray[np.float64], list[int]]:
    """Each frame's motion against the reference frame, and against which frame it was found: its anchor.

    That is the reference frame, or where little of it is left in the picture, the last frame on the way to it.
    """
    found, anchors = start.copy(), [reference] * len(levels)
    for way in (range(reference + 1, len(levels)), range(reference - 1, -1, -1)):
        anchor, last, step = reference, reference, np.array([1.0, 0.0, 0.0, 0.0])
        for at in way:
            begin = _compose(found[last], step)
            if _overlap(levels[at][0], _compose(_inverse(found[anchor]), begin)) < _LEAST_OVERLAP:
                anchor = last
            begins = [_compose(_inverse(found[anchor]), each) for each in (begin, start[at])]
            motion = _registered(levels[anchor], levels[at], *begins, similarity=similarity)
            found[at], anchors[at] = _compose(found[anchor], motion), anchor
            step, last = _compose(_inverse(found[last]), found[at]), at
    return found, anchors


def _overlap(level: Level, motion: NDArray[np.float64]) -> float:
    matrix = matrix_of(motion, level.centre, level.shrunk, level=True)
    whole = np.ones(level.picture.shape, np.float32)
    return float(
        cv2.warpAffine(whole, matrix, whole.shape[::-1], flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP).mean()
    )


def _registered(
    still: list[Level],
    level: list[Level],
    expected: NDArray[np.float64],
    other: NDArray[np.float64],
    *,
    similarity: bool,
) -> NDArray[np.float64]:
    """The motion found coarse to fine from the expected one; another is taken where it leaves clearly less.

    What repeats itself, as stripes and tiles do, looks alike under many motions: of these the expected one is right.
    """
    motion = expected
    for one, another in zip(reversed(still), reversed(level), strict=True):
        motion = _steps(one, another, motion, similarity=similarity)
    fine, finest = still[0], level[0]
    for start in (other, _shifted(fine, finest, motion)):
        if np.abs(start - motion).max() > HALF * fine.shrunk:
            found = _steps(fine, finest, start, similarity=similarity)
            if _clearly_better(fine, finest, found, motion):
                motion = found
    return motion


def _shifted(still: Level, level: Level, motion: NDArray[np.float64]) -> NDArray[np.float64]:
    """The motion with that further shift, by whole pixels and not far, which leaves the smallest mean square of all:
    its three sums, over what both pictures show, are correlations.
    """
    picture, weight = _moved(level, motion)
    height, width = picture.shape
    size = (2 * height, 2 * width)
    middle = float(still.picture.mean())
    fixed, moving = (each.astype(np.float64) - middle for each in (still.picture, picture))

    def transformed(values: NDArray[np.floating]) -> NDArray[np.complex128]:
        return np.asarray(rfft2(values.astype(np.float64), size))

    of_fixed, of_moving = (
        [transformed(values**power * seen) for power in (0, 1, 2)]
        for values, seen in ((fixed, still.weight), (moving, weight))
    )
    squares = (
        of_moving[2] * of_fixed[0].conj() - 2 * of_moving[1] * of_fixed[1].conj() + of_moving[0] * of_fixed[2].conj()
    )
    shared, total = irfft2(of_moving[0] * of_fixed[0].conj(), size), irfft2(squares, size)
    down, right = (np.rint(np.fft.fftfreq(length) * length).astype(np.int64) for length in size)
    near = np.hypot(down[:, None], right[None]) <= _NEAR * min(height, width)
    mean = np.where(near & (shared >= _LEAST_OVERLAP * height * width), total / np.maximum(shared, 1), np.inf)
    at = np.unravel_index(int(mean.argmin()), size)
    further = (right[at[1]], down[at[0]])
    return _compose(np.array([1.0, 0.0, *(np.array(further) * still.shrunk)]), motion)


def _clearly_better(still: Level, level: Level, motion: NDArray[np.float64], than: NDArray[np.float64]) -> bool:
    """Whether a motion leaves clearly less where both show anything, which is enough of the picture."""
    (one, seen), (other, also_seen) = _moved(level, motion), _moved(level, than)
    both = seen * also_seen * still.weight
    if both.mean() < _LEAST_OVERLAP * still.weight.mean():
        return False
    left, left_before = (
        float((np.minimum(np.abs(picture - still.picture), _LARGE) * both).sum()) for picture in (one, other)
    )
    return left < _AS_GOOD * left_before


def _steps(still: Level, level: Level, motion: NDArray[np.float64], *, similarity: bool) -> NDArray[np.float64]:
    height, width = still.picture.shape
    x = (np.arange(width, dtype=np.float32) - still.centre[0])[None, :] * still.shrunk
    y = (np.arange(height, dtype=np.float32) - still.centre[1])[:, None] * still.shrunk
    slopes = [cv2.Sobel(still.picture, cv2.CV_32F, *way, ksize=3, scale=1 / 8) for way in ((1, 0), (0, 1))]
    rest = np.array([1.0, 0.0, 0.0, 0.0])
    reach = np.hypot(width, height) / 4 * still.shrunk
    for _ in range(_STEPS):
        picture, weight = _moved(level, motion)
        both = weight * still.weight
        error = picture - still.picture
        usual = np.median(np.abs(error[both > 0])) if both.any() else 0.0
        both = both / (1 + (error / max(1.0, 2.5 * usual)) ** 2) ** 2
        over, down = (
            (slope + cv2.Sobel(picture, cv2.CV_32F, *way, ksize=3, scale=1 / 8)) / (2 * still.shrunk)
            for slope, way in zip(slopes, ((1, 0), (0, 1)), strict=True)
        )
        columns = [over * x + down * y, down * x - over * y, over, down] if similarity else [over, down]
        rows = np.stack([column.ravel() for column in columns])
        weighted = rows * both.ravel()
        sizes = np.array([reach, reach, 1.0, 1.0][-len(columns) :])
        damping = (0.05 / still.shrunk) ** 2 * (both.sum() + 1)
        prior = damping * sizes**2  # holds still what no texture tells: a wall, the way along a stripe
        step = np.linalg.solve(
            weighted @ rows.T + np.diag(prior), -weighted @ error.ravel() - prior * (motion - rest)[-len(columns) :]
        )
        motion = motion + np.concatenate([np.zeros(4 - len(step)), step])
        if np.abs(step * sizes).max() < _SMALL_STEP * still.shrunk:
            break
    return motion


# --- is it believed? ---------------------------------------------------------------------------------------------


def may_have_moved(still: Level, level: Level) -> bool:
    """Whether enough cells have changed at all for a motion to be seen in them."""
    changed, seen = _by_cell(np.abs(level.picture - still.picture), level.weight * still.weight)
    return bool((changed[seen] > _LEAST_GAIN).mean() >= _FOR) if seen.any() else False


def sees(still: Level, level: Level, before: NDArray[np.float64], after: NDArray[np.float64]) -> bool:
    """Whether the motion `after` explains the frame clearly better than `before`, in many places of it."""
    pictures, weights = zip(_moved(level, before), _moved(level, after), strict=True)
    both = weights[0] * weights[1] * still.weight
    (old, seen), (new, _) = (_by_cell(np.abs(picture - still.picture), both) for picture in pictures)
    texture = np.minimum(*(_spread(picture, both) for picture in (still.picture, pictures[0])))
    sees = seen & (texture > _LEAST_TEXTURE) & (new < _CLEARLY * np.minimum(old, texture)) & (old - new > _LEAST_GAIN)
    against = seen & (old < _CLEARLY * new) & (new - old > _LEAST_GAIN)
    sides = [(sees[side].sum(), seen[side].sum()) for side in _SIDES]
    return bool(
        sees.sum() >= max(_FOR * seen.sum(), 1)
        and sees.sum() > _TIMES_AGAINST * against.sum()
        and sum(mine >= max(_FOR * all_of_it, 1) for mine, all_of_it in sides) >= _LEAST_SIDES
    )


def _by_cell(values: _Plane, weight: _Plane) -> tuple[_Plane, Masks]:
    """The weighted mean of each cell, and which cells are seen by a quarter at least."""
    share = cv2.resize(weight, (_CELLS, _CELLS), interpolation=cv2.INTER_AREA)
    total = cv2.resize(values * weight, (_CELLS, _CELLS), interpolation=cv2.INTER_AREA)
    mean = np.asarray(total / np.maximum(share, 1e-6), dtype=np.float32)
    return mean, np.asarray(share > 0.25)  # noqa: PLR2004 - a quarter


def _spread(picture: _Plane, weight: _Plane) -> _Plane:
    mean, _ = _by_cell(picture, weight)
    square, _ = _by_cell(picture**2, weight)
    return np.asarray(np.sqrt(np.maximum(square - mean**2, 0)))
