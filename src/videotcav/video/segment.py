"""Segments: some seconds of a video file that are a clip as though they were a file of their own, without being cut.

A segment is named as the web names it (W3C Media Fragments): `match.mp4#t=12.5,20` is that file from 12.5 s to 20 s. A
file that really has such a name is that file. Seconds of a segment count from its start.
"""

from __future__ import annotations

import os
import re
from functools import lru_cache
from math import inf
from pathlib import Path
from typing import NamedTuple

from videotcav.errors import VideoError
from videotcav.outputs import file_sha256

_NAME = re.compile(r"(?P<file>.+)#t=(?P<start>\d+(?:\.\d+)?)?(?:,(?P<end>\d+(?:\.\d+)?))?", re.DOTALL)


class Segment(NamedTuple):
    """The seconds of a file from `start` until `end`, or until the file ends."""

    file: Path
    start: float
    end: float | None

    def shares(self, other: Segment) -> bool:
        """Whether both show the same seconds of one file."""
        ends = (inf if each.end is None else each.end for each in (self, other))
        return self.file == other.file and max(self.start, other.start) < min(ends)


def segment_of(path: Path | str) -> Segment | None:
    """The segment that a path names; None where it names a file. Raises VideoError where the segment has no length."""
    found = _NAME.fullmatch(str(path))
    if found is None or not (found["start"] or found["end"]) or os.path.lexists(path):
        return None
    start, end = float(found["start"] or 0), None if found["end"] is None else float(found["end"])
    if end is not None and end <= start:
        raise VideoError(path, f"has no length: it starts at {start:g} s and ends at {end:g} s")
    return Segment(Path(found["file"]), start, end)


def segment_path(file: Path, start: float | None, end: float | None) -> Path:
    """The path that names these seconds of a file; the file's own where they are all of it."""
    if not start and end is None:
        return file
    until = "" if end is None else f",{_number(end)}"
    return file.with_name(f"{file.name}#t={_number(start or 0)}{until}")


def file_of(path: Path) -> Path:
    """The file that a path is, or is a segment of."""
    try:
        segment = segment_of(path)
    except VideoError:  # told where it is read
        return path
    return path if segment is None else segment.file


def start_of(path: Path) -> float:
    """The second of its file at which a clip's own seconds begin."""
    segment = segment_of(path)
    return 0.0 if segment is None else segment.start


def clip_name(path: Path) -> str:
    """The name of a clip without its ending; of a segment that of its file with the seconds behind it."""
    segment = segment_of(path)
    if segment is None:
        return path.stem
    ends = (segment.start, *(() if segment.end is None else (segment.end,)))
    return "-".join((segment.file.stem, *map(_number, ends)))


def clip_sha256(path: Path, sha256: str | None = None) -> str:
    """What the content of a clip is known by: its file's hash (`sha256` where it is known), and which seconds of it."""
    segment = segment_of(path)
    own = sha256 or content_sha256(file_of(path))
    return own if segment is None else f"{own}{segment_path(Path('_'), *segment[1:]).name[1:]}"


def content_sha256(file: Path) -> str:
    """The hash of a video file's content, which is read again only where the file has changed since."""
    status = file.stat()
    return _sha256(file.absolute(), (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns))


@lru_cache(maxsize=2**16)
def _sha256(file: Path, _state: tuple[int, ...]) -> str:
    return file_sha256(file)


def _number(seconds: float) -> str:
    return f"{seconds:.6f}".rstrip("0").rstrip(".")
