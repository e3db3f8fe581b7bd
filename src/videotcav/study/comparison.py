"""One question, several models: a study that names `[[models]]`, each answered by itself and then held together."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from videotcav.engine.local import Engine, here
from videotcav.errors import NotEnoughData, StudyFileError
from videotcav.explain.inference.standardised import standardised_effects
from videotcav.features.measure import DEFAULT_MEMORY_BYTES
from videotcav.records import Precision, Progress, StandardisedEffect, silent
from videotcav.report.comparison import Comparison, read_comparison, write_comparison_page
from videotcav.results.folder import MEDIA, free_run_folder, new_run_folder
from videotcav.results.manifest import RESULTS, ComparisonManifest, ModelOfMany, stamp, write_manifest
from videotcav.study.read_file import model_keys
from videotcav.study.run import Study

RUNS = "models"


def load_studies(
    path: Path,
    *,
    device: str | None = None,
    precision: Precision = "fp32",
    events: Path | str | None = None,
    target: str | None = None,
    score: str | None = None,
    objects: Path | str | None = None,
) -> tuple[Study, ...]:
    """The study with each of its models, `events`, `target`, `score` and `objects` as in `Study.from_file`.

    Raises StudyFileError with the mistakes of all of them.
    """
    found: list[Study] = []
    problems: list[str] = []
    asked: dict[str, Any] = {"events": events, "target": target, "score": score, "objects": objects}
    for number, key in enumerate(model_keys(path)):
        try:
            found.append(Study.from_file(path, device=device, precision=precision, model=number, **asked))
        except StudyFileError as error:
            problems += [re.sub(r"^model(?=[.:])", key, problem) for problem in error.problems]
    if problems:
        raise StudyFileError(path, dict.fromkeys(problems))
    return tuple(found)


def compare(
    studies: Sequence[Study],
    output: Path | str | None = None,
    *,
    skip_bad: bool = False,
    store: Path | str | None = None,
    memory_bytes: int = DEFAULT_MEMORY_BYTES,
    batch_size: int | None = None,
    engine: Engine = here,
    command: str = "",
    progress: Progress = silent,
) -> Comparison:
    """Where each model stands, see `StandardisedEffect`.

    The folder holds a whole run for each model below `models/`, `results.parquet` with the standings, and a page.
    Arguments and errors as those of `Study.run`.
    """
    first = studies[0].file
    labels = [study.file.study.model.label or _plain(study.model.card.name) for study in studies]
    if len(set(labels)) < len(labels):
        labels = [f"{number}. {label}" for number, label in enumerate(labels, start=1)]
    target = Path(output) if output else free_run_folder(Path("runs"), first.path.stem)
    rows: list[StandardisedEffect] = []
    runs: dict[str, ModelOfMany] = {}
    with new_run_folder(target) as folder:
        (folder / MEDIA).rmdir()
        for label, study in zip(labels, studies, strict=True):
            place = Path(RUNS) / re.sub(r"[^A-Za-z0-9.]+", "-", label).strip("-")
            run = study.run(
                folder / place,
                skip_bad=skip_bad,
                store=store,
                memory_bytes=memory_bytes,
                batch_size=batch_size,
                engine=engine,
                command=command,
                progress=progress,
            )
            rows += standardised_effects(label, run.results, statistic=first.study.told_by)
            card = study.model.card
            needs = tuple(legs.sentence for legs in run.legs if legs.against == "random")
            runs[label] = ModelOfMany(
                run=str(place), layers=study.layers, name=card.name, weights=card.weights, needs=needs
            )
        if not rows:
            raise NotEnoughData(
                f"{first.path}: no model has a moving concept (spatiotemporal) with a null to compare by"
            )
        pq.write_table(pa.Table.from_pylist([row.model_dump() for row in rows]), folder / RESULTS)
        manifest = ComparisonManifest(
            **stamp(command),
            question=first.study.question,
            statistic=first.study.told_by,
            study=first.text,
            study_sha256=first.sha256,
            models=runs,
            negligible_below=first.study.tests.negligible_below if first.study.told_by == "contrast" else None,
        )
        write_manifest(folder, manifest)
        write_comparison_page(folder)
    return read_comparison(target)


def _plain(name: str) -> str:
    """A model's name without the place it came from."""
    return name.rpartition(":")[2].rpartition("/")[2]
