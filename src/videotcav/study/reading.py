"""The clips of a study as they are brought to the passes."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from torch import Tensor

from videotcav.features.measure import ClipFile, ClipReader
from videotcav.records import ClipSpec, Progress, silent
from videotcav.study.inputs import Inputs
from videotcav.video.alignment import Edges
from videotcav.video.clips import read_clip
from videotcav.video.info import ClipOrigin
from videotcav.video.read import probe


def clip_reader(
    inputs: Inputs, spec: ClipSpec, edges: Edges, *, skip_bad: bool = False, progress: Progress = silent
) -> ClipReader:
    """What brings the clips to the passes, and knows afterwards which could not be read."""
    files: dict[str | None, tuple[ClipFile, ...]] = {None: inputs.set_files}
    files.update(inputs.classes.items())
    return ClipReader(
        files,
        partial(read_pixels, spec=spec, edges=edges),
        skip_bad=skip_bad,
        progress=progress,
        moments=inputs.moments,
        alignment=f"edges {edges}",
    )


def read_pixels(
    path: Path,
    class_name: str | None,
    *,
    spec: ClipSpec,
    view: int | None = None,
    event_seconds: float | None = None,
    edges: Edges = "refuse",
) -> Tensor:
    """The pixels of a clip as a study reads it, see `read_with_origin`."""
    return read_with_origin(path, class_name, spec=spec, view=view, event_seconds=event_seconds, edges=edges)[1]


def read_with_origin(
    path: Path,
    class_name: str | None,
    *,
    spec: ClipSpec,
    view: int | None = None,
    event_seconds: float | None = None,
    edges: Edges = "refuse",
) -> tuple[ClipOrigin, Tensor]:
    """A clip, and where it comes from: at its own speed, laid around its event where it has one; a concept or random
    clip without that is too short for it is stretched to the model's length.
    """
    video = probe(path)
    if event_seconds is not None:
        return read_clip(video, spec, view=view, event_seconds=event_seconds, edges=edges)
    stretched = class_name is None and video.duration_seconds <= spec.seconds
    return read_clip(video, spec, fit="stretch" if stretched else "time", view=view)
