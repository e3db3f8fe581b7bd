"""A run folder, read and checked. What the page and the notebook show comes from here and nowhere else."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from videotcav.errors import RunFolderError
from videotcav.records import Record, Result
from videotcav.results.both_legs import BothLegs, both_legs
from videotcav.results.concept_score import ConceptScore
from videotcav.results.declaration import Declaration
from videotcav.results.edit_effect import EditEffect
from videotcav.results.folder import copied
from videotcav.results.manifest import CLIPS, EFFECTS, MANIFEST, RESULTS, SHARES, Manifest, Medium, read_manifest
from videotcav.results.table import data_frame, results_html, results_table_text
from videotcav.texts import first_problem

if TYPE_CHECKING:
    from pandas import DataFrame

AnyRecord = TypeVar("AnyRecord", bound=Record)


@dataclass(frozen=True, repr=False)
class RunResults:
    """A run as it lies on disk: its manifest, its rows in their order, its media.

    Shows itself as a table of its rows, in a terminal and in Jupyter.
    """

    folder: Path
    manifest: Manifest
    results: tuple[Result, ...]
    declaration: Declaration | None = None

    def __repr__(self) -> str:
        return f"{self.manifest.question}\n{results_table_text(self.results)}"

    def _repr_html_(self) -> str:
        return results_html(self.results, caption=self.manifest.question)

    def to_pandas(self) -> DataFrame:
        """One row a result, columns as in `results.parquet`. Raises MissingExtra without pandas."""
        return data_frame(row.as_row() for row in self.results)

    def clips(self) -> DataFrame:
        """One row a clip, with what each class is asked by and each layer's readout of it, as in `clips.parquet`.

        Raises MissingExtra without pandas, RunFolderError where an earlier version wrote the run, without them.
        """
        path = self.folder / CLIPS
        try:
            rows = pq.read_table(path, use_threads=False).to_pylist()
        except (pa.ArrowException, OSError) as error:
            raise RunFolderError(f"{path} is missing or damaged; run the study again") from error
        return data_frame(rows)

    def save(self, folder: Path | str) -> Path:
        """Copies the run to a new folder, which `read` reads back. Raises PathTaken where one is there."""
        return copied(self.folder, Path(folder))

    @cached_property
    def clip_rows(self) -> tuple[dict[str, Any], ...]:
        """The rows of `clips.parquet`; none where an earlier version wrote the run, without them."""
        path = self.folder / CLIPS
        return tuple(read_cells(path)) if path.is_file() else ()

    @cached_property
    def effects(self) -> tuple[EditEffect, ...]:
        """What edits of the classes' own clips found, a row an edit and class; none where the study asks for none."""
        sha256 = self.manifest.effects_sha256
        return read_rows(self.folder / EFFECTS, EditEffect, sha256=sha256) if sha256 else ()

    @cached_property
    def shares(self) -> tuple[ConceptScore, ...]:
        """How much of each concept the class clips hold that are shown, a row a clip and concept."""
        sha256 = self.manifest.shares_sha256
        return read_rows(self.folder / SHARES, ConceptScore, sha256=sha256) if sha256 else ()

    @property
    def legs(self) -> tuple[BothLegs, ...]:
        """Each concept whose object was edited: whether it pushes, beside whether it is needed."""
        return both_legs(self.results, self.effects)

    @property
    def media(self) -> tuple[Medium, ...]:
        """The pictures of the run, in the manifest's order."""
        return self.manifest.media

    def medium_path(self, medium: Medium) -> Path:
        """Where a medium lies; its name may be given from the run folder or from the `media` folder in it."""
        name = medium.path.removeprefix("media/")
        return self.folder / "media" / name

    @classmethod
    def read(cls, folder: Path | str) -> Self:
        """The run in a folder.

        Raises RunFolderError when it is not a run folder, when its manifest or its results are damaged, or when they do
        not fit what was declared before the run.
        """
        return cls(*_read(Path(folder)))


def _read(folder: Path) -> tuple[Path, Manifest, tuple[Result, ...], Declaration | None]:
    if not folder.is_dir():
        raise RunFolderError(f"{folder} is not a folder: give the folder of a run")
    missing = [name for name in (MANIFEST, RESULTS) if not (folder / name).is_file()]
    if missing:
        raise RunFolderError(
            f"{folder} is not a run folder: it has no {' and no '.join(missing)}", hint="`run()` writes both"
        )
    manifest = read_manifest(folder / MANIFEST, Manifest)
    results = read_rows(folder / RESULTS, Result, sha256=manifest.results_sha256)
    return folder, manifest, results, _read_declaration(folder / "declaration.json", manifest, results)


def read_rows(path: Path, kind: type[AnyRecord], *, sha256: str = "") -> tuple[AnyRecord, ...]:
    """The rows of a table of results, checked against the hash in the manifest. Raises RunFolderError."""
    rows = read_cells(path, sha256=sha256)
    try:
        found = tuple(kind.model_validate(row) for row in rows)
    except ValidationError as error:
        raise RunFolderError(f"{path} is damaged: {_first_problem(error)}; run the study again") from error
    if not found:
        raise RunFolderError(f"{path} holds no results: run the study again")
    return found


def read_cells(path: Path, *, sha256: str = "") -> list[dict[str, Any]]:
    """The rows of any table, checked against a hash where there is one. Raises RunFolderError."""
    try:
        content = path.read_bytes()
        rows: list[dict[str, Any]] = pq.read_table(pa.BufferReader(content), use_threads=False).to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise RunFolderError(f"{path} is damaged: it cannot be read as Parquet; run the study again") from error
    if sha256 and sha256 != hashlib.sha256(content).hexdigest():
        raise RunFolderError(f"{path} is not what the run wrote: its checksum is another one; run the study again")
    return rows


def _read_declaration(path: Path, manifest: Manifest, results: tuple[Result, ...]) -> Declaration | None:
    """What was declared; None where nothing was. A run whose hypotheses were changed afterwards is refused."""
    if not (path.is_file() or manifest.declaration_sha256 or any(row.hypothesis for row in results)):
        return None
    try:
        declaration = Declaration.model_validate_json(path.read_bytes())
    except (ValidationError, OSError) as error:
        raise RunFolderError(f"{path} is missing or damaged; run the study again") from error
    told = [each.text for each in manifest.hypotheses]
    tested = {row.hypothesis for row in results if row.hypothesis}
    if (
        declaration.sha256 != manifest.declaration_sha256
        or declaration.study_sha256 != manifest.study_sha256
        or told != list(declaration.hypotheses)
        or not tested <= set(told)
    ):
        raise RunFolderError(
            f"{path.parent}: its hypotheses are not those that were declared before the run ({path.name} does not fit "
            "the manifest or the results); run the study again"
        )
    return declaration


def _first_problem(error: ValidationError | OSError) -> str:
    return f"it cannot be read ({error.strerror})" if isinstance(error, OSError) else first_problem(error)
