"""Films whose events we make: cuts, dissolves, flashes, pans and still clips of real footage, each at a known frame.

Rendered into a temporary folder from any folder of short clips with a table of their scenes; never kept.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from validation.moments.network import FRAMES, HEIGHT, RATE, WIDTH
from videotcav.video.read import Frames, VideoFile
from videotcav.video.write import write_video

FIRST, LAST = 15, 34
"""The frames of the unaligned clip, the first being 0, between which events fall."""

LENGTH = FRAMES + 20
"""A film has room for its clip to be laid around any of those frames."""

LEAD = (LENGTH - FRAMES) // 2
CLASS_CLIPS, CONCEPT_CLIPS, POOL_CLIPS = 24, 12, 40
CONCEPT_SCENES, CLASS_SCENES, LEAST_POOL_SCENES = 12, 12, 30

_DISSOLVE, _PAN, _FLASH = 12, 10, 2  # frames
_HEIGHT, _WIDTH = 2 * HEIGHT, 2 * WIDTH
_ZOOM = 0.75


@dataclass(frozen=True)
class Film:
    """A film on disk: its scene, and the frame of its event, None where it has none."""

    path: Path
    scene: str
    event: int | None

    @property
    def seconds(self) -> float | None:
        """When its event is."""
        return None if self.event is None else self.event / RATE


@dataclass(frozen=True)
class Films:
    """What one study is made of, and the pool's own films with each event put into them: the intervention."""

    of_class: tuple[Film, ...]
    concepts: Mapping[str, tuple[Film, ...]]
    pool: tuple[Film, ...]
    changed: Mapping[str, tuple[Film, ...]]

    @property
    def every(self) -> tuple[Film, ...]:
        """All films."""
        several = (*self.concepts.values(), *self.changed.values())
        return (*self.of_class, *self.pool, *(film for films in several for film in films))


def _shown(path: Path) -> torch.Tensor:
    """As many frames as a film has, `t c h w`, played back at the end where the clip is shorter."""
    video = VideoFile(path)
    last = len(video.times) - 1
    ranks = [at if at <= last else 2 * last - at for at in range(LENGTH)]
    pictures = torch.from_numpy(video.frames(ranks)).permute(0, 3, 1, 2).float()
    size = (round(_HEIGHT / _ZOOM), round(_WIDTH / _ZOOM))
    return functional.interpolate(pictures, size=size, mode="bilinear", antialias=True)


def _window(pictures: torch.Tensor, shares: Sequence[float]) -> torch.Tensor:
    """A part of every picture: from its left edge (0) to its right one (1)."""
    spare = pictures.shape[3] - _WIDTH
    top = (pictures.shape[2] - _HEIGHT) // 2
    lefts = [round(share * spare) for share in shares]
    parts = [
        picture[:, top : top + _HEIGHT, left : left + _WIDTH] for picture, left in zip(pictures, lefts, strict=True)
    ]
    return torch.stack(parts)


def _ramp(event: int, frames: int) -> torch.Tensor:
    """From 0 to 1 over so many frames, half way at the event."""
    return ((torch.arange(LENGTH) - event + frames / 2) / frames).clamp(0, 1)


def _plain(one: torch.Tensor, _other: torch.Tensor, _event: int) -> torch.Tensor:
    return _window(one, [0.0] * LENGTH)


def _cut(one: torch.Tensor, other: torch.Tensor, event: int) -> torch.Tensor:
    return _plain(torch.where(torch.arange(LENGTH)[:, None, None, None] < event, one, other), other, event)


def _dissolve(one: torch.Tensor, other: torch.Tensor, event: int) -> torch.Tensor:
    share = _ramp(event, _DISSOLVE)[:, None, None, None]
    return _plain((1 - share) * one + share * other, other, event)


def _flash(one: torch.Tensor, other: torch.Tensor, event: int) -> torch.Tensor:
    lit = one.clone()
    lit[event : event + _FLASH] = 0.15 * lit[event : event + _FLASH] + 0.85 * 255
    return _plain(lit, other, event)


