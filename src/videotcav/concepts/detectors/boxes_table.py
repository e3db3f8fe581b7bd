"""Boxes from any table whose columns a person names: CSV, TSV, JSONL or Parquet, a row a box."""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from videotcav.concepts.detectors.boxes import BoxesFile, BoxRow, VideoBoxes, without_ending
from videotcav.concepts.detectors.boxes_text import class_of
from videotcav.errors import BoxesError, UnreadableText, closest
from videotcav.texts import read_bytes
from videotcav.video.labels import as_label, rows_in_table

TABLES = {".csv", ".tsv", ".jsonl", ".ndjson", ".parquet"}
TICKS = 1_000_000
"""What a second is told in."""

_ACROSS, _DOWN = ("left", "right", "width", "centre_x"), ("top", "bottom", "height", "centre_y")
_WHEN = ("frame", "frame_from_1", "seconds")
_KEYS = ("video", *_WHEN, *_ACROSS, *_DOWN, "label", "score", "track")
_NO_LABEL = "object"
_LARGEST_SHARE = 2  # of the frame: boxes may reach over its edge, and no picture has two pixels
_EDGES = 2


def read_boxes_table(path: Path, *, columns: str = "", class_names: tuple[str, ...] | None = None) -> BoxesFile:
    """The boxes of a table. `columns` is `video=file,frame=frame_idx,left=x,…`: what it calls each of these.

    - `video`: name or path; without it the table is about the video that it is named after;
    - `frame` (from 0), `frame_from_1` or `seconds`, which are led to the nearest frame;
    - two of `left`, `right`, `width`, `centre_x`, and two of `top`, `bottom`, `height`, `centre_y`: in pixels, or in
      shares of the frame where no number of the table is above 2;
    - `label`, a number of `class_names` from 0 where these are given; `score` from 0 to 1; `track`, the instance.

    What `columns` does not name has its own name here; `label`, `score` and `track` may be missing.
    """
    try:
        rows = rows_in_table(path)
    except UnreadableText as error:
        raise BoxesError(str(error)) from None
    known = list(dict.fromkeys(name for row in rows for name in row))
    header = _Columns.of(columns, known, path)
    videos: dict[str, dict[int, list[BoxRow]]] = defaultdict(lambda: defaultdict(list))
    labels, largest = dict[str, None](), 0.0
    for number, row in enumerate(rows, start=1):
        cells = _Cells(row, header.names, f"{path}, row {number}")
        left, right = _edges(cells, header.across)
        top, bottom = _edges(cells, header.down)
        label = cells.text("label", _NO_LABEL)
        if class_names is not None:
            label = class_of(class_names, cells.number("label"), cells.where, first=0)
        score = cells.number("score", 1.0)
        if not 0 <= score <= 1:
            raise BoxesError(f"{cells.where}: its score is {score:g}, and needs to be from 0 to 1")
        box = BoxRow(left, top, right, bottom, score, label, cells.text("track", "") or None)
        video = without_ending(cells.text("video", path.stem)) if "video" in header.names else path.stem
        videos[video][_time(cells, header.when)].append(box)
        labels[label] = None
        largest = max(largest, abs(left), abs(top), abs(right), abs(bottom))
    if not rows:
        raise BoxesError(f"{path}: has no rows")
    return BoxesFile(
        path=path,
        sha256=hashlib.sha256(columns.encode() + read_bytes(path)).hexdigest(),
        labels=class_names or tuple(labels),
        videos={
            video: VideoBoxes(
                dict(frames),
                relative=largest <= _LARGEST_SHARE,
                ticks=TICKS if header.when == "seconds" else None,
            )
            for video, frames in videos.items()
        },
    )


@dataclass(frozen=True)
class _Columns:
    """Which column is what; `across` and `down` are the two that tell a box's edges on each axis."""

    names: Mapping[str, str]
    when: str
    across: tuple[str, ...]
    down: tuple[str, ...]

    @classmethod
    def of(cls, columns: str, known: list[str], path: Path) -> _Columns:
        named: dict[str, str] = {}
        for part in filter(None, columns.split(",")):
            key, _, column = (each.strip() for each in part.partition("="))
            if key not in _KEYS or not column or key in named:
                near = closest(key, _KEYS) or ", ".join(_KEYS)
                raise BoxesError(f"'{part}' names no column of a table as KEY=COLUMN; closest: {near}")
            if column not in known:
                near = closest(column, known) or ", ".join(known)
                raise BoxesError(f"{path}: has no column '{column}'; closest: {near}")
            named[key] = column
        own = {key: key for key in _KEYS if key in known}
        when, across, down = (
            tuple(key for key in group if key in named) or tuple(key for key in group if key in own)
            for group in (_WHEN, _ACROSS, _DOWN)
        )
        for found, needed, group in ((when, 1, _WHEN), (across, _EDGES, _ACROSS), (down, _EDGES, _DOWN)):
            if len(found) != needed:
                raise BoxesError(
                    f"{path}: needs {('one', 'two')[needed - 1]} of the columns {', '.join(group)}, and has "
                    f"{', '.join(found) or 'none'}; its columns are {', '.join(known)}",
                    hint="name them as `form`: video=COLUMN,frame=COLUMN,left=COLUMN,…",
                )
        return cls({**own, **named}, when[0], across, down)


@dataclass(frozen=True)
class _Cells:
    """A row by what its columns are."""

    row: Mapping[str, Any]
    names: Mapping[str, str]
    where: str

    def text(self, key: str, otherwise: str) -> str:
        if key not in self.names:
            return otherwise
        found = as_label(self.row.get(self.names[key]))
        if found is None and key in {"label", "video"}:
            raise BoxesError(f"{self.where}: its {key} is empty")
        return found or otherwise

    def number(self, key: str, otherwise: float = math.nan) -> float:
        if key not in self.names:
            return otherwise
        said = as_label(self.row.get(self.names[key]))
        try:
            found = float(said or math.nan)
        except ValueError:
            found = math.nan
        if not math.isfinite(found):
            raise BoxesError(f"{self.where}: its {key} '{(said or '')[:20]}' is no number")
        return found


def _edges(cells: _Cells, keys: tuple[str, ...]) -> tuple[float, float]:
    """The lower and the upper edge on an axis, from any two of both, the length and the centre."""
    low, high, _, centre = (key in keys for key in (_ACROSS if keys[0] in _ACROSS else _DOWN))
    first, second = (cells.number(key) for key in keys)
    if low and high:
        return first, second
    if centre:
        half = second - first if low else first - second if high else first / 2
        return second - half, second + half
    return (first, first + second) if low else (first - second, first)


def _time(cells: _Cells, when: str) -> int:
    found = cells.number(when)
    if when == "seconds":
        frame = round(found * TICKS)
    else:
        frame = int(found) - (when == "frame_from_1")
        if found != int(found):
            raise BoxesError(f"{cells.where}: frame {found:g} is no whole number")
    if frame < 0:
        raise BoxesError(f"{cells.where}: its {when} is {found:g}, before the video begins")
    return frame
