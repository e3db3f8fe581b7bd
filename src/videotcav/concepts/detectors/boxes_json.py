"""COCO JSON with videos, as TAO and COCO-VID write it, and JSON of regions that never move."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError

from videotcav.concepts.detectors.boxes import BoxesFile, BoxRow, Regions, VideoBoxes, without_ending
from videotcav.concepts.detectors.masks import BoxEdges, Polygons, Rle
from videotcav.errors import BoxesError, UnreadableText
from videotcav.texts import first_problem, parse_json, read_bytes

AnyLoose = TypeVar("AnyLoose", bound="_Loose")


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


class _Video(_Loose):
    id: int | str
    file_name: str | None = None
    name: str | None = None
    width: int | None = None
    height: int | None = None


class _Image(_Loose):
    id: int | str
    video_id: int | str
    frame_index: int | None = None
    frame_id: int | None = None


class _Annotation(_Loose):
    image_id: int | str
    category_id: int | str
    bbox: tuple[float, float, float, float]
    track_id: int | str | None = None
    instance_id: int | str | None = None
    score: Annotated[float, Field(ge=0, le=1)] = 1.0
    segmentation: _Segmentation | None = None


class _Category(_Loose):
    id: int | str
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
    categories = {category.id: category.name for category in coco.categories}
    images = {image.id: image for image in coco.images}
    videos: dict[Any, dict[int, list[BoxRow]]] = {video.id: {} for video in coco.videos}
    for number, annotation in enumerate(coco.annotations):
        where = f"{path}: annotations[{number}]"
        image = images.get(annotation.image_id)
        if image is None or image.video_id not in videos:
            raise BoxesError(f"{where} points to image {annotation.image_id}, which is in no video of the file")
        if annotation.category_id not in categories:
            raise BoxesError(f"{where} has category {annotation.category_id}, which 'categories' does not list")
        index = image.frame_index if image.frame_index is not None else image.frame_id
        if index is None or index < 0:
            raise BoxesError(f"{path}: image {image.id} needs a frame_index, counted from 0")
        instance = annotation.track_id if annotation.track_id is not None else annotation.instance_id
        left, top, width, height = annotation.bbox
        videos[image.video_id].setdefault(index, []).append(
            BoxRow(
                *(left, top, left + width, top + height),
                score=annotation.score,
                label=categories[annotation.category_id],
                instance=None if instance is None else str(instance),
                outline=annotation.segmentation or None,  # no polygon at all: nobody drew one
            )
        )
    return BoxesFile(
        path=path,
        sha256=hashlib.sha256(data).hexdigest(),
        labels=tuple(dict.fromkeys(categories.values())),
        videos={
            without_ending(video.file_name or video.name or str(video.id)): VideoBoxes(
                frames=videos[video.id],
                size=(video.width, video.height) if video.width and video.height else None,
            )
            for video in coco.videos
        },
    )


def _as(form: type[AnyLoose], data: bytes, path: Path, what: str) -> AnyLoose:
    try:
        return form.model_validate_json(data)
    except ValidationError as error:
        said = f"not {what}: {first_problem(error)}"
    try:
        parse_json(data, path)
    except UnreadableText as error:
        raise BoxesError(str(error)) from None
    raise BoxesError(f"{path}: is {said}")
