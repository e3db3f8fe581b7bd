"""A concept folder as `concepts propose` leaves it: moving squares and discs, their source videos, the table."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest

from videotcav.concepts.folder import ClipRecord, write_records
from videotcav.video.write import write_video

FRAMES, FPS, SIDE = 12, 12.0, 48
TOKEN = "token-of-the-tests"  # noqa: S105 - not a secret
COLOURS = {"racket": (60, 120, 220), "ball": (220, 190, 50), "person": (150, 90, 160)}


def source_frames(concept: str, match: int) -> tuple[np.ndarray, list[list[tuple[int, int, int, int]]]]:
    """Frames of 96 × 128 with three moving squares, and the boxes of each."""
    rng = np.random.default_rng(int(hashlib.sha256(f"{concept} {match}".encode()).hexdigest()[:8], 16))
    frames = np.full((FRAMES, 96, 128, 3), (70, 110, 80), dtype=np.uint8)
    frames[:, ::16] = (90, 130, 100)
    tracks = []
    for lane in range(3):
        x, dx, dy = rng.uniform(4, 50), rng.uniform(1, 4), rng.uniform(-0.6, 0.6)
        boxes = []
        for t, frame in enumerate(frames):
            left, top = int(np.clip(x + t * dx, 0, 104)), int(np.clip(6 + 30 * lane + t * dy, 0, 72))
            frame[top : top + 24, left : left + 24] = COLOURS[concept]
            frame[top + 8 : top + 16, left + 8 : left + 8 + t] = 255
            boxes.append((left, top, left + 24, top + 24))
        tracks.append(boxes)
    return frames, tracks


def make_folder(folder: Path, **candidates: int) -> Path:
    """Concepts with so many candidates each, three candidates a source video, three kinds of clip each."""
    records = []
    for concept, count in candidates.items():
        for number in range(count):
            frames, tracks = source_frames(concept, number // 3)
            boxes = tracks[number % 3]
            source = folder.parent / "videos" / f"{concept} match {number // 3}.mp4"
            if not source.exists():
                source.parent.mkdir(exist_ok=True)
                write_video(source, frames, frames_per_second=FPS)
            cut = np.stack(
                [np.pad(f, ((24, 24), (24, 24), (0, 0)), mode="edge")[t + 12 : t + 60, x + 12 : x + 60]
                 for f, (x, t, _, _) in zip(frames, boxes, strict=True)]
            )  # fmt: skip
            orders = {"spatiotemporal": slice(None), "frozen": [5] * FRAMES, "reversed": slice(None, None, -1)}
            for kind, order in orders.items():
                clip = folder / concept / kind / f"{concept}-{number:03}.mp4"
                clip.parent.mkdir(parents=True, exist_ok=True)
                write_video(clip, cut[order], frames_per_second=FPS)
                records.append(
                    ClipRecord(
                        file_name=str(clip.relative_to(folder)),
                        id=clip.stem,
                        concept=concept,
                        kind=kind,  # type: ignore[arg-type] # pydantic checks it
                        label=concept,
                        source=source.stem,
                        source_sha256=hashlib.sha256(source.read_bytes()).hexdigest(),
                        source_video=f"../videos/{source.name}",
                        track=str(number),
                        frames=tuple(range(FRAMES)),
                        boxes=tuple(boxes),
                        scores=(0.5,) * 5 + (0.9,) + (0.0,) * 6,
                        frames_per_second=FPS,
                        width=SIDE,
                        height=SIDE,
                        detector="boxes",
                        detector_sha256="",
                        recipe="",
                    )
                )
    write_records(folder, records)
    return folder


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once; tests that decide work on a copy."""
    return make_folder(tmp_path_factory.mktemp("made") / "concepts", racket=5, ball=3)


@pytest.fixture
def folder(template: Path, tmp_path: Path) -> Path:
    shutil.copytree(template.parent, tmp_path / "copy")
    return tmp_path / "copy" / "concepts"
