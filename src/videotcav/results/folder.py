"""A run on disk: a folder that appears complete or not at all."""

from __future__ import annotations

import fcntl
import glob
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from videotcav.errors import OutputError, PathTaken
from videotcav.outputs import file_sha256, short_name
from videotcav.records import Result
from videotcav.results.concept_score import ConceptScore
from videotcav.results.declaration import Declaration
from videotcav.results.edit_effect import EditEffect
from videotcav.results.manifest import CLIPS, MANIFEST, RESULTS

DECLARATION = "declaration.json"
MEDIA = "media"
_BEFORE = "-before"
_MOMENT_SECONDS = 60


def free_run_folder(parent: Path, name: str) -> Path:
    """`parent/name`, or with the first number behind it that is not taken: `name-2`, and so on.

    A name is taken also while another run fills the folder that will have it.
    """
    candidate, number = parent / name, 1
    while candidate.exists() or any(map(_is_held, _partials(candidate))):
        number += 1
        candidate = parent / f"{name}-{number}"
    return candidate


@contextmanager
def new_run_folder(target: Path, *, replace: bool = False) -> Iterator[Path]:
    """A folder to fill; when the body ends it becomes `target`, when the body raises it is gone.

    Args:
        target: where the run shall appear.
        replace: an earlier *run folder* at `target` may be replaced.

    Raises:
        OutputError: something else is at `target` (PathTaken), or the folder cannot be made.
    """
    if os.path.lexists(target) and not (replace and _is_run(target)):
        raise PathTaken(f"{target} exists already", hint="name another folder, or remove it first")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep(target)
        partial = Path(tempfile.mkdtemp(prefix=f".{short_name(target.name)}-partial-", dir=target.parent))
        lock = os.open(partial, os.O_RDONLY)  # a killed process gives it back
        fcntl.flock(lock, fcntl.LOCK_SH)
    except OSError as error:
        raise OutputError(f"{target}: the run folder cannot be made: {error.strerror}") from error
    try:
        (partial / MEDIA).mkdir()
        yield partial
        partial.chmod(0o755)
        if replace:
            _replace(target, partial)
        else:
            _appear(target, partial)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        about = f": {error.filename}" if error.filename else ""
        reason = f"{error.strerror or error}{about}"
        raise OutputError(f"{target}: the run cannot be finished ({reason}); nothing of it is left") from error
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    finally:
        os.close(lock)


def _is_run(folder: Path) -> bool:
    """Whether the tool wrote the folder: somebody else's may have a manifest.json too."""
    try:
        return "videotcav" in json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return False


def _sweep(target: Path) -> None:
    """Removes what killed runs into `target` left, but never an earlier run that was moved aside.

    A folder is made, held and then filled: an empty one may be about to be held, and is left alone for a moment.
    """
    for folder in _partials(target):
        with suppress(OSError):
            is_new = not any(folder.iterdir()) and time.time() - folder.stat().st_mtime < _MOMENT_SECONDS
            if not is_new and not folder.name.endswith(_BEFORE) and not _is_held(folder):
                shutil.rmtree(folder, ignore_errors=True)


def _partials(target: Path) -> Iterator[Path]:
    return target.parent.glob(f".{glob.escape(short_name(target.name))}-partial-*")


def _is_held(folder: Path) -> bool:
    """Whether a run that is alive fills it."""
    try:
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # held, or on a file system that cannot tell
        return True
    finally:
        os.close(lock)
    return False


def _appear(target: Path, partial: Path) -> None:
    """The finished folder under its name, unless another run took it meanwhile."""
    if target.exists():
        raise PathTaken(
            f"{target}: another run wrote this folder meanwhile, and it is kept", hint="name another folder"
        )
    partial.rename(target)


def _replace(target: Path, partial: Path) -> None:
    """The finished folder in the place of an earlier one, which is moved aside first and removed last."""
    aside = partial.with_name(f"{partial.name}{_BEFORE}")
    if target.exists():
        target.rename(aside)
    try:
        partial.rename(target)
    except OSError:
        if aside.exists():
            aside.rename(target)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def copied(folder: Path, target: Path) -> Path:
    """A copy of a whole folder of results. Raises PathTaken where something is at `target`."""
    if os.path.lexists(target):
        raise PathTaken(f"{target} is there already; name a new folder for the copy")
    return Path(shutil.copytree(folder, target))


def write_declaration(folder: Path, declaration: Declaration) -> None:
    """Writes `declaration.json`: what the study declared, before anything is computed."""
    (folder / DECLARATION).write_text(
        declaration.model_dump_json(indent=1, exclude_unset=True) + "\n", encoding="utf-8"
    )


def write_clips(folder: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes `clips.parquet`: one row a clip, with what each class is asked by and each layer's readout of it."""
    pq.write_table(pa.Table.from_pylist(list(rows), schema=_schema(rows)), folder / CLIPS)


def _schema(rows: Sequence[Mapping[str, Any]]) -> pa.Schema:
    """All columns that any row has: those of the first row, and numbers."""
    columns = dict.fromkeys(name for row in rows for name in row)
    types = {"view": pa.int64()}
    return pa.schema([(name, types.get(name, pa.float64() if ":" in name else pa.string())) for name in columns])


def write_rows(path: Path, rows: Sequence[EditEffect] | Sequence[ConceptScore]) -> str:
    """Writes `effects.parquet` (one row an edit and class) or `shares.parquet` (one row a class clip that is shown and
    concept), where there are any. The hash of the file.
    """
    if not rows:
        return ""
    pq.write_table(pa.Table.from_pylist([row.as_row() for row in rows]), path)
    return file_sha256(path)


def write_results(folder: Path, results: Sequence[Result]) -> None:
    """Writes `results.parquet`: one row a concept × kind × layer × class × statistic."""
    pq.write_table(pa.Table.from_pylist([result.as_row() for result in results]), folder / RESULTS)
