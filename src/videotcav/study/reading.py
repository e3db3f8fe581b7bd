"""The clips of a study as they are brought to the passes."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from videotcav.errors import ArgumentError
from videotcav.features.measure import ClipFile, ClipReader
from videotcav.interventions.frames import Frames, of_frames, to_frames
from videotcav.records import ClipSpec, Progress, silent
from videotcav.study.inputs import Inputs
from videotcav.video.alignment import Edges
from videotcav.video.clips import read_clip
from videotcav.video.info import ClipOrigin
from videotcav.video.read import VideoFile
from videotcav.video.sampling import lasts_no_longer

_KEPT_BYTES = 2**29


@dataclass
class StudyClips:
    """Reads clips as a study does: at their own speed, laid around their event where they have one; a concept or random
    clip without that is too short for the model is stretched to its length.

    Where class clips are read more than once, `keeps` has them decoded once, as far as half a gigabyte holds their
    8-bit frames; a copy in another process begins anew.
    """

    spec: ClipSpec
    edges: Edges = "refuse"
    keeps: bool = False
    _kept: dict[tuple[Path, int | None], tuple[ClipOrigin, Frames]] = field(default_factory=dict, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_kept": {}}

    def __call__(
        self, path: Path, class_name: str | None, *, view: int | None = None, event_seconds: float | None = None
    ) -> Tensor:
        """The pixels of a clip of a class, or of none."""
        return self.with_origin(path, class_name, view=view, event_seconds=event_seconds)[1]

    def of_class(
        self, class_name: str, file: ClipFile, event_seconds: float | None, _spec: ClipSpec
    ) -> tuple[ClipOrigin, Tensor]:
        """A file that is a clip of a class, and where it comes from."""
        return self.with_origin(file.path, class_name, view=file.view, event_seconds=event_seconds)

    def with_origin(
        self, path: Path, class_name: str | None, *, view: int | None = None, event_seconds: float | None = None
    ) -> tuple[ClipOrigin, Tensor]:
        """A clip, and where it comes from."""
        key = path, view
        if class_name is not None and key in self._kept:
            origin, frames = self._kept[key]
            return origin, of_frames(frames, self.spec)
        video = VideoFile(path)
        if event_seconds is not None:
            found = read_clip(video, self.spec, view=view, event_seconds=event_seconds, edges=self.edges)
        else:
            stretched = class_name is None and lasts_no_longer(video.duration_seconds, self.spec)
            found = read_clip(video, self.spec, fit="stretch" if stretched else "time", view=view)
        if class_name is not None and self.keeps:
            self._keep(key, *found)
        return found

    def _keep(self, key: tuple[Path, int | None], origin: ClipOrigin, pixels: Tensor) -> None:
        """Keeps a clip where there is room, and where its 8-bit frames give back its very pixels."""
        if (len(self._kept) + 1) * pixels.numel() > _KEPT_BYTES:
            return
        with suppress(ArgumentError):  # told where it is edited
            frames = to_frames(pixels, self.spec)
            if torch.equal(of_frames(frames, self.spec), pixels):
                self._kept[key] = origin, frames


def clip_reader(
    inputs: Inputs, clips: StudyClips, *, skip_bad: bool = False, progress: Progress = silent
) -> ClipReader:
    """What brings the clips to the passes, and knows afterwards which could not be read."""
    files: dict[str | None, tuple[ClipFile, ...]] = {None: inputs.set_files}
    files.update(inputs.classes.items())
    return ClipReader(
        files,
        clips,
        skip_bad=skip_bad,
        progress=progress,
        moments=inputs.moments,
        alignment=f"edges {clips.edges}",
    )
