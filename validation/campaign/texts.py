"""Study files, concept folders and files of boxes, damaged as texts are."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from validation.campaign import damage
from validation.campaign.damage import Rng
from validation.campaign.videos import encoded, pictures
from videotcav.concepts.detectors.detect import VideoFrames
from videotcav.concepts.detectors.masks import Mask, runs_of
from videotcav.concepts.detectors.read_boxes import read_boxes
from videotcav.concepts.folder import METADATA, ClipRecord, read_candidates, write_records
from videotcav.concepts.propose.show import summarise
from videotcav.concepts.review.decisions import Candidate
from videotcav.concepts.review.ledger import DATABASE, Ledger
from videotcav.concepts.review.review import reviewed_sets
from videotcav.study.inputs import study_inputs
from videotcav.study.read_file import read_study_file
from videotcav.video.info import VideoInfo

STUDY = """question = "Does the racket matter?"
seed = 1
layers = ["stages.3"]
pooling = "none"
score = "logit"
[model]
name = "planted:swin"
[classes.swing]
videos = ["class/*.mp4"]
[sources]
table = "sources.csv"
[concepts]
folder = "concepts"
include = ["racket"]
[random]
folder = "random"
[tests]
negligible_below = 0.1
relabellings = 199
[cam]
clips = 1
"""
VALUES = (
    "-1", "0", "1e308", "nan", "inf", "-inf", "''", '"a\\u0000b"', "[]", "{}", "[[]]", "true", "1979-05-27",
    "99999999999999999999", "'../../etc'", "'/'", "'**'", "'['", "'~'", "'''\n'''", '"\\U0001F3BE"', "[1, 'a']",
    f"'{'x' * 5000}'", "{a = {b = {}}}",
)  # fmt: skip


@cache
def whole_folder() -> Path:
    """A study's folder with everything that it names; made once, copied for each case."""
    folder = damage.kept_folder()
    rng = np.random.default_rng(3)
    records = []
    for kind in ("spatiotemporal", "frozen"):
        for number in range(3):
            name = f"racket/{kind}/racket-{number}.mp4"
            (folder / "concepts" / name).parent.mkdir(parents=True, exist_ok=True)
            encoded(folder / "concepts" / name, pictures(rng, frames=2))
            records.append(
                ClipRecord(
                    file_name=name, id=f"racket-{number}", concept="racket", kind=kind, label="tennis racket",
                    source=f"match {number}", source_sha256="0" * 64, source_video="../videos/match.mp4", track="1",
                    frames=(0, 1), boxes=((0, 0, 9, 9), (1, 0, 10, 9)), scores=(0.9, 0.0), frames_per_second=25.0,
                    width=64, height=48, detector="yolo", detector_sha256="1", recipe="{}", decision="accepted",
                )
            )  # fmt: skip
    write_records(folder / "concepts", records)
    with Ledger(folder / "concepts") as ledger:
        for number in range(3):
            ledger.decide(
                [Candidate("racket", f"racket-{number}")], reviewer="Ada", verdict="accept", gesture=f"gesture-{number}"
            )
    for place in ("random", "class"):
        (folder / place).mkdir()
        for number in range(2):
            encoded(folder / place / f"{number}.mp4", pictures(rng, frames=2))
    (folder / "sources.csv").write_text("file,source\nclass/0.mp4,a\nclass/1.mp4,b\n")
    (folder / "study.toml").write_text(STUDY)
    return folder


def _study(change: Callable[[str, Rng], str | bytes]) -> Callable[[Path, Rng], str]:
    """Read as far as a study goes before it needs its model; `same` where it says what the whole file says."""

    def attempt(folder: Path, rng: Rng) -> str:
        here = folder / "study"
        shutil.copytree(whole_folder(), here)
        text = change(STUDY, rng)
        (here / "study.toml").write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
        study_inputs(read_study_file(here / "study.toml"))
        return "same"  # what was read is valid: every key is known, every value in its range

    return attempt


def _sources(change: Callable[[bytes, Rng], bytes]) -> Callable[[Path, Rng], str]:
    """The study's table of sources; `same` where every class clip has a source that is a text."""

    def attempt(folder: Path, rng: Rng) -> str:
        here = folder / "study"
        shutil.copytree(whole_folder(), here)
        table = here / "sources.csv"
        table.write_bytes(change(table.read_bytes(), rng))
        inputs = study_inputs(read_study_file(here / "study.toml"))
        assert all(isinstance(file.source, str) for files in inputs.classes.values() for file in files)
        return "same"

    return attempt


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def _without_a_line(text: str, rng: Rng) -> str:
    lines = _lines(text)
    del lines[int(rng.integers(len(lines)))]
    return "".join(lines)


def _a_line_twice(text: str, rng: Rng) -> str:
    lines = _lines(text)
    place = int(rng.integers(len(lines)))
    return "".join([*lines[: place + 1], *lines[place:]])


def _lines_shuffled(text: str, rng: Rng) -> str:
    return "".join(str(line) for line in rng.permutation(_lines(text)))


