"""The clips of the networks' entry: windows of three videos, and concepts of ours made of other footage.

    python examples/ucf50/recipe.py ../shared/data/networks/ucf50 ../shared/data/tennis

Writes `clips.csv` beside this script: each window is told as a source of its own, as there is one video a class, and
what is said over windows is said of these videos. Writes `concepts/` and `random/` too: of each scene of the footage a
clip, either as it is or with one factor put in, which `FACTORS` does to any frames. None of it is part of the project.
"""

from __future__ import annotations

import argparse
import csv
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from videotcav.video.read import read_all
from videotcav.video.write import write_video

HERE = Path(__file__).parent
LIST = HERE / "clips.csv"
SIDE, RATE = 128, 30.0  # of the clips that are written
OF_CONCEPTS = 24  # scenes; the others are the pool's
WATER = (30.0, 110.0, 180.0)

Pictures = NDArray[np.uint8]


def dark(frames: Pictures) -> Pictures:
    """Frames (`time height width 3`) at two fifths of their brightness."""
    return (0.4 * frames).round().astype(np.uint8)


def blue(frames: Pictures) -> Pictures:
    """Half way to the blue of water."""
    return (0.5 * frames + 0.5 * np.array(WATER)).round().astype(np.uint8)


def pan(frames: Pictures) -> Pictures:
    """The camera turned by a third of the picture; beyond its edge the picture is mirrored."""
    width = frames.shape[2]
    wider = np.pad(frames, ((0, 0), (0, 0), (0, width // 3), (0, 0)), mode="reflect")
    lefts = np.linspace(0, width // 3, len(frames)).round().astype(int)
    return np.stack([frame[:, left : left + width] for frame, left in zip(wider, lefts, strict=True)])


FACTORS: dict[str, Callable[[Pictures], Pictures]] = {"dark": dark, "water blue": blue, "pan": pan}


def main() -> None:
    """Writes the list and the clips."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with clips.csv (path, label, start, end, source) and videos")
    parser.add_argument("footage", type=Path, help="folder of clips with labels.csv (file, scene)")
    given = parser.parse_args()
    with (given.data / "clips.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    seen: Counter[str] = Counter()
    with LIST.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("path", "label", "start", "end", "source"))
        for row in rows:
            seen[row["source"]] += 1
            window = f"{row['source']}-{seen[row['source']]:02}"
            writer.writerow((row["path"], row["label"], row["start"], row["end"], window))
    print(f"{len(rows)} windows in {LIST.name}")
    with (given.footage / "labels.csv").open(encoding="utf-8", newline="") as file:
        first = {row["scene"]: given.footage / row["file"] for row in reversed(list(csv.DictReader(file)))}
    for folder in ("concepts", "random"):
        shutil.rmtree(HERE / folder, ignore_errors=True)
    scenes = np.random.default_rng(0).permutation(sorted(first)).tolist()
    for number, scene in enumerate(scenes):
        shown, _ = read_all(first[scene])
        frames = np.stack([cv2.resize(each, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for each in shown])
        if number < OF_CONCEPTS:
            made = {f"concepts/{name}": factor(frames) for name, factor in FACTORS.items()}
        else:
            made = {"random": frames}
        for place, pictures in made.items():
            path = HERE / place / f"scene-{scene}.mp4"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_video(path, pictures, frames_per_second=RATE)
    print(f"{len(FACTORS)} concepts of {OF_CONCEPTS} scenes each, and a pool of {len(scenes) - OF_CONCEPTS}")


if __name__ == "__main__":
    main()
