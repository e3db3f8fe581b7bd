"""COCO JSON with videos, as TAO and COCO-VID write it, YouTube-VIS, and JSON of regions that never move."""

from __future__ import annotations

import codecs
import hashlib
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError

from videotcav.concepts.detectors.boxes import BoxesFile, BoxRow, Regions, VideoBoxes, without_ending
from videotcav.concepts.detectors.masks import BoxEdges, Outline, Polygons, Rle, mask_of
from videotcav.errors import BoxesError, UnreadableText, VideotcavWarning, repeated
from videotcav.texts import first_problem, parse_json, read_bytes

AnyLoose = TypeVar("AnyLoose", bound="_Loose")
Numbered = TypeVar("Numbered", bound="_Numbered")
AnyAnnotation = TypeVar("AnyAnnotation", bound="_InCategory")

_FRAME = re.compile(r"(\d{1,9})$")


def read_regions(path: Path) -> Regions:
    """The regions of a JSON file `{"regions": {"scoreboard": [left, top, right, bottom]}}`.

    Instead of a box a region may have polygons `[[x1, y1, x2, y2, …]]` or COCO's run lengths.
    """
    data = read_bytes(path)
    regions = _as(_Regions, data, path, "a file of regions").regions
    return Regions(path=path, sha256=hashlib.sha256(data).hexdigest(), places=regions)


class _Loose(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, allow_inf_nan=False)


def _form(value: Any) -> str:
    """Which form a place or a mask has, so that only that form's mistakes are told."""
    if isinstance(value, dict):
        return "run lengths"
    return "polygons" if isinstance(value, list) and value and isinstance(value[0], list) else "box"


_Place = Annotated[
    Annotated[BoxEdges, Tag("box")] | Annotated[Rle, Tag("run lengths")] | Annotated[Polygons, Tag("polygons")],
    Discriminator(_form),
]
_Segmentation = Annotated[
    Annotated[Rle, Tag("run lengths")] | Annotated[Polygons, Tag("polygons")],
    Discriminator(lambda value: "run lengths" if isinstance(value, dict) else "polygons"),
]


class _Regions(_Loose):
    regions: dict[str, _Place]


class _Numbered(_Loose):
    id: int | str


class _InCategory(_Loose):
    category_id: int | str
    iscrowd: int | bool = 0


class _Video(_Numbered):
    file_name: str | None = None
    name: str | None = None
    width: int | None = None
    height: int | None = None


class _Image(_Numbered):
    video_id: int | str
    frame_index: int | None = None
    frame_id: int | None = None

    @property
    def index(self) -> int | None:
        return self.frame_index if self.frame_index is not None else self.frame_id


class _Annotation(_InCategory):
    image_id: int | str
    bbox: tuple[float, float, float, float]
    track_id: int | str | None = None
    instance_id: int | str | None = None
    score: Annotated[float, Field(ge=0, le=1)] = 1.0
    segmentation: _Segmentation | None = None


class _Category(_Numbered):
    name: str


class _Coco(_Loose):
    videos: list[_Video]
    images: list[_Image]
    annotations: list[_Annotation]
    categories: list[_Category]


