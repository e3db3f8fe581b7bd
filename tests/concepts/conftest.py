"""Small videos with a textured square that travels, and a COCO file that says where it is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from videotcav.video.write import write_video

SIDE, STEP, TOP, FRAMES, HEIGHT, WIDTH = 20, 3, 16, 12, 64, 96


def left_edge(frame: int, video: int) -> int:
    return 4 + 2 * video + STEP * frame


def draw(video: int, *, frames: int = FRAMES) -> np.ndarray:
    """A grey scene with faint noise; the texture of the square is the video's own."""
    rng = np.random.default_rng(video)
    pixels = np.broadcast_to(rng.integers(100, 110, (HEIGHT, WIDTH, 3)), (frames, HEIGHT, WIDTH, 3)).astype(np.uint8)
    texture = np.kron(rng.integers(0, 2, (5, 5)), np.ones((4, 4)))[..., None] * np.array([200, 120, 40])
    pixels = pixels.copy()
    for frame in range(frames):
        left = left_edge(frame, video)
        pixels[frame, TOP : TOP + SIDE, left : left + SIDE] = texture.astype(np.uint8)
    return pixels


def coco(names: list[str]) -> dict[str, list[dict[str, object]]]:
    """Two labels on the same square, so that there is always another label."""
    images = [
        {"id": 100 * v + f, "video_id": v, "frame_index": f, "file_name": f"{name}/{f:05d}.jpg"}
        for v, name in enumerate(names)
        for f in range(FRAMES)
    ]
    return {
        "videos": [
            {"id": v, "file_name": f"{name}.mp4", "width": WIDTH, "height": HEIGHT} for v, name in enumerate(names)
        ],
        "images": images,
        "annotations": [
            {
                "id": 10 * int(image["id"]) + category,  # type: ignore[call-overload]
                "image_id": image["id"],
                "category_id": category,
                "track_id": category,
                "bbox": [left_edge(image["frame_index"], image["video_id"]), TOP, SIDE, SIDE],  # type: ignore[arg-type]
            }
            for image in images
            for category in (1, 2)
        ],
        "categories": [{"id": 1, "name": "square"}, {"id": 2, "name": "tennis racket"}],
    }


@pytest.fixture
def make_videos(tmp_path: Path) -> Callable[[int], Path]:
    """Writes that many videos and their boxes.json into a folder of its own."""

    def make(count: int) -> Path:
        folder = tmp_path / "videos"
        folder.mkdir(exist_ok=True)
        names = [f"v{number}" for number in range(count)]
        for number, name in enumerate(names):
            write_video(folder / f"{name}.mp4", draw(number), frames_per_second=10)
        (folder / "boxes.json").write_text(json.dumps(coco(names)))
        return folder

    return make


class Drawing:
    """The drawn scene, for tests that compare with it."""

    top, side, frames = TOP, SIDE, FRAMES
    left_edge = staticmethod(left_edge)
    draw = staticmethod(draw)


@pytest.fixture
def drawing() -> Drawing:
    """Where the square is, and the pixels of the whole scene."""
    return Drawing()
