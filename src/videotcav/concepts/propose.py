"""From videos to a folder of candidate clips: START HERE to follow the route of this room.

decode (a thread ahead) ─→ detect (this thread) ─→ track, choose, cut, write (a thread behind)
"""

from __future__ import annotations

import glob
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np

from videotcav.concepts.ahead import ahead
from videotcav.concepts.clips import Job, make_clips
from videotcav.concepts.detect import Detections, Detector, Frames, UInt8Frames
from videotcav.concepts.recipe import Recipe
from videotcav.concepts.sets import VIDEO_SUFFIXES
from videotcav.concepts.sidecars import read_boxes
from videotcav.concepts.track import known_tracks
from videotcav.concepts.workshop import Outcome, Workshop
from videotcav.errors import ConceptError, VideoError, VideosError, closest
from videotcav.records import Progress, Record, VideoInfo, silent
from videotcav.video.read import VideoFile

_FRAMES_PER_BATCH = 16
_BATCHES_AHEAD = 2


class Proposal(Record):
    """What a run of `propose` did: outcomes by concept and video, and what it had to leave out."""

    folder: Path
    outcomes: tuple[Outcome, ...]
    added: int
    skipped: dict[str, str]
    without_detections: tuple[str, ...]

    def rejected(self, concept: str) -> dict[str, int]:
        """How many candidates of a concept were turned away, by reason, the most common first."""
        counts: Counter[str] = Counter()
        for outcome in self.outcomes:
            if outcome.concept == concept:
                counts.update(outcome.rejected)
        return dict(counts.most_common())


def propose(
    videos: Path | str | Sequence[Path | str],
    detector: Detector,
    out: Path | str,
    *,
    labels: Sequence[str] | Mapping[str, str],
    recipe: Recipe | None = None,
    sources: Mapping[str, str] | None = None,
    skip_bad: bool = False,
    progress: Progress = silent,
) -> Proposal:
    """What was added to the concept folder `out`: clips of every label, as the recipe says.

    `videos` are files, folders or patterns. `labels` are names of the detector, or map them to names of concepts;
    `"*"` stands for all other labels. `sources` maps file names (without ending) to what they were cut from, where
    several files come from one recording; by default each file is its own source.

    Videos that the folder has already are not read again. Raises ConceptError, or VideosError that lists all
    unreadable videos (with `skip_bad` they are left out).
    """
    recipe = recipe or Recipe()
    concept_of = _concepts(labels, detector)
    workshop = Workshop(Path(out), recipe, detector=detector.name, detector_sha256=detector.sha256)
    infos, bad = _probe(list_videos(videos))
    if bad and (not skip_bad or not infos):
        raise VideosError(bad)
    jobs = _jobs(infos, workshop, sorted(set(concept_of.values())), sources or {})
    before = len(workshop.outcomes)
    with workshop:
        for job, found in _detected(jobs, detector, progress):
            tracks = known_tracks(found, min_score=recipe.min_score)
            for concept in job.concepts:
                wanted = tuple(sorted(label for label, name in concept_of.items() if name == concept))
                make_clips(
                    job,
                    concept,
                    [track for track in tracks if track.label in wanted],
                    labels=wanted,
                    detector=detector,
                    recipe=recipe,
                    workshop=workshop,
                )
    outcomes = tuple(list(workshop.outcomes.values())[before:])
    return Proposal(
        folder=Path(out),
        outcomes=tuple(workshop.outcomes.values()),
        added=sum(outcome.kept for outcome in outcomes),
        skipped=bad,
        without_detections=tuple(sorted({o.video for o in outcomes} - {o.video for o in outcomes if o.tracks})),
    )


def propose_from_boxes(
    videos: Path | str | Sequence[Path | str],
    boxes: Path | str,
    out: Path | str,
    *,
    labels: Sequence[str] | Mapping[str, str],
    recipe: Recipe | None = None,
    sources: Mapping[str, str] | None = None,
    progress: Progress = silent,
) -> Proposal:
    """As `propose`, with boxes from a file instead of a network."""
    return propose(videos, read_boxes(boxes), out, labels=labels, recipe=recipe, sources=sources, progress=progress)