def read_coco(path: Path) -> BoxesFile:
    """The boxes of a COCO JSON file with videos, and the masks of its `segmentation`; frames are counted from 0."""
    data = read_bytes(path)
    coco = _as(_Coco, data, path, "COCO JSON with videos")
    categories = _by_number("categories", coco.categories, path)
    images = _by_number("images", coco.images, path)
    known = _by_number("videos", coco.videos, path)
    videos: dict[Any, dict[int, list[BoxRow]]] = {number: {} for number in known}
    lasts: dict[Any, int] = {}
    for image in coco.images:
        lasts[image.video_id] = max(lasts.get(image.video_id, 0), image.index or 0)
    for number, annotation in _things(coco.annotations, path):
        where = f"{path}: annotations[{number}]"
        shown = images.get(annotation.image_id)
        if shown is None or shown.video_id not in videos:
            raise BoxesError(f"{where} points to image {annotation.image_id}, which is in no video of the file")
        if annotation.category_id not in categories:
            raise BoxesError(f"{where} has category {annotation.category_id}, which 'categories' does not list")
        if shown.index is None or shown.index < 0:
            raise BoxesError(f"{path}: image {shown.id} needs a frame_index, counted from 0")
        instance = annotation.track_id if annotation.track_id is not None else annotation.instance_id
        left, top, width, height = annotation.bbox
        videos[shown.video_id].setdefault(shown.index, []).append(
            BoxRow(
                *(left, top, left + width, top + height),
                score=annotation.score,
                label=categories[annotation.category_id].name,
                instance=None if instance is None else str(instance),
                outline=annotation.segmentation or None,  # no polygon at all: nobody drew one
            )
        )
    boxes = [
        (
            without_ending(video.file_name or video.name or str(video.id)),
            VideoBoxes(
                frames=videos[video.id],
                size=(video.width, video.height) if video.width and video.height else None,
                last=lasts.get(video.id, 0),
            ),
        )
        for video in coco.videos
    ]
    return BoxesFile(path, hashlib.sha256(data).hexdigest(), _names(coco.categories), _by_name(boxes, path))


def _by_number(what: str, rows: Sequence[Numbered], path: Path) -> dict[int | str, Numbered]:
    if twice := repeated(row.id for row in rows):
        raise BoxesError(f"{path}: '{what}' has the id {twice[0]} twice; what points to it may mean either")
    return {row.id: row for row in rows}


def _by_name(videos: Sequence[tuple[str, VideoBoxes]], path: Path) -> dict[str, VideoBoxes]:
    if twice := repeated(name for name, _ in videos):
        raise BoxesError(f"{path}: 'videos' has {twice[0]} twice, without its ending; name them apart")
    return dict(videos)


def _names(categories: Sequence[_Category]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(category.name for category in categories))


def _things(annotations: Sequence[AnyAnnotation], path: Path) -> list[tuple[int, AnyAnnotation]]:
    """Annotations with their places in the file, without those of crowds, which are many things in one box."""
    found = [(number, one) for number, one in enumerate(annotations) if not one.iscrowd]
    if crowds := len(annotations) - len(found):
        told = f"{path}: {crowds} of {len(annotations)} annotations are left out, as they are crowds (`iscrowd`)"
        warnings.warn(told, VideotcavWarning, stacklevel=3)
    return found


class _VisVideo(_Numbered):
    width: int
    height: int
    file_names: list[str]


class _VisAnnotation(_InCategory):
    id: int | str
    video_id: int | str
    score: Annotated[float, Field(ge=0, le=1)] = 1.0
    bboxes: list[BoxEdges | None] | None = None
    segmentations: list[_Segmentation | None] | None = None


class _YouTubeVis(_Loose):
    videos: list[_VisVideo]
    annotations: list[_VisAnnotation]
    categories: list[_Category]


def read_youtube_vis(path: Path) -> BoxesFile:
    """The masks and boxes of a YouTube-VIS file: an annotation is an instance, with a mask or nothing a frame.

    A video is named as the folder of its frames is. Where only some frames of a video are annotated, the numbers in
    their names are those that they have in it, from 0.
    """
    data = read_bytes(path)
    vis = _as(_YouTubeVis, data, path, "YouTube-VIS")
    categories = _by_number("categories", vis.categories, path)
    videos = _by_number("videos", vis.videos, path)
    rows: dict[Any, dict[int, list[BoxRow]]] = {number: {} for number in videos}
    for number, annotation in _things(vis.annotations, path):
        where = f"{path}: annotations[{number}]"
        video = videos.get(annotation.video_id)
        if video is None:
            raise BoxesError(f"{where} points to video {annotation.video_id}, which 'videos' does not list")
        if annotation.category_id not in categories:
            raise BoxesError(f"{where} has category {annotation.category_id}, which 'categories' does not list")
        count, label = len(video.file_names), categories[annotation.category_id].name
        boxes, outlines = annotation.bboxes or [None] * count, annotation.segmentations or [None] * count
        if len(boxes) != count or len(outlines) != count:
            raise BoxesError(f"{where} has {len(boxes)} boxes and {len(outlines)} masks for {count} frames")
        for frame, (box, outline) in enumerate(zip(boxes, outlines, strict=True)):
            edges = _edges(box, outline, video, f"{where}, frame {frame}")
            if edges is not None:
                row = BoxRow(*edges, annotation.score, label, str(annotation.id), outline or None)
                rows[video.id].setdefault(frame, []).append(row)
    boxes_of = [
        (
            _folder_of(video, path),
            VideoBoxes(rows[video.id], size=(video.width, video.height), numbers=_numbers_of(video, path)),
        )
        for video in vis.videos
    ]
    return BoxesFile(path, hashlib.sha256(data).hexdigest(), _names(vis.categories), _by_name(boxes_of, path))


