"""A run on disk: a folder that appears complete or not at all."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from videotcav.errors import RunFolderError
from videotcav.records import Declaration, Result

MANIFEST = "manifest.json"
RESULTS = "results.parquet"
DECLARATION = "declaration.json"
MEDIA = "media"


def free_run_folder(parent: Path, name: str) -> Path:
    """`parent/name`, or with the first number behind it that is not taken: `name-2`, and so on."""
    candidate, number = parent / name, 1
    while candidate.exists():
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
        RunFolderError: something else is at `target`, or the folder cannot be made.
    """
    if target.exists() and not (replace and (target / MANIFEST).is_file()):
        raise RunFolderError(f"{target} exists already; name another folder with -o, or remove it first")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{target.name}-partial-", dir=target.parent))
    except OSError as error:
        raise RunFolderError(f"{target}: the run folder cannot be made: {error.strerror}") from error
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
        raise RunFolderError(f"{target}: the run cannot be finished ({reason}); nothing of it is left") from error
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _appear(target: Path, partial: Path) -> None:
    """The finished folder under its name, unless another run took it meanwhile."""
    if target.exists():
        raise RunFolderError(f"{target}: another run wrote this folder meanwhile, and it is kept; use another with -o")
    partial.rename(target)


def _replace(target: Path, partial: Path) -> None:
    """The finished folder in the place of an earlier one, which is moved aside first and removed last."""
    aside = partial.with_name(f"{partial.name}-before")
    if target.exists():
        target.rename(aside)
    try:
        partial.rename(target)
    except OSError:
        if aside.exists():
            aside.rename(target)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def write_declaration(folder: Path, declaration: Declaration) -> None:
    """Writes `declaration.json`: what the study declared, before anything is computed."""
    (folder / DECLARATION).write_text(declaration.model_dump_json(indent=1) + "\n", encoding="utf-8")


def write_results(folder: Path, results: Sequence[Result]) -> None:
    """Writes `results.parquet`: one row a concept × kind × layer × class × statistic."""
    pq.write_table(pa.Table.from_pylist([result.as_row() for result in results]), folder / RESULTS)


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Writes `manifest.json`: what was asked, of what, with which versions, seeds and hashes."""
    text = json.dumps(manifest, indent=1, ensure_ascii=False, default=str)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")
