"""The folder of concept clips, and the table that says where each came from.

    concepts/<concept>/<kind>/<clip id>.mp4
    concepts/metadata.jsonl                  one line a clip, ordered by file name

Hugging Face `datasets` reads it as a `videofolder`. A folder made by hand works too, without the table and with or
without folders of kinds: `concepts/<concept>/<clip>.mp4` are moving clips, which a study tells. The source of a clip is
what the study's own table says of its file, or of the video that it was cut from; else what `metadata.jsonl` says; else
its own file.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import gc
import itertools
import json
import os
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import ValidationError

from videotcav.errors import ConceptError, ConceptNotFound, NothingAccepted, UnreadableText, closest
from videotcav.outputs import write_text
from videotcav.records import KINDS, ConceptClip, ConceptSet, Kind, Record
from videotcav.texts import first_problem, read_text
from videotcav.video.find import videos_in
from videotcav.video.segment import file_of
from videotcav.video.sources import Sources

METADATA = "metadata.jsonl"
UNREVIEWED = "nobody (unreviewed)"

AnyRecord = TypeVar("AnyRecord", bound=Record)


class Generated(Record):
    """What a generated video was made of: the pipeline and its weights, the prompts, the seed, and all it was asked."""

    pipeline: str
    weights_sha256: str
    licence: str
    prompt: str
    negative: str = ""
    seed: int
    asked: dict[str, str | float]


class ClipRecord(Record):
    """One line of `metadata.jsonl`: what the clip shows, what it was cut from, and by which rules.

    `frames`, `boxes` (left, top, right, bottom in source pixels) and `scores` follow the order in which the clip
    shows them; a score of 0 marks a box that was interpolated. `masks` are those that it was cut by, the compressed run
    lengths of COCO for each frame of the source, None where boxes were cut. `source_video` lies relative to the folder.
    Clips cut from one `source` are never split between training and test. `decision` is what
    `videotcav concepts accept` says of clips that nobody looked at; what people said is in the review's own database.
    Where the video was `generated`, only what a person accepted counts.
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
    masks: tuple[str, ...] | None = None
    frames_per_second: float
    width: int
    height: int
    detector: str
    detector_sha256: str
    recipe: str
    generated: Generated | None = None
    decision: Literal["undecided", "accepted"] = "undecided"
    who: str = ""
    when: str = ""


@contextmanager
def held_folder(folder: Path) -> Iterator[None]:
    """A folder's table for oneself: of two who change it at once the later waits."""
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


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
def read_candidates(
    folder: Path | str,
    *,
    include: Collection[str] | None = None,
    records: Collection[ClipRecord] | None = None,
    sources: Sources | None = None,
) -> list[ConceptSet]:
    """All candidate sets of a folder, by concept and kind; clips by id.

    Whether a clip counts is another question, which `review.reviewed_sets` answers for everybody who uses clips.

    `include` keeps only these concepts; `records` are the lines of the table, where they have been read already.
    Raises ConceptError where the folder has no clip, its table names one that
    is not there, or a concept of `include` is missing.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ConceptNotFound(f"{folder}: no such concept folder", hint="make one with `propose()`")
    sources = sources or Sources()
    in_table = (folder / METADATA).exists()
    clips = _from_table(folder, records, sources) if in_table else _from_files(folder, sources)
    concepts = sorted({clip.concept for clip in clips})
    for name in include or ():
        if name not in concepts:
            near = closest(name, concepts)
            hint = f"closest: {near}" if near else f"it has: {', '.join(concepts)}"
            raise ConceptNotFound(f"{folder}: no concept '{name}'; {hint}")
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
        lines = read_text(table).split("\n")  # not splitlines(): a name may hold U+2028 or U+0085
    except UnreadableText as error:
        raise ConceptError(str(error), hint="make it anew with `propose()`") from None
    return [read_as(ClipRecord, line, where=f"{table}, line {number}") for number, line in enumerate(lines, 1) if line]


def write_records(folder: Path | str, records: Iterable[ClipRecord]) -> None:
    """Replace the folder's table by these lines, ordered by file name; a reader sees the old table or the new one."""
    table = Path(folder) / METADATA
    lines = [
        record.model_dump_json(exclude_none=True) for record in sorted(records, key=lambda record: record.file_name)
    ]
    write_text(table, "".join(f"{line}\n" for line in lines))


def note_beside(video: Path) -> Path:
    """Where it is written what a generated video was made of."""
    return video.with_suffix(".generated.json")


def generated_beside(video: Path) -> Generated | None:
    """What a video was generated of; None where nothing says that it was."""
    note = note_beside(file_of(video))
    return read_as(Generated, note.read_bytes(), where=str(note)) if note.is_file() else None


