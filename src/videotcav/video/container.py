"""A video file opened for reading: whole, seekable and with its faults in plain words.

Everything FFmpeg can raise leaves this file as a `VideoError`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from videotcav.errors import VideoError, closest

_NOT_MOVING = ("image2", "tty", "_pipe")
"""Demuxers of FFmpeg that make a "video" of a picture or of plain text."""

COPY_AGAIN = "copy or download it again"


@contextmanager
def opened(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """The open container and its video stream; raises `VideoError` for whatever goes wrong, in the body too."""
    require_whole_file(path)
    try:
        # "file:" and the whitelist keep a name with a colon, or a playlist inside, from reaching elsewhere.
        with av.open(
            f"file:{path}", mode="r", metadata_errors="ignore", options={"protocol_whitelist": "file"}
        ) as container:
            stream = _video_stream(path, container)
            stream.thread_count = 1  # with a thread a slice FFmpeg neither patches nor marks what it cannot decode
            yield container, stream
    except av.error.FFmpegError as error:
        raise VideoError(path, _in_plain_words(error)) from None
    except OSError as error:
        raise VideoError(path, f"cannot be read ({error.strerror or error})") from None


def require_whole_file(path: Path) -> None:
    """Returns when there is a file at `path` with all the bytes that its own header promises."""
    try:
        if path.is_dir():
            raise VideoError(path, "is a folder, not a video file")
        if not path.exists():
            near = closest(path.name, [other.name for other in path.parent.glob("*")])
            raise VideoError(path, "there is no such file" + (f"; closest: {near}" if near else ""))
        if not path.is_file():
            raise VideoError(path, "is not a regular file; save the video to disk first")
        size = path.stat().st_size
        if size == 0:
            raise VideoError(path, f"is empty (0 bytes); {COPY_AGAIN}")
        promised = _promised_bytes(path)
    except OSError as error:
        raise VideoError(path, f"cannot be read ({error.strerror or error})") from None
    if promised > size:
        raise VideoError(path, f"is cut short: {size} of at least {promised} bytes are there; {COPY_AGAIN}")


def _video_stream(path: Path, container: InputContainer) -> VideoStream:
    if any(container.format.name.endswith(name) for name in _NOT_MOVING):
        raise VideoError(path, "is a still picture or a text, not a video")
    moving = [
        stream
        for stream in container.streams.video
        if not stream.disposition & av.stream.Disposition.attached_pic  # the cover of a song
    ]
    if not moving:
        raise VideoError(path, "holds no video stream (sound or text only)")
    return moving[0]


def _in_plain_words(error: av.error.FFmpegError) -> str:
    if isinstance(error, av.error.InvalidDataError):
        return f"is not a video that FFmpeg can read, or it is damaged; play it to check, or {COPY_AGAIN}"
    if isinstance(error, av.error.LookupError):
        return "is coded in a format that this FFmpeg lacks; convert it to H.264 mp4"
    return f"cannot be read ({error.strerror or type(error).__name__})"


# --- how long the file says it is ------------------------------------------------------------------------------

_BOX = struct.Struct(">I4s")
_UNKNOWN_RIFF = 0xFFFF_FFF0  # from here on: a stream that could not go back and write its size
_EBML_SEGMENT = b"\x18\x53\x80\x67"


def _promised_bytes(path: Path) -> int:
    """The size that the container's own header gives at least; 0 where it gives none.

    FFmpeg reads a file that was cut in the middle as a shorter video, without a word; only the sizes written in
    the boxes of mp4, in RIFF (avi) and in EBML (mkv, webm) tell.
    """
    with path.open("rb") as file:
        head = file.read(4096)
        if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
            return _promised_by_boxes(file)
    if head[:4] == b"RIFF":
        size = int.from_bytes(head[4:8], "little")
        return size if size < _UNKNOWN_RIFF else 0
    if head[:4] == b"\x1aE\xdf\xa3":
        return _promised_by_ebml(head)
    return 0


def _promised_by_boxes(file: BinaryIO) -> int:
    promised = offset = 0
    while True:
        file.seek(offset)
        header = file.read(_BOX.size)
        if len(header) < _BOX.size:
            return promised
        size, kind = _BOX.unpack(header)
        if size == 1:
            size = int.from_bytes(file.read(8), "big")
        if size < _BOX.size or not kind.isalnum():  # 0: up to the end of the file; else: not a box any more
            return promised
        offset += size
        if kind in (b"mdat", b"moov", b"moof"):
            promised = offset


def _promised_by_ebml(head: bytes) -> int:
    start = head.find(_EBML_SEGMENT) + len(_EBML_SEGMENT)
    if start < len(_EBML_SEGMENT) or start + 8 > len(head) or head[start] == 0:
        return 0
    length = 9 - head[start].bit_length()  # as many bytes as there are zeros in front, and one
    unknown = (1 << 7 * length) - 1
    size = int.from_bytes(head[start : start + length], "big") & unknown
    return start + length + size if size != unknown else 0
