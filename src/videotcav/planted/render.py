"""The demo's input as files, as a user would have it: class clips, source videos with boxes, a study file.

classes/<motion>/*.mp4, boxes.json        what the model is asked about; boxes and masks of both objects
concepts_source/*.mp4, boxes.json         a racket swings, a ball passes; boxes and masks of both
random_source/*.mp4, boxes.json           other things do other things; box and mask of one thing a video
study.toml                                expects concept clips in concepts/ and random/, cut from the sources
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco

from videotcav.outputs import MARK, refuse_overwriting, write_text
from videotcav.planted.factors import DISTRACTORS, MOTIONS, SHAPES, Scene, sample_scene
from videotcav.planted.model import FRAMES_PER_SECOND, FRAMES_PER_VIDEO
from videotcav.planted.scenes import boxes, outlines, render
from videotcav.records import Box, Progress, silent
from videotcav.video.write import write_video

VIDEO_SIDE = 160
"""Pixels of the side of a scene's video file."""

MOST_OVERLAP = 0.1
"""Share of an object's box that the other may cover before a crop of it would show both."""

STUDY = """\
question = "Does the model see the swing, or the racket?"
seed = {seed}
layers = ["features.0", "features.2", "features.4"]
pooling = "none"
hypotheses = [
    "racket pushes swing",
    "racket: moving > frozen",
    "racket > ball",
    "nothing about ball matters",
    "swing needs racket motion",
]

[model]
name = "planted:swin"

[classes.swing]
videos = ["classes/swing/*.mp4"]

[concepts]
folder = "concepts"
include = ["racket", "ball"]

[random]
folder = ["random/moving", "random/still"]

[interventions]
boxes = "classes/boxes.json"

[tests]
alpha = 0.05
correction = "holm"

[cam]
layer = "features.4"
clips = 3
against = "slide"
"""

_CLASSES, _CONCEPTS, _RANDOM = 10, 11, 12  # streams of the seed; training and its test have 0 and 1


_OBJECTS = ("actor", "distractor")


class Source(NamedTuple):
    """A scene to be filmed, and which of its objects are annotated."""

    scene: Scene
    annotated: tuple[str, ...]


def render_demo(
    folder: Path | str,
    *,
    seed: int = 0,
    class_clips: int = 30,
    other_clips: int = 6,
    concept_sources: int = 30,
    random_sources: int = 120,
    replace: bool = False,
    progress: Progress = silent,
) -> Path:
    """The study file; it and all videos are written below `folder`. The same seed gives the same bytes.

    Files of others are replaced only where `replace` says so. Raises OutputError.
    """
    folder = Path(folder)
    study = folder / "study.toml"
    films: list[tuple[Path, Scene]] = []
    asked: list[tuple[str, Source]] = []
    for number, (motion, count) in enumerate((("swing", class_clips), ("slide", other_clips))):
        rng = np.random.default_rng([seed, _CLASSES, number])
        scenes = [sample_scene(rng, class_name=motion, **_racket(motion, clip)) for clip in range(count)]
        here = _named(folder / "classes" / motion, scenes)
        films += here
        asked += [(f"{motion}/{path.name}", Source(scene, _OBJECTS)) for path, scene in here]
    rng = np.random.default_rng([seed, _CONCEPTS])
    concept = [swinging_racket(rng) for _ in range(concept_sources)]
    rng = np.random.default_rng([seed, _RANDOM])
    other = [anything_else(rng, number) for number in range(random_sources)]
    texts = {study: f"# {MARK}: the bundled scenes\n{STUDY.format(seed=seed)}"}
    texts[folder / "classes" / "boxes.json"] = json.dumps(_sidecar(asked)) + "\n"
    for name, sources in (("concepts_source", concept), ("random_source", other)):
        here = _named(folder / name, [source.scene for source in sources])
        films += here
        sidecar = _sidecar((path.name, source) for (path, _), source in zip(here, sources, strict=True))
        texts[folder / name / "boxes.json"] = json.dumps(sidecar) + "\n"
    refuse_overwriting([*texts, *(path for path, _ in films)], replace=replace)
    with ThreadPoolExecutor(2) as pool:  # torch and the encoder both work outside Python's lock
        for _ in progress(pool.map(_film, films), "rendering", total=len(films)):
            pass
    for path, text in texts.items():
        write_text(path, text)
    return study


def _racket(motion: str, clip: int) -> dict[str, Any]:
    """What every second clip of a swing shows: whether the class needs the racket is asked of clips that hold it."""
    return {"shape": "racket"} if motion == "swing" and not clip % 2 else {}


def _film(film: tuple[Path, Scene]) -> None:
    path, scene = film
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = render(scene, height=VIDEO_SIDE, width=VIDEO_SIDE, frames=FRAMES_PER_VIDEO)
    write_video(path, frames, frames_per_second=FRAMES_PER_SECOND)


def swinging_racket(rng: np.random.Generator) -> Source:
    """A source of the concepts: a racket swings, a ball passes."""
    scene = _clear(lambda: _filmed(rng, shape="racket", motion="swing", distractor="ball"))
    return Source(scene, _OBJECTS)


