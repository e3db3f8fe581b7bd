"""Which files are videos: the one place that says so for every folder and pattern."""

from __future__ import annotations

import glob
import mimetypes
import os
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from videotcav.errors import VideoError, VideoNotFound, VideosError, VideotcavWarning
from videotcav.video.segment import file_of

# fmt: off
VIDEO_SUFFIXES = frozenset({
    ".264", ".265", ".266", ".3g2", ".3gp", ".apng", ".asf", ".avc", ".avi", ".avs2", ".avs3", ".dif", ".divx", ".dv",
    ".evc", ".f4v", ".flv", ".gif", ".gxf", ".h261", ".h263", ".h264", ".h265", ".h266", ".h26l", ".hevc", ".ismv",
    ".ivf", ".m1v", ".m2t", ".m2ts", ".m2v", ".m4v", ".mj2", ".mjpeg", ".mjpg", ".mk3d", ".mkv", ".mov", ".mp4",
    ".mpe", ".mpeg", ".mpg", ".mpv", ".mts", ".mxf", ".nut", ".obu", ".ogg", ".ogv", ".psp", ".qt", ".rcv", ".rm",
    ".rmvb", ".ts", ".vc1", ".vob", ".vvc", ".webm", ".wmv", ".wtv", ".y4m",
})
# fmt: on
"""What is taken for a video where a folder is given, beside files of no known ending that begin as a video does."""

_BEGINNINGS = (
    (4, b"ftyp"), (4, b"moov"), (4, b"mdat"), (0, b"\x1aE\xdf\xa3"), (8, b"AVI LIST"), (0, b"GIF8"), (0, b"FLV\x01"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"), (0, b"\0\0\x01\xba"), (0, b"\0\0\x01\xb3"), (0, b"YUV4MPEG2 "),
    (0, b"nut/multimedia container"), (29, b"theora"), (0, b"\x06\x0e\x2b\x34\x02\x05\x01\x01"),
)  # fmt: skip
_TS_PACKET, _TS_SYNC = 188, 0x47

# fmt: off
_BESIDE = frozenset({
    ".csv", ".db", ".db-shm", ".db-wal", ".html", ".json", ".jsonl", ".log", ".md", ".parquet", ".pdf", ".py",
    ".sqlite", ".toml", ".tsv", ".txt", ".xml", ".yaml", ".yml",
})
# fmt: on
"""What lies beside videos and need not be told."""


def find_videos(where: Path | str | Iterable[Path | str], *, below: bool = False) -> tuple[Path, ...]:
    """The video files meant by paths, folders and glob patterns, each once.

    In the order given; within a folder or pattern by name. A plain path is taken as it is, there or not; it may name a
    segment, see `segment.py`. Of a folder
    the videos directly in it are meant, with `below` those in its sub-folders too. Files of other kinds are left out
    and told in a VideotcavWarning, hidden ones without a word. Brackets, stars and question marks in the name of a
    folder or file that is there are part of its name.

    Raises:
        VideosError: folders and patterns that hold no video, all of them.
    """
    found: list[Path] = []
    without: dict[str, str] = {}
    for place in [where] if isinstance(where, str | Path) else where:
        try:
            found += _expand(Path(place), below=below)
        except VideoError as error:
            without[error.path] = error.reason
    if without:
        raise VideosError(without)
    return tuple(dict.fromkeys(found))


def videos_there(where: Path | str | Iterable[Path | str]) -> list[Path]:
    """As `find_videos`, in sub-folders too, by name. Raises VideoNotFound where one is not there."""
    found = sorted(find_videos(where, below=True))
    for path in found:
        if not file_of(path).exists():
            raise VideoNotFound(path, "there is no such video, and no folder or pattern that holds one")
    return found


def videos_in(folder: Path, *, below: bool = False) -> list[Path]:
    """The videos of a folder by name; none where it has none. What is left out is told in a VideotcavWarning.

    Raises VideoError for a folder that cannot be read.
    """
    files = sorted(_files_in(folder, below=below, above=frozenset({folder.resolve()})))
    videos = [path for path in files if path.suffix.lower() in VIDEO_SUFFIXES or _begins_as_video(path)]
    taken = set(videos)
    others = Counter(path.suffix.lower() or "no ending" for path in files if path not in taken)
    told = {ending: count for ending, count in others.items() if ending not in _BESIDE}
    if told:
        listed = ", ".join(f"{count} × {ending}" for ending, count in sorted(told.items()))
        warnings.warn(
            f"{folder}: left out what neither ends nor begins as a video ({listed}); {len(videos)} videos are taken",
            VideotcavWarning,
            stacklevel=3,
        )
    return videos


def _expand(place: Path, *, below: bool) -> list[Path]:
    if place.is_dir():
        found = videos_in(place, below=below)
        cure = "it has no video below it" if below else "name its sub-folders, or a pattern such as '**/*.mp4'"
    elif glob.has_magic(str(place)) and not os.path.lexists(file_of(place)):
        pattern = _escaped(place)
        found = sorted(Path(path) for path in glob.glob(pattern, recursive=True) if not Path(path).is_dir())  # noqa: PTH207 - absolute patterns too
        cure = "check the pattern"
    else:
        return [place]
    if not found:
        raise VideoNotFound(place, f"matches no video; {cure}")
    return found


def _files_in(folder: Path, *, below: bool, above: frozenset[Path]) -> Iterator[Path]:
    """What is not hidden, behind links to folders too, but for those `above`. A link that leads nowhere is told where
    it is read, not left out.
    """
    try:
        inside = sorted(folder.iterdir())
    except FileNotFoundError:  # whoever wants videos says that there are none
        return
    except OSError as error:
        raise VideoError(folder, f"cannot be read ({error.strerror or error})") from None
    for path in inside:
        if path.name.startswith("."):
            continue
        if not path.is_dir():
            yield path
        elif below and (real := path.resolve()) not in above:
            yield from _files_in(path, below=True, above=above | {real})


def _escaped(pattern: Path) -> str:
    """The pattern with what is there by that very name escaped: `dir [2024]/*.mp4` where `dir [2024]` is a folder."""
    literal, parts = Path(), []
    is_there = True
    for part in pattern.parts:
        literal /= part
        is_there = is_there and os.path.lexists(literal)
        parts.append(glob.escape(part) if is_there else part)
    return str(Path(*parts))


def _begins_as_video(path: Path) -> bool:
    """Whether a file whose ending says nothing is a video by its first bytes; pictures and sound may begin so too."""
    means, _ = mimetypes.guess_type(path.name)
    elsewhere = path.suffix.lower() in _BESIDE or (means or "").startswith(("image/", "audio/", "text/", "font/"))
    if elsewhere or not path.is_file():  # a pipe would be waited for
        return False
    try:
        with path.open("rb") as file:
            head = file.read(2 * _TS_PACKET + 1)
    except OSError:
        return False
    if len(head) > 2 * _TS_PACKET and {head[0], head[_TS_PACKET], head[2 * _TS_PACKET]} == {_TS_SYNC}:
        return True
    return any(head.startswith(beginning, offset) for offset, beginning in _BEGINNINGS)
