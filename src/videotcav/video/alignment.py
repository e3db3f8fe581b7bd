"""Events at different moments: which second of each video its clip is laid around, so that it falls on the same frame.

A moment is known from a table of files and seconds, or is that of most motion. A video without one is read as ever.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from videotcav.errors import ArgumentError, UnreadableText, VideoError, closest
from videotcav.records import ClipSpec
from videotcav.texts import read_table
from videotcav.video.info import Timed
from videotcav.video.read import VideoFile
from videotcav.video.sampling import rank_at
from videotcav.video.segment import file_of, start_of

Align = Literal["none", "event", "motion"]
"""`event`: on the seconds of a table. `motion`: on the frame that differs most from the one before it."""

Edges = Literal["refuse", "hold"]
"""What becomes of a clip that would begin before its video or end after it: refused, or the end frame held."""

_SLACK = 1e-6


def aligned_frame(spec: ClipSpec) -> int:
    """The frame of a clip, the first being 0, on which the moment falls: the one in the middle."""
    return spec.frames // 2


def aligned_times(
    video: Timed,
    spec: ClipSpec,
    event_seconds: float,
    *,
    edges: Edges = "refuse",
    frame_times: NDArray[np.float64] | None = None,
) -> tuple[float, ...]:
    """The seconds of the clip's frames where frame `aligned_frame` shows the second `event_seconds` of the video.

    With `edges="hold"` frames before the video are its first one, and frames after it its last one.

    Raises `VideoError` where the video has no such second, and where it would have to be held and may not be.
    """
    duration = video.duration_seconds
    if not (math.isfinite(event_seconds) and -_SLACK <= event_seconds < duration):
        raise VideoError(
            video.path, f"has no event at {event_seconds:.3f} s, as it is said to: it lasts {duration:.3f} s"
        )
    wanted, outside = _wanted(video, spec, event_seconds, frame_times)
    if edges == "refuse" and outside.any():
        raise VideoError(
            video.path,
            f"cannot be shifted so far that its event at {event_seconds:.3f} s falls on frame {aligned_frame(spec)} "
            f"(the first is 0) of {spec.frames}: {_needs(video, spec, event_seconds)}; take a longer video, or "
            'edges = "hold", which repeats the frame at the end',
        )
    return tuple(wanted.tolist())


def _wanted(
    video: Timed, spec: ClipSpec, event_seconds: float, frame_times: NDArray[np.float64] | None
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The seconds of the frames of a clip laid around that second, and which of them lie outside of the video."""
    steps = np.arange(spec.frames) - aligned_frame(spec)
    if spec.seconds_between_frames is None:
        times = VideoFile(video.path).times if frame_times is None else frame_times
        ranks = rank_at(times, event_seconds) + steps * (spec.stride or 1)
        return times[ranks.clip(0, len(times) - 1)], (ranks < 0) | (ranks >= len(times))
    duration = video.duration_seconds
    wanted = event_seconds + steps * spec.seconds_between_frames
    last = duration if frame_times is None else float(frame_times[-1])
    held = np.where(wanted < duration, np.maximum(wanted, 0.0), last)
    return held, (wanted < -_SLACK) | (wanted >= duration - _SLACK)


def _needs(video: Timed, spec: ClipSpec, event_seconds: float) -> str:
    before, after = aligned_frame(spec), spec.frames - 1 - aligned_frame(spec)
    if spec.stride is not None:
        return f"that needs {before * spec.stride} frames before it and {after * spec.stride} behind it"
    step = spec.seconds_between_frames or 0.0
    return (
        f"that needs {before * step:.3f} s before it and more than {after * step:.3f} s from it on, and there are "
        f"{event_seconds:.3f} s and {video.duration_seconds - event_seconds:.3f} s"
    )


def not_alignable(spec: ClipSpec) -> str:
    """Why a video is not laid around an event, as the end of a sentence; empty where it is."""
    if spec.spread is not None:
        return f"is shown whole ({spec.frames} frames spread over it), which shifts no event; take no alignment"
    if spec.clips_per_video > 1:
        return (
            f"is shown as {spec.clips_per_video} clips, of which only one can be laid around its event; take "
            "clips_per_video = 1, or no alignment"
        )
    return ""


def held_frames(
    video: Timed, spec: ClipSpec, event_seconds: float, *, frame_times: NDArray[np.float64] | None = None
) -> int:
    """How many frames of a clip laid around that second lie outside of the video."""
    return int(_wanted(video, spec, event_seconds, frame_times)[1].sum())


def moment_of_most_motion(video: VideoFile) -> float | None:
    """The second of the frame that differs most from the one before it (the first such), by the mean over its pixels of
    the absolute difference; None where no two frames differ.
    """
    most, moment, before = 0.0, None, None
    for frame, seconds in zip(video.stream(), video.times, strict=False):
        now = frame.astype(np.int16)
        if before is not None and (change := float(np.abs(now - before).mean())) > most:
            most, moment = change, float(seconds)
        before = now
    return moment


