"""Label Studio's JSON of videos: rectangles that go from one keyframe to the next (`VideoRectangle`)."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError

from videotcav.concepts.detectors.boxes import BoxesFile, BoxRow, VideoBoxes, without_ending
from videotcav.concepts.detectors.keyframes import MOST_BOXES, Keyframe, between
from videotcav.errors import BoxesError
from videotcav.texts import first_problem, parse_json, read_bytes
from videotcav.video.find import VIDEO_SUFFIXES

_OF_UPLOADS = re.compile(r"^[0-9a-f]{8}-(?=.)")
_NO_LABEL = "object"
_SLOWEST, _FASTEST = 0.1, 1000.0  # frames a second


class _Step(BaseModel):
    """A keyframe, frames counted from 1; where it is enabled, the box goes on from there."""

    model_config = ConfigDict(extra="ignore", strict=True, allow_inf_nan=False)

    frame: PositiveInt
    x: float
    y: float
    width: float
    height: float
    enabled: bool = True
    rotation: float = 0.0
    time: float | None = None

    @property
    def key(self) -> Keyframe:
        """In shares of the frame."""
        left, top = self.x / 100, self.y / 100
        return Keyframe(self.frame - 1, (left, top, left + self.width / 100, top + self.height / 100))


class _VideoRectangle(BaseModel):
    model_config = _Step.model_config

    sequence: list[_Step]
    labels: list[str] = []
    frames: PositiveInt | None = Field(default=None, alias="framesCount")
    seconds: float | None = Field(default=None, alias="duration")


class _Work(BaseModel):
    """What one person said of a task."""

    model_config = _Step.model_config

    result: list[dict[str, Any]]
    was_cancelled: bool = False
    ground_truth: bool = False


class _LabelTask(BaseModel):
    model_config = _Step.model_config

    id: int | str = "without an id"
    data: dict[str, Any]
    annotations: list[_Work] = []


def read_label_studio(path: Path) -> BoxesFile:
    """The rectangles of an export (JSON), as the player shows them: a box goes straight on from an enabled keyframe.

    Label Studio counts frames at the rate of its labelling configuration; that is led back to the video's own.
    """
    data = read_bytes(path)
    found = parse_json(data, path)
    videos: dict[str, VideoBoxes] = {}
    labels: dict[str, None] = {}
    for number, raw in enumerate(found if isinstance(found, list) else [found]):
        try:
            task = _LabelTask.model_validate(raw)
        except ValidationError as error:
            raise BoxesError(f"{path}: task {number} is not Label Studio's: {first_problem(error)}") from None
        where = f"{path}: task {task.id}"
        work = _of_one_person(task, where)
        if work is None:
            continue
        boxes = _boxes(work, where)
        labels.update(dict.fromkeys(row.label for rows in boxes.frames.values() for row in rows))
        for name in _names_of_video(task, where):
            if name in videos:
                raise BoxesError(f"{where}: the video {name} has another task too; keep one of them")
            videos[name] = boxes
    if not labels:
        raise BoxesError(f"{path}: has no annotations with rectangles of videos (VideoRectangle)")
    return BoxesFile(path=path, sha256=hashlib.sha256(data).hexdigest(), labels=tuple(labels), videos=videos)


def _of_one_person(task: _LabelTask, where: str) -> _Work | None:
    """What is taken of a task; None where nobody has labelled it."""
    done = [work for work in task.annotations if not work.was_cancelled]
    done = [work for work in done if work.ground_truth] or done
    if len(done) > 1:
        raise BoxesError(f"{where} has {len(done)} annotations; keep one, or mark it as ground truth")
    return done[0] if done else None


def _boxes(work: _Work, where: str) -> VideoBoxes:
    frames: dict[int, list[BoxRow]] = defaultdict(list)
    rates: list[tuple[float, float]] = []  # how long they were measured, in seconds, and what they are
    seconds, boxes = None, 0
    for number, result in enumerate(work.result):
        if str(result.get("type", "")).lower() != "videorectangle":
            continue
        of = f"{where}, region {result.get('id', number)}"
        try:
            region = _VideoRectangle.model_validate(result.get("value"))
        except ValidationError as error:
            raise BoxesError(f"{of}: {first_problem(error)}") from None
        steps = sorted(region.sequence, key=lambda step: step.frame)
        for step, after in pairwise(steps):
            if step.frame == after.frame:
                raise BoxesError(f"{of}: has two keyframes at frame {step.frame}")
        if turned := [step for step in steps if step.rotation % 360]:
            raise BoxesError(f"{of}: is turned by {turned[0].rotation:g}° in frame {turned[0].frame}; draw it upright")
        boxes += max(region.frames or 0, steps[-1].frame) * max(1, len(region.labels)) if steps else 0
        if boxes > MOST_BOXES:
            raise BoxesError(f"{of}: with it the task has more than {MOST_BOXES:,} boxes")
        for key in _shown(steps, region.frames):
            for label in region.labels or [_NO_LABEL]:
                frames[key.frame].append(BoxRow(*key.box, 1.0, label, str(result.get("id", number))))
        seconds = region.seconds or seconds
        rates += _rates(region, steps)
    return VideoBoxes(frames=dict(frames), relative=True, rate=max(rates, default=(0, None))[1], seconds=seconds)


def _shown(steps: list[_Step], count: int | None) -> list[Keyframe]:
    found = []
    for step, after in pairwise(steps):
        stop = after.frame - 1 if step.enabled else step.frame
        found += [step.key, *(between(step.key, after.key, frame) for frame in range(step.frame, stop))]
    for step in steps[-1:]:
        stop = max(count or 0, step.frame) if step.enabled else step.frame
        found += [step.key._replace(frame=frame) for frame in range(step.frame - 1, stop)]
    return found


def _rates(region: _VideoRectangle, steps: list[_Step]) -> list[tuple[float, float]]:
    """Frames a second by the whole video, whose count is rounded, and by the keyframes that are farthest apart."""
    found = [(region.seconds / 3, region.frames / region.seconds)] if region.frames and region.seconds else []
    times = [(step.time, step.frame) for step in steps if step.time is not None]
    if times and times[-1][0] > times[0][0]:
        (first, start), (last, stop) = times[0], times[-1]
        found.append((last - first, (stop - start) / (last - first)))
    return [(span, rate) for span, rate in found if _SLOWEST <= rate <= _FASTEST]


def _names_of_video(task: _LabelTask, where: str) -> set[str]:
    """The name of the video of a task, and the one that it had before it was uploaded."""
    said = {key: value for key, value in task.data.items() if isinstance(value, str)}
    paths = {key: _path_of(value) for key, value in said.items()}
    found = {path for path in paths.values() if path.suffix.lower() in VIDEO_SUFFIXES}
    if len(found) != 1:
        found = {paths["video"]} if "video" in paths else found
    if len(found) != 1:
        told = "several videos" if found else "no video"
        raise BoxesError(f"{where}: its data name {told}; the key 'video' should have the path of one")
    path = found.pop()
    return {without_ending(path.name), without_ending(_OF_UPLOADS.sub("", path.name))}


def _path_of(address: str) -> Path:
    parts = urlsplit(address)
    return Path(*parse_qs(parts.query).get("d", [unquote(parts.path)]))
