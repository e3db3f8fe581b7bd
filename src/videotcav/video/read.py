"""Frames by timestamp: the frame on show at a given second.

Times are seconds from the first presented frame. A frame is on show from its own timestamp until the next one's,
so videos of variable frame rate need no special care. A segment (`segment.py`) is read as a file of its own. FFmpeg
runs in processes of its own (`apart.py`): a file that crashes it costs one sentence, not the study.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Generator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from videotcav.errors import VideoError
from videotcav.video.apart import Apart, is_wanted
from videotcav.video.decode import Decoder, Frames
from videotcav.video.info import ClipOrigin, VideoInfo
from videotcav.video.segment import Segment, content_sha256, file_of, segment_of

__all__ = ["Frames", "VideoFile", "frame_times", "on_file", "probe", "read_all", "read_frames"]

_ROUNDED_SECONDS = 1.0
"""How far a segment may end behind its file: lists often have whole seconds."""


def probe(path: Path | str) -> VideoInfo:
    """What is known of a video file before its frames are read; raises `VideoError`.

    Width and height are those of the frames as shown, after rotation. The duration is what the packets add up to
    (a header may lie), frames per second is their mean.
    """
    return VideoFile(path).info()


def frame_times(path: Path | str) -> NDArray[np.float64]:
    """The seconds at which each frame goes on show, ascending, the first at 0; raises `VideoError`."""
    return VideoFile(path).times


def read_frames(video: VideoInfo, timestamps: Sequence[float]) -> Frames:
    """The frames on show at the given seconds, in the given order, as uint8 `time height width channel`.

    Raises `VideoError` for a time outside the video, for a frame that cannot be decoded, and where another file has
    taken the place of the one that the record is of.
    """
    file = VideoFile(video.path)
    if video.sha256 and content_sha256(file_of(video.path)) != video.sha256:
        raise VideoError(video.path, "is not the video that was read: its content has changed; put that one back")
    return file.at(timestamps)


def read_all(path: Path | str) -> tuple[Frames, NDArray[np.float64]]:
    """All frames (uint8 `time height width channel`) and their times in seconds: for short videos."""
    video = VideoFile(path)
    return video.frames(range(len(video.times))), video.times


def on_file(clip: ClipOrigin) -> ClipOrigin:
    """The same frames of the same pixels, as those of the file that a segment is of; raises `VideoError`."""
    segment = segment_of(clip.video.path)
    if segment is None:
        return clip
    times = tuple(seconds + segment.start for seconds in clip.timestamps)
    return clip.model_copy(update={"video": probe(segment.file), "timestamps": times})


class VideoFile:
    """A video file whose timeline is known, at the cost of reading its packets but decoding none."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        segment = segment_of(self.path)
        file = self.path if segment is None else segment.file
        self._decoder = Apart(file) if is_wanted() else Decoder(file)
        self._duration = self._decoder.duration_seconds
        self._slack = min(self._decoder.tick_seconds / 2, 0.0005) + 1e-9
        self._first, self._times = 0, self._decoder.times
        if segment is not None:
            self._duration = self._seconds(segment)
            self._first, self._times = self._within(segment.start)

    @property
    def times(self) -> NDArray[np.float64]:
        """Seconds at which each frame goes on show."""
        return self._times

    @property
    def remarks(self) -> tuple[str, ...]:
        """What whoever reads the file must know, each the end of a sentence about it."""
        return self._decoder.remarks

    @property
    def decoded(self) -> int:
        """How many frames the decoder has handed out so far."""
        return self._decoder.decoded

    @property
    def duration_seconds(self) -> float:
        """What the packets add up to, or how long the segment is."""
        return self._duration

    def info(self, shown: Frames | None = None) -> VideoInfo:
        """The record of this file, or of its segment; decodes its first frame where none of its frames are `shown`."""
        height, width = (self.frames([0]) if shown is None else shown).shape[1:3]
        return VideoInfo(
            path=self.path,
            sha256=content_sha256(file_of(self.path)),
            width=width,
            height=height,
            duration_seconds=self._duration,
            frames_per_second=len(self.times) / self._duration,
        )

    def at(self, timestamps: Sequence[float]) -> Frames:
        """The frames on show at the given seconds."""
        return self.frames(self.ranks_at(timestamps))

    def ranks_at(self, timestamps: Sequence[float]) -> list[int]:
        """Which frames (0 is the first) are on show at the given seconds.

        A frame counts as on show half a tick of the container's clock early, 0.5 ms at most: mkv rounds to
        milliseconds, and a thirtieth of a second must not fall on the frame before for that.
        """
        slack, duration = self._slack, self._duration
        for seconds in timestamps:
            if not -slack <= seconds <= duration + slack:
                raise VideoError(self.path, f"has no frame at {seconds:.3f} s; it lasts {duration:.3f} s")
        times = self.times.tolist()
        return [max(0, bisect_right(times, seconds + slack) - 1) for seconds in timestamps]

    def frames(self, ranks: Sequence[int]) -> Frames:
        """The frames of the given ranks, in the given order; a frame wanted twice is decoded once."""
        if beyond := [rank for rank in ranks if not 0 <= rank < len(self.times)]:
            raise VideoError(self.path, f"has no frame {beyond[0]}; its frames are 0 to {len(self.times) - 1}")
        return self._decoder.frames([rank + self._first for rank in ranks])

    def stream(self) -> Generator[Frames, None, None]:
        """Every frame in order, uint8 `height width channel`; only one is held at a time."""
        with closing(self._decoder.stream(self._first, self._first + len(self.times))) as frames:
            yield from frames  # to the end of what was asked for: a worker with more to say is not kept

    def _seconds(self, segment: Segment) -> float:
        """How long a segment lasts. Raises VideoError where it lies outside of its file."""
        whole = self._duration
        end = whole if segment.end is None else segment.end
        if segment.start >= whole - self._slack or end > whole + _ROUNDED_SECONDS:
            raise VideoError(self.path, f"lies outside of its file, which lasts {whole:.2f} s")
        return min(end, whole) - segment.start

    def _within(self, start: float) -> tuple[int, NDArray[np.float64]]:
        """The first frame that a segment shows, and when each of its frames goes on show, counted from its start."""
        times = self._decoder.times
        first = max(0, int(np.searchsorted(times, start + self._slack, side="right")) - 1)
        stop = int(np.searchsorted(times, start + self._duration - self._slack, side="left"))
        within: NDArray[np.float64] = np.maximum(times[first : max(stop, first + 1)] - start, 0.0)
        return first, within
