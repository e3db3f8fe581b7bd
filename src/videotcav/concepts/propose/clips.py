"""One video's tracks → its clips on disk, and the outcome that says what became of each candidate."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from videotcav.concepts.detectors.masks import Mask
from videotcav.concepts.folder import ClipRecord, generated_beside
from videotcav.concepts.propose.cutting import id_of, make, worthy
from videotcav.concepts.propose.made import Coded
from videotcav.concepts.propose.masked import masks_of_candidate
from videotcav.concepts.propose.recipe import Recipe
from videotcav.concepts.propose.track import Track
from videotcav.concepts.propose.tracklets import Tracklet, nearest
from videotcav.concepts.propose.watch import Job, Seen
from videotcav.concepts.propose.workshop import VideoOutcome, Workshop
from videotcav.outputs import refuse_overwriting
from videotcav.records import Kind
from videotcav.video.segment import clip_sha256


class Maker(NamedTuple):
    """What found the object, the hash of that, and by which rules clips were cut: JSON."""

    name: str
    sha256: str
    rules: str


def make_clips(
    seen: Seen,
    concept: str,
    tracks: Sequence[Track],
    *,
    labels: tuple[str, ...],
    recipe: Recipe,
    workshop: Workshop,
) -> VideoOutcome:
    """The outcome of one video for one concept, with its clips in place. `tracks` are those of the concept's labels."""
    workshop.begin()
    job = seen.job
    good, rejected = worthy(tracks, recipe)
    earlier = list(workshop.of(concept))
    room = len(good)
    if recipe.max_clips_per_source:
        room = recipe.max_clips_per_source - sum(one.kept for one in earlier if one.source == job.source)
    hashes = {name: int(text, 16) for outcome in earlier for name, text in outcome.hashes.items()}
    kept: dict[str, str] = {}
    records: list[ClipRecord] = []
    maker = Maker(workshop.detector.name, workshop.detector.sha256, workshop.rules)
    to_make = [candidate for candidate in good[: max(room, 0)] if id_of(job, candidate) not in seen.made]
    seen = seen.holding(frame for candidate in to_make for frame in candidate.frames)
    for candidate in good:
        if len(kept) >= room:
            rejected[f"more than {recipe.max_clips_per_source} from one source"] += 1
            continue
        clip_id = id_of(job, candidate)
        made = seen.made.get(clip_id) or make(seen, candidate, recipe)
        if made.fingerprint is None:
            rejected["blurred"] += 1
            continue
        if nearest(made.fingerprint, hashes.items())[1] < recipe.min_hash_distance:
            rejected["nearly the same as another"] += 1
            continue
        kept[clip_id] = f"{made.fingerprint:048x}"
        hashes[clip_id] = made.fingerprint
        coded = made.code(workshop.temporary).coded
        put = put_clips(
            coded,
            candidate,
            clip_id=clip_id,
            concept=concept,
            job=job,
            folder=workshop.folder,
            temporary=workshop.temporary,
            maker=maker,
            by_mask=recipe.cut == "mask",
        )
        records.extend(put)
    outcome = VideoOutcome(
        video=job.name,
        source=job.source,
        sha256=clip_sha256(job.info.path, job.info.sha256),
        concept=concept,
        labels=labels,
        tracks=len(tracks),
        rejected=dict(sorted(rejected.items())),
        hashes=kept,
        clips=tuple(records),
    )
    workshop.finish(outcome)
    return outcome


def put_clips(
    coded: Mapping[Kind, Coded],
    candidate: Tracklet,
    *,
    clip_id: str,
    concept: str,
    job: Job,
    folder: Path,
    temporary: Path,
    maker: Maker,
    by_mask: bool = False,
) -> Iterator[ClipRecord]:
    """The lines of a candidate's clips, each yielded when its file is in place."""
    for kind, clip in coded.items():
        name = f"{concept}/{kind}/{clip_id}.mp4"
        unfinished, target = temporary / f"{clip_id}.mp4", folder / name
        refuse_overwriting([target])
        unfinished.write_bytes(clip.content)
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished.replace(target)
        yield ClipRecord(
            file_name=name,
            id=clip_id,
            concept=concept,
            kind=kind,
            label=candidate.track.label,
            source=job.source,
            source_sha256=job.info.sha256,
            source_video=Path(os.path.relpath(job.info.path, folder)).as_posix(),
            track=candidate.track.id,
            frames=tuple(candidate.frames[i] for i in clip.order),
            boxes=tuple(_edges(candidate, i) for i in clip.order),
            scores=tuple(round(candidate.scores[i], 4) for i in clip.order),
            frames_per_second=job.info.frames_per_second,
            width=clip.width,
            height=clip.height,
            masks=_masks(candidate, clip.order) if by_mask else None,
            detector=maker.name,
            detector_sha256=maker.sha256,
            recipe=maker.rules,
            generated=generated_beside(job.info.path),
        )


def _masks(candidate: Tracklet, order: Sequence[int]) -> tuple[str, ...]:
    counts = [Mask.of(mask).counts for mask in masks_of_candidate(candidate)]
    return tuple(counts[i] for i in order)


def _edges(candidate: Tracklet, index: int) -> tuple[float, float, float, float]:
    box = candidate.boxes[index]
    return (round(box.left, 2), round(box.top, 2), round(box.right, 2), round(box.bottom, 2))
