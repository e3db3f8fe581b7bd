"""Pixels as frames of a video that is nowhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from videotcav.concepts.detectors.detect import VideoFrames
from videotcav.video.info import VideoInfo


def frames_of(pixels: np.ndarray) -> VideoFrames:
    height, width = pixels.shape[1:3]
    video = VideoInfo(
        path=Path("x.mp4"), sha256="0", width=width, height=height, duration_seconds=1, frames_per_second=1
    )
    return VideoFrames(pixels, video, 0)


def black_frames(*, width: int = 200, height: int = 100, count: int = 4, name: str = "clip.mp4") -> VideoFrames:
    """All frames of a video of 10 frames a second."""
    video = VideoInfo(
        path=Path("some/where") / name,
        sha256="0",
        width=width,
        height=height,
        duration_seconds=count / 10,
        frames_per_second=10,
    )
    return VideoFrames(np.zeros((count, height, width, 3), dtype=np.uint8), video, 0)
