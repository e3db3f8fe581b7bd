"""Clips that come from no video, for benchmarks that time what follows the decoder."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from videotcav.video.clips import Clips
from videotcav.video.info import ClipOrigin, VideoInfo


def as_clips(name: str, pixels: Tensor) -> Clips:
    """The pixels, each clip from a video of its own."""
    records = []
    for number in range(len(pixels)):
        path = Path(f"{name} {number}.mp4")
        video = VideoInfo(path=path, sha256="", width=1, height=1, duration_seconds=1.0, frames_per_second=1.0)
        records.append(
            ClipOrigin(video=video, timestamps=(0.0,), top=0.0, left=0.0, pixels_per_row=1.0, pixels_per_column=1.0)
        )
    return Clips(records=tuple(records), pixels=pixels)
