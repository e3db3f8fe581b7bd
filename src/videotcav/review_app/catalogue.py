"""The candidates of a concept folder under opaque keys: a client names a key, never a path."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from videotcav.concepts.by_hand.mark import BY_HAND
from videotcav.concepts.folder import METADATA, ClipRecord, uncollected
from videotcav.concepts.review.decisions import Candidate, Standing
from videotcav.concepts.review.review import ReviewedClip, reviewed_clips
from videotcav.errors import ConceptError
from videotcav.records import ConceptClip, Kind, Record

PREFERRED: tuple[Kind, ...] = ("spatiotemporal", "spatial", "frozen", "shuffled", "reversed")


class CandidateTable(Record):
    """All candidates, a list a column. `concept`, `source` and `clips` are indices into the three lists of names.

    `clips` says which kinds of clip there are. `frames`, `frames_per_second` and `score` (the mean of the
    detector's scores) are None where the folder has no table.
    """

    concepts: tuple[str, ...]
    sources: tuple[str, ...]
    kinds: tuple[Kind, ...]
    key: list[str]
    id: list[str]
    concept: list[int]
    source: list[int]
    clips: list[list[int]]
    frames: list[int | None]
    frames_per_second: list[float | None]
    score: list[float | None]


@dataclass(frozen=True)
class Entry:
    """One candidate: its clips by kind, and a line of the table where there is one."""

    candidate: Candidate
    clips: Mapping[Kind, ConceptClip]
    record: ClipRecord | None

    def path(self, kind: Kind) -> Path | None:
        """The clip's file, where there is one inside the folder."""
        clip = self.clips.get(kind)
        if clip is None or not clip.path.is_file():
            return None
        folder = clip.path.parents[2].resolve()
        return clip.path if clip.path.resolve().is_relative_to(folder) else None


class Catalogue:
    """The candidates as they were when the folder was read."""

    @uncollected()
    def __init__(self, folder: Path, *, may_be_empty: bool = False) -> None:
        self.folder = folder
        self._state = _state(folder)
        grouped: dict[Candidate, list[ReviewedClip]] = {}
        for one in () if may_be_empty and _is_empty(folder) else reviewed_clips(folder):
            grouped.setdefault(one.candidate, []).append(one)
        try:
            self.entries = {key_of(candidate): _entry(candidate, clips) for candidate, clips in grouped.items()}
        except UnicodeEncodeError as error:
            raise ConceptError(f"{folder}: the file name {error.object!a} is not valid text: rename the clip") from None

    @property
    def is_stale(self) -> bool:
        """Whether the folder's table changed since."""
        return self._state != _state(self.folder)

    def reviewed(self, standings: Mapping[Candidate, Standing]) -> Iterable[ReviewedClip]:
        """One clip of each candidate with its standing."""
        nothing = Standing()
        for entry in self.entries.values():
            clip = next(iter(entry.clips.values()))
            yield ReviewedClip(clip=clip, record=entry.record, standing=standings.get(entry.candidate, nothing))

    def table(self) -> CandidateTable:
        """The candidates as columns, ordered by concept, source and id."""
        entries = sorted(
            self.entries.items(), key=lambda item: (item[1].candidate.concept, _source(item[1]), item[1].candidate.id)
        )
        concepts = sorted({entry.candidate.concept for _, entry in entries})
        sources = sorted({_source(entry) for _, entry in entries})
        concept_index = {name: index for index, name in enumerate(concepts)}
        source_index = {name: index for index, name in enumerate(sources)}
        records = [entry.record for _, entry in entries]
        return CandidateTable(
            concepts=tuple(concepts),
            sources=tuple(sources),
            kinds=PREFERRED,
            key=[key for key, _ in entries],
            id=[entry.candidate.id for _, entry in entries],
            concept=[concept_index[entry.candidate.concept] for _, entry in entries],
            source=[source_index[_source(entry)] for _, entry in entries],
            clips=[[i for i, kind in enumerate(PREFERRED) if kind in entry.clips] for _, entry in entries],
            frames=[len(record.frames) if record else None for record in records],
            frames_per_second=[record.frames_per_second if record else None for record in records],
            score=[_score(record) for record in records],
        )


def key_of(candidate: Candidate) -> str:
    """Sixteen hexadecimal digits that stand for a candidate, the same in every session."""
    return hashlib.sha256("\0".join(candidate).encode()).hexdigest()[:16]


def _entry(candidate: Candidate, found: Iterable[ReviewedClip]) -> Entry:
    by_kind = {one.clip.kind: one for one in found}
    ordered = [by_kind[kind] for kind in PREFERRED if kind in by_kind]
    return Entry(candidate, {one.clip.kind: one.clip for one in ordered}, ordered[0].record)


def _source(entry: Entry) -> str:
    return next(iter(entry.clips.values())).source


def _is_empty(folder: Path) -> bool:
    concepts = (path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    return not (folder / METADATA).exists() and not any(concepts)


def _score(record: ClipRecord | None) -> float | None:
    if record is not None and record.detector == BY_HAND:  # a likeness to what was drawn is no detector's score
        return None
    seen = [score for score in record.scores if score > 0] if record else []
    return round(sum(seen) / len(seen), 3) if seen else None


def _state(folder: Path) -> tuple[int, int]:
    table = folder / METADATA
    if not table.exists():
        return (0, 0)
    status = table.stat()
    return (status.st_mtime_ns, status.st_size)