def list_videos(videos: Path | str | Sequence[Path | str]) -> list[Path]:
    """The video files that are meant, sorted, each once. Raises ConceptError when something names none."""
    found: set[Path] = set()
    for given in [videos] if isinstance(videos, (str, Path)) else videos:
        path = Path(given)
        if path.is_dir():
            files = [file for file in path.rglob("*") if file.suffix.lower() in VIDEO_SUFFIXES]
        else:
            files = [path] if path.exists() else [Path(match) for match in glob.glob(str(given), recursive=True)]  # noqa: PTH207 - a pattern may be absolute
        if not files:
            raise ConceptError(f"{given}: there is no such video, and no folder or pattern that holds one")
        found.update(files)
    return sorted(found)


def _concepts(labels: Sequence[str] | Mapping[str, str], detector: Detector) -> dict[str, str]:
    """The concept of each of the detector's labels that is wanted."""
    wanted = dict(labels) if isinstance(labels, Mapping) else {label: label.replace(" ", "_") for label in labels}
    if not wanted:
        raise ConceptError("no label was asked for; give at least one of the detector's")
    rest = wanted.pop("*", None)
    for label in wanted:
        if label not in detector.labels:
            near = closest(label, detector.labels)
            hint = f"closest: {near}" if near else f"it knows: {', '.join(detector.labels)}"
            raise ConceptError(f"{detector.name} has no label '{label}'; {hint}")
    if rest is not None:
        wanted = {**dict.fromkeys(detector.labels, rest), **wanted}
    for concept in wanted.values():
        if not concept or concept.startswith(".") or "/" in concept or "\\" in concept or not concept.isprintable():
            raise ConceptError(
                f"'{concept}' cannot name a folder; choose a concept name without slashes or a leading dot"
            )
    return wanted


def _probe(paths: Iterable[Path]) -> tuple[list[VideoInfo], dict[str, str]]:
    infos, bad = [], {}
    for path in paths:
        try:
            infos.append(VideoFile(path).info())
        except VideoError as error:
            bad[str(path)] = error.reason
    return infos, bad


def _jobs(
    infos: Iterable[VideoInfo], workshop: Workshop, concepts: Sequence[str], sources: Mapping[str, str]
) -> list[Job]:
    """What is still to do, in order; a video that is there twice is done once."""
    jobs: list[Job] = []
    seen: dict[str, str] = {}
    names: dict[str, str] = {}
    for info in infos:
        if info.sha256 in seen:
            continue
        name = workshop.name_of(info.path, info.sha256)
        if name in names:
            name = f"{name}-{info.sha256[:8]}"
        names[name] = seen[info.sha256] = info.sha256
        missing = tuple(concept for concept in concepts if workshop.known(info.sha256, concept) is None)
        if missing:
            jobs.append(Job(name, sources.get(info.path.stem, name), info, missing))
    return jobs


def _detected(jobs: Sequence[Job], detector: Detector, progress: Progress) -> Iterator[tuple[Job, list[Detections]]]:
    """Each job with the detections of all its frames, while the frames to come are decoded on another thread."""
    batches = groupby(ahead(_batches(jobs), depth=_BATCHES_AHEAD), key=lambda batch: batch[0])
    for job, group in progress(batches, "proposing", total=len(jobs)):
        yield job, [found for _, frames in group for found in detector(frames)]


def _batches(jobs: Iterable[Job]) -> Iterator[tuple[Job, Frames]]:
    for job in jobs:
        held: list[UInt8Frames] = []
        first = 0
        for frame in VideoFile(job.info.path).stream():
            held.append(frame)
            if len(held) == _FRAMES_PER_BATCH:
                yield job, Frames(np.stack(held), job.info, first)
                first += len(held)
                held = []
        if held:
            yield job, Frames(np.stack(held), job.info, first)
