"""Tubelets of videos: from a position of a layer's grid to the candidate clip that a person looks at."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from videotcav.concepts.discover.candidates import Finder, TubeletBox, write_candidates
from videotcav.concepts.discover.factors import GridPlace
from videotcav.concepts.propose.recipe import Recipe
from videotcav.features.measure import ClipFile, ClipReader
from videotcav.records import Progress
from videotcav.study.reading import StudyClips
from videotcav.video.find import videos_there
from videotcav.video.info import ClipOrigin
from videotcav.video.read import VideoFile
from videotcav.video.sources import source_in

LEAST_SCORE = 1e-4
"""Of a tubelet in a frame: 0 would say that it was not looked for there."""


class Tubelet(NamedTuple):
    """A position of a layer's grid in a video, by its number, and the strengths at its height and width over time."""

    video: int
    place: GridPlace
    grid: GridPlace
    over_time: tuple[float, ...]


@dataclass(frozen=True)
class UnlabelledVideos:
    """Videos that nobody said anything of, each content once; a file is its own source where none is named."""

    files: tuple[ClipFile, ...]
    digests: dict[Path, str]
    read: StudyClips
    progress: Progress
    _origins: dict[int, ClipOrigin] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        videos: Path | str | Sequence[Path | str],
        sources: Mapping[str, str],
        read: StudyClips,
        *,
        progress: Progress,
    ) -> UnlabelledVideos:
        """These files, folders and patterns; `sources` are by names without ending. Raises VideoNotFound."""
        every = [
            ClipFile(path=path, source=sources.get(path.stem) or source_in(path) or path.stem)
            for path in videos_there(videos)
        ]
        reader = ClipReader({None: every}, read, progress=progress)
        reader.clips()
        files = tuple({reader.digests[file.path]: file for file in reversed(every)}.values())[::-1]
        return cls(files, reader.digests, read, progress)

    def without(self, sha256: Collection[str]) -> UnlabelledVideos:
        """The same without videos of such content."""
        return replace(self, files=tuple(file for file in self.files if self.digests[file.path] not in sha256))

    def reader(self, classes: Mapping[str, Sequence[ClipFile]] | None = None) -> ClipReader:
        """What brings them to the passes, with the clips of classes."""
        files: dict[str | None, Sequence[ClipFile]] = {None: self.files}
        files.update((classes or {}).items())
        return ClipReader(files, self.read, progress=self.progress, digests=self.digests)

    def cut(self, folder: Path, wanted: Mapping[str, Sequence[Tubelet]], finder: Finder, *, recipe: Recipe) -> None:
        """Cuts the tubelets of each concept into a new folder."""
        boxes = {concept: [self._box(each) for each in own] for concept, own in wanted.items()}
        sources = {self.digests[file.path]: file.source for file in self.files}
        write_candidates(folder, boxes, finder, recipe=recipe, sources=sources, progress=self.progress)

    def _box(self, tubelet: Tubelet) -> TubeletBox:
        """The tubelet in source pixels, over all frames that the model was shown."""
        path, spec = self.files[tubelet.video].path, self.read.spec
        if tubelet.video not in self._origins:
            self._origins[tubelet.video] = self.read.with_origin(path, None)[0]
        origin = self._origins[tubelet.video]
        (_, height, width), (time, row, column) = tubelet.grid, tubelet.place
        high, wide = origin.pixels_per_row * spec.height / height, origin.pixels_per_column * spec.width / width
        top, left = origin.top + row * high, origin.left + column * wide
        video = origin.video
        edges = max(0.0, left), max(0.0, top), min(video.width, left + wide), min(video.height, top + high)
        first, last = VideoFile(path).ranks_at((origin.timestamps[0], origin.timestamps[-1]))
        steps = np.arange(last - first + 1) * len(tubelet.over_time) // (last - first + 1)
        scores = tuple(tubelet.over_time[step] for step in steps)
        return TubeletBox(video, f"{time}-{row}-{column}", edges, first, scores)
