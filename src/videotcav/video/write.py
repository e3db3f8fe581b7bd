"""Frames to video files that play in a browser: whole or not there at all, the same bytes every time."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

from videotcav.errors import OutputError
from videotcav.outputs import MARK, whole_file
from videotcav.video.read import Frames


def write_video(
    path: Path | str, frames: Frames, *, frames_per_second: float, crf: int = 12, each_alone: bool = False
) -> None:
    """Writes uint8 frames (`time height width channel`) as H.264 mp4 (yuv420p, BT.709, index in front).

    Odd sizes grow by one repeated row or column. The file appears complete or not at all, and the same frames
    give the same bytes; a comment says who made it. `crf` is x264's quality, from 0 (best) to 51. With `each_alone`
    every frame is coded by itself at the fixed quantiser `crf`: a picture decodes to the same pixels wherever in a
    video it stands. Raises OutputError.
    """
    path = Path(path)
    if frames.dtype != np.uint8 or frames.shape[3:] != (3,) or 0 in frames.shape:
        raise OutputError(f"{path}: needs uint8 frames (time, height, width, 3), got {frames.dtype} {frames.shape}")
    rate = Fraction(frames_per_second).limit_denominator(100_000) if 0 < frames_per_second < np.inf else Fraction(0)
    if not rate:
        raise OutputError(f"{path}: cannot be written at {frames_per_second} frames per second; give a positive number")
    if not path.parent.is_dir():
        raise OutputError(f"{path}: cannot be written: there is no folder {path.parent}; make it first")
    height, width = frames.shape[1:3]
    even = np.pad(frames, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    with whole_file(path) as unfinished:
        try:
            _encode(unfinished, even, rate, crf, each_alone)
        except av.error.FFmpegError as error:
            raise OutputError(f"{path}: cannot be written ({error.strerror or error})") from None


def _encode(path: Path, frames: Frames, rate: Fraction, crf: int, each_alone: bool) -> None:
    # What slower presets look for lies between frames: coded alone they come out 15 % smaller, in five times the time.
    alone = {"qp": str(crf), "g": "1", "preset": "ultrafast"}
    quality = alone if each_alone else {"crf": str(crf), "preset": "medium"}
    # Threads change bytes. So does, once in some hundred files, x264's macroblock tree in its AVX-512 version.
    steady = {"threads": "1", "x264-params": "mbtree=0", "flags": "+bitexact"}
    options = {**quality, **steady}
    container_options = {"movflags": "+faststart", "fflags": "+bitexact"}
    with av.open(f"file:{path}", mode="w", format="mp4", options=container_options) as container:
        container.metadata["comment"] = MARK
        stream = container.add_stream("libx264", rate=rate, options=options)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        # Said in the file, because players guess the matrix of an unmarked video from its size.
        stream.codec_context.colorspace = Colorspace.ITU709
        stream.codec_context.color_primaries = ColorPrimaries.BT709
        stream.codec_context.color_trc = ColorTrc.BT709
        stream.codec_context.color_range = ColorRange.MPEG
        for index, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24").reformat(
                format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
            )
            frame.pts, frame.time_base = index, 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
