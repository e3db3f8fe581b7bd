"""Tubelets of videos: from a position of a layer's grid to the candidate clip that a person looks at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from videotcav.concepts.detectors.detect import AnyDetector, load_detector, require_label
from videotcav.concepts.discover.candidates import Finder, TubeletTrack, write_candidates
from videotcav.concepts.discover.factors import GridPlace, Volumes
from videotcav.concepts.propose.recipe import Recipe
from videotcav.concepts.propose.track import Track
from videotcav.datasets.read import clips_and_sources
from videotcav.datasets.rows import ClipList
from videotcav.errors import ArgumentError, TrackNotFound, require_distinct
from videotcav.features.measure import ClipFile, ClipReader
from videotcav.features.volumes import rows_of_objects
from videotcav.interventions.locate import track_masks, tracks_shown
from videotcav.records import Box, ConceptClip, Progress
from videotcav.study.reading import StudyClips
from videotcav.video.find import videos_there
from videotcav.video.info import ClipOrigin
from videotcav.video.read import VideoFile, on_file
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
    sha256). Their tubelets are positions of a grid; or the `tracks` of each, in frames of its file, where told.
    """

    files: tuple[ClipFile, ...]
    digests: dict[Path, str]
    named: dict[str, str]
    read: StudyClips
    progress: Progress
    tracks: Mapping[Path, Sequence[Track]] = field(default_factory=dict)
    told_by: Mapping[str, str] = field(default_factory=dict)
    _origins: dict[Path, ClipOrigin] = field(default_factory=dict)

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

    def tracked(self, objects: AnyDetector | None, labels: Sequence[str]) -> UnlabelledVideos:
        """Those that show tracks of these labels, or of any where none is given; all where nothing tells tracks.

        Raises TrackNotFound, NotFound where the detector has no such label, and BoxesError where a file does not fit a
        video.
        """
        if objects is None:
            if labels:
                raise ArgumentError("labels say whose tracks are tubelets: say where objects are too")
            return self
        detector = load_detector(objects)
        require_distinct("label", labels)
        for label in labels:
            require_label(detector, label)
        wanted, spec = tuple(labels or detector.labels), self.read.spec
        tracks = {
            file.path: tracks_shown(self._origin(file.path), spec, detector, wanted)
            for file in self.progress(self.files, "looking for objects", total=len(self.files))
        }
        if not any(tracks.values()):
            what = f" of {' or '.join(map(repr, labels))}" if labels else ""
            raise TrackNotFound(
                f"{detector.name} has no track{what} in what the model is shown of any of {len(tracks)} videos"
            )
        told_by = {"objects": f"{detector.name} {detector.sha256}"}
        return replace(self, tracks=tracks, told_by=told_by).where(
            np.array([bool(tracks[file.path]) for file in self.files])
        )

    def rows(self, volumes: Volumes) -> Volumes:
        """The rows of their tubelets, of what a layer gave for each video."""
        if not self.tracks:
            return volumes
        spec, rows = self.read.spec, []
        for file, volume in zip(self.files, volumes(), strict=True):
            origin = self._origin(file.path)
            rows.append(rows_of_objects(volume, [track_masks(each, origin, spec) for each in self.tracks[file.path]]))
        return lambda: rows

    def _origin(self, path: Path) -> ClipOrigin:
        if path not in self._origins:
            self._origins[path] = self.read.with_origin(path, None)[0]
        return self._origins[path]

    def cut(self, folder: Path, wanted: Mapping[str, Sequence[Tubelet]], finder: Finder, *, recipe: Recipe) -> None:
        """Cuts the tubelets of each concept into a new folder."""
        found = {concept: [self._track(each) for each in own] for concept, own in wanted.items()}
        sources = {self.digests[file.path]: file.source for file in self.files}
        write_candidates(folder, found, finder, recipe=recipe, sources=sources, progress=self.progress)

    def _track(self, tubelet: Tubelet) -> TubeletTrack:
        """The tubelet in source pixels, in each frame of those that the model was shown from first to last."""
        path = self.files[tubelet.video].path
        origin, file = self._origin(path), VideoFile(path)
        first, last = file.ranks_at((origin.timestamps[0], origin.timestamps[-1]))
        if self.tracks:
            told = self.tracks[path][tubelet.place.width]
            whole = on_file(origin)
            before = VideoFile(whole.video.path).ranks_at(whole.timestamps[:1])[0] - first
            return TubeletTrack(origin.video, _between(told, first, last, before, tubelet.over_time[0]))
        spec, video = self.read.spec, origin.video
        (_, height, width), (time, row, column) = tubelet.grid, tubelet.place
        high, wide = origin.pixels_per_row * spec.height / height, origin.pixels_per_column * spec.width / width
        top, left = origin.top + row * high, origin.left + column * wide
        box = Box(
            left=max(0.0, left),
            top=max(0.0, top),
            right=min(video.width, left + wide),
            bottom=min(video.height, top + high),
        )
        steps = np.arange(last - first + 1) * len(tubelet.over_time) // (last - first + 1)
        scores = tuple(tubelet.over_time[step] for step in steps)
        frames = tuple(range(first, last + 1))
        name = f"{time}-{row}-{column}"
        return TubeletTrack(video, Track(id=name, label="", frames=frames, boxes=(box,) * len(frames), scores=scores))


def _between(track: Track, first: int, last: int, before: int, strength: float) -> Track:
    """The part of a track from one frame of a clip to another, without a gap; the file has so many frames `before`.

    Where the box is interpolated its score is 0.
    """
    seen = np.array(track.frames) - before
    frames = np.arange(max(first, seen[0]), min(last, seen[-1]) + 1)
    edges = {name: np.interp(frames, seen, [getattr(box, name) for box in track.boxes]) for name in Box.model_fields}
    return Track(
        id=f"{track.label}-{track.id}".replace(" ", "_").replace("/", "_"),
        label=track.label,
        frames=tuple(frames.tolist()),
        boxes=tuple(Box(**dict(zip(edges, at, strict=True))) for at in zip(*edges.values(), strict=True)),
        scores=tuple(np.where(np.isin(frames, seen), strength, 0.0).tolist()),
    )


def _of_file(sha256: str) -> str:
    """The file's part of what a clip is known by, see `clip_sha256`."""
    return sha256.partition("#")[0]
