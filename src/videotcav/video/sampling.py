"""Which frames of a video a clip spec takes: at fixed seconds, every so many, or spread over all of it.

Seconds are those of the file's own frames, so that a stride and a spread are true to a rate that varies.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray

from videotcav.errors import VideoError
from videotcav.records import ClipSpec
from videotcav.video.info import Timed

Ranks = NDArray[np.int64]
"""Which frames of a video, the first being 0."""

_GAP_SECONDS, _GAP_STEPS = 1.0, 8
"""A frame on show for longer than both, the second in usual frames, stands beside a gap."""

SLACK = 0.0005
"""How many seconds early a frame counts as on show: tables and mkv round to milliseconds."""


def sample_times(
    video: Timed,
    spec: ClipSpec,
    *,
    start_seconds: float | None = None,
    frame_times: NDArray[np.float64] | None = None,
    part: float = 0.5,
) -> tuple[float, ...]:
    """The seconds of the clip's frames: from `start_seconds` on, or from the middle of the video, or over all of it.

    `part` is how far from the first possible beginning (0) to the last one (1). With the times of the video's frames,
    which a stride and a spread need, no clip of fixed seconds begins where it would fall into a gap between them, as a
    recording has that was interrupted.

    Raises `VideoError` where the video ends before the clip does, with the length that is enough.
    """
    if spec.seconds_between_frames is None:
        assert frame_times is not None  # noqa: S101 - see above
        return _seconds(frame_times, _ranks(video, spec, frame_times, start_seconds, part))
    start = _beginning(video, spec, frame_times, part) if start_seconds is None else start_seconds
    lasts = (spec.frames - 1) * spec.seconds_between_frames
    _refuse_before(video, start)
    if start + lasts >= video.duration_seconds - 1e-6:
        since = f" from {start:.2f} s on" if start_seconds else ""
        raise VideoError(
            video.path,
            f"is too short: it lasts {video.duration_seconds:.2f} s, but {spec.frames} frames "
            f"{spec.seconds_between_frames:.3g} s apart{since} need more than {start + lasts:.2f} s; "
            "take a longer video, or fewer or closer frames",
        )
    return tuple(start + frame * spec.seconds_between_frames for frame in range(spec.frames))


def stretched_times(video: Timed, spec: ClipSpec, frame_times: NDArray[np.float64]) -> tuple[float, ...]:
    """The seconds of the clip's frames spread over all frames; a shorter video's frames are repeated.

    A spread and a stride keep their own rule where that does not refuse the video; otherwise `middle` is the rule.
    """
    refused = spec.short == "refuse" and len(frame_times) < spec.span
    if spec.seconds_between_frames is not None or refused:
        return _seconds(frame_times, _middles(len(frame_times), spec.frames))
    return _seconds(frame_times, _ranks(video, spec, frame_times, None, 0.5))


def lasts_no_longer(duration_seconds: float, spec: ClipSpec) -> bool:
    """Whether a video may be too short for frames at fixed seconds; a stride and a spread see for themselves."""
    step = spec.seconds_between_frames
    return step is None or duration_seconds <= (spec.frames - 1) * step


def spread_ranks(spec: ClipSpec, frames: int) -> Ranks:
    """Which of so many frames a clip spec takes that spreads over all of them, see `records.Spread`."""
    match spec.spread:
        case "linspace":
            return (
                torch.linspace(0, frames - 1, spec.frames, dtype=torch.float32, device="cpu")
                .clamp(0, frames - 1)
                .long()
                .numpy()
            )
        case "skip":
            return np.minimum(np.arange(spec.frames) * max(frames // spec.frames, 1), frames - 1)
        case _:
            return _middles(frames, spec.frames)


def _middles(frames: int, wanted: int) -> Ranks:
    return (2 * np.arange(wanted) + 1) * frames // (2 * wanted)


def strided_ranks(spec: ClipSpec, frames: int, first: int) -> Ranks:
    """Every so many frames from one on, the last of the video where there are none left."""
    return np.minimum(first + np.arange(spec.frames) * (spec.stride or 1), frames - 1)


def _ranks(
    video: Timed, spec: ClipSpec, frame_times: NDArray[np.float64], start_seconds: float | None, part: float
) -> Ranks:
    frames, first = len(frame_times), 0
    if spec.stride is None and start_seconds is not None:
        raise VideoError(video.path, f"is shown whole ({spec.frames} frames spread over it) and begins nowhere else")
    if start_seconds is not None:
        _refuse_before(video, start_seconds)
        first = rank_at(frame_times, start_seconds)
    if frames - first < spec.span and spec.short == "refuse":
        how = "spread over it" if spec.stride is None else f"of which each is the {spec.stride}. after the one before"
        since = f" from {start_seconds:.2f} s on" if first else ""
        raise VideoError(
            video.path,
            f"is too short: it has {frames - first} frames{since}, but {spec.frames} {how} need {spec.span}; take a "
            'longer video, or short = "repeat" in the clip specification, which shows frames more than once',
        )
    if spec.stride is None:
        return spread_ranks(spec, frames)
    return strided_ranks(spec, frames, first if start_seconds is not None else int(part * max(0, frames - spec.span)))


def rank_at(frame_times: NDArray[np.float64], seconds: float) -> int:
    """The frame on show at that second."""
    return max(0, int(np.searchsorted(frame_times, seconds + SLACK, side="right")) - 1)


def start_around(spec: ClipSpec, frame_times: NDArray[np.float64], seconds: float, duration_seconds: float) -> float:
    """Where a clip begins whose middle is that second, as far as the video allows."""
    if spec.seconds_between_frames is not None:
        lasts = (spec.frames - 1) * spec.seconds_between_frames
        return max(0.0, min(seconds - lasts / 2, duration_seconds - lasts - 1e-3))
    first = min(rank_at(frame_times, seconds) - spec.span // 2, len(frame_times) - spec.span)
    return float(frame_times[max(0, first)])


def window_starts(
    spec: ClipSpec, frame_times: NDArray[np.float64], duration_seconds: float, step_seconds: float | None
) -> list[float]:
    """Where clips begin that follow each other, by default as soon as one has ended; the first at 0 in any case."""
    if spec.seconds_between_frames is not None:
        step = step_seconds or spec.frames * spec.seconds_between_frames
        last = max(0.0, duration_seconds - (spec.frames - 1) * spec.seconds_between_frames) - 1e-6
    else:
        latest = max(0, len(frame_times) - spec.span)
        if step_seconds is None:
            return [float(seconds) for seconds in frame_times[: latest + 1 : spec.frames * (spec.stride or 1)]]
        step, last = step_seconds, float(frame_times[latest]) + SLACK
    return [number * step for number in range(int(max(0.0, last) / step) + 1) if not number or number * step < last]


def gaps(frame_times: NDArray[np.float64]) -> list[tuple[float, float]]:
    """The seconds from and until which one frame stands for a second or more, and much longer than is usual."""
    steps = np.diff(frame_times)
    if not len(steps):
        return []
    long = np.flatnonzero(steps > max(_GAP_SECONDS, _GAP_STEPS * float(np.median(steps))))
    return [(float(frame_times[at]), float(frame_times[at + 1])) for at in long]


def remarks_on_gaps(spec: ClipSpec, frame_times: NDArray[np.float64], timestamps: tuple[float, ...]) -> Iterable[str]:
    """What of a video's gaps whoever sees the clip must know, each the end of a sentence about it."""
    for since, until in gaps(frame_times):
        inside = sum(since < at < until for at in timestamps)
        if inside > 1:
            yield f"shows one frame {inside} times, as there is none from {since:.2f} s to {until:.2f} s"
        elif min(timestamps) <= since and until <= max(timestamps):
            yield f"has no frame from {since:.2f} s to {until:.2f} s, which the clip leaps over"
        elif spec.seconds_between_frames is not None:
            yield f"has no frame from {since:.2f} s to {until:.2f} s; the clip is taken beside that gap"