def _another_value(text: str, rng: Rng) -> str:
    lines = _lines(text)
    with_values = [index for index, line in enumerate(lines) if "=" in line]
    place = int(rng.choice(with_values))
    key = lines[place].partition("=")[0]
    lines[place] = f"{key}= {VALUES[int(rng.integers(len(VALUES)))]}\n"
    return "".join(lines)


def _another_key(text: str, rng: Rng) -> str:
    lines = _lines(text)
    place = int(rng.integers(len(lines)))
    keys = ("videos", "fodler", "'a.b'", '""', "model", "tests.seed", "🎾", "__class__", "seed")
    lines.insert(place, f"{rng.choice(keys)} = {VALUES[int(rng.integers(len(VALUES)))]}\n")
    return "".join(lines)


def _as_bytes(change: Callable[[bytes, Rng], bytes]) -> Callable[[str, Rng], bytes]:
    return lambda text, rng: change(text.encode(), rng)


STUDIES: dict[str, Callable[[Path, Rng], str]] = {
    "without a line": _study(_without_a_line),
    "a line twice": _study(_a_line_twice),
    "lines shuffled": _study(_lines_shuffled),
    "another value": _study(_another_value),
    "another key": _study(_another_key),
    **{name: _study(_as_bytes(change)) for name, change in damage.BYTES.items()},
    **{f"table of sources {name}": _sources(change) for name, change in damage.BYTES.items()},
}


def _concepts(change: Callable[[Path, Rng], None]) -> Callable[[Path, Rng], str]:
    """Every reader of a concept folder; `same` where they read what they read from the whole one."""

    def attempt(folder: Path, rng: Rng) -> str:
        here = folder / "concepts"
        shutil.copytree(whole_folder() / "concepts", here)
        change(here, rng)
        return "same" if _read_by_all(here) == _read_by_all(whole_folder() / "concepts") else "unknowable"

    return attempt


def _read_by_all(folder: Path) -> tuple[object, ...]:
    reviewed = reviewed_sets(folder)
    clips = [
        (clip.id, clip.concept, clip.kind, clip.source, clip.path.relative_to(folder))
        for one in (*read_candidates(folder), *reviewed.sets)
        for clip in one.clips
    ]
    return clips, summarise(folder), reviewed.reviews


def _table(change: Callable[[bytes, Rng], bytes]) -> Callable[[Path, Rng], None]:
    def apply(folder: Path, rng: Rng) -> None:
        table = folder / METADATA
        table.write_bytes(change(table.read_bytes(), rng))

    return apply


def _database(change: Callable[[bytes, Rng], bytes]) -> Callable[[Path, Rng], None]:
    def apply(folder: Path, rng: Rng) -> None:
        database = folder / DATABASE
        database.write_bytes(change(database.read_bytes(), rng))

    return apply


def _another_field(data: bytes, rng: Rng) -> bytes:
    paths = ("../../../etc/passwd", "/etc/passwd", "x" * 300, "a\0b", "\ud800", "")
    values: tuple[Any, ...] = (-1, 1e308, float("nan"), [], {}, None, [[1, 2]], *paths)
    lines = data.decode().splitlines()
    place = int(rng.integers(len(lines)))
    record = json.loads(lines[place])
    key = str(rng.choice(list(record)))
    record[key] = values[int(rng.integers(len(values)))]
    if rng.random() < 0.2:
        del record[key]
    lines[place] = json.dumps(record)
    return "\n".join(lines).encode()


def _clip_gone(folder: Path, rng: Rng) -> None:
    clips = sorted(folder.rglob("*.mp4"))
    clips[int(rng.integers(len(clips)))].unlink()


def _stray_files(folder: Path, rng: Rng) -> None:
    (folder / METADATA).unlink()
    for name in ("frozen/🎾.mp4", "frozen/two\nlines.mp4", "odd kind/x.mp4", "frozen/.part.mp4"):
        if rng.random() < 0.7:
            (folder / "racket" / name).parent.mkdir(exist_ok=True)
            (folder / "racket" / name).write_bytes(rng.bytes(9))
    if rng.random() < 0.5:
        (folder / "loop").symlink_to(folder)


def _a_folder_instead(folder: Path, rng: Rng) -> None:
    name = str(rng.choice([METADATA, DATABASE]))
    (folder / name).unlink()
    (folder / name).mkdir()


FOLDERS: dict[str, Callable[[Path, Rng], str]] = {
    **{f"table {name}": _concepts(_table(change)) for name, change in damage.BYTES.items()},
    "table with another field": _concepts(_table(_another_field)),
    **{f"decisions {name}": _concepts(_database(change)) for name, change in damage.BYTES.items()},
    "clip gone": _concepts(_clip_gone),
    "stray files": _concepts(_stray_files),
    "a folder in a file's place": _concepts(_a_folder_instead),
}

