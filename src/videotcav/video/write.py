"""Frames to video files that play in a browser: whole or not there at all, the same bytes every time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

import av
import numpy as np
import xxhash
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, VideoReformatter

from videotcav.errors import OutputError
from videotcav.outputs import MARK, whole_file
from videotcav.video.read import Frames

_Packet: TypeAlias = "av.Packet[Any]"
_CONTAINER = {"movflags": "+faststart", "fflags": "+bitexact"}
# Threads change bytes. So does, once in some hundred files, x264's macroblock tree in its AVX-512 version.
_STEADY = {"threads": "1", "x264-params": "mbtree=0", "flags": "+bitexact"}
_START, _SEI = b"\x00\x00\x01", 6  # of a unit, and one's type: ISO/IEC 14496-10, annex B and 7.4.1


def write_video(path: Path | str, frames: Frames, *, frames_per_second: float, crf: int = 12) -> None:
    """Writes uint8 frames (`time height width channel`) as H.264 mp4 (yuv420p, BT.709, index in front).

    Odd sizes grow by one repeated row or column. The file appears complete or not at all, and the same frames
    give the same bytes; a comment says who made it. `crf` is x264's quality, from 0 (best) to 51. Raises OutputError.
    """
    rate = _rate(path, frames_per_second)
    options = {"crf": str(crf), "preset": "medium", **_STEADY}

    def coded(stream: av.VideoStream, even: Frames) -> Iterator[_Packet]:
        to_yuv = VideoReformatter()
        for index, pixels in enumerate(even):
            frame = _frame(pixels, to_yuv)
            frame.pts, frame.time_base = index, 1 / rate
            yield from stream.encode(frame)
        yield from stream.encode(None)

    _write(Path(path), frames, rate, options, coded)


class PictureWriter:
    """Writes videos whose every picture is coded by itself: it decodes to the same pixels wherever it stands.

    `quantiser` is x264's, from 0 (best) to 51. A picture that came before, in this video or another of this writer, is
    not coded again: twins show the pictures of one clip in other orders.
    """

    def __init__(self, *, frames_per_second: float, quantiser: int) -> None:
        self._rate = frames_per_second
        # What slower presets look for lies between frames: coded alone they come out 15 % smaller, in 5 times the time.
        self._options = {"qp": str(quantiser), "g": "1", "preset": "ultrafast", **_STEADY}
        self._pictures: dict[tuple[int, int], _Pictures] = {}

    def write(self, path: Path | str, frames: Frames) -> None:
        """As `write_video`, which gives the same frames in fewer bytes."""
        rate = _rate(path, self._rate)

        def coded(stream: av.VideoStream, even: Frames) -> Iterator[_Packet]:
            size = even.shape[1], even.shape[2]
            pictures = self._pictures.setdefault(size, _Pictures(*size, rate, self._options))
            for index, pixels in enumerate(even):
                packet: _Packet = av.Packet(pictures.coded(pixels, index))
                packet.stream, packet.time_base, packet.is_keyframe = stream, 1 / rate, True
                packet.pts = packet.dts = index
                packet.duration = 1
                yield packet

        _write(Path(path), frames, rate, self._options, coded)


class _Pictures:
    """Pictures of one size, each coded once for even places and once for odd ones.

    Neighbours that are coded alone differ in one bit, which says where the next begins (`idr_pic_id`). The first of a
    video has x264's own remark before it.
    """

    def __init__(self, height: int, width: int, rate: Fraction, options: dict[str, str]) -> None:
        self._encoder = av.CodecContext.create("libx264", "w")
        # At a steady rate a picture comes out as it goes in, not one later.
        self._encoder.options = {**options, "x264-params": f"{options['x264-params']}:force-cfr=1"}
        self._encoder.flags |= av.codec.context.Flags.global_header
        self._encoder.time_base, self._encoder.framerate = 1 / rate, rate
        _describe(self._encoder, height, width)
        self._to_yuv = VideoReformatter()
        self._remark = b""
        self._count = 0
        self._known: dict[tuple[str, int], bytes] = {}

    def coded(self, pixels: Frames, index: int) -> bytes:
        """The picture as the one at that place of a video."""
        digest, odd = xxhash.xxh3_128_hexdigest(pixels.tobytes()), index % 2
        if (digest, odd) not in self._known:
            frame = _frame(pixels, self._to_yuv)
            for _ in range(1 + (self._count + odd) % 2):  # where this is not its turn, once more
                self._known[digest, self._count % 2] = self._encode(frame)
                self._count += 1
        picture = self._known[digest, odd]
        return picture if index else self._remark + picture

    def _encode(self, frame: av.VideoFrame) -> bytes:
        frame.pts = self._count
        content = b"".join(bytes(packet) for packet in self._encoder.encode(frame))
        content = content[content.index(_START) :]
        if content[len(_START)] == _SEI:
            end = content.index(_START, len(_START))
            self._remark, content = content[:end], content[end:]
        return content


def _rate(path: Path | str, frames_per_second: float) -> Fraction:
    rate = Fraction(frames_per_second).limit_denominator(100_000) if 0 < frames_per_second < np.inf else Fraction(0)
    if not rate:
        raise OutputError(f"{path}: cannot be written at {frames_per_second} frames per second; give a positive number")
    return rate


def _write(
    path: Path,
    frames: Frames,
    rate: Fraction,
    options: dict[str, str],
    coded: Callable[[av.VideoStream, Frames], Iterable[_Packet]],
) -> None:
    """The file of these frames, as `coded` makes packets of them, or an error and no file."""
    if frames.dtype != np.uint8 or frames.shape[3:] != (3,) or 0 in frames.shape:
        raise OutputError(f"{path}: needs uint8 frames (time, height, width, 3), got {frames.dtype} {frames.shape}")
    if not path.parent.is_dir():
        raise OutputError(f"{path}: cannot be written: there is no folder {path.parent}; make it first")
    height, width = frames.shape[1:3]
    is_odd = height % 2 or width % 2
    even = np.pad(frames, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge") if is_odd else frames
    with whole_file(path) as unfinished:
        try:
            with av.open(f"file:{unfinished}", mode="w", format="mp4", options=_CONTAINER) as container:
                container.metadata["comment"] = MARK
                stream = container.add_stream("libx264", rate=rate, options=options)
                _describe(stream.codec_context, even.shape[1], even.shape[2])
                for packet in coded(stream, even):
                    container.mux(packet)
        except av.error.FFmpegError as error:
            raise OutputError(f"{path}: cannot be written ({error.strerror or error})") from None


def _describe(encoder: av.VideoCodecContext, height: int, width: int) -> None:
    encoder.height, encoder.width = height, width
    encoder.pix_fmt = "yuv420p"
    # Said in the file, because players guess the matrix of an unmarked video from its size.
    encoder.colorspace = Colorspace.ITU709
    encoder.color_primaries = ColorPrimaries.BT709
    encoder.color_trc = ColorTrc.BT709
    encoder.color_range = ColorRange.MPEG


def _frame(pixels: Frames, to_yuv: VideoReformatter) -> av.VideoFrame:
    """The picture as the encoder takes it; one `to_yuv` for all, as to set it up takes longer than to use it."""
    return to_yuv.reformat(
        av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24"),
        format="yuv420p",
        dst_colorspace=Colorspace.ITU709,
        dst_color_range=ColorRange.MPEG,
    )
