"""Tubelets of videos: from a position of a layer's grid to the candidate clip that a person looks at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from videotcav.concepts.discover.candidates import Finder, TubeletBox, write_candidates
from videotcav.concepts.discover.factors import GridPlace
from videotcav.concepts.propose.recipe import Recipe
from videotcav.datasets.read import clips_and_sources
from videotcav.datasets.rows import ClipList
from videotcav.errors import ArgumentError
from videotcav.features.measure import ClipFile, ClipReader
from videotcav.records import ConceptClip, Progress
from videotcav.study.reading import StudyClips
from videotcav.video.find import videos_there
from videotcav.video.info import ClipOrigin
from videotcav.video.read import VideoFile
from videotcav.video.segment import file_of
from videotcav.video.sources import named_source, tell_rows_of_others

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
    """Videos that nobody said anything of, each content once; a file is its own source where none is `named` (by the
    sha256).
    """

    files: tuple[ClipFile, ...]
    digests: dict[Path, str]
    named: dict[str, str]
    read: StudyClips
    progress: Progress
    _origins: dict[int, ClipOrigin] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        videos: Path | str | Sequence[Path | str] | ClipList,
        sources: Mapping[str, str] | None,
        read: StudyClips,
        *,
        seed: int = 0,
        progress: Progress,
    ) -> UnlabelledVideos:
        """These files, folders and patterns, or the clips of a list, drawn by the seed where they are to be few.

        `sources` are by names without ending. Raises VideoNotFound, UnreadableText, and ArgumentError where one content
        has two sources, also in segments.
        """
        places, told = clips_and_sources(videos, sources, seed=seed)
        paths = videos_there(places)
        tell_rows_of_others(told, paths)
        reader = ClipReader({None: [ClipFile(path=path, source="") for path in paths]}, read, progress=progress)
        reader.clips()
        first: dict[str, Path] = {}
        files: dict[str, Path] = {}
        named: dict[str, str] = {}
        for path in paths:
            sha256, source = _of_file(reader.digests[path]), named_source(path, told)
            first.setdefault(reader.digests[path], path)
            files.setdefault(sha256, file_of(path))
            if source and (known := named.setdefault(sha256, source)) != source:
                both = f"'{known}' and from '{source}'"
                raise ArgumentError(f"{files[sha256]} and {path} are the same video, from {both}: name one source")
        stems = Counter(path.stem for path in files.values())
        own = {
            sha256: path.stem if stems[path.stem] == 1 else f"{path.stem}-{sha256[:8]}"
            for sha256, path in files.items()
        }
        clips = tuple(
            ClipFile(path=path, source=named.get(_of_file(sha256)) or own[_of_file(sha256)])
            for sha256, path in first.items()
        )
        return cls(clips, reader.digests, named, read, progress)

    def cut_into(self, clips: Collection[ConceptClip]) -> NDArray[np.bool_]:
        """Which videos some clips are cut from, or share a named source with."""
        videos = {_of_file(clip.source_sha256) for clip in clips}
        sources = {clip.source for clip in clips} - {""}
        return np.array([self.file_sha256(f) in videos or self.source_of(f) in sources for f in self.files])

    def where(self, some: NDArray[np.bool_]) -> UnlabelledVideos:
        """Some of them alone."""
        return replace(self, files=tuple(self.files[place] for place in np.flatnonzero(some)))

    def file_sha256(self, file: ClipFile) -> str:
        """The content of the file that a clip is, or is a segment of."""
        return _of_file(self.digests[file.path])

    def source_of(self, file: ClipFile) -> str:
        """The source that somebody named of it, or nothing."""
        return self.named.get(self.file_sha256(file), "")

    def sources_of(self, some: NDArray[np.bool_]) -> dict[str, str]:
        """The files of some of the videos by their sha256, with their sources where somebody named them."""
        files = (self.files[place] for place in np.flatnonzero(some))
        return {self.file_sha256(file): self.source_of(file) for file in files}

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


def _of_file(sha256: str) -> str:
    """The file's part of what a clip is known by, see `clip_sha256`."""
    return sha256.partition("#")[0]
