"""The formats in which boxes come, and the way each is recognised."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from videotcav.concepts.detectors.boxes import BoxesFile, Regions
from videotcav.concepts.detectors.boxes_cvat import read_cvat
from videotcav.concepts.detectors.boxes_json import json_form, read_coco, read_regions, read_youtube_vis
from videotcav.concepts.detectors.boxes_label_studio import read_label_studio
from videotcav.concepts.detectors.boxes_table import TABLES, read_boxes_table
from videotcav.concepts.detectors.boxes_text import FRAME_NUMBER, read_mot, read_yolo
from videotcav.errors import BoxesError, DetectorNotFound, closest

_HEAD = 4096
_NUMBERS = re.compile(rb"[-+.,\deE \t]+[\r\n]")  # a first line that names no columns
_OF_NAMES: Mapping[str, Callable[[Path], BoxesFile | Regions]] = {
    "coco": read_coco,
    "youtube-vis": read_youtube_vis,
    "cvat": read_cvat,
    "label-studio": read_label_studio,
    "regions": read_regions,
}
FILE_FORMS = (*_OF_NAMES, "mot", "yolo", "yolo-outlines", "yolo-keypoints", "table")


def load(name: str, *, form: str | None = None, class_names: tuple[str, ...] | None = None) -> BoxesFile | Regions:
    """Boxes from a file: the entry point `boxes`. `form` is one of FORMS and is seen from the file where not given."""
    return read_boxes(name, form=form, class_names=class_names)


def read_boxes(
    path: Path | str, *, form: str | None = None, class_names: tuple[str, ...] | None = None
) -> BoxesFile | Regions:
    """The boxes of a file or a folder, as a detector.

    - `coco`: JSON with videos, images, annotations and categories, as TAO and COCO-VID write it;
      masks (`segmentation`) are polygons or run lengths;
    - `youtube-vis`: its JSON, in which an annotation has a mask or nothing for each frame of its video;
    - `cvat`: XML of CVAT for video 1.1, of a task, a job (named as its video is) or a project, or a folder of them;
    - `label-studio`: its JSON export, of which rectangles of videos are taken;
    - `regions`: JSON `{"regions": {"scoreboard": [left, top, right, bottom]}}`, the same place in all frames;
      polygons or run lengths may take the place of a box;
    - `mot`: a text for each video, named as it is, or a folder of them (also `<video>/gt/gt.txt`);
    - `yolo`: a folder of texts `<video>_<frame>.txt`, frames counted from 1, as Ultralytics saves them: boxes or
      outlines, with scores and instances or without; where outlines may as well be boxes with keypoints,
      `yolo-outlines` or `yolo-keypoints` says which;
    - `table`: CSV, TSV, JSONL or Parquet with a row a box; where its columns have other names than those of
      `boxes_table.read_boxes_table`, `form` says so: `video=file,frame=frame_idx,left=x,top=y,width=w,height=h`.

    Texts hold class numbers; their names are `class_names`, else the lines of `classes.txt` in the folder, else
    COCO's 80 (`yolo`), or those of `labels.txt` beside `gt.txt`, else `object` (`mot`).
    Raises BoxesError with the place of the first mistake.
    """
    path = Path(path)
    if not path.exists():
        raise DetectorNotFound(f"{path}: there is no such file of boxes")
    form = form or _form_of(path)
    if form in _OF_NAMES:
        if class_names is not None:
            raise BoxesError(f"{path}: names its own classes", hint="leave `class_names` out")
        return _OF_NAMES[form](path)
    if form == "table" or "=" in form:
        return read_boxes_table(path, columns=form if "=" in form else "", class_names=class_names)
    if form == "mot":
        return read_mot(path, class_names=class_names)
    if form in FILE_FORMS:
        return read_yolo(path, class_names=class_names, form=form)
    raise BoxesError(
        f"there is no form of boxes '{form}'; closest: {closest(form, FILE_FORMS) or ', '.join(FILE_FORMS)}"
    )


def _form_of(path: Path) -> str:
    if path.is_dir():
        texts = [*path.glob("*.txt"), *path.glob("*/gt/gt.txt")]
        if not texts and (any(path.glob("*.xml")) or any(path.glob("*/*.xml"))):
            return "cvat"
        mot = any(path.glob("*/gt/gt.txt")) or not any(FRAME_NUMBER.search(text.stem) for text in texts)
        return "mot" if mot else "yolo"
    if path.suffix.lower() == ".txt":
        return "mot"
    if not path.is_file():
        raise BoxesError(f"{path}: is no file of boxes")
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if path.suffix.lower() in TABLES:
        return "mot" if _NUMBERS.match(head) else "table"
    if head.startswith(b"PK\x03\x04"):
        raise BoxesError(f"{path}: is a ZIP archive; unpack it, and name what is in it")
    if path.suffix.lower() == ".xml" or head.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"<"):
        return "cvat"
    if path.suffix.lower() != ".json" and not head.removeprefix(codecs.BOM_UTF8).lstrip().startswith((b"{", b"[")):
        raise BoxesError(
            f"{path}: is none of the files of boxes that are read; their forms are {', '.join(FILE_FORMS)}"
        )
    return json_form(path)
