"""What models rely on, in memory or on disk: rows, sentences, a picture and a page. Computes no statistic."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
from markupsafe import Markup
from matplotlib.figure import Figure

from videotcav.errors import NotFound, RunFolderError, closest
from videotcav.outputs import MARK, file_sha256, refuse_overwriting
from videotcav.report.probe_profile import profile_figure
from videotcav.report.probe_sentences import headline, probe_trust, sentences, short_table
from videotcav.report.render import PAGE, data_uri, write_page
from videotcav.results.folder import new_run_folder
from videotcav.results.manifest import CLIPS, MANIFEST, read_manifest, write_manifest
from videotcav.results.probe_facts import (
    DIFFERENCES,
    EFFECTS,
    RIGHT,
    WRONG,
    Mended,
    ModelDifference,
    ProbeEffect,
    ProbeManifest,
    after,
)
from videotcav.results.read import read_cells, read_rows
from videotcav.results.shown_figure import png
from videotcav.results.table import data_frame, table_html

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True, repr=False)
class ProbeRun:
    """What models rely on: facts, a row a model, edit and class, and a row a model and clip.

    Shows itself as its sentences in a terminal, and as a table in Jupyter.
    """

    manifest: ProbeManifest
    effects: tuple[ProbeEffect, ...]
    clips: tuple[Mapping[str, Any], ...]
    differences: tuple[ModelDifference, ...] = ()
    folder: Path | None = field(default=None, compare=False)

    def __iter__(self) -> Iterator[ProbeEffect]:
        return iter(self.effects)

    def __len__(self) -> int:
        return len(self.effects)

    def __repr__(self) -> str:
        return "\n".join(self.sentences)

    def _repr_html_(self) -> str:
        return table_html(*short_table(self.main), caption=self.sentences[0])

    @property
    def sentences(self) -> list[str]:
        """What was found, in sentences, the answer first."""
        return sentences(self.manifest, self.effects, self.differences, self.mended())

    @property
    def main(self) -> tuple[ProbeEffect, ...]:
        """The rows about all clips of a class."""
        return tuple(row for row in self.effects if not row.of_clips)

    @property
    def subgroups(self) -> tuple[ProbeEffect, ...]:
        """The rows about the labels of a column."""
        return tuple(row for row in self.effects if row.of_clips not in ("", RIGHT, WRONG))

    def to_pandas(self) -> DataFrame:
        """One row a model, edit and class. Raises MissingExtra without pandas."""
        return data_frame(row.as_row() for row in self.effects)

    def confusion(self, edit: str = "", *, model: str = "") -> Counter[tuple[str, str]]:
        """How many clips of each class are given to each class, as they are or after an edit.

        `model` is the first where several were asked. Raises NotFound where it or the edit was not asked.
        """
        model = model or next(iter(self.manifest.models))
        _require(model, self.manifest.models, "model")
        if edit:
            _require(edit, [each.name for each in self.manifest.edits], "edit")
        column = after(edit, "predicted") if edit else "predicted"
        rows = [row for row in self.clips if row["model"] == model and row["class"] in self.manifest.classes]
        return Counter((row["class"], row[column]) for row in rows if row[column] is not None)

    def mended(self) -> list[Mended]:
        """What each edit does to clips that are wrong and right as they are."""
        by_row: dict[tuple[str, str, str], Counter[str]] = {}
        for row in self.clips:
            if row["class"] not in self.manifest.classes:
                continue
            is_right = row["predicted"] == row["class"]
            for edit in self.manifest.edits:
                then = row[after(edit.name, "predicted")]
                if then is not None:
                    counts = by_row.setdefault((row["model"], row["class"], edit.name), Counter())
                    counts["right" if is_right else "wrong"] += 1
                    counts["mended"] += not is_right and then == row["class"]
                    counts["broken"] += is_right and then != row["class"]
        return [
            Mended(
                model=model,
                class_name=class_name,
                edit=edit,
                **{name: found[name] for name in ("wrong", "mended", "right", "broken")},
            )
            for (model, class_name, edit), found in by_row.items()
        ]

    def plot(self) -> Figure:
        """The reliance profile: a row an edit, a dot a class with its 95 % interval, a panel a model."""
        return profile_figure(self.manifest, self.main)

    def write(self, folder: Path) -> None:
        """Writes everything into an empty folder."""
        pq.write_table(pa.Table.from_pylist([row.as_row() for row in self.effects]), folder / EFFECTS)
        pq.write_table(pa.Table.from_pylist([dict(row) for row in self.clips]), folder / CLIPS)
        hashes = {"clips_sha256": file_sha256(folder / CLIPS)}
        if self.differences:
            pq.write_table(pa.Table.from_pylist([row.as_row() for row in self.differences]), folder / DIFFERENCES)
            hashes["differences_sha256"] = file_sha256(folder / DIFFERENCES)
        write_manifest(folder, self.manifest.model_copy(update=hashes), results=EFFECTS)
        self._write_page(folder / PAGE)

    def save(self, folder: Path | str) -> Path:
        """Writes everything to a new folder, which `read_probe` reads back. Raises PathTaken."""
        with new_run_folder(Path(folder)) as unfinished:
            self.write(unfinished)
        return Path(folder)

    def report(self, page: Path | str | None = None) -> Path:
        """Writes the page, by default anew into the folder that the probe was read from; where it lies."""
        if page is None and self.folder is None:
            raise NotFound("the probe lies in no folder yet: name the page, or save the probe first")
        if page is not None:
            refuse_overwriting([Path(page)])
        target = Path(page) if page is not None else Path(self.folder or "") / PAGE
        return self._write_page(target)

    def _write_page(self, page: Path) -> Path:
        return write_page(
            page,
            "probe.html",
            mark=MARK,
            manifest=self.manifest,
            headline=headline(self.manifest),
            answer=self.sentences[0],
            trust=list(probe_trust(self.manifest, self.main)),
            sentences=self.sentences[1:],
            profile=data_uri(png(self.plot(), dpi=150), "image/png"),
            main=_table(self.main),
            subgroups=_table(self.subgroups),
            apart=_table([row for row in self.effects if row.of_clips in (RIGHT, WRONG)]),
            mended=[row for row in self.mended() if row.wrong and row.mended],
            differences=self.differences,
            goes=list(self._goes()),
        )

    def _goes(self) -> Iterator[tuple[str, str, str, str]]:
        """Model, class, and where its clips go: as they are, and after the ranked edit that costs most."""
        for label in self.manifest.models:
            rows = [row for row in self.main if row.model == label and row.ranked and row.effect is not None]
            for class_name in self.manifest.classes:
                own = [row for row in rows if row.class_name == class_name]
                if own:
                    edit = min(own, key=lambda row: row.effect or 0.0).name
                    then = self._given(class_name, self.confusion(edit, model=label))
                    yield label, class_name, self._given(class_name, self.confusion(model=label)), f"{edit}: {then}"

    @staticmethod
    def _given(class_name: str, confusion: Counter[tuple[str, str]]) -> str:
        own = Counter({given: count for (name, given), count in confusion.items() if name == class_name})
        return ", ".join(f"{given} {count}" for given, count in own.most_common(4))


def read_probe(folder: Path | str) -> ProbeRun:
    """What `probe` wrote into a folder. Raises RunFolderError where there is no probe, or it is damaged."""
    folder = Path(folder)
    if not (folder / MANIFEST).is_file():
        raise RunFolderError(f"{folder} holds no probe", hint="`probe()` writes one")
    manifest = read_manifest(folder / MANIFEST, ProbeManifest)
    return ProbeRun(
        manifest,
        effects=read_rows(folder / EFFECTS, ProbeEffect, sha256=manifest.results_sha256),
        clips=tuple(read_cells(folder / CLIPS, sha256=manifest.clips_sha256)),
        differences=read_rows(folder / DIFFERENCES, ModelDifference, sha256=manifest.differences_sha256)
        if manifest.differences_sha256
        else (),
        folder=folder,
    )


def write_probe_page(folder: Path) -> Path:
    """The page written into the folder, from what lies in that folder alone. Raises RunFolderError."""
    return read_probe(folder).report()


def _table(rows: Sequence[ProbeEffect]) -> Markup:
    return Markup(table_html(*short_table(rows))) if rows else Markup()  # noqa: S704 - escaped there


def _require(name: str, known: Sequence[str] | Mapping[str, Any], what: str) -> None:
    if name not in known:
        near = closest(name, known) or ", ".join(known)
        raise NotFound(f"no {what} '{name}' was asked; closest: {near}")