COCO = {
    "videos": [{"id": 7, "file_name": "clip.mp4", "width": 64, "height": 48}],
    "images": [{"id": 70, "video_id": 7, "frame_index": 1, "file_name": "clip/2.jpg"}],
    "annotations": [{"id": 1, "image_id": 70, "category_id": 3, "track_id": 9, "bbox": [20, 10, 40, 30]}],
    "categories": [{"id": 3, "name": "racket"}],
}
MASK = Mask.of(np.pad(np.ones((30, 40), dtype=bool), ((10, 8), (20, 4))))
MASKS = {
    **COCO,
    "annotations": [
        {**COCO["annotations"][0], "track_id": number, "segmentation": outline}
        for number, outline in enumerate(
            (MASK.rle, {"size": [48, 64], "counts": [*runs_of(MASK.counts)]}, [[20, 10, 60, 10, 60, 40, 20, 40]])
        )
    ],
}
VIS = {
    "videos": [{"id": 1, "width": 64, "height": 48, "file_names": [f"clip/{frame:05d}.jpg" for frame in range(5)]}],
    "categories": [{"id": 1, "name": "racket"}],
    "annotations": [
        {"id": 7, "video_id": 1, "category_id": 1, "segmentations": [None, MASK.rle, MASK.rle, None, None],
         "bboxes": [[1, 2, 3, 4], None, [20, 10, 40, 30], None, None]}
    ],
}  # fmt: skip
KEYFRAMES = [
    {"frame": frame, "enabled": enabled, "x": frame, "y": 10, "width": 20, "height": 30, "time": frame / 25}
    for frame, enabled in ((1, True), (3, False), (5, True))
]
LABELLED = {
    "id": 3,
    "data": {"video": "/data/upload/1/0a1b2c3d-clip.mp4"},
    "annotations": [
        {"result": [{"id": "a", "type": "videorectangle", "value": {
            "framesCount": 5, "duration": 0.2, "labels": ["racket"], "sequence": KEYFRAMES}}]}
    ],
}  # fmt: skip
CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version><meta><task><size>5</size><start_frame>0</start_frame><stop_frame>4</stop_frame>
<frame_filter>step=1</frame_filter><labels><label><name>racket</name></label></labels>
<original_size><width>64</width><height>48</height></original_size><source>clip.mp4</source></task></meta>
<track id="0" label="racket"><box frame="0" outside="0" xtl="1.00" ytl="2.00" xbr="30.50" ybr="20.00" rotation="9.5"/>
<box frame="3" outside="1" xtl="5.00" ytl="2.00" xbr="34.50" ybr="20.00"/></track>
<track id="1" label="racket"><mask frame="1" outside="0" rle="2, 3, 1" left="4" top="5" width="3" height="2"/></track>
<track id="2" label="racket"><polygon frame="2" outside="0" points="1.00,2.00;9.00,2.00;9.00,9.00"/></track>
</annotations>
"""
TABLE = """video,frame,left,top,width,height,label,score,track
clip.mp4,2,20,10,30,30,racket,0.5,9
clip.mp4,3,21,10,30,30,racket,0.5,9
"""
FILES = {
    "clip.xml": CVAT,
    "export.json": json.dumps([LABELLED]),
    "instances.json": json.dumps(VIS),
    "table.csv": TABLE,
    "boxes.json": json.dumps(COCO),
    "masks.json": json.dumps(MASKS),
    "regions.json": json.dumps({"regions": {"scoreboard": [1, 2, 30, 20]}}),
    "clip.txt": "2,9,20,10,40,30,1,1,1\n3,9,21,10,40,30,1,1,1\n",
}


def _boxes(change: Callable[[bytes, Rng], bytes]) -> Callable[[Path, Rng], str]:
    """Read, and asked about a video; `same` where every box and mask that is handed out is one of the picture."""

    def attempt(folder: Path, rng: Rng) -> str:
        name = str(rng.choice(list(FILES)))
        (folder / name).write_bytes(change(FILES[name].encode(), rng))
        video = VideoInfo(
            path=folder / "clip.mp4", sha256="0", width=64, height=48, duration_seconds=0.2, frames_per_second=25
        )
        for found in read_boxes(folder / name)(VideoFrames(np.zeros((4, 48, 64, 3), np.uint8), video, 0)):
            left, top, right, bottom = found.boxes.T
            inside = (left >= 0) & (top >= 0) & (right <= 64) & (bottom <= 48) & (left < right) & (top < bottom)
            shapes = {mask.pixels.shape for mask in found.masks or () if mask is not None}
            if not inside.all() or shapes - {(48, 64)}:
                return "wrong"
        return "same"

    return attempt


def _another_number(data: bytes, rng: Rng) -> bytes:
    numbers = [index for index, byte in enumerate(data) if chr(byte).isdigit()]
    place = int(rng.choice(numbers))
    values = (b"-1", b"1e999", b"NaN", b'"x"', b"null", b"[]", b"99999999999999999999", b"0", b"0.5", b"-0.0")
    return data[:place] + values[int(rng.integers(len(values)))] + data[place + 1 :]


BOXES: dict[str, Callable[[Path, Rng], str]] = {
    **{name: _boxes(change) for name, change in damage.BYTES.items()},
    "another number": _boxes(_another_number),
}
