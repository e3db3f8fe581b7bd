"""How many of the boxes that reach a person are right: draws 100 of them on a sheet, and counts the tally.

    python benchmarks/box_precision.py --draw WORK_FOLDER     # sheet.jpg and boxes.csv, its column `right` left empty
    python benchmarks/box_precision.py [--tally boxes.csv]    # precision by label and detector, with 95 % intervals

Drawn are boxes in which the object was detected, from the candidate clips that passed all gates: for each detector and
label the same number, evenly over the source videos. `right` is filled in by a person: 1 where the box holds the
thing its label names (cut off or with surroundings is right, a wrong thing or most of two things is not), else 0.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from harness import RESULTS, Book, Cells, need, options, taken
from validation.proof.shares import rate
from validation.targets import Promise
from videotcav.concepts.detectors.yolo import Yolo
from videotcav.concepts.folder import ClipRecord, read_records
from videotcav.concepts.propose.recipe import Recipe
from videotcav.concepts.propose.videos import propose
from videotcav.concepts.review.random_sets import draw_evenly
from videotcav.video.read import VideoFile

SHARED = Path(__file__).parents[2] / "shared" / "data"
LABELS = {"person": 17, "tennis racket": 17, "sports ball": 16}  # of 50 for each detector
DETECTORS = {
    "yolox_nano_416": 4,
    "yolov5n_coco_640": 10,
}  # every how many-th clip of tennis/, beside all of tennis_full/
COLUMNS = ("number", "detector", "label", "video", "frame", "score", "left", "top", "right_edge", "bottom", "right")
SURE = 0.4  # a score from which on docs/validity-boxes.md says that less is wrong
CELL, PER_ROW = 104, 10


def main() -> None:
    """As the first lines of this file say."""
    parser = options(__doc__)
    parser.add_argument("--draw", type=Path, metavar="WORK_FOLDER")
    parser.add_argument("--tally", type=Path, default=RESULTS / "box_precision.csv")
    given = parser.parse_args()
    if given.draw:
        need(SHARED, "the folder of real videos")
        draw(given.draw)
        return
    book = Book(__file__, "boxes that a person found right", given, promises)
    for title in book.wanted("boxes on real tennis"):
        book.note(title, **count(given.tally))


def videos_for(every: int) -> list[Path]:
    """All of tennis_full, and each so many-th of tennis that is not among them."""
    full = sorted((SHARED / "tennis_full").glob("*.mp4"))
    small = [path for path in sorted((SHARED / "tennis").rglob("*.mp4")) if path.stem not in {one.stem for one in full}]
    return [*full, *small[::every]]


def draw(work: Path) -> None:
    """Propose with both detectors, draw the boxes, write sheet and table."""
    with (SHARED / "tennis" / "labels.csv").open(newline="") as lines:
        scenes = {Path(row["file"]).stem: f"scene {row['scene']}" for row in csv.DictReader(lines)}
    rng = np.random.default_rng(0)
    cells: list[Image.Image] = []
    rows: list[dict[str, object]] = []
    for name, every in DETECTORS.items():
        detector = Yolo(SHARED / "detectors" / f"{name}.onnx", threads=1)
        videos = videos_for(every)
        proposal = propose(videos, detector, work / name, labels=list(LABELS), recipe=Recipe(), sources=scenes)
        for concept in sorted({outcome.concept for outcome in proposal.outcomes}):
            mine = [outcome for outcome in proposal.outcomes if outcome.concept == concept]
            tracks, kept = sum(one.tracks for one in mine), sum(one.kept for one in mine)
            print(
                f"{name} {concept}: {len(videos)} videos, {tracks} tracks, {kept} clips, {proposal.rejected(concept)}"
            )
        records = {one.id: one for one in read_records(work / name) if one.kind == "spatiotemporal"}
        for label, size in LABELS.items():
            pool = [(one.source, one.id) for one in records.values() if one.label == label]
            for _, clip in draw_evenly(pool, avoid=(), size=min(size, len(pool)), rng=rng):
                record = records[clip]
                index = int(rng.choice([i for i, score in enumerate(record.scores) if score > 0]))
                cells.append(cell(work / name, record, index, len(rows) + 1))
                edges = dict(zip(("left", "top", "right_edge", "bottom"), record.boxes[index], strict=True))
                seen = {"video": record.source_video.rsplit("/", 1)[-1], "frame": record.frames[index]}
                rows.append(
                    {"number": len(rows) + 1, "detector": name, "label": label, "score": record.scores[index]}
                    | seen
                    | edges
                    | {"right": ""}
                )
    sheet = Image.new("RGB", (PER_ROW * CELL, -(-len(cells) // PER_ROW) * CELL), "white")
    for number, picture in enumerate(cells):
        sheet.paste(picture, (number % PER_ROW * CELL, number // PER_ROW * CELL))
    sheet.save(work / "sheet.jpg", quality=80)
    sheet.save(work / "sheet.png")
    with (work / "boxes.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


def cell(folder: Path, record: ClipRecord, index: int, number: int) -> Image.Image:
    """The box with its surroundings, its number and its label."""
    frame = VideoFile(folder / record.source_video).frames([record.frames[index]])[0]
    left, top, right, bottom = record.boxes[index]
    side = max(1.7 * max(right - left, bottom - top), 56)
    x, y = (left + right - side) / 2, (top + bottom - side) / 2
    picture = Image.fromarray(frame).crop((round(x), round(y), round(x + side), round(y + side)))
    scale = (CELL - 4) / picture.width
    picture = ImageOps.expand(picture.resize((CELL - 4, CELL - 4), Image.Resampling.BICUBIC), border=2, fill="white")
    pen = ImageDraw.Draw(picture)
    box = [2 + (edge - offset) * scale for edge, offset in zip((left, top, right, bottom), (x, y, x, y), strict=True)]
    pen.rectangle(box, outline="#ff2020", width=1)
    text = f"{number} {record.label.split()[-1]}"
    font = ImageFont.load_default(size=11)
    pen.rectangle((2, 2, 6 + pen.textlength(text, font=font), 15), fill="black")
    pen.text((4, 2), text, fill="white", font=font)
    return picture


def count(path: Path) -> dict[str, dict[str, Any]]:
    """How many boxes of each label and detector are right, and their share with its exact 95 % interval."""
    groups: dict[str, list[int]] = defaultdict(list)
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            detectors = [row["detector"], "both", *["both, score ≥ 0.4"] * (float(row["score"]) >= SURE)]
            for key in (f"{label}, {detector}" for label in (row["label"], "all") for detector in detectors):
                groups[key].append(int(row["right"]))
    return {key: rate(sum(right), len(right)) for key, right in sorted(groups.items())}


def promises(cells: Cells) -> Iterator[Promise]:
    """The shares are reported; no target is set."""
    for cell in cells.values():
        for label in (*LABELS, "all"):
            found = cell["findings"][f"{label}, both"]
            yield Promise(
                area="concepts",
                what=f"boxes on real tennis that a person found right, {label}",
                unit="%",
                value=found["share"],
                low=found["low"],
                high=found["high"],
                n=found["of"],
                **taken(cell),
            )


if __name__ == "__main__":
    main()
