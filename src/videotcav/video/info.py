"""What is known of a video, and of the frames that a clip takes from it."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from pydantic import PositiveInt

from videotcav.records import Positive, Record


class Timed(Protocol):
    """What lasts some seconds: a video file that is open, or the record of one."""

    @property
    def path(self) -> Path:
        """The file."""
        ...

    @property
    def duration_seconds(self) -> float:
        """How long it lasts."""
        ...


class VideoInfo(Record):
    """A video file as it is shown: width and height in pixels after rotation, duration in seconds."""

    path: Path
    sha256: str
    width: PositiveInt
    height: PositiveInt
    duration_seconds: Positive
    frames_per_second: Positive


class ClipOrigin(Record):
    """The frames of a clip, and the way back to its video: which seconds and which source pixels the model was shown.

    A pixel at (y, x) of the clip lies at (top + y · pixels_per_row, left + x · pixels_per_column) of the source.
    `source` names the video or scene that the file was cut from, where that is not the file itself; `track` what a
    concept clip shows, which it has in common with its twins.
    """

    video: VideoInfo
    timestamps: tuple[float, ...]
    top: float
    left: float
    pixels_per_row: Positive
    pixels_per_column: Positive
    source: str = ""
    track: str = ""

    @property
    def frames_per_second(self) -> float:
        """At what rate its frames take as long as in the video; 1 where all are of one moment."""
        lasts = self.timestamps[-1] - self.timestamps[0]
        return (len(self.timestamps) - 1) / lasts if lasts > 0 else 1.0

    @property
    def cells(self) -> dict[str, str | float]:
        """What a row of a table says of the clip: its file, and from when to when."""
        return {"clip": str(self.video.path), "first_seconds": self.timestamps[0], "last_seconds": self.timestamps[-1]}
