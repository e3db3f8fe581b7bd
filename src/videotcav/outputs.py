"""Files that the tool writes: whole or not at all, and never in the place of an input or of somebody else's file.

What the tool has written bears `MARK` somewhere near its beginning or its end, so that the same command can be given
again; any other file is replaced only when that is asked for.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from videotcav.errors import OutputError, PathTaken

MARK = "made-by-videotcav"

_HEAD_BYTES, _TAIL_BYTES = 2**20, 2**16  # an mp4 has its comment behind the table of frames
_NAME_BYTES = 255  # of a file's name, on nearly every file system
_ROOM = 64


def refuse_overwriting(outputs: Iterable[Path], *, inputs: Iterable[Path] = (), replace: bool = False) -> None:
    """Nothing where every output may be written: it is not there yet, or the tool itself wrote it.

    Args:
        outputs: files that are to be written.
        inputs: files that are read for them; none of them is ever written, under whatever name it is reached.
        replace: files of others may be replaced.

    Raises:
        OutputError: says which file stands in the way, and why.
    """
    read = {identity: path for path in inputs if (identity := _identity(path))}
    for output in outputs:
        identity = _identity(output)
        if identity is None:
            continue
        if identity in read:
            raise PathTaken(f"{output} is an input ({read[identity]}) and is never written to; name another output")
        if output.is_dir():
            raise PathTaken(f"{output} is a folder; name a file")
        if not (replace or is_ours(output)):
            raise PathTaken(
                f"{output} is there already and was not written by videotcav",
                hint="name another output, remove it first, or give `replace=True`",
            )


def is_ours(path: Path) -> bool:
    """Whether the file bears the mark of what the tool writes."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
            file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
            return MARK.encode() in head or MARK.encode() in file.read(_TAIL_BYTES)
    except OSError:
        return False


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A name beside `path` to write under, which nobody else has: of a file, or of a folder that is not there yet.

    What was written takes its own name when the body ends, and is gone if the body raises.

    Raises:
        OutputError: it cannot be written.
    """
    unfinished = path.with_name(f".{short_name(path.name)}.{uuid.uuid4().hex}.part")
    try:
        yield unfinished
        unfinished.replace(path)
    except OSError as error:
        is_own = error.filename is None or str(error.filename).startswith(str(unfinished))
        about = "" if is_own else f": {error.filename}"
        raise OutputError(f"{path}: cannot be written ({error.strerror or error}{about})") from None
    finally:
        if unfinished.is_dir():
            shutil.rmtree(unfinished, ignore_errors=True)
        else:
            unfinished.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Writes a text file so that it is the old one or the new one, also after a power cut. Raises OutputError."""
    with whole_file(path) as unfinished:
        path.parent.mkdir(parents=True, exist_ok=True)
        with unfinished.open("w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())


def file_sha256(path: Path) -> str:
    """The hash of a file's content, however large it is."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def short_name(name: str) -> str:
    """The name itself, or a shorter one of its own where something that is put around it would make it too long."""
    encoded = name.encode()
    if len(encoded) + _ROOM <= _NAME_BYTES:
        return name
    kept = encoded[: _NAME_BYTES - 2 * _ROOM].decode(errors="ignore")
    return f"{kept}~{hashlib.sha256(encoded).hexdigest()[:16]}"


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
