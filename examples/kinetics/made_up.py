"""Made-up folders with the structure of Kinetics-400 and Something-Something v2, to try the recipe without either.

    python examples/kinetics/made_up.py made-up
    python examples/kinetics/recipe.py study made-up/kinetics400 -o made-up/tennis --unseen
        --detector made-up/kinetics400/boxes.csv --model torchvision:swin3d --weights made-up/swin.safetensors

Planted scenes in the place of films, their boxes in that of a detector, and a tiny Video Swin with random weights whose
layers are called as those of swin3d_t. Whatever is found there says nothing.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from videotcav.compat.torchvision import import_torchvision
from videotcav.models.checkpoint import save
from videotcav.planted.factors import Scene, sample_scene
from videotcav.planted.scenes import boxes, render
from videotcav.records import Box, ClipSpec
from videotcav.video.read import Frames
from videotcav.video.write import write_video

SIDE, FRAMES, FRAMES_PER_SECOND = 80, 32, 14
HELD = 4  # frames for which each picture stands
TENNIS, OTHERS = "playing tennis", ("archery", "bowling", "juggling balls", "playing chess")
RIGHT, LEFT = (f"Pushing something from {way}" for way in ("left to right", "right to left"))
NAMES = {"racket": "tennis racket", "ball": "sports ball"}


def main() -> None:
    """Writes both folders, and the network."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    kinetics(folder / "kinetics400")
    something(folder / "ssv2")
    tiny_swin(folder / "swin.safetensors", (TENNIS, *OTHERS))


def kinetics(folder: Path, *, of_class: int = 12, asked: int = 12, others: int = 32) -> None:
    """Lists with a row a video: of the class in both parts, of others to train on; the videos, and boxes.csv.

    The first two videos of each part are of one recording.
    """
    rows: list[tuple[object, ...]] = []
    for part, first, count in (("train", 0, of_class), ("val", of_class, asked)):
        listed = []
        for number in range(count + others * (part == "train")):
            name, start = f"{part:-<8}{max(number, 1):03}", 10 + 10 * (number == 0)
            path = folder / part / f"{name}_{start:06}_{start + 10:06}.mp4"
            rows += _filmed(path, first + number, of_class=number < count)
            label = TENNIS if number < count else f"action {number}"
            listed.append((label, name, start, start + 10, part))
        path = folder / "annotations" / f"{part}.csv"
        _write(path, [("label", "youtube_id", "time_start", "time_end", "split"), *listed])
    _write(folder / "boxes.csv", [_COLUMNS, *rows])


def something(folder: Path, *, of_class: int = 12, asked: int = 12, others: int = 32) -> None:
    """The same in the form of Something-Something v2, where the person is a hand."""
    rows: list[tuple[object, ...]] = []
    for part, first, count in (("train", 0, of_class), ("validation", of_class + others, asked)):
        listed = []
        for number in range(count + others * (part == "train")):
            name, is_own = str(first + number), number < count
            path = folder / "20bn-something-something-v2" / f"{name}.mp4"
            rows += _filmed(path, first + number - others * (part != "train"), of_class=is_own)
            template = RIGHT.replace("something", "[something]") if is_own else f"Doing {number} with [something]"
            listed.append({"id": name, "template": template})
        path = folder / "labels" / f"{part}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(listed), encoding="utf-8")
    _write(folder / "boxes.csv", [_COLUMNS, *rows])


def tiny_swin(path: Path, classes: Sequence[str]) -> None:
    """Weights of a Video Swin of four stages, random."""
    architecture = {
        "patch_size": [2, 4, 4],
        "embed_dim": 8,
        "depths": [1, 1, 1, 1],
        "num_heads": [1, 1, 2, 2],
        "window_size": [2, 4, 4],
        "num_classes": len(classes),
    }
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = import_torchvision("torchvision.models.video").SwinTransformer3d(**architecture)
    spec = ClipSpec(frames=8, seconds_between_frames=0.15, height=32, width=32, resize=32)
    save(path, module, classes=tuple(classes), clip_spec=spec, architecture=architecture)


_COLUMNS = ("video", "frame", "left", "top", "right", "bottom", "label", "track")


@cache
def _film(number: int, *, of_class: bool) -> tuple[Scene, Frames, dict[str, list[Box | None]]]:
    """A racket swings and a ball passes; elsewhere other things do other things. All of it stays in the frame."""
    rng = np.random.default_rng([number, of_class])
    factors: dict[str, Any] = {"shape": "racket", "distractor": "ball"}
    if not of_class:
        factors = {"shape": rng.choice(["bottle", "hammer", "key"]), "distractor": rng.choice(["box", "star"])}
    factors |= {name: rng.uniform(0.4, 0.6) for name in ("x", "y", "distractor_x", "distractor_y")}
    factors |= {"size": 0.4, "pivot": 0.1, "distractor_size": 0.25, "distractor_speed": 0.3}
    scene = sample_scene(rng, class_name="swing" if of_class else "jump", **factors)
    frame: dict[str, Any] = {"height": SIDE, "width": SIDE, "frames": FRAMES // HELD}
    found = {role: [box for box in own for _ in range(HELD)] for role, own in boxes(scene, **frame).items()}
    return scene, render(scene, **frame).repeat(HELD, axis=0), found


def _filmed(path: Path, number: int, *, of_class: bool) -> Iterator[tuple[object, ...]]:
    """Writes a video; its boxes. The person is all that the thing's motion covers."""
    scene, frames, found = _film(number, of_class=of_class)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, frames, frames_per_second=FRAMES_PER_SECOND)
    things = {"actor": scene.shape, "distractor": scene.distractor}
    for role, name in things.items():
        for frame, box in enumerate(found[role]):
            if box is not None:
                yield _row(path, frame, box, NAMES.get(name, name), role)
    moved = [box for box in found["actor"] if box is not None]
    person = Box(
        left=min(box.left for box in moved),
        top=min(box.top for box in moved),
        right=max(box.right for box in moved),
        bottom=max(box.bottom for box in moved),
    )
    yield from (_row(path, frame, person, "person", "person") for frame in range(FRAMES))


def _row(path: Path, frame: int, box: Box, label: str, track: str) -> tuple[object, ...]:
    return path.stem, frame, box.left, box.top, box.right, box.bottom, label, track


def _write(path: Path, rows: Sequence[Sequence[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)


if __name__ == "__main__":
    main()
