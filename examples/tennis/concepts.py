"""Cut the concept sets of the tennis study, and its random pool, out of the real clips.

    python examples/tennis/concepts.py ../shared/data

Players are found by a detector and followed; the watermark is a fixed region of the frame; the random pool is other
regions of other clips. Nothing comes from a scene in which the class of the study, the backhand, is shown.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

from rich.console import Console

from videotcav.concepts.detectors.detect import Detector, load_detector
from videotcav.concepts.folder import accept
from videotcav.concepts.propose.recipe import Recipe
from videotcav.concepts.propose.videos import propose

HERE = Path(__file__).parent
CLASS = "backhand"
FRAMES = 48  # a little more than the 1.5 seconds that the model sees
REGION = {"frames_per_clip": FRAMES, "min_sharpness": 0.0, "min_hash_distance": 0}


def main() -> None:
    """Writes `players/`, `watermarks/` and `random/` beside this script."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with tennis/ and detectors/")
    data = parser.parse_args().data
    clips = usable_clips(data / "tennis")

    def cut(strokes: list[str], detector: Detector, labels: dict[str, str], folder: str, recipe: Recipe) -> None:
        chosen = {path: scene for path, (stroke, scene) in clips.items() if stroke in strokes}
        sources = {path.stem: scene for path, scene in chosen.items()}
        done = propose(list(chosen), detector, HERE / folder, labels=labels, recipe=recipe, sources=sources)
        accept(HERE / folder)
        Console().print(f"{done.added} clips of {', '.join(sorted(set(labels.values())))} from {len(chosen)} videos")

    regions = load_detector(HERE / "regions.json")
    elsewhere = {label: "elsewhere" for label in regions.labels if label != "watermark"}
    people = load_detector(data / "detectors" / "yolox_nano_416.onnx")
    still_and_moving = ("spatial", "spatiotemporal", "frozen", "shuffled")
    cut(
        ["serve", "f_volley", "smash"],
        regions,
        elsewhere,
        "random",
        Recipe(**REGION, kinds=("spatiotemporal",), max_clips_per_source=5),
    )
    cut(
        ["b_volley"],
        regions,
        {"watermark": "watermark"},
        "watermarks",
        Recipe(**REGION, kinds=still_and_moving, max_clips_per_source=2),
    )
    cut(
        ["forehand"],
        people,
        {"person": "player"},
        "players",
        Recipe(
            mode="window", kinds=still_and_moving, frames_per_clip=FRAMES, min_side_pixels=90, max_clips_per_source=2
        ),
    )


def usable_clips(tennis: Path) -> dict[Path, tuple[str, str]]:
    """Stroke and scene of every clip whose scene shows no backhand."""
    with (tennis / "labels.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    taken = {row["scene"] for row in rows if row["label"] == CLASS}
    return {tennis / row["file"]: (row["label"], row["scene"]) for row in rows if row["scene"] not in taken}


if __name__ == "__main__":
    main()
