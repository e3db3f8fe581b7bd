"""Do maps point at the planted truth? Scenes with exact boxes and event times, and a model that learned the motion.

    python benchmarks/cam_planted.py [--clips 60] [--only features.0] [--folder FOLDER]

The truth of a scene is the box of the object that moves (not of the distractor, which moves too and does not matter),
and the second at which its motion is at its peak, give or take one frame of the clip. Scenes that the model gets wrong
are left out and counted: a map cannot be asked to explain what was not learned. One cell a layer; methods that read no
layer have the cell `pixels`. The comparison pages go into FOLDER.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from harness import Book, options
from videotcav.concepts.detectors.detect import load_detector
from videotcav.explain.saliency.cam import METHODS, PIXEL_METHODS
from videotcav.maps.evaluation import Truths, measure_faithfulness
from videotcav.maps.judged import FaithfulnessSettings
from videotcav.models.load import load_model
from videotcav.planted.factors import MOTIONS, Scene, sample_scene
from videotcav.planted.model import FRAMES_PER_SECOND, FRAMES_PER_VIDEO
from videotcav.planted.scenes import boxes, render
from videotcav.results.map_facts import Faithfulness
from videotcav.video.clips import read_clip
from videotcav.video.write import write_video

SIDE = 160
LAYERS = ("features.0", "features.2", "features.4")
TARGETS = {"energy": 3.0, "pointing in space": 0.8, "pointing in time": 0.8}


def film(folder: Path, *, clips: int, seed: int) -> dict[Path, Scene]:
    """Scenes of all moving classes in turn as videos, with `boxes.json` and `events.json` beside them."""
    rng = np.random.default_rng(seed)
    moving = [motion for motion in MOTIONS if motion != "rest"]
    scenes = {}
    found: dict[str, list[dict[str, Any]]] = {"videos": [], "images": [], "annotations": []}
    events = {}
    for number in range(clips):
        scene = sample_scene(rng, class_name=moving[number % len(moving)])
        path = folder / f"{scene.motion}-{number:03}.mp4"
        frames = render(scene, height=SIDE, width=SIDE, frames=FRAMES_PER_VIDEO)
        write_video(path, frames, frames_per_second=FRAMES_PER_SECOND)
        scenes[path] = scene
        # The middle of the frame that shows the peak, give or take a frame of the clip.
        peak = (scene.event_time * (FRAMES_PER_VIDEO - 1) + 0.5) / FRAMES_PER_SECOND
        step = 2 / FRAMES_PER_SECOND
        events[path.stem] = (peak - step, peak + step)
        found["videos"].append({"id": number, "file_name": path.name, "width": SIDE, "height": SIDE})
        for frame, box in enumerate(boxes(scene, height=SIDE, width=SIDE, frames=FRAMES_PER_VIDEO)["actor"]):
            image = len(found["images"])
            found["images"].append({"id": image, "video_id": number, "frame_index": frame})
            if box is not None:
                corner = [box.left, box.top, box.width, box.height]
                found["annotations"].append({"image_id": image, "category_id": 1, "bbox": corner})
    (folder / "boxes.json").write_text(json.dumps(found | {"categories": [{"id": 1, "name": "actor"}]}))
    (folder / "events.json").write_text(json.dumps({"events": events}))
    return scenes


def main() -> None:
    """Film, measure, print, and write down."""
    parser = options(__doc__)
    parser.add_argument("--clips", type=int, default=60)
    parser.add_argument("--steps", type=int, default=5, help="of the insertion and deletion curves")
    parser.add_argument("--weights")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--rise-masks", type=int, default=256)
    parser.add_argument("--folder", type=Path, help="where the pages go; a folder that does not exist")
    arguments = parser.parse_args()
    book = Book(__file__, "Do maps point at the planted truth?", arguments)
    model = load_model("planted:swin", weights=arguments.weights)
    settings = FaithfulnessSettings(steps=arguments.steps, rise_masks=arguments.rise_masks)
    with tempfile.TemporaryDirectory() as scratch:
        videos = Path(scratch)
        scenes = film(videos, clips=arguments.clips, seed=arguments.seed)
        right = [
            path
            for path, scene in scenes.items()
            if model.card.classes[int(model(read_clip(path, model.card.clip_spec)[1][None]).argmax())] == scene.motion
        ]
        events = json.loads((videos / "events.json").read_text())["events"]
        for title in book.wanted(*LAYERS, "pixels"):
            results = measure_faithfulness(
                right,
                (arguments.folder or videos) / title,
                model=model,
                layer=title if title in LAYERS else LAYERS[-1],
                methods=tuple(METHODS) if title in LAYERS else PIXEL_METHODS,
                truths=Truths(boxes=load_detector(str(videos / "boxes.json")), events=events),
                settings=settings,
            )
            book.note(
                title,
                scenes=len(scenes),
                explained=len(right),
                weights_sha256=model.card.weights_sha256,
                targets=TARGETS,
                results=[row.model_dump() for row in results],
            )
            for row in results:
                target = "" if row.baseline or row.measure not in TARGETS else _verdict(row)
                print(f"{row.measure:<18} {row.method:<20} {row.value:7.3f}  ({row.low:.3f} to {row.high:.3f}){target}")


def _verdict(row: Faithfulness) -> str:
    return f"  {'meets' if row.value >= TARGETS[row.measure] else 'misses'} {TARGETS[row.measure]}"


if __name__ == "__main__":
    main()