def _pan(one: torch.Tensor, _other: torch.Tensor, event: int) -> torch.Tensor:
    return _window(one, _ramp(event, _PAN).tolist())


def _still(one: torch.Tensor, other: torch.Tensor, event: int) -> torch.Tensor:
    return _plain(one[event].expand_as(one), other, event)


CONCEPTS: Mapping[str, Callable[[torch.Tensor, torch.Tensor, int], torch.Tensor]] = {
    "hard cut": _cut,
    "dissolve": _dissolve,
    "flash": _flash,
    "pan": _pan,
    "still": _still,
}


def make_films(footage: Path, folder: Path, *, seed: int = 0) -> Films:
    """All films of a study, written into `folder`, from clips listed in `footage/labels.csv` (columns file, scene).

    Scenes of the class, of the concepts and of the pool are others. Every concept is made of the same scenes.
    """
    rng = np.random.default_rng(seed)
    with (footage / "labels.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    by_scene: dict[str, list[Path]] = defaultdict(list)
    for row in rows:
        by_scene[row["scene"]].append(footage / row["file"])
    scenes = sorted(rng.permutation(sorted(by_scene)).tolist(), key=lambda scene: len(by_scene[scene]) == 1)
    of_class, of_concepts = scenes[:CLASS_SCENES], scenes[-CONCEPT_SCENES:]
    of_pool = scenes[CLASS_SCENES:-CONCEPT_SCENES]
    several = sum(len(by_scene[scene]) > 1 for scene in scenes)
    if len(of_pool) < LEAST_POOL_SCENES or several < CLASS_SCENES + POOL_CLIPS - LEAST_POOL_SCENES:
        raise ValueError(f"{footage}: {len(scenes)} scenes, {several} of them of several clips, are too few")
    seen: dict[Path, torch.Tensor] = {}

    def shown(path: Path) -> torch.Tensor:
        if path not in seen:
            seen[path] = _shown(path)
        return seen[path]

    def film(place: str, scene: str, kind: str, one: Path, other: Path) -> Film:
        event = LEAD + int(rng.integers(FIRST, LAST + 1))
        make = CONCEPTS.get(kind, _plain)
        path = folder / place / f"{scene}-{one.stem}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        frames = make(shown(one), shown(other), event).round().clamp(0, 255).to(torch.uint8)
        write_video(path, _frames(frames), frames_per_second=RATE)
        has_event = kind in CONCEPTS and kind != "still"
        return Film(path, scene, event if has_event else None)

    def taken(scenes: Sequence[str], count: int) -> list[tuple[str, Path, Path]]:
        """So many clips, from all scenes by turns, each with a clip of the next scene to go over to."""
        found = []
        for number in range(count):
            scene, following = scenes[number % len(scenes)], scenes[(number + 1) % len(scenes)]
            one = by_scene[scene][number // len(scenes) % len(by_scene[scene])]
            found.append((scene, one, by_scene[following][0]))
        return found

    return Films(
        of_class=tuple(film("class", *_of(each, "hard cut")) for each in taken(of_class, CLASS_CLIPS)),
        concepts={
            kind: tuple(film(f"concepts/{kind}", *_of(each, kind)) for each in taken(of_concepts, CONCEPT_CLIPS))
            for kind in CONCEPTS
        },
        pool=tuple(film("pool", *_of(each, "plain")) for each in taken(of_pool, POOL_CLIPS)),
        changed={
            kind: tuple(film(f"changed/{kind}", *_of(each, kind)) for each in taken(of_pool, len(of_pool)))
            for kind in CONCEPTS
        },
    )


def _of(each: tuple[str, Path, Path], kind: str) -> tuple[str, str, Path, Path]:
    scene, one, other = each
    return scene, kind, one, other


def _frames(pictures: torch.Tensor) -> Frames:
    return pictures.permute(0, 2, 3, 1).contiguous().numpy()
