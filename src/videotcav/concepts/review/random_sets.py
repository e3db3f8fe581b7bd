"""Random sets: clips of other things, drawn evenly over their sources, from other videos than the concept's."""

from __future__ import annotations

import os
import shutil
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from videotcav.concepts.folder import UNREVIEWED, ClipRecord, write_records
from videotcav.concepts.review.matching import Labelled, Matching
from videotcav.concepts.review.matching import match as draw_matched
from videotcav.concepts.review.review import reviewed_clips
from videotcav.errors import ArgumentError, ConceptNotFound, NotEnoughData, PathTaken, closest
from videotcav.outputs import whole_file
from videotcav.records import Kind, Record
from videotcav.video.labels import Labels


class RandomDraw(Record):
    """What was drawn for a concept; `shared_sources` are those that could not be kept apart from the concept's.

    `matching` says how near a matched draw came; `remarks` are of its table of labels.
    """

    concept: str
    clips: int
    sources: int
    shared_sources: tuple[str, ...]
    matching: Matching | None = None
    remarks: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """The draw in one sentence, for a person."""
        drawn = f"{self.clips} random clips from {self.sources} sources for '{self.concept}'"
        if not self.shared_sources:
            matched = f", {self.matching.sentence}" if self.matching else ""
            return f"{drawn}, none of them a source of the concept{matched}"
        return (
            f"{drawn}; {len(self.shared_sources)} of the sources are the concept's own, because other videos were too "
            "few: a classifier can tell such clips by their scene. Add other videos to the pool"
        )


def draw_evenly(
    pool: Iterable[tuple[str, str]], *, avoid: Collection[str], size: int, rng: np.random.Generator
) -> list[tuple[str, str]]:
    """`size` of the (source, clip) pairs: one of each source in turn, and so on.

    Sources to `avoid` come in only when the others are spent.
    Raises NotEnoughData when the pool is smaller than `size`.
    """
    by_source: dict[str, list[str]] = defaultdict(list)
    for source, clip in sorted(pool):
        by_source[source].append(clip)
    total = sum(len(clips) for clips in by_source.values())
    if total < size:
        raise NotEnoughData(f"{size} random clips were asked for, and the pool has {total}; give a larger pool")
    drawn: list[tuple[str, str]] = []
    for group in (sorted(set(by_source) - set(avoid)), sorted(set(by_source) & set(avoid))):
        queues = [(source, list(rng.permutation(by_source[source]))) for source in rng.permutation(group)]
        while queues and len(drawn) < size:
            drawn += [(str(source), str(clips.pop())) for source, clips in queues][: size - len(drawn)]
            queues = [(source, clips) for source, clips in queues if clips]
    return drawn


