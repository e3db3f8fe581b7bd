"""Videos → what the detector saw in them, while the frames to come are decoded on another thread."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from typing import NamedTuple

import numpy as np

from videotcav.concepts.ahead import ahead
from videotcav.concepts.detectors.detect import Detections, Detector, UInt8Frames, VideoFrames
from videotcav.concepts.propose.made import Made
from videotcav.concepts.propose.track import ShotCuts
from videotcav.errors import VideoError
from videotcav.video.info import VideoInfo
from videotcav.video.read import VideoFile

_FRAMES_PER_BATCH = 16
_BATCHES_AHEAD = 2
_BYTES_HELD = 128 * 2**20


@dataclass(frozen=True)
class Job:
    """One video and the concepts that are still to be cut from it. `source` is what splits go by."""

    name: str
    source: str
    info: VideoInfo
    concepts: tuple[str, ...]


class Seen(NamedTuple):
    """A video that the detector is done with, or could not be done with (`damage`).

    `cuts` are the first frames of new shots. `held` are the decoded frames by index, where all of them fit into a
    share of memory that does not grow with the number of videos; else None, and they have to be decoded again. `made`
    are clips that were cut already, by the name of their candidate (`cutting.Cutter`).
    """

    job: Job
    found: list[Detections]
    cuts: list[int]
    held: Mapping[int, UInt8Frames] | None
    damage: VideoError | None
    made: Mapping[str, Made] = {}

    def __reduce__(self) -> tuple[object, ...]:
        """In another process it holds no frames: to decode them again is cheaper than to send them."""
        return Seen, (self.job, self.found, self.cuts, None, self.damage, self.made)

    def frames(self, indices: Sequence[int]) -> UInt8Frames:
        """These frames, uint8 `time height width 3`."""
        if self.held is not None:
            return np.stack([self.held[index] for index in indices])
        return VideoFile(self.job.info.path).frames(indices)

    def holding(self, indices: Iterable[int]) -> Seen:
        """The same, with these frames decoded in one go where they fit into memory."""
        wanted = sorted(set(indices))
        if self.held is not None or not wanted or len(wanted) * _frame_bytes(self.job.info) > _BYTES_HELD:
            return self
        return self._replace(held=dict(zip(wanted, self.frames(wanted), strict=True)))


class _Batch(NamedTuple):
    """Some frames of a video, or what makes it impossible to go on with it."""

    job: Job
    frames: VideoFrames | None
    cuts: list[int]
    damage: VideoError | None = None


@dataclass
class Watcher:
    """A worker that looks at videos with a detector."""

    detector: Detector

    def __call__(self, jobs: Iterable[Job]) -> Iterator[Seen]:
        """Each job with the detections of all its frames."""
        return _watch(jobs, self.detector)


def in_order(seen: Iterable[Seen], jobs: Iterable[Job]) -> Iterator[Seen]:
    """The videos in the order of the jobs, in whatever order they were seen."""
    waiting: dict[str, Seen] = {}
    wanted = (job.name for job in jobs)
    name = next(wanted, None)
    for one in seen:
        waiting[one.job.name] = one
        while name in waiting:
            yield waiting.pop(name)
            name = next(wanted, None)


def _watch(jobs: Iterable[Job], detector: Detector) -> Iterator[Seen]:
    batches = ahead(_batches(jobs, cuts_wanted=not detector.knows_instances), depth=_BATCHES_AHEAD)
    for job, group in groupby(batches, key=lambda batch: batch.job):
        found: list[Detections] = []
        cuts: list[int] = []
        held: dict[int, UInt8Frames] | None = {}
        damage: VideoError | None = None
        for batch in group:
            damage = batch.damage
            if batch.frames is None:
                continue
            found += detector(batch.frames)
            cuts += batch.cuts
            if len(found) * _frame_bytes(job.info) > _BYTES_HELD:
                held = None
            if held is not None:
                held |= dict(enumerate(batch.frames.pixels, start=batch.frames.first))
        yield Seen(job, found, cuts, held, damage)


def _batches(jobs: Iterable[Job], *, cuts_wanted: bool) -> Iterator[_Batch]:
    for job in jobs:
        shots = ShotCuts() if cuts_wanted else None
        try:
            numbered = enumerate(VideoFile(job.info.path).stream())
            while batch := list(islice(numbered, _FRAMES_PER_BATCH)):
                cuts = [index for index, frame in batch if shots is not None and shots.starts_at(frame, index)]
                yield _Batch(job, VideoFrames(np.stack([frame for _, frame in batch]), job.info, batch[0][0]), cuts)
        except VideoError as error:
            yield _Batch(job, None, [], error)


def _frame_bytes(video: VideoInfo) -> int:
    return video.width * video.height * 3
