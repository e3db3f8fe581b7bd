"""Clips in which one thing flickers, and the boxes of what is in them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np

BOXES = {"flicker": (4, 16, 12, 12), "lamp": (22, 2, 8, 8)}  # left top width height, of 32 by 32 pixels


def scene(rng: np.random.Generator) -> np.ndarray:
    """A grey wall, a patch that flickers, and a lamp that hardly does."""
    frames = np.full((5, 32, 32, 3), 90, dtype=np.uint8)
    bright = np.array([20, 230, 30, 240, 20]) + rng.integers(-15, 15, 5)
    frames[:, 18:26, 6:14] = bright[:, None, None, None]
    frames[:, 4:8, 24:28] = 200 + rng.permutation(5)[:, None, None, None]
    return frames


def sidecar(names: Sequence[str], boxes: Mapping[str, tuple[int, ...]]) -> str:
    """Boxes of every frame, as COCO-VID writes them."""
    categories = {label: number for number, label in enumerate(boxes, start=1)}
    images = [(video, frame) for video in range(len(names)) for frame in range(5)]
    return json.dumps(
        {
            "videos": [{"id": at, "file_name": name, "width": 32, "height": 32} for at, name in enumerate(names)],
            "images": [
                {"id": number, "video_id": video, "frame_index": frame, "file_name": "x", "width": 32, "height": 32}
                for number, (video, frame) in enumerate(images)
            ],
            "annotations": [
                {
                    "id": len(boxes) * number + category,
                    "image_id": number,
                    "video_id": video,
                    "category_id": category,
                    "track_id": len(boxes) * video + category,
                    "bbox": list(boxes[label]),
                }
                for number, (video, _) in enumerate(images)
                for label, category in categories.items()
            ],
            "categories": [{"id": number, "name": label} for label, number in categories.items()],
        }
    )