def write_random_set(
    folder: Path | str,
    out: Path | str,
    *,
    concept: str,
    size: int,
    rng: np.random.Generator | int,
    pools: Sequence[Path | str] = (),
    kinds: Collection[Kind] = ("spatial", "spatiotemporal"),
    match: str | Sequence[str] = (),
    table: Path | str | None = None,
    own: str | Sequence[str] = (),
) -> RandomDraw:
    """What was drawn for `concept` of `folder` and copied to the new folder `out`, as the concept `random`.

    The pool are the other concepts of `folder`, and all of the folders in `pools` but clips of the same label. A
    track counts once; its clips of all `kinds` are copied. `rng` may be a seed.

    With `match`, the drawn source videos have the labels in these columns of `table` (see `Labels.read`) as often as
    the concept's do, jointly; `own` names those that say what the concept is.

    Raises:
        ConceptError: no such concept, or a column that a pool must not be matched on.
        NotEnoughData: the pool is too small, or too small to be matched; says what is missing.
    """
    match, own = _names(match), _names(own)
    if bool(match) != (table is not None) or (own and table is None):
        raise ArgumentError("match names columns of a table: give both, or neither")
    folder, out = Path(folder), Path(out)
    if out.exists():
        raise PathTaken(f"{out}: is there already; name a new folder for the random set")
    # A clip is what reviewers call it; what they turned away is in no set.
    records = {
        Path(place): [
            one.record.model_copy(update={"concept": one.concept, "who": ", ".join(one.people) or one.record.who})
            for one in reviewed_clips(place)
            if one.record is not None and (one.counts or not (one.judged or one.record.generated))
        ]
        for place in (folder, *pools)
    }
    mine = [record for record in records[folder] if record.concept == concept]
    if not mine:
        names = {record.concept for record in records[folder]}
        near = closest(concept, names) or ", ".join(sorted(names)) or "none"
        raise ConceptNotFound(f"{folder}: no concept '{concept}'; closest: {near}")
    # The detector's word for what reviewers moved here stands for other things as well.
    labels = {one.record.label for one in reviewed_clips(folder) if one.record and one.clip.concept == concept}
    others: dict[str, list[tuple[Path, ClipRecord]]] = defaultdict(list)
    for place, lines in records.items():
        for record in lines:
            if record.concept != concept and record.label not in labels and record.kind in kinds:
                others[record.id].append((place, record))
    rng = np.random.default_rng(rng)
    pool = [(versions[0][1].source, clip) for clip, versions in others.items()]
    matching: Matching | None = None
    remarks: tuple[str, ...] = ()
    if table is not None:
        bearing = _Bearing(Labels.read(table), match, own)
        tracks: dict[str, list[tuple[Path, ClipRecord]]] = defaultdict(list)
        for record in mine:
            tracks[record.id].append((folder, record))
        own_clips = [bearing(versions) for versions in tracks.values()]
        other_clips = [bearing(versions) for versions in others.values()]
        remarks = tuple(bearing.labels.remarks())
        matched = draw_matched(own_clips, other_clips, match, name=concept, own=own, most=size, rng=rng)
        matching = matched.matching
        pool = [(clip.source, clip.clip) for clip in matched.clips]
        if len(pool) < size:
            raise NotEnoughData(
                f"{size} random clips were asked for, and matched on {', '.join(match)} the pool has {len(pool)} of "
                f"{matching.sources} source videos; ask for {len(pool)}, or give a larger pool"
            )
    sources_of_own = {record.source for record in mine}
    drawn = draw_evenly(pool, avoid=sources_of_own, size=size, rng=rng)
    with whole_file(out) as unfinished:
        copies = [_copy(record, place, unfinished, out) for _, clip in drawn for place, record in others[clip]]
        write_records(unfinished, copies)
    sources = {source for source, _ in drawn}
    shared = tuple(sorted(sources & sources_of_own))
    return RandomDraw(
        concept=concept,
        clips=len(drawn),
        sources=len(sources),
        shared_sources=shared,
        matching=matching,
        remarks=remarks,
    )


@dataclass(frozen=True)
class _Bearing:
    """A track with the labels that the table tells of it: of a clip of any kind, or of the video they were cut from.

    Raises UnreadableText where the table lacks a column.
    """

    labels: Labels
    match: tuple[str, ...]
    own: tuple[str, ...]

    def __post_init__(self) -> None:
        self.labels.refuse_unknown((*self.match, *self.own))

    def __call__(self, versions: Sequence[tuple[Path, ClipRecord]]) -> Labelled:
        first = versions[0][1]
        known = [(place / each.file_name, place / each.source_video, each.source) for place, each in versions]
        found = {column: [self.labels.of(column, *names) for names in known] for column in self.match}
        told = {column: next(filter(None, each), None) for column, each in found.items()}
        return Labelled(first.source, first.id, told)


def _names(columns: str | Sequence[str]) -> tuple[str, ...]:
    return (columns,) if isinstance(columns, str) else tuple(columns)


def _copy(record: ClipRecord, place: Path, unfinished: Path, out: Path) -> ClipRecord:
    name = f"random/{record.kind}/{record.id}.mp4"
    (unfinished / name).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(place / record.file_name, unfinished / name)
    video = Path(os.path.relpath(place / record.source_video, out)).as_posix()
    taken = {"decision": "accepted", "who": record.who or UNREVIEWED}  # what was drawn counts, whoever saw it
    return record.model_copy(update={"file_name": name, "concept": "random", "source_video": video, **taken})
