"""Cut the concepts of `study.toml` and its random pool out of the real clips, and put in what was seen in each.

    python examples/tennis/concepts.py ../shared/data

The networks see whole frames, so what is cut stays where it stood and all else is one grey. Players and rackets of
serves and smashes are found by a detector and followed; the watermark is a fixed region of marked clips; the random
pool is other regions of one clip of every scene; `corners/` has the mark's place where none is. Nothing is of a scene
in which the class, the forehand, is shown.
`decisions.jsonl` is what the review app wrote of every clip of a concept: what is not accepted there does not count.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from rich.console import Console

sys.path.insert(0, str(Path(__file__).parents[2]))
from examples.tennis.train import HERE, MARK, labelled_clips
from videotcav.concepts.detectors.detect import Detector, load_detector
from videotcav.concepts.folder import accept
from videotcav.concepts.propose.recipe import Recipe
from videotcav.concepts.propose.videos import propose
from videotcav.concepts.review.review import import_decisions

CLASS = "forehand"
"""Of the strokes with a mark that of most scenes."""
REVIEWED = ("objects", "watermarks")
ALIKE: dict[str, Any] = {"mode": "in-place", "fill": (115, 115, 115), "min_hash_distance": 0}
"""What the networks are shown of a concept: where it stood in the frame, on the grey that they subtract."""
FIXED: dict[str, Any] = {
    "kinds": ("spatiotemporal",),
    "frames_per_clip": 48,
    "min_sharpness": 0.0,
    "min_hash_distance": 0,
}
"""Of a region of the frame: as long as the networks look, however blurred and alike."""


def main() -> None:
    """Writes `objects/`, `watermarks/`, `corners/` and `random/` beside this script."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with tennis/ and detectors/")
    data = parser.parse_args().data
    rows = labelled_clips(data / "tennis")
    regions = load_detector(HERE / "regions.json")
    fixed: dict[str, Any] = {**ALIKE, **FIXED}
    cut(data, "random", regions, elsewhere(regions), first(rows, most=1), **fixed, max_clips_per_source=3)
    cut(data, "watermarks", regions, {MARK: MARK}, first(rows, "b_slice", "backhand", most=2), **fixed)
    cut(data, "corners", regions, {MARK: "corner"}, first(rows, "serve", "smash", most=1), **fixed)
    network = load_detector(data / "detectors" / "yolox_nano_416.onnx")
    moving: dict[str, Any] = {**ALIKE, "kinds": ("spatiotemporal", "frozen"), "frames_per_clip": None, "min_frames": 24}
    racket = {"tennis racket": "racket"}
    for labels, clips in (
        ({"person": "player", **racket}, first(rows, "serve", "smash", most=2)),
        (racket, first(rows, "b_slice", "b_volley", "backhand", most=1)),
    ):
        cut(data, "objects", network, labels, clips, **moving, max_clips_per_source=2)
    for folder in REVIEWED:
        import_decisions(HERE / folder, HERE / "decisions.jsonl")
    for folder in ("corners", "random"):
        accept(HERE / folder)


def cut(
    data: Path, folder: str, detector: Detector, labels: dict[str, str], clips: list[dict[str, str]], **how: Any
) -> None:
    """Cuts what is found in the clips into a folder beside this script; scenes are the sources."""
    sources = {Path(row["file"]).stem: row["scene"] for row in clips}
    paths = [data / "tennis" / row["file"] for row in clips]
    done = propose(paths, detector, HERE / folder, labels=labels, recipe=Recipe(**how), sources=sources)
    Console().print(f"{done.added} clips in {folder} from {len(clips)} videos")


def elsewhere(regions: Detector) -> dict[str, str]:
    """Every region but the mark's, as one concept."""
    return {label: "elsewhere" for label in regions.labels if label != MARK}


def first(
    rows: list[dict[str, str]], *strokes: str, without: str = CLASS, most: int | None = None
) -> list[dict[str, str]]:
    """Of each scene that shows no clip of the class `without` the first clips of these strokes, or of any."""
    of_class = {row["scene"] for row in rows if row["label"] == without}
    seen: Counter[str] = Counter()
    found = []
    for row in rows:
        if row["scene"] not in of_class and (not strokes or row["label"] in strokes):
            seen[row["scene"]] += 1
            if most is None or seen[row["scene"]] <= most:
                found.append(row)
    return found


if __name__ == "__main__":
    main()
