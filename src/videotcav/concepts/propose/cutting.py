"""One candidate → the clips it would become, in every kind. Depends on its video alone, so any machine may do it."""

from __future__ import annotations

import hashlib
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from videotcav.concepts.propose import crop
from videotcav.concepts.propose.crop import UInt8Array
from videotcav.concepts.propose.made import Made, Shown
from videotcav.concepts.propose.masked import alone, has_masks
from videotcav.concepts.propose.recipe import Recipe
from videotcav.concepts.propose.track import Track, tracks_of
from videotcav.concepts.propose.tracklets import Tracklet, cut, in_order_of_worth, nearest, perceptual_hash, too_poor
from videotcav.concepts.propose.watch import Job, Seen, Watcher
from videotcav.records import Kind


def by_kind(
    frames: UInt8Array, candidate: Tracklet, recipe: Recipe, *, still_frame: int, rng: np.random.Generator
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


def make(seen: Seen, candidate: Tracklet, recipe: Recipe) -> Made:
    """The candidate of a video as clips of the recipe's kinds."""
    frames = seen.frames(candidate.frames)
    sharpness = [
        crop.sharpness(frame, box) if score > 0 else -1.0  # where nothing was seen there may be nothing
        for frame, box, score in zip(frames, candidate.boxes, candidate.scores, strict=True)
    ]
    rate = seen.job.info.frames_per_second
    if max(sharpness) < recipe.min_sharpness:
        return Made(None, rate)
    still = sharpness.index(max(sharpness))
    if recipe.still_frame is not None:
        still = min(recipe.still_frame, len(frames) - 1)
    if recipe.cut == "mask":
        frames = alone(frames, candidate, None if recipe.fill == "scene" else recipe.fill_colour)
    rng = _rng(recipe.seed, id_of(seen.job, candidate))
    shown = by_kind(frames, candidate, recipe, still_frame=still, rng=rng)
    fingerprint = perceptual_hash(shown["spatiotemporal"].pixels)
    return Made(fingerprint, rate, {kind: shown[kind] for kind in recipe.kinds})


def worthy(tracks: Iterable[Track], recipe: Recipe) -> tuple[list[Tracklet], Counter[str]]:
    """The candidates that pass before their pixels are looked at, best first; how many do not, by reason."""
    rejected: Counter[str] = Counter()
    good: list[Tracklet] = []
    for candidate in (candidate for track in tracks for candidate in cut(track, recipe)):
        reason = too_poor(candidate, recipe)
        if reason is None and recipe.cut == "mask" and not has_masks(candidate):
            reason = "without a mask in a frame"
        if reason:
            rejected[reason] += 1
        else:
            good.append(candidate)
    return in_order_of_worth(good), rejected


@dataclass
class Cutter:
    """A worker that looks at videos and makes the clips that will most likely be wanted of them where it is.

    `labels` are those of each concept. What else is wanted, because of clips of other videos, is made by whoever
    asks for it.
    """

    watcher: Watcher
    labels: Mapping[str, tuple[str, ...]]
    recipe: Recipe

    def __call__(self, jobs: Iterable[Job]) -> Iterator[Seen]:
        """Each job with the detections of all its frames, and with clips in `made`."""
        with tempfile.TemporaryDirectory(prefix="videotcav-") as folder:
            for seen in self.watcher(jobs):
                yield seen if seen.damage is not None else seen._replace(made=self._made(seen, Path(folder)))

    def _made(self, seen: Seen, folder: Path) -> dict[str, Made]:
        made: dict[str, Made] = {}
        wanted = {label: concept for concept, labels in self.labels.items() for label in labels}
        tracks = tracks_of(seen.found, recipe=self.recipe, labels=wanted, cuts=seen.cuts)
        for concept in seen.job.concepts:
            good, _ = worthy([track for track in tracks if track.label in self.labels[concept]], self.recipe)
            made |= self._best(seen, good, folder)
        return made

    def _best(self, seen: Seen, good: Sequence[Tracklet], folder: Path) -> dict[str, Made]:
        room = self.recipe.max_clips_per_source or len(good)
        seen = seen.holding(frame for candidate in good[:room] for frame in candidate.frames)
        made: dict[str, Made] = {}
        fingerprints: dict[str, int] = {}
        for candidate in good:
            if len(fingerprints) >= room:
                break
            name, one = id_of(seen.job, candidate), make(seen, candidate, self.recipe)
            if one.fingerprint is None:
                made[name] = one
            elif nearest(one.fingerprint, fingerprints.items())[1] >= self.recipe.min_hash_distance:
                made[name] = one.code(folder)
                fingerprints[name] = one.fingerprint
        return made


def id_of(job: Job, candidate: Tracklet) -> str:
    """The name of a candidate's clips."""
    label = candidate.track.label.replace(" ", "_").replace("/", "_")
    return f"{job.name}-{label}-{candidate.track.id}-{candidate.frames[0]:05d}"


def _rng(seed: int, clip_id: str) -> np.random.Generator:
    """Randomness that depends on the clip alone, not on what was made before it."""
    return np.random.default_rng([seed, *hashlib.sha256(clip_id.encode()).digest()])
