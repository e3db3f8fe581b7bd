"""Frames to video files that play in a browser: whole or not there at all, the same bytes every time."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from videotcav.errors import VideoError
from videotcav.video.read import Frames


def write_video(path: Path | str, frames: Frames, *, frames_per_second: float, crf: int = 12) -> None:
    """Writes uint8 frames (`time height width channel`) as H.264 mp4 (yuv420p, index in front).

    Odd sizes grow by one repeated row or column. The file appears complete or not at all, and the same frames
    give the same bytes. `crf` is x264's quality: 0 lossless to 51. Raises `VideoError`.
    """
    path = Path(path)
    if frames.dtype != np.uint8 or frames.shape[3:] != (3,) or 0 in frames.shape:
        raise VideoError(path, f"needs uint8 frames (time, height, width, 3), got {frames.dtype} {frames.shape}")
    if not path.parent.is_dir():
        raise VideoError(path, f"cannot be written: there is no folder {path.parent}; make it first")
    height, width = frames.shape[1:3]
    even = np.pad(frames, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        _encode(unfinished, even, Fraction(frames_per_second).limit_denominator(100_000), crf)
        unfinished.replace(path)
    except (av.error.FFmpegError, OSError) as error:
        raise VideoError(path, f"cannot be written ({error.strerror or error})") from None
    finally:
        unfinished.unlink(missing_ok=True)


def _encode(path: Path, frames: Frames, rate: Fraction, crf: int) -> None:
    options = {"crf": str(crf), "preset": "medium", "threads": "1", "flags": "+bitexact"}  # threads change bytes
    with av.open(
        f"file:{path}", mode="w", format="mp4", options={"movflags": "+faststart", "fflags": "+bitexact"}
    ) as container:
        stream = container.add_stream("libx264", rate=rate, options=options)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for index, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            frame.pts, frame.time_base = index, 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