def accept(folder: Path | str, *, include: Collection[str] | None = None, when: str | None = None) -> int:
    """How many undecided clips (of the concepts in `include`) are now accepted, on record as seen by nobody.

    Generated clips stay undecided. Raises NothingAccepted where there are no others.
    """
    if not Path(folder).is_dir():
        raise ConceptNotFound(f"{folder}: there is no such folder, so there is nothing to accept")
    with held_folder(Path(folder)):
        return _accepted(Path(folder), include, when)


def _accepted(folder: Path, include: Collection[str] | None, when: str | None) -> int:
    records = read_records(folder)
    if not records:
        raise ConceptError(f"{folder}: no {METADATA}, so there is nothing to accept; every clip here counts already")
    concepts = {record.concept for record in records}
    for name in include or ():
        if name not in concepts:
            raise ConceptNotFound(f"{folder}: no concept '{name}'; it has: {', '.join(sorted(concepts))}")
    if all(record.generated for record in records if include is None or record.concept in include):
        raise NothingAccepted(
            f"{folder}: its clips were generated, and count only when a person has looked at them",
            hint=f'`review("{folder}")`',
        )
    when = when or dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    taken = {"decision": "accepted", "who": UNREVIEWED, "when": when}
    after = [
        record.model_copy(update=taken)
        if record.decision == "undecided" and not record.generated and (include is None or record.concept in include)
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
        raise ConceptError(
            f"{where}: {first_problem(error)}, so that this version cannot read it",
            hint="make it anew with `propose()`",
        ) from None


def as_json(value: object) -> str:
    """Compact JSON with sorted keys: the same value is always the same text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def told_of_kinds(sets: Iterable[ConceptSet]) -> Iterator[str]:
    """A remark on concepts of which nobody said a kind: no table names their clips, none lies in a folder of one."""
    clips = [clip for each in sets for clip in each.clips]
    said = {clip.concept for clip in clips if clip.source_sha256 or clip.path.parent.name in KINDS}
    unsaid = [clip for clip in clips if clip.concept not in said]
    if unsaid:
        concepts = ", ".join(sorted({clip.concept for clip in unsaid}))
        yield (
            f"{len(unsaid)} clips of {concepts} lie in no folder of a kind, and so count as moving ones "
            "(spatiotemporal); still ones belong in a folder spatial."
        )


def clip_of(folder: Path, record: ClipRecord, sources: Sources) -> ConceptClip:
    """The clip of a line of the table; its source is what `sources` says of it or of the video that it was cut from."""
    return ConceptClip(
        id=record.id,
        concept=record.concept,
        kind=record.kind,
        path=folder / record.file_name,
        source=sources.unit(folder / record.file_name, record.source, folder / record.source_video),
        source_sha256=record.source_sha256,
        decision=record.decision,
        generated=record.generated is not None,
    )


def _from_table(folder: Path, records: Collection[ClipRecord] | None, sources: Sources) -> list[ConceptClip]:
    records = read_records(folder) if records is None else records
    if not records:
        raise ConceptError(f"{folder / METADATA}: is empty", hint="make clips with `propose()`")
    missing = [record.file_name for record in records if not (folder / record.file_name).is_file()]
    if missing:
        raise ConceptNotFound(
            f"{folder}: {len(missing)} clips of {METADATA} are not there, the first is {missing[0]}",
            hint="make them again with `propose()`",
        )
    return [clip_of(folder, record, sources) for record in records]


def _from_files(folder: Path, sources: Sources) -> list[ConceptClip]:
    clips: list[ConceptClip] = []
    for concept in sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")):
        unknown = sorted(
            path.name for path in concept.iterdir() if path.is_dir() and path.name not in KINDS and videos_in(path)
        )
        if unknown:
            raise ConceptError(
                f"{concept / unknown[0]}: is no kind of clips; known are {', '.join(KINDS)}, and clips that lie in "
                f"{concept} itself are moving ones"
            )
        places = [("spatiotemporal", concept), *((kind, concept / kind) for kind in KINDS if (concept / kind).is_dir())]
        clips += [
            ConceptClip(id=path.stem, concept=concept.name, kind=kind, path=path, source=sources.unit(path, path.stem))
            for kind, place in places
            for path in videos_in(place)
        ]
    if not clips:
        raise ConceptNotFound(
            f"{folder}: no concept clips; expected {folder}/<concept>/<clip>.mp4, or a folder of each kind between the "
            f"two: {', '.join(KINDS)}"
        )
    twice = [key for key, count in Counter((clip.concept, clip.kind, clip.id) for clip in clips).items() if count > 1]
    if twice:
        concept_name, kind, name = twice[0]
        raise ConceptError(f"{folder}: '{concept_name}' has two {kind} clips called '{name}'; rename one")
    return clips
