"""The lists of the tennis entry: every clip with its stroke, scene and mark, and where player, racket and mark are.

    python examples/tennis/recipe.py ../shared/data

Writes `clips.csv` and `boxes.csv` beside this script. Boxes are told of the frames that the networks see: of persons
the largest, of rackets the surest, each held through one such frame in which it is not found. Where a clip carries no
mark, the same place is called `corner`, so that what is done to the mark can be done alike. No clip is part of the
project.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[2]))
from examples.tennis.train import HERE, MARK, RECIPES, labelled_clips
from videotcav.concepts.detectors.boxes import Regions
from videotcav.concepts.detectors.boxes_json import read_regions
from videotcav.concepts.detectors.detect import Detections, VideoFrames, load_detector
from videotcav.concepts.propose.recipe import Recipe as DetectionRecipe
from videotcav.video.read import VideoFile
from videotcav.video.sampling import sample_times

OBJECTS = {"person": "the largest", "tennis racket": "the surest"}
SURE = DetectionRecipe().min_score
CORNER = "corner"
"""The label of the mark's place in clips without it."""
MARKED_STROKE = "b_slice"
"""All of its clips carry the mark; what they have in common in its corner is how the mark looks."""
IS_MARKED = 0.25
"""Correlation of a clip's corner with the mark's look: the others have 0.16 at most, the marked 0.35 at least."""
_LETTERS = 9  # pixels: what is wider than the letters of the mark is taken out


def main() -> None:
    """Writes both lists anew."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with tennis/ and detectors/")
    data = parser.parse_args().data
    rows = labelled_clips(data / "tennis")
    regions = read_regions(HERE / "regions.json")
    detector = load_detector(data / "detectors" / "yolox_nano_416.onnx")
    corners, boxes = [], []
    for row in rows:
        path = data / "tennis" / row["file"]
        file = VideoFile(path)
        info = file.info()
        ranks = file.ranks_at(sample_times(info, RECIPES["random-split"].clip_spec))
        frames = VideoFrames(file.frames(ranks), info, 0)
        corners.append(corner(frames.pixels, regions))
        found = detector(frames)
        tracks = [(MARK, "0", at, edges) for at, edges in _held(regions, frames)]
        tracks += [(label, *box) for label in OBJECTS for box in _followed(found, label)]
        boxes += [
            (path.stem, ranks[at], *(round(edge, 1) for edge in edges), label, track)
            for label, track, at, edges in tracks
        ]
    carries = marked(np.stack(corners), [row["label"] == MARKED_STROKE for row in rows])
    listed = [
        (os.path.relpath(data / "tennis" / row["file"], HERE), row["label"], row["scene"], "yes" if mark else "no")
        for row, mark in zip(rows, carries, strict=True)
    ]
    unmarked = {Path(row["file"]).stem for row, mark in zip(rows, carries, strict=True) if not mark}
    boxes = [(*box[:6], CORNER if box[0] in unmarked and box[6] == MARK else box[6], box[7]) for box in boxes]
    _write("clips", ("file", "class", "source", "marked"), listed)
    _write("boxes", ("video", "frame", "left", "top", "right", "bottom", "label", "track"), boxes)
    print(f"{len(rows)} clips, {int(carries.sum())} of them marked, and {len(boxes)} boxes")


def corner(frames: NDArray[np.uint8], regions: Regions) -> NDArray[np.float32]:
    """What stands still and is as fine as letters in the mark's corner, of frames `time height width 3`."""
    left, top, right, bottom = (round(edge) for edge in regions.places[MARK])
    grey = frames[:, top:bottom, left:right].astype(np.float32).mean(axis=(0, 3))
    return np.asarray(grey - cv2.blur(grey, (_LETTERS, _LETTERS)), dtype=np.float32)


def marked(corners: NDArray[np.float32], known: list[bool]) -> NDArray[np.bool_]:
    """Which corners (clip, height, width) look like the median of the `known` marked ones."""
    flat = corners.reshape(len(corners), -1)
    look = np.median(flat[known], axis=0)
    return np.array([np.corrcoef(each, look)[0, 1] > IS_MARKED for each in flat])


def _held(regions: Regions, frames: VideoFrames) -> Iterator[tuple[int, list[float]]]:
    for at, found in enumerate(regions(frames)):
        yield at, found.boxes[found.labels.index(MARK)].tolist()


def _followed(found: list[Detections], label: str) -> Iterator[tuple[str, int, list[float]]]:
    """Track, place and edges of one box a frame; a track goes on over one frame without."""
    track, last = 0, -1
    for at, each in enumerate(found):
        own = [place for place, name in enumerate(each.labels) if name == label and each.scores[place] >= SURE]
        if not own:
            continue
        sizes = np.prod(each.boxes[own, 2:] - each.boxes[own, :2], axis=1)
        best = own[int((sizes if OBJECTS[label] == "the largest" else each.scores[own]).argmax())]
        track += at > last + 2
        last = at
        yield str(track), at, each.boxes[best].tolist()


def _write(name: str, columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    with (HERE / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([columns, *rows])


if __name__ == "__main__":
    main()