class Events:
    """When the event of each file is: seconds, or None for a file that is said to have none."""

    def __init__(self, rows: Mapping[Path | str, float | None], *, table: Path | str = "the table of events") -> None:
        self.table = table
        self._rows: dict[Path, float | None] = {}
        for path, seconds in rows.items():
            if seconds is not None and not (math.isfinite(seconds) and seconds >= 0):
                raise UnreadableText(table, f"gives {path} the second {seconds}; it must be a number, 0 or more")
            self._rows[Path(path).resolve()] = seconds
        lost = [path for path in self._rows if not file_of(path).exists()]
        if lost:
            near = closest(lost[0].name, [path.name for path in lost[0].parent.glob("*")])
            raise UnreadableText(
                table,
                f"names {len(lost)} of {len(self._rows)} files that are not there, the first is {lost[0]}"
                + (f"; closest: {near}" if near else "; paths in it are relative to the table"),
            )

    @classmethod
    def read(cls, table: Path) -> Events:
        """The table with the columns `file`, relative to the table, and `seconds`, empty for a file without event.

        Raises:
            UnreadableText: it cannot be read, lacks a column, names a file that is not there or two seconds of one, or
                has a second that is no number from 0 on.
        """
        rows = read_table(table)
        missing = [name for name in ("file", "seconds") if not rows or name not in rows[0]]
        if missing:
            found = ", ".join(filter(None, rows[0])) if rows else "no rows"
            raise UnreadableText(table, f"the table has no column {' and no '.join(missing)}; found: {found}")
        told: dict[Path | str, float | None] = {}
        for row in rows:
            path, text = (table.parent / row["file"]).resolve(), row["seconds"].strip()
            try:
                seconds = float(text) if text else None
            except ValueError:
                raise UnreadableText(table, f"gives {row['file']} '{text}', which is no number of seconds") from None
            if path in told and told[path] != seconds:
                raise UnreadableText(table, f"names two seconds of {row['file']}: {told[path]} and {seconds}")
            told[path] = seconds
        return cls(told, table=table)

    def __contains__(self, path: Path) -> bool:
        return path.resolve() in self._rows or file_of(path.resolve()) in self._rows

    def of(self, path: Path) -> float | None:
        """The second of a file that is in the table, or of a segment of one, counted from its own start."""
        if path.resolve() in self._rows:
            return self._rows[path.resolve()]
        seconds = self._rows[file_of(path.resolve())]
        return None if seconds is None else seconds - start_of(path)

    def refuse_unnamed(self, paths: Iterable[Path]) -> None:
        """Nothing where the table names each of the files. Raises UnreadableText with the number and the first."""
        paths = list(paths)
        unnamed = [path for path in paths if path not in self]
        if unnamed:
            raise UnreadableText(
                self.table,
                f"says nothing about {len(unnamed)} of {len(paths)} clips, the first is {unnamed[0]}; give each its "
                "seconds, or an empty cell where it has no event and is to be read from its middle",
            )


@dataclass(frozen=True)
class Alignment:
    """By what clips are aligned, and what becomes of those that cannot be shifted far enough."""

    align: Align = "none"
    events: Events | None = None
    edges: Edges = "refuse"

    @classmethod
    def of(
        cls,
        align: Align | None = None,
        events: Mapping[Path | str, float | None] | Path | str | None = None,
        edges: Edges = "refuse",
    ) -> Alignment:
        """Of what a caller names; `events` alone means `align="event"`. Raises ArgumentError where it does not fit."""
        chosen = align or ("none" if events is None else "event")
        for what, given, known in (("align", chosen, get_args(Align)), ("edges", edges, get_args(Edges))):
            if given not in known:
                raise ArgumentError(f"{what} '{given}' is none of {', '.join(known)}")
        if problem := alignment_problem(chosen, has_events=events is not None, edges=edges):
            raise ArgumentError(problem)
        if events is None:
            return cls(chosen, None, edges)
        return cls(chosen, Events.read(Path(events)) if isinstance(events, Path | str) else Events(events), edges)

    def moment(self, path: Path) -> float | None:
        """The second on which the clip of a file is aligned; None where it has none. Raises VideoError."""
        if self.align == "motion":
            return moment_of_most_motion(VideoFile(path))
        return self.events.of(path) if self.events is not None else None


def alignment_problem(align: str, *, has_events: bool, edges: str = "refuse") -> str:
    """What is wrong with these settings together, as a sentence; empty where nothing is."""
    if align == "event" and not has_events:
        return 'align = "event" needs the seconds: events = "events.csv", with the columns file and seconds'
    if align != "event" and has_events:
        return f'events are read with align = "event" only, and here it is "{align}"'
    if align == "none" and edges != "refuse":
        return 'edges are of aligned clips; add align = "event" or "motion"'
    return ""