def anything_else(rng: np.random.Generator, number: int) -> Source:
    """A source of random clips: any thing but a racket or a ball, doing anything but swing.

    One object a video, the actor in every other one: n clips then come from n sources, as in a concept set, and
    every second one passes by without part in the action, as the ball does.
    """
    shapes = [shape for shape in SHAPES if shape != "racket"]
    motions = [motion for motion in MOTIONS if motion != "swing"]
    others = [distractor for distractor in DISTRACTORS if distractor != "ball"]
    scene = _clear(
        lambda: _filmed(
            rng,
            shape=shapes[rng.integers(len(shapes))],
            motion=motions[rng.integers(len(motions))],
            distractor=others[rng.integers(len(others))],
        )
    )
    return Source(scene, _OBJECTS[number % 2 : number % 2 + 1])


def _filmed(rng: np.random.Generator, **factors: Any) -> Scene:
    """A scene that has room for both objects to be seen apart, as one would film it."""
    apart: dict[str, Any] = {
        "x": rng.uniform(0.25, 0.75),
        "y": rng.uniform(0.25, 0.75),
        "size": rng.uniform(0.3, 0.5),
        "pivot": rng.uniform(0.0, 0.15),
        "distractor_speed": rng.uniform(0.3, 0.6),
        "distractor_size": rng.uniform(0.16, 0.28),
    }
    return sample_scene(rng, **apart, **factors)


def _clear(draw: Callable[[], Scene]) -> Scene:
    """The first scene drawn in which both objects stay whole inside the frame and hardly cover each other.

    Somebody who verifies crops by hand keeps these: a crop of the ball that shows the racket too would carry the
    swing into the ball's concept.
    """
    while True:
        scene = draw()
        found = boxes(scene, height=40, width=40, frames=FRAMES_PER_VIDEO)
        if all(_is_clear(actor, distractor, side=40) for actor, distractor in zip(*found.values(), strict=True)):
            return scene


def _is_clear(actor: Box | None, distractor: Box | None, *, side: int) -> bool:
    if actor is None or distractor is None:
        return False
    inside = all(min(box.left, box.top) > 0 and max(box.right, box.bottom) < side for box in (actor, distractor))
    width = min(actor.right, distractor.right) - max(actor.left, distractor.left)
    height = min(actor.bottom, distractor.bottom) - max(actor.top, distractor.top)
    overlap = max(width, 0) * max(height, 0)
    smaller = min(actor.width * actor.height, distractor.width * distractor.height)
    return inside and overlap <= MOST_OVERLAP * smaller


def _named(folder: Path, scenes: Sequence[Scene]) -> list[tuple[Path, Scene]]:
    return [(folder / f"{folder.name}_{number:03}.mp4", scene) for number, scene in enumerate(scenes)]


def _sidecar(sources: Iterable[tuple[str, Source]]) -> dict[str, Any]:
    """Boxes and masks in the form of TAO and COCO-VID: bbox is left, top, width, height in pixels; frames from 0.

    A box holds also what the other object hides, a mask only what is seen.
    """
    categories = {name: number for number, name in enumerate((*SHAPES, *DISTRACTORS), start=1)}
    videos: list[dict[str, Any]] = []
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for video_id, (name, source) in enumerate(sources, start=1):
        videos.append({"id": video_id, "file_name": name, "width": VIDEO_SIDE, "height": VIDEO_SIDE})
        found, seen = outlines(source.scene, height=VIDEO_SIDE, width=VIDEO_SIDE, frames=FRAMES_PER_VIDEO)
        seen["distractor"] &= ~seen["actor"]
        things = {"actor": source.scene.shape, "distractor": source.scene.distractor}
        for frame in range(FRAMES_PER_VIDEO):
            image_id = len(images) + 1
            stem = name.removesuffix(".mp4")
            images.append(
                {
                    "id": image_id,
                    "video_id": video_id,
                    "frame_index": frame,
                    "file_name": f"{stem}/{frame:04}.jpg",
                    "width": VIDEO_SIDE,
                    "height": VIDEO_SIDE,
                }
            )
            for role in source.annotated:
                box = found[role][frame]
                if box is None:
                    continue
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": image_id,
                        "video_id": video_id,
                        "category_id": categories[things[role]],
                        "track_id": 2 * video_id + (role == "distractor"),
                        "bbox": [box.left, box.top, box.width, box.height],
                        "segmentation": _rle(seen[role][frame]),
                    }
                )
    return {
        "info": {"description": MARK},
        "videos": videos,
        "images": images,
        "annotations": annotations,
        "categories": [{"id": number, "name": name} for name, number in categories.items()],
    }


def _rle(pixels: NDArray[np.bool_]) -> dict[str, Any]:
    """A mask as COCO's run lengths."""
    rle = coco.encode(np.asfortranarray(pixels, dtype=np.uint8))
    return {"size": list(pixels.shape), "counts": rle["counts"].decode("ascii")}