def _seconds(frame_times: NDArray[np.float64], ranks: Ranks) -> tuple[float, ...]:
    return tuple(frame_times[ranks].tolist())


def _refuse_before(video: Timed, start: float) -> None:
    if start < 0:
        raise VideoError(video.path, f"cannot be read from {start:.3f} s; start at 0 or later")


def _beginning(video: Timed, spec: ClipSpec, frame_times: NDArray[np.float64] | None, part: float) -> float:
    """Where a clip begins that many parts of the way along all places at which it meets no gap."""
    lasts = (spec.frames - 1) * (spec.seconds_between_frames or 0.0)
    found = [] if frame_times is None else gaps(frame_times)
    usual = 0.0 if frame_times is None or not found else float(np.median(np.diff(frame_times)))
    begins = [0.0, *(until for _, until in found)]
    ends = [*(since + usual for since, _ in found), video.duration_seconds]
    room = [max(0.0, end - begin - lasts) for begin, end in zip(begins, ends, strict=True)]
    if found and not any(room):
        since, until = max(found, key=lambda gap: gap[1] - gap[0])
        raise VideoError(
            video.path,
            f"has no {lasts:.2f} s without a gap: after {since:.2f} s the next frame comes at {until:.2f} s; "
            "cut it there",
        )
    left = part * sum(room)
    for begin, spare in zip(begins, room, strict=True):
        if left <= spare:
            return begin + left
        left -= spare
    return begins[-1] + room[-1]
