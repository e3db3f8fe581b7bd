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
