"""Clips in memory, without files."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from videotcav.video.clips import Clips
from videotcav.video.info import ClipOrigin, VideoInfo


def in_memory(pixels: Tensor, *, prefix: str) -> Clips:
    """Clips of these pixels (clip channel time height width), ten frames a second, each of a video of its own."""
    _, _, frames, height, width = pixels.shape
    records = tuple(
        ClipOrigin(
            video=VideoInfo(
                path=Path(f"{prefix}-{index}.mp4"),
                sha256="0",
                width=width,
                height=height,
                frames_per_second=10,
                duration_seconds=1,
            ),
            timestamps=tuple(0.1 * frame for frame in range(frames)),
            top=0,
            left=0,
            pixels_per_row=1,
            pixels_per_column=1,
        )
        for index in range(len(pixels))
    )
    return Clips(records=records, pixels=pixels)
