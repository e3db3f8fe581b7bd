"""The folder of concept clips, and the table that says where each came from.

    concepts/<concept>/<kind>/<clip id>.mp4
    concepts/metadata.jsonl                  one line a clip, ordered by file name

Hugging Face `datasets` reads it as a `videofolder`. A folder of the same shape without the table works too: the
source of each clip is then its own file.
"""

from __future__ import annotations

import datetime as dt
import gc
import itertools
import json
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import ValidationError

from videotcav.errors import ConceptError, closest
from videotcav.outputs import write_text
from videotcav.records import KINDS, ConceptClip, ConceptSet, Kind, Record

METADATA = "metadata.jsonl"
UNREVIEWED = "nobody (unreviewed)"
VIDEO_SUFFIXES = frozenset({".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v"})

AnyRecord = TypeVar("AnyRecord", bound=Record)


class ClipRecord(Record):
    """One line of `metadata.jsonl`: what the clip shows, what it was cut from, and by which rules.

    `frames`, `boxes` (left, top, right, bottom in source pixels) and `scores` follow the order in which the clip
    shows them; a score of 0 marks a box that was interpolated. `source_video` lies relative to the folder.
    Clips cut from one `source` are never split between training and test. `decision` is what
    `videotcav concepts accept` says of clips that nobody looked at; what people said is in the review's own database.
    """

    file_name: str
    id: str
    concept: str
    kind: Kind
    label: str
    source: str
    source_sha256: str
    source_video: str
    track: str
    frames: tuple[int, ...]
    boxes: tuple[tuple[float, float, float, float], ...]
    scores: tuple[float, ...]
    frames_per_second: float
    width: int
    height: int
    detector: str
    detector_sha256: str
    recipe: str
    decision: Literal["undecided", "accepted"] = "undecided"
    who: str = ""
    when: str = ""


@contextmanager
def uncollected() -> Iterator[None]:
    """No search for garbage while the body makes very many records that stay: it would take longer than all else."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@uncollected()
def read_sets(
    folder: Path | str, *, include: Collection[str] | None = None, records: Collection[ClipRecord] | None = None
) -> list[ConceptSet]:
    """All candidate sets of a folder, by concept and kind; clips by id.

    What people said of them is applied by `review.reviewed_sets`.

    `include` keeps only these concepts; `records` are the lines of the table, where they have been read already.
    Raises ConceptError where the folder has no clip, its table names one that
    is not there, or a concept of `include` is missing.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ConceptError(f"{folder}: no such concept folder; make one with: videotcav concepts propose")
    clips = _from_table(folder, records) if (folder / METADATA).exists() else _from_files(folder)
    concepts = sorted({clip.concept for clip in clips})
    for name in include or ():
        if name not in concepts:
            near = closest(name, concepts)
            hint = f"closest: {near}" if near else f"it has: {', '.join(concepts)}"
            raise ConceptError(f"{folder}: no concept '{name}'; {hint}")
    wanted = [clip for clip in clips if include is None or clip.concept in include]
    wanted.sort(key=lambda clip: (clip.concept, KINDS.index(clip.kind), clip.id))
    return [
        ConceptSet(concept=concept, kind=kind, clips=tuple(group))
        for (concept, kind), group in itertools.groupby(wanted, key=lambda clip: (clip.concept, clip.kind))
    ]


@uncollected()
def read_records(folder: Path | str) -> list[ClipRecord]:
    """Every line of the folder's table, in its order; an empty list where there is none yet."""
    table = Path(folder) / METADATA
    if not table.exists():
        return []
    try:
        lines = table.read_text(encoding="utf-8").split("\n")  # not splitlines(): a name may hold U+2028 or U+0085
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ConceptError(f"{table}: cannot be read ({reason}); make it anew: videotcav concepts propose") from None
    return [read_as(ClipRecord, line, where=f"{table}, line {number}") for number, line in enumerate(lines, 1) if line]


def write_records(folder: Path | str, records: Iterable[ClipRecord]) -> None:
    """Replace the folder's table by these lines, ordered by file name; a reader sees the old table or the new one."""
    table = Path(folder) / METADATA
    lines = [record.model_dump_json() for record in sorted(records, key=lambda record: record.file_name)]
    write_text(table, "".join(f"{line}\n" for line in lines))


def accept(folder: Path | str, *, include: Collection[str] | None = None, when: str | None = None) -> int:
    """How many undecided clips (of the concepts in `include`) are now accepted, on record as seen by nobody."""
    records = read_records(folder)
    if not records:
        raise ConceptError(f"{folder}: no {METADATA}, so there is nothing to accept; every clip here counts already")
    concepts = {record.concept for record in records}
    for name in include or ():
        if name not in concepts:
            raise ConceptError(f"{folder}: no concept '{name}'; it has: {', '.join(sorted(concepts))}")
    when = when or dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    taken = {"decision": "accepted", "who": UNREVIEWED, "when": when}
    after = [
        record.model_copy(update=taken)
        if record.decision == "undecided" and (include is None or record.concept in include)
        else record
        for record in records
    ]
    write_records(folder, after)
    return sum(before is not record for before, record in zip(records, after, strict=True))


def read_as(record: type[AnyRecord], text: str | bytes, *, where: str) -> AnyRecord:
    """The record in a JSON text. Raises ConceptError with `where` and what is the matter, in a sentence."""
    try:
        return record.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "line"
        raise ConceptError(
            f"{where}: {key}: {first['msg']}; it was not written by this version of 'videotcav concepts propose'"
        ) from None


def as_json(value: object) -> str:
    """Compact JSON with sorted keys: the same value is always the same text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _from_table(folder: Path, records: Collection[ClipRecord] | None) -> list[ConceptClip]:
    records = read_records(folder) if records is None else records
    if not records:
        raise ConceptError(f"{folder / METADATA}: is empty; make clips with: videotcav concepts propose")
    missing = [record.file_name for record in records if not (folder / record.file_name).is_file()]
    if missing:
        raise ConceptError(
            f"{folder}: {len(missing)} clips of {METADATA} are not there, the first is {missing[0]}; "
            "run 'videotcav concepts propose' again to make them"
        )
    return [
        ConceptClip(
            id=record.id,
            concept=record.concept,
            kind=record.kind,
            path=folder / record.file_name,
            source=record.source,
            source_sha256=record.source_sha256,
            decision=record.decision,
        )
        for record in records
    ]


def _from_files(folder: Path) -> list[ConceptClip]:
    clips = [
        ConceptClip(id=path.stem, concept=path.parent.parent.name, kind=kind, path=path, source=path.stem)
        for kind in KINDS
        for path in sorted(folder.glob(f"*/{kind}/*"))
        if path.suffix.lower() in VIDEO_SUFFIXES and not path.name.startswith(".")
    ]
    if not clips:
        raise ConceptError(
            f"{folder}: no concept clips; expected {folder}/<concept>/<kind>/<clip>.mp4, a kind being one of "
            f"{', '.join(KINDS)}"
        )
    return clips
