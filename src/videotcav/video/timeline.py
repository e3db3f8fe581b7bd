"""When the frames of a video are shown, and from which ones decoding can start.

From the file's own index where that can be trusted, and otherwise by decoding all of it once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

from videotcav.errors import VideoError
from videotcav.video.container import COPY_AGAIN, moving_streams, opened

READING = 2
"""Raised whenever the same file gives other frames or times than before, so that no stored row outlives its reading."""


@dataclass(frozen=True)
class Timeline:
    """When each frame is shown (rank 0 is the first), and from which ranks decoding can start.

    `ranks` maps the container's timestamps to ranks; None where they cannot be trusted, and the frames are those that
    the decoder presents from the beginning on, in that order.
    """

    times: NDArray[np.float64]
    duration_seconds: float
    tick_seconds: float
    ranks: dict[int, int] | None
    starts: tuple[tuple[int, int], ...]  # (rank, container timestamp) of the keyframes, ascending
    recordings: int = 1


_WITH_AN_INDEX = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi", "mpegts")
_KEYFRAMES_ARE_TRUE = (
    *("av1", "dnxhd", "ffv1", "ffvhuff", "h264", "hevc", "huffyuv", "mjpeg", "mpeg4"),
    *("prores", "rawvideo", "utvideo", "vp8", "vp9"),
)
"""Containers that give each frame its own timestamp, and codecs at whose flagged keyframes decoding can start. Program
streams give a time to every few frames only; FLV1, MS-MPEG4, WMV, QuickTime RLE and Cinepak flag what is none."""

_WITH_HIDDEN_PACKETS = ("vp8", "vp9", "libvpx", "libvpx-vp9")
"""Codecs some of whose packets are references for others, and never shown."""

_JITTER_FRAMES = 8
"""Timestamps that go back by more than that are those of another recording."""

_NEAR = 0.05
"""How far the span of a recording may be from that of as many frames at the usual rate."""

_JOINED_MIDWAY = ("mpegts", "mpeg")
"""Containers made to be recorded from any moment on; in all others what comes before the first keyframe is a loss."""


class _Packet(NamedTuple):
    pts: int | None
    dts: int | None
    duration: int
    is_keyframe: bool
    is_cut: bool  # decoded for those after it, but never shown: the edit list leaves it out


def read_timeline(path: Path, container: InputContainer, stream: VideoStream) -> Timeline:
    """The timeline of an open file. Raises VideoError where it holds nothing that can be decoded."""
    packets = [  # without their bytes, which may be more than the memory holds
        _Packet(packet.pts, packet.dts, packet.duration or 0, packet.is_keyframe, packet.is_discard)
        for packet in container.demux(stream)
        if packet.size
    ]
    first = next((index for index, packet in enumerate(packets) if packet.is_keyframe), 0)
    if first and container.format.name not in _JOINED_MIDWAY:
        raise VideoError(path, f"lacks a keyframe before its frame {first}: a damaged index, or cut; {COPY_AGAIN}")
    packets = [packet for packet in packets[first:] if not packet.is_cut]  # before a keyframe nothing can be decoded
    if not packets:
        raise VideoError(path, f"holds no frame that can be decoded; {COPY_AGAIN}")
    clock = stream.time_base or Fraction(1, 90_000)
    if not _has_true_index(container, stream, packets):
        return _counted(path, packets, clock, stream)
    leading = {packet.pts for packet in packets if _ticks(packet) < _ticks(packets[0])}
    if leading:  # pictures that refer to what was before the cut; some can be decoded all the same
        undecodable = leading - _first_shown(path, until=_ticks(packets[0]))
        packets = [packet for packet in packets if packet.pts not in undecodable]
    ascending = sorted(_ticks(packet) for packet in packets)
    ranks = {ticks: rank for rank, ticks in enumerate(ascending)}
    last = packets[[_ticks(packet) for packet in packets].index(ascending[-1])].duration
    shown = ascending[-1] - ascending[0] + (last or _usual(ascending) or round(1 / (clock * _rate(stream))))
    starts = sorted((ranks[_ticks(packet)], _ticks(packet)) for packet in packets if packet.is_keyframe)
    return Timeline(
        times=(np.asarray(ascending, dtype=np.int64) - ascending[0]) * clock.numerator / clock.denominator,
        duration_seconds=float(shown * clock),
        tick_seconds=float(clock),
        ranks=ranks,
        starts=tuple(starts),
    )


def _has_true_index(container: InputContainer, stream: VideoStream, packets: Sequence[_Packet]) -> bool:
    """Whether every frame has a timestamp of its own, in one recording, and decoding can start at each keyframe."""
    codec = stream.codec_context.codec.canonical_name
    if container.format.name not in _WITH_AN_INDEX or codec not in _KEYFRAMES_ARE_TRUE:
        return False
    if container.format.name == "avi" and stream.codec_context.has_b_frames:
        return False  # avi stores no presentation times: FFmpeg guesses them, in the wrong order
    stored = [packet.pts for packet in packets]
    decoded = [packet.dts for packet in packets if packet.dts is not None]
    # Recordings that are joined byte by byte begin anew in the middle.
    return None not in stored and len(set(stored)) == len(stored) and decoded == sorted(decoded)


def _ticks(packet: _Packet) -> int:
    assert packet.pts is not None  # noqa: S101 - see _has_true_index
    return packet.pts


def _usual(ascending: Sequence[int]) -> int:
    """How many ticks a frame is on show, usually; 0 where one alone cannot tell."""
    steps = np.diff(ascending)
    return int(np.median(steps[steps > 0])) if (steps > 0).any() else 0


def _rate(stream: VideoStream) -> Fraction:
    return stream.average_rate or stream.guessed_rate or Fraction(25)


def remarks_on(container: InputContainer, stream: VideoStream, timeline: Timeline) -> Iterator[str]:
    """What whoever reads the file must know, each the end of a sentence about it."""
    if len(moving := moving_streams(container)) > 1:
        number = [other.index for other in moving].index(stream.index) + 1
        yield f"has {len(moving)} video streams; number {number} of them is read, as the file's own default"
    if timeline.recordings > 1:
        yield f"holds {timeline.recordings} recordings one behind the other; they are laid end to end"


def _first_shown(path: Path, *, until: int) -> set[int | None]:
    """The timestamps of the frames that a decoder shows from the beginning on, up to the given one."""
    shown = set()
    with opened(path) as (container, stream):
        for frame in container.decode(stream):
            shown.add(frame.pts)
            if frame.pts is None or frame.pts >= until:
                break
    return shown


def _counted(path: Path, packets: Sequence[_Packet], clock: Fraction, stream: VideoStream) -> Timeline:
    """The timeline of all frames that a decoder presents, where no index tells: recordings in it lie end to end."""
    with opened(path) as (container, moving):
        shown = [(frame.pts, frame.duration or 0) for frame in container.decode(moving)]
    first = packets[0].pts
    leading = sum(first is not None and packet.pts is not None and packet.pts < first for packet in packets)
    lost = len(packets) - len(shown)
    if lost > leading and stream.codec_context.name not in _WITH_HIDDEN_PACKETS:
        raise VideoError(path, f"gives no picture for {lost} of its {len(packets)} frames; {COPY_AGAIN}")
    if not shown:
        raise VideoError(path, f"holds no frame that can be decoded; {COPY_AGAIN}")
    seconds = np.array([np.nan if pts is None else float(pts * clock) for pts, _ in shown])
    usual = _usual_step(seconds, float(1 / _rate(stream)))
    parts = _recordings(seconds, usual)
    times: list[float] = []
    for part in parts:
        times += (_regular(part, usual) + (times[-1] + usual if times else 0)).tolist()
    return Timeline(
        times=np.asarray(times),
        duration_seconds=times[-1] + (float(shown[-1][1] * clock) or usual),
        tick_seconds=float(clock),
        ranks=None,
        starts=(),
        recordings=len(parts),
    )


def _usual_step(seconds: NDArray[np.float64], stated: float) -> float:
    """How long a frame is on show: as the file states, or as its timestamps say, whichever adds up to their span."""
    steps = np.diff(seconds)
    found = float(np.median(steps[steps > 0])) if (steps > 0).any() else stated
    span = float(seconds[-1] - seconds[0]) / max(1, len(steps))
    return found if abs(found - span) < min(abs(stated - span), _NEAR * span) else stated


def _recordings(seconds: NDArray[np.float64], usual: float) -> list[NDArray[np.float64]]:
    """The times of frames in the order of their showing, cut where they begin anew."""
    return np.split(seconds, np.flatnonzero(np.diff(seconds) < -_JITTER_FRAMES * usual) + 1)


def _regular(seconds: NDArray[np.float64], usual: float) -> NDArray[np.float64]:
    """The times of one recording from 0 on: its own, or evenly spread where some are missing or are other frames'."""
    # Avi stores none: FFmpeg's guesses are right but for their order.
    since: NDArray[np.float64] = np.sort(seconds) - np.min(seconds)
    if np.all(np.diff(since) > usual / 2):
        return since
    step = float(since[-1]) / max(1, len(since) - 1)
    return np.arange(len(since), dtype=np.float64) * (step if abs(step / usual - 1) < _NEAR else usual)
