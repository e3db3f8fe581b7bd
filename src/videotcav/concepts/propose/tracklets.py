"""Tracks → candidate clips, and the gates that a candidate passes before a person sees it. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.fft import dctn

from videotcav.concepts.propose.recipe import Recipe
from videotcav.concepts.propose.track import Track
from videotcav.records import Box

_HASH_SIDE, _HASH_SAMPLES = 32, 8


@dataclass(frozen=True)
class Tracklet:
    """Consecutive frames of one track, with a box for each; a score of 0 marks a box that was interpolated."""

    track: Track
    frames: tuple[int, ...]
    boxes: tuple[Box, ...]
    scores: tuple[float, ...]

    @property
    def observed(self) -> float:
        """Share of the frames in which the object was detected."""
        return sum(score > 0 for score in self.scores) / len(self.scores)

    @property
    def side(self) -> float:
        """Median over time of the box's longer side, in pixels."""
        return float(np.median([max(box.width, box.height) for box in self.boxes]))

    @property
    def score(self) -> float:
        """Mean score over all frames, those without a detection counting 0; rounded, so that ties are ties."""
        return round(float(np.mean(self.scores)), 6)


def cut(track: Track, recipe: Recipe) -> Iterator[Tracklet]:
    """The candidates of a track: as many as fit one behind the other between its gaps.

    Gaps of up to `max_gap_frames` are bridged by straight lines between the boxes at their ends. A stretch of the
    track that is shorter than a clip is yielded as it is: the gate counts it.
    """
    for stretch in _stretches(track, recipe.max_gap_frames):
        length = len(stretch.frames)
        size = recipe.frames_per_clip or length
        clips = max(1, length // size)
        start = max(0, (length - clips * size) // 2)  # centred: the ends of a track are its worst part
        for first in range(start, start + clips * size, size):
            piece = slice(first, first + size)
            yield Tracklet(track, stretch.frames[piece], stretch.boxes[piece], stretch.scores[piece])


def too_poor(candidate: Tracklet, recipe: Recipe) -> str | None:
    """Why the candidate fails before its pixels are looked at; None when it does not."""
    least = recipe.frames_per_clip or recipe.min_frames
    if len(candidate.frames) < least:
        return f"shorter than {least} frames"
    if candidate.side < recipe.min_side_pixels:
        return f"smaller than {recipe.min_side_pixels:g} pixels"
    if candidate.observed < recipe.min_observed:
        return f"seen in less than {recipe.min_observed:.0%} of its frames"
    return None


def in_order_of_worth(candidates: Iterable[Tracklet]) -> list[Tracklet]:
    """The surest clip of each track first, then the second of each: many instances before many clips of one."""
    turn: Counter[tuple[str, str]] = Counter()
    ranked = []
    for candidate in sorted(candidates, key=lambda c: (-c.score, c.track.label, c.track.id, c.frames[0])):
        instance = (candidate.track.label, candidate.track.id)
        ranked.append((turn[instance], candidate))
        turn[instance] += 1
    return [candidate for _, candidate in sorted(ranked, key=lambda item: item[0])]


def perceptual_hash(clip: NDArray[np.uint8]) -> int:
    """192 bits that stay nearly the same when a clip (`time height width 3`) is scaled or coded again.

    The sign of the low frequencies of the cosine transform about their median (pHash), for the first, the middle
    and the last frame, 64 bits each.
    """
    bits: list[bool] = []
    for index in (0, len(clip) // 2, -1):
        grey = Image.fromarray(clip[index]).convert("L").resize((_HASH_SIDE, _HASH_SIDE), Image.Resampling.LANCZOS)
        low = dctn(np.asarray(grey, dtype=np.float64))[:_HASH_SAMPLES, :_HASH_SAMPLES]
        bits.extend((low > np.median(low)).ravel().tolist())
    return int("".join("1" if bit else "0" for bit in bits), 2)


def nearest(fingerprint: int, others: Iterable[tuple[str, int]]) -> tuple[str, int]:
    """The name of the nearest other hash and how many bits differ; ("", 1000) when there is none."""
    distances = ((name, (fingerprint ^ other).bit_count()) for name, other in others)
    return min(distances, key=lambda found: found[1], default=("", 1000))


class _Stretch(NamedTuple):
    frames: tuple[int, ...]
    boxes: tuple[Box, ...]
    scores: tuple[float, ...]


def _stretches(track: Track, max_gap: int) -> Iterator[_Stretch]:
    """The track between the gaps that are too long to bridge, every frame filled."""
    breaks = [i + 1 for i, step in enumerate(np.diff(track.frames)) if step > max_gap + 1]
    for first, last in zip([0, *breaks], [*breaks, len(track.frames)], strict=True):
        yield _filled(track.frames[first:last], track.boxes[first:last], track.scores[first:last])


def _filled(frames: Sequence[int], boxes: Sequence[Box], scores: Sequence[float]) -> _Stretch:
    edges = np.array([(box.left, box.top, box.right, box.bottom) for box in boxes])
    every = range(frames[0], frames[-1] + 1)
    lines = np.stack([np.interp(every, frames, edge) for edge in edges.T], axis=1)
    known = dict(zip(frames, scores, strict=True))
    return _Stretch(
        tuple(every),
        tuple(Box(left=le, top=to, right=ri, bottom=bo) for le, to, ri, bo in lines.tolist()),
        tuple(known.get(frame, 0.0) for frame in every),
    )
