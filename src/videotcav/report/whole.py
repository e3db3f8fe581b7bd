"""A page that appears complete or not at all: `write_whole`."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from videotcav.errors import RunFolderError


def write_whole(path: Path, text: str) -> None:
    """Writes the text in the place of what was there. Raises RunFolderError."""
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise RunFolderError(f"{path} cannot be written: {error.strerror}") from error
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise RunFolderError(f"{path} cannot be written: {error.strerror}") from error
        raise
