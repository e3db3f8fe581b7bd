"""Clips that look nearly the same, and parts of one video, where they count as different sources."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from videotcav.features.measure import ClipFile
from videotcav.records import ConceptClip, ConceptSet, Kind
from videotcav.study.overlap import near_overlaps
from videotcav.video.write import write_video


def blocks(seed: int, frames: int = 6, drift: int = 0) -> np.ndarray:
    """A random picture of blocks that moves `drift` pixels a frame."""
    picture = np.random.default_rng(seed).integers(20, 235, (16, 16, 1), dtype=np.uint8).repeat(3, axis=2)
    large = picture.repeat(6, axis=0).repeat(6, axis=1)
    return np.stack([np.roll(large, frame * drift, axis=1) for frame in range(frames)])


def video(path: Path, frames: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, frames, frames_per_second=10)
    return path


def files(*paths: Path) -> tuple[ClipFile, ...]:
    return tuple(ClipFile(path=path, source=str(path)) for path in paths)


def concept(name: str, *paths: Path, kind: Kind = "spatiotemporal") -> ConceptSet:
    clips = (ConceptClip(id=path.stem, concept=name, kind=kind, path=path, source=str(path)) for path in paths)
    return ConceptSet(concept=name, kind=kind, clips=tuple(clips))


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return video(tmp_path / "clip.mp4", blocks(1))


def test_a_smaller_copy_is_told_and_another_picture_is_not(clip: Path, tmp_path: Path) -> None:
    small = video(tmp_path / "small.mkv", blocks(1)[:, ::2, ::2])
    other = video(tmp_path / "other.mp4", blocks(2))
    flat = [video(tmp_path / f"flat{n}.mp4", np.full((4, 32, 32, 3), 90 + n, dtype=np.uint8)) for n in range(2)]
    (told,) = near_overlaps([concept("racket", clip)], files(small, other, *flat), {})
    assert "1 pairs of clips look nearly the same" in told
    assert "clip.mp4" in told
    assert "small.mkv" in told
    of_one_scene = (ClipFile(path=small, source=str(clip)),)
    assert near_overlaps([concept("racket", clip)], of_one_scene, {}) == []


def test_a_file_that_begins_where_another_ends_is_told_with_the_cure(tmp_path: Path) -> None:
    whole = blocks(3, frames=21, drift=4)
    parts = [video(tmp_path / f"{name}.mp4", whole[at : at + 11]) for name, at in (("one", 0), ("two", 10))]
    (told,) = near_overlaps([], (), {"swing": files(*parts, video(tmp_path / "x.mp4", blocks(4)))})
    assert "1 clips begin where another one ends" in told
    assert f"{parts[0]} and {parts[1]}" in told  # in the order of the recording
    assert "[sources]" in told
    together = tuple(ClipFile(path=path, source="whole") for path in parts)
    assert near_overlaps([], (), {"swing": together}) == []
