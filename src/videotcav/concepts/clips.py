"""One video's tracks → its clips on disk, and the outcome that says what became of each candidate."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from videotcav.concepts import crop
from videotcav.concepts.candidates import Candidate, cut, in_order_of_worth, nearest, perceptual_hash, too_poor
from videotcav.concepts.crop import UInt8Array
from videotcav.concepts.recipe import Recipe
from videotcav.concepts.sets import ClipRecord
from videotcav.concepts.watch import Job, Seen
from videotcav.concepts.workshop import Outcome, Workshop
from videotcav.records import Kind, Track
from videotcav.video.write import write_video

_QUANTISER = 16  # finer than what the source itself was coded with


@dataclass(frozen=True)
class Shown:
    """The pixels of one kind of clip, and which of the candidate's frames they show when."""

    pixels: UInt8Array
    order: tuple[int, ...]


def versions(
    frames: UInt8Array, candidate: Candidate, recipe: Recipe, *, still_frame: int, rng: np.random.Generator
) -> dict[Kind, Shown]:
    """The candidate as each kind of clip, from its source frames (uint8 `time height width 3`).

    `still_frame` is the one that the spatial clip and the frozen twin hold.
    """
    fill, count = recipe.fill_colour, len(frames)
    dynamic = crop.moving(
        frames,
        candidate.boxes,
        mode=recipe.mode,
        fill=fill,
        context=recipe.context,
        smoothing_frames=recipe.smoothing_frames,
    )
    picture = crop.still(
        frames[still_frame], candidate.boxes[still_frame], mode=recipe.mode, fill=fill, context=recipe.context
    )
    shown: dict[Kind, Shown] = {"spatial": Shown(crop.hold(picture, count), (still_frame,) * count)}
    for kind, order in crop.twin_orders(count, still_frame=still_frame, rng=rng).items():
        shown[kind] = Shown(dynamic[list(order)], order)
    return shown


def make_clips(
    seen: Seen,
    concept: str,
    tracks: Sequence[Track],
    *,
    labels: tuple[str, ...],
    recipe: Recipe,
    workshop: Workshop,
) -> Outcome:
    """The outcome of one video for one concept, with its clips in place. `tracks` are those of the concept's labels."""
    workshop.begin()
    job = seen.job
    rejected: Counter[str] = Counter()
    good: list[Candidate] = []
    for candidate in (candidate for track in tracks for candidate in cut(track, recipe)):
        reason = too_poor(candidate, recipe)
        if reason:
            rejected[reason] += 1
        else:
            good.append(candidate)
    good = in_order_of_worth(good)
    earlier = list(workshop.of(concept))
    room = len(good)
    if recipe.max_clips_per_source:
        room = recipe.max_clips_per_source - sum(one.kept for one in earlier if one.source == job.source)
    hashes = {name: int(text, 16) for outcome in earlier for name, text in outcome.hashes.items()}
    kept: dict[str, str] = {}
    records: list[ClipRecord] = []
    seen = seen.holding(frame for candidate in good[: max(room, 0)] for frame in candidate.frames)
    for candidate in good:
        if len(kept) >= room:
            rejected[f"more than {recipe.max_clips_per_source} from one source"] += 1
            continue
        frames = seen.frames(candidate.frames)
        sharpness = [
            crop.sharpness(frame, box) if score > 0 else -1.0  # where nothing was seen there may be nothing
            for frame, box, score in zip(frames, candidate.boxes, candidate.scores, strict=True)
        ]
        if max(sharpness) < recipe.min_sharpness:
            rejected["blurred"] += 1
            continue
        still = sharpness.index(max(sharpness))
        if recipe.still_frame is not None:
            still = min(recipe.still_frame, len(frames) - 1)
        clip_id = _id_of(job, candidate)
        made = versions(frames, candidate, recipe, still_frame=still, rng=_rng(recipe.seed, clip_id))
        fingerprint = perceptual_hash(made["spatiotemporal"].pixels)
        if nearest(fingerprint, hashes.items())[1] < recipe.min_hash_distance:
            rejected["nearly the same as another"] += 1
            continue
        kept[clip_id] = f"{fingerprint:048x}"
        hashes[clip_id] = fingerprint
        wanted = {kind: made[kind] for kind in recipe.kinds}
        records.extend(_write(wanted, candidate, clip_id=clip_id, concept=concept, job=job, workshop=workshop))
    outcome = Outcome(
        video=job.name,
        source=job.source,
        sha256=job.info.sha256,
        concept=concept,
        labels=labels,
        tracks=len(tracks),
        rejected=dict(sorted(rejected.items())),
        hashes=kept,
        clips=tuple(records),
    )
    workshop.finish(outcome)
    return outcome


def _write(
    made: Mapping[Kind, Shown],
    candidate: Candidate,
    *,
    clip_id: str,
    concept: str,
    job: Job,
    workshop: Workshop,
) -> Iterator[ClipRecord]:
    for kind, shown in made.items():
        name = f"{concept}/{kind}/{clip_id}.mp4"
        write_video(
            workshop.temporary / f"{clip_id}.mp4",
            shown.pixels,
            frames_per_second=job.info.frames_per_second,
            crf=_QUANTISER,
            each_alone=True,  # so that twins hold the same pixels after coding too
        )
        target = workshop.folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        (workshop.temporary / f"{clip_id}.mp4").replace(target)
        yield ClipRecord(
            file_name=name,
            id=clip_id,
            concept=concept,
            kind=kind,
            label=candidate.track.label,
            source=job.source,
            source_sha256=job.info.sha256,
            source_video=Path(os.path.relpath(job.info.path, workshop.folder)).as_posix(),
            track=candidate.track.id,
            frames=tuple(candidate.frames[i] for i in shown.order),
            boxes=tuple(_edges(candidate, i) for i in shown.order),
            scores=tuple(round(candidate.scores[i], 4) for i in shown.order),
            frames_per_second=job.info.frames_per_second,
            width=shown.pixels.shape[2],
            height=shown.pixels.shape[1],
            detector=workshop.detector.name,
            detector_sha256=workshop.detector.sha256,
            recipe=workshop.rules,
        )


def _edges(candidate: Candidate, index: int) -> tuple[float, float, float, float]:
    box = candidate.boxes[index]
    return (round(box.left, 2), round(box.top, 2), round(box.right, 2), round(box.bottom, 2))


def _id_of(job: Job, candidate: Candidate) -> str:
    label = candidate.track.label.replace(" ", "_").replace("/", "_")
    return f"{job.name}-{label}-{candidate.track.id}-{candidate.frames[0]:05d}"


def _rng(seed: int, clip_id: str) -> np.random.Generator:
    """Randomness that depends on the clip alone, not on what was made before it."""
    return np.random.default_rng([seed, *hashlib.sha256(clip_id.encode()).digest()])
