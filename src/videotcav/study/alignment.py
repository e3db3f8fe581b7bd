"""The moment around which each clip of a study is laid, and what is to be told of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from videotcav.engine.local import load_ahead
from videotcav.errors import StudyFileError, UnreadableText, VideoError
from videotcav.outputs import file_sha256
from videotcav.records import ClipSpec, ConceptSet, Kind, Progress, silent
from videotcav.results.manifest import AlignmentFacts
from videotcav.study.file import StudyText
from videotcav.study.inputs import Inputs
from videotcav.video.alignment import Alignment, aligned_frame, held_frames, not_alignable
from videotcav.video.info import VideoInfo
from videotcav.video.read import VideoFile


@dataclass(frozen=True)
class Placed:
    """A video and the second that its clip is laid around; None where it has no event, or does not move."""

    video: VideoInfo
    times: NDArray[np.float64]
    moment: float | None


def aligned(inputs: Inputs, file: StudyText, spec: ClipSpec, *, progress: Progress = silent) -> Inputs:
    """The same with the moment of every clip, as the study's `align` says, and with what is to be told of them.

    Videos that cannot be read have none; whoever reads them says why.

    Raises StudyFileError where the table of events cannot be read, leaves a clip out, or names a second outside of one,
    and where the model wants several clips of a video.
    """
    study = file.study
    if study.align == "none":
        return inputs
    if why := not_alignable(spec):
        raise StudyFileError(file.path, [f"align: a video {why}"])
    table = None if study.events is None else file.folder / study.events
    others = [each.path for each in (*inputs.random, *(each for some in inputs.classes.values() for each in some))]
    try:
        placed = moments(inputs.concepts, others, Alignment.of(study.align, table, study.edges), progress=progress)
    except UnreadableText as error:
        raise StudyFileError(file.path, [f"events: {error}"]) from None
    around = {path: each.moment for path, each in placed.items() if each.moment is not None}
    held = {
        path: number
        for path, moment in around.items()
        if (number := held_frames(placed[path].video, spec, moment, frame_times=placed[path].times))
    }
    facts = AlignmentFacts(
        align=study.align,
        frame=aligned_frame(spec),
        edges=study.edges,
        events="" if study.events is None else study.events.name,
        events_sha256="" if table is None else file_sha256(table),
        clips=len(placed),
        without_event=len(placed) - len(around),
        held=len(held) if study.edges == "hold" else 0,
    )
    remark = f"{len(held)} of {len(placed)} clips " + (
        f"hold the first or the last frame of their video for up to {max(held.values(), default=0)} of {spec.frames} "
        f"frames, as their event is near its end; the first is {next(iter(held), '')}."
        if study.edges == "hold"
        else f"cannot be shifted so far that their event falls on frame {aligned_frame(spec)}, the first is "
        f'{next(iter(held), "")}: a run refuses them. Take longer videos, or edges = "hold".'
    )
    return replace(inputs, moments=around, alignment=facts, remarks=(*inputs.remarks, *([remark] if held else ())))


def moments(
    concepts: Sequence[ConceptSet], others: Sequence[Path], alignment: Alignment, *, progress: Progress = silent
) -> dict[Path, Placed]:
    """Every video that can be read, with its moment.

    Still clips and twins without a row of their own take the moment of the moving clip of their track, so that both
    show the same stretch of it; a reversed one where that lies when it runs backwards.

    Raises UnreadableText where the table of events leaves a clip out, or names a second outside of one.
    """
    leader = _leaders(concepts, alignment)
    paths = list(dict.fromkeys([*(clip.path for each in concepts for clip in each.clips), *others]))
    first = [path for path in paths if path not in leader]
    if alignment.events is not None:
        alignment.events.refuse_unnamed(first)
    looked_at = load_ahead(first, partial(_place, alignment=alignment))
    placed = {path: each for path, each in progress(looked_at, "moments", total=len(first)) if each}
    for path, (moving, kind) in leader.items():
        if moving in placed and (each := _follow(path, placed[moving], kind)):
            placed[path] = each
    if alignment.events is not None:
        outside = [(path, each) for path, each in placed.items() if (each.moment or 0) >= each.video.duration_seconds]
        if outside:
            path, each = outside[0]
            raise UnreadableText(
                alignment.events.table,
                f"names seconds outside of {len(outside)} videos, the first is {each.moment:g} s of {path}, which "
                f"lasts {each.video.duration_seconds:.3f} s",
            )
    return {path: placed[path] for path in paths if path in placed}


def _leaders(concepts: Sequence[ConceptSet], alignment: Alignment) -> dict[Path, tuple[Path, Kind]]:
    """Of each clip that follows the moving one of its track: that one, and its own kind."""
    moving = {
        (each.concept, clip.id): clip.path for each in concepts if each.kind == "spatiotemporal" for clip in each.clips
    }
    return {
        clip.path: (moving[each.concept, clip.id], each.kind)
        for each in concepts
        if each.kind != "spatiotemporal"
        for clip in each.clips
        if (each.concept, clip.id) in moving and (alignment.events is None or clip.path not in alignment.events)
    }


def _place(path: Path, *, alignment: Alignment) -> Placed | None:
    try:
        file = VideoFile(path)
        return Placed(file.info(), file.times, alignment.moment(path))
    except VideoError:
        return None  # told where its clip is read


def _follow(path: Path, moving: Placed, kind: Kind) -> Placed | None:
    own = _place(path, alignment=Alignment())
    if own is None or moving.moment is None:
        return own
    moment = moving.video.duration_seconds - moving.moment if kind == "reversed" else moving.moment
    return replace(own, moment=min(moment, float(own.times[-1])))


def moments_of(placed: Mapping[Path, Placed]) -> dict[Path | str, float | None]:
    """The moments alone, as `read_clips` takes them."""
    return {path: each.moment for path, each in placed.items()}
