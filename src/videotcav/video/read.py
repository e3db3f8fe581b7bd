"""Frames by timestamp: the frame on show at a given second.

Times are seconds from the first presented frame. A frame is on show from its own timestamp until the next one's,
so videos of variable frame rate need no special care. FFmpeg runs in processes of its own (`apart.py`): a file that
crashes it costs one sentence, not the study.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from videotcav.errors import VideoError
from videotcav.outputs import file_sha256
from videotcav.video.apart import Apart, is_wanted
from videotcav.video.decode import Decoder, Frames
from videotcav.video.info import VideoInfo

__all__ = ["Frames", "VideoFile", "frame_times", "probe", "read_all", "read_frames"]


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
    if video.sha256 and file_sha256(video.path) != video.sha256:
        raise VideoError(video.path, "is not the video that was read: its content has changed; put that one back")
    return file.at(timestamps)


def read_all(path: Path | str) -> tuple[Frames, NDArray[np.float64]]:
    """All frames (uint8 `time height width channel`) and their times in seconds: for short videos."""
    video = VideoFile(path)
    return video.frames(range(len(video.times))), video.times


class VideoFile:
    """A video file whose timeline is known, at the cost of reading its packets but decoding none."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._decoder = Apart(self.path) if is_wanted() else Decoder(self.path)

    @property
    def times(self) -> NDArray[np.float64]:
        """Seconds at which each frame goes on show."""
        return self._decoder.times

    @property
    def remarks(self) -> tuple[str, ...]:
        """What whoever reads the file must know, each the end of a sentence about it."""
        return self._decoder.remarks

    @property
    def decoded(self) -> int:
        """How many frames the decoder has handed out so far."""
        return self._decoder.decoded

    def info(self) -> VideoInfo:
        """The record of this file; decodes its first frame."""
        return self._decoder.info()

    def at(self, timestamps: Sequence[float]) -> Frames:
        """The frames on show at the given seconds."""
        return self.frames(self.ranks_at(timestamps))

    def ranks_at(self, timestamps: Sequence[float]) -> list[int]:
        """Which frames (0 is the first) are on show at the given seconds.

        A frame counts as on show half a tick of the container's clock early, 0.5 ms at most: mkv rounds to
        milliseconds, and a thirtieth of a second must not fall on the frame before for that.
        """
        slack = min(self._decoder.tick_seconds / 2, 0.0005) + 1e-9
        duration = self._decoder.duration_seconds
        for seconds in timestamps:
            if not -slack <= seconds <= duration + slack:
                raise VideoError(self.path, f"has no frame at {seconds:.3f} s; it lasts {duration:.3f} s")
        times = self.times.tolist()
        return [max(0, bisect_right(times, seconds + slack) - 1) for seconds in timestamps]

    def frames(self, ranks: Sequence[int]) -> Frames:
        """The frames of the given ranks, in the given order; a frame wanted twice is decoded once."""
        return self._decoder.frames(ranks)

    def stream(self) -> Iterator[Frames]:
        """Every frame in order, uint8 `height width channel`; only one is held at a time."""
        return self._decoder.stream()
