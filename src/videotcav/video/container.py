"""A video file opened for reading: whole, seekable and with its faults in plain words.

Everything FFmpeg can raise leaves this file as a `VideoError`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from videotcav.errors import VideoError, VideoNotFound, closest

_IN_ONE_FILE = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,live_flv,asf,ogg,nut,mxf,mxf_opatom,rm,swf,dv,"
    "gif,apng,amv,wtv,gxf,nsv,nuv,pva,roq,h261,h263,h264,hevc,vvc,av1,obu,ivf,m4v,mjpeg,yuv4mpegpipe,vc1,vc1test,dirac,"
    "cavsvideo,avs2,avs3,evc,cine,smk,bink,flic,4xm,film_cpk,lxf,mtv"
)
"""Demuxers of FFmpeg that read a video from the one file that they are given. Playlists name other files, whose pixels
may change while this one's hash stays; others make a "video" of a picture or of plain text."""

_LENIENT: Any = {"metadata_errors": "ignore"} if int(av.__version__.partition(".")[0]) < 19 else {}  # noqa: PLR2004
"""Titles and comments in any encoding are no reason to refuse a video; PyAV 19 takes them as they are."""

COPY_AGAIN = "copy or download it again"


@contextmanager
def opened(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """The open container and its video stream; raises `VideoError` for whatever goes wrong, in the body too."""
    require_whole_file(path)
    try:
        # "file:" and the whitelist keep a name with a colon, or a playlist inside, from reaching elsewhere.
        with av.open(
            f"file:{path}",
            mode="r",
            options={"protocol_whitelist": "file", "format_whitelist": _IN_ONE_FILE, "skip_frame": "all"},
            **_LENIENT,
        ) as container:
            stream = _video_stream(path, container)
            stream.codec_context.skip_frame = "DEFAULT"
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
        if not path.exists() and path.is_symlink():
            raise VideoNotFound(path, f"is a link to {path.readlink()}, which is not there")
        if not path.exists():
            near = closest(path.name, [other.name for other in path.parent.glob("*")])
            raise VideoNotFound(path, "there is no such file" + (f"; closest: {near}" if near else ""))
        if not path.is_file():
            raise VideoError(path, "is not a regular file; save the video to disk first")
        size = path.stat().st_size
        if size == 0:
            raise VideoError(path, f"is empty (0 bytes); {COPY_AGAIN}")
        promised = _promised_bytes(path)
    except _Joined:
        raise VideoError(
            path,
            "holds several recordings one behind the other, of which only the first can be read; split them, or join "
            "them with FFmpeg's concat",
        ) from None
    except OSError as error:
        raise VideoError(path, f"cannot be read ({error.strerror or error})") from None
    if promised > size:
        raise VideoError(path, f"is cut short: {size} of at least {promised} bytes are there; {COPY_AGAIN}")


def moving_streams(container: InputContainer) -> list[VideoStream]:
    """The video streams that are no cover of a song."""
    return [stream for stream in container.streams.video if not stream.disposition & av.stream.Disposition.attached_pic]


def _video_stream(path: Path, container: InputContainer) -> VideoStream:
    moving = moving_streams(container)
    if not moving:
        raise VideoError(path, "holds no video stream (sound or text only)")
    return next((stream for stream in moving if stream.disposition & av.stream.Disposition.default), moving[0])


def _in_plain_words(error: av.error.FFmpegError) -> str:
    if isinstance(error, av.error.ArgumentError):
        return "is not a video in one file, but a playlist, a picture or a text; give the video itself"
    if isinstance(error, av.error.InvalidDataError):
        return f"is not a video that FFmpeg can read, or it is damaged; play it to check, or {COPY_AGAIN}"
    if isinstance(error, av.error.LookupError):
        return "is coded in a format that this FFmpeg lacks; convert it to H.264 mp4"
    return f"cannot be read ({error.strerror or type(error).__name__})"


# --- how long the file says it is ------------------------------------------------------------------------------

_BOX = struct.Struct(">I4s")
_RIFF_HEADER = 8
_UNKNOWN_RIFF = 0xFFFF_FFF0  # from here on: a stream that could not go back and write its size
_EBML_SEGMENT = b"\x18\x53\x80\x67"


class _Joined(Exception):
    """A second recording begins in the middle of the file."""


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
        with path.open("rb") as file:
            file.seek(size + _RIFF_HEADER)
            behind = file.read(12)
        if behind[:4] == b"RIFF" and behind[8:] == b"AVI ":  # AVIX would go on with the same recording
            raise _Joined
        return size if size < _UNKNOWN_RIFF else 0
    if head[:4] == b"\x1aE\xdf\xa3":
        return _promised_by_ebml(head)
    return 0


def _promised_by_boxes(file: BinaryIO) -> int:
    promised = offset = indices = 0
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
        indices += kind == b"moov"
        if indices > 1:
            raise _Joined
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