def _edges(box: BoxEdges | None, outline: Outline | None, video: _VisVideo, where: str) -> BoxEdges | None:
    """Of the box, or around the mask; None where there is neither, or the mask covers nothing."""
    if box is not None:
        left, top, width, height = box
        return left, top, left + width, top + height
    try:
        return mask_of(outline, height=video.height, width=video.width).edges if outline else None
    except ValueError as error:
        raise BoxesError(f"{where}: its mask {error}") from None


def _folder_of(video: _VisVideo, path: Path) -> str:
    folders = {Path(name).parent.as_posix() for name in video.file_names}
    if len(folders) != 1 or folders == {"."}:
        raise BoxesError(f"{path}: video {video.id} needs frames in one folder, after which it is named")
    return folders.pop()


def _numbers_of(video: _VisVideo, path: Path) -> tuple[int, ...] | None:
    """The numbers in the names of the frames; None where they follow each other."""
    found = [_FRAME.search(Path(name).stem) for name in video.file_names]
    numbers = tuple(int(number[1]) for number in found if number)
    if list(numbers) == [*range(numbers[0], numbers[0] + len(found))] if numbers else False:
        return None
    if len(set(numbers)) != len(found) or list(numbers) != sorted(numbers):
        raise BoxesError(f"{path}: video {video.id} needs frames whose names end in numbers, in their order")
    return numbers


def json_form(path: Path) -> str:
    """Which of the forms of boxes a JSON file has. Raises BoxesError where it has none that is read."""
    try:
        found = parse_json(read_bytes(path), path)
    except UnreadableText as error:
        raise BoxesError(str(error)) from None
    first = found[0] if isinstance(found, list) and found else found
    keys = set(first) if isinstance(first, dict) else set()
    if isinstance(found, dict) and "regions" in keys:
        return "regions"
    if "data" in keys and keys & {"annotations", "predictions"}:
        return "label-studio"
    if isinstance(found, dict) and {"videos", "annotations"} <= keys:
        return "coco" if "images" in keys else "youtube-vis"
    if isinstance(found, dict) and "images" in keys:
        raise BoxesError(
            f"{path}: is COCO JSON of images; it needs `videos` too, and a `video_id` and `frame_index` of each image"
        )
    if keys >= {"category_id"} and keys & {"bbox", "segmentation", "segmentations"}:
        raise BoxesError(f"{path}: is a list of COCO's results, which names no videos, frames and categories; merge it")
    raise BoxesError(
        f"{path}: is JSON, but none that is read: COCO with videos, YouTube-VIS, Label Studio's export or regions"
    )


def _as(form: type[AnyLoose], data: bytes, path: Path, what: str) -> AnyLoose:
    try:
        return form.model_validate_json(data.removeprefix(codecs.BOM_UTF8))
    except ValidationError as error:
        said = f"not {what}: {first_problem(error)}"
    try:
        parse_json(data, path)
    except UnreadableText as error:
        raise BoxesError(str(error)) from None
    raise BoxesError(f"{path}: is {said}")
