"""The small world of the proof: planted scenes at 8 × 32 × 32, with an overlay that no rule ever uses.

Everything is drawn without regard to the class but what the rule names, so every other factor is a concept that the
pixels hold and the class has no use for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from videotcav.planted.factors import BACKGROUNDS, Rule, Scene, sample_scene, swap
from videotcav.planted.scenes import render_batch
from videotcav.records import ClipSpec

FRAMES, SIDE = 8, 32
SECONDS_BETWEEN_FRAMES = 2 / 15
CLIP_SPEC = ClipSpec(
    frames=FRAMES,
    seconds_between_frames=SECONDS_BETWEEN_FRAMES,
    height=SIDE,
    width=SIDE,
    resize=SIDE,
    mean=(0.5, 0.5, 0.5),
    std=(0.25, 0.25, 0.25),
)

MOTIONS = ("slide", "jump", "pulse", "rest")
SHAPES = ("racket", "bottle", "umbrella", "key")
TIED = ("court", "stripes", "checker", "grass")

Twin = Literal["dynamic", "frozen", "shuffled", "reversed"]
Kind = Literal["none", "tint", "patch", "stripes"]
OVERLAYS: tuple[Kind, ...] = ("tint", "patch", "stripes")
OVERLAY_VALUES = 8
OVERLAY_SHARE = 0.3
STILL_SHARE = 0.2
"""Of scenes in which the distractor does not move, so that a clip in which nothing moves is no surprise."""


def motion_rule(name: str = "motion", correlation: float = 0.0) -> Rule:
    """Which way the object moves; with a correlation, each motion's own background behind it as often."""
    own: dict[str, Mapping[str, Any]] = {motion: {"background": TIED[number]} for number, motion in enumerate(MOTIONS)}
    classes: dict[str, Mapping[str, Any]] = {motion: {"motion": motion} for motion in MOTIONS}
    return Rule(name, classes, shortcut=own if correlation else {}, correlation=correlation)


RULES: Mapping[str, Rule] = {
    "motion": motion_rule(),
    "shape": Rule("shape", {shape: {"shape": shape} for shape in SHAPES}),
    "background": Rule("background", {background: {"background": background} for background in TIED}),
    "shape × motion": Rule(
        "shape × motion",
        {f"{shape} {motion}": {"shape": shape, "motion": motion} for shape in SHAPES[:2] for motion in MOTIONS[:2]},
    ),
    "reversed pairs": Rule(
        "reversed pairs",
        {"forwards": {"direction": 1}, "backwards": {"direction": -1}},
        only={"motion": ("swing", "slide")},
    ),
    **{f"shortcut {share:g}": motion_rule(f"shortcut {share:g}", share) for share in (0.5, 0.7, 0.9, 1.0)},
    "background × motion": Rule(  # 20 classes
        "background × motion",
        {
            f"{background} {motion}": {"background": background, "motion": motion}
            for background in BACKGROUNDS[:5]
            for motion in MOTIONS
        },
    ),
}


@dataclass(frozen=True)
class Overlay:
    """Something still that lies over all frames: a tint of one of 8 hues, a patch in one of 8 places, stripes at one
    of 8 angles. `colour` is RGB 0…1, `phase` 0…1 moves the stripes.
    """

    kind: Kind = "none"
    value: int = 0
    colour: tuple[float, float, float] = (0.0, 0.0, 0.0)
    phase: float = 0.0


@dataclass(frozen=True)
class Film:
    """What a clip is rendered from."""

    scene: Scene
    overlay: Overlay = Overlay()
    twin: Twin = "dynamic"
    seed: int = 0

    def swapped(self, **factors: Any) -> Film:
        """The same film with factors of the scene, or its `overlay`, changed: an intervention."""
        overlay = factors.pop("overlay", self.overlay)
        return replace(self, scene=swap(self.scene, **factors) if factors else self.scene, overlay=overlay)


def sample(rng: np.random.Generator, rule: Rule | None = None, class_name: str | None = None, **fixed: Any) -> Film:
    """A film of the rule's class (default: of any), or of no rule at all; `fixed` factors are taken as given.

    The factor `overlay` is (kind, value). Objects are large and their motion is clear: a clip has 32 × 32 pixels.
    """
    seed = int(rng.integers(2**63))
    own = np.random.default_rng(seed)
    overlay = fixed.pop("overlay", None)
    anything = Rule("anything", {"": {}})
    scene = sample_scene(own, rule=rule or anything, class_name=class_name, **fixed)
    size = math.exp(own.uniform(math.log(0.4), math.log(0.8)))
    room = 0.4 - 0.4 * size
    drawn: dict[str, Any] = {
        "size": size,
        "angle": own.uniform(-0.5, 0.5),
        "x": 0.5 + own.uniform(-room, room),
        "y": 0.5 + own.uniform(-room, room),
        "extent": own.uniform(0.3, 1.0),
        "duration": own.uniform(0.4, 0.7),
        "distractor_size": own.uniform(0.15, 0.3),
        "distractor_speed": 0.0 if own.random() < STILL_SHARE else own.uniform(0.3, 1.0),
    }
    kind, value = OVERLAYS[own.integers(len(OVERLAYS))], int(own.integers(OVERLAY_VALUES))
    look = tuple(own.random(3).tolist()), own.random()
    bare = own.random() >= OVERLAY_SHARE
    if overlay is not None:
        kind, value = overlay
    laid = Overlay() if overlay is None and bare else Overlay(kind, value, *look)
    return Film(swap(scene, **(drawn | {name: fixed[name] for name in fixed if name in drawn})), laid, seed=seed)


def render_films(films: Sequence[Film]) -> Tensor:
    """The films as uint8 pixels (film, channel, time, height, width)."""
    pixels = rearrange(
        render_batch([film.scene for film in films], height=SIDE, width=SIDE, frames=FRAMES),
        "film t h w c -> film c t h w",
    ).clone()
    for number, film in enumerate(films):
        if film.overlay.kind != "none":
            pixels[number] = _laid_over(pixels[number], film.overlay)
        pixels[number] = pixels[number][:, _order(film)]
    return pixels


def normalised(pixels: Tensor) -> Tensor:
    """Pixels as the model's input."""
    return (pixels.float() / 255 - 0.5) / 0.25


def _order(film: Film) -> Tensor:
    """Which frame is shown when."""
    match film.twin:
        case "frozen":
            return torch.full((FRAMES,), round(film.scene.event_time * (FRAMES - 1)))
        case "shuffled":
            return torch.from_numpy(np.random.default_rng(film.seed).permutation(FRAMES))
        case "reversed":
            return torch.arange(FRAMES).flip(0)
        case "dynamic":
            return torch.arange(FRAMES)


def _laid_over(pixels: Tensor, overlay: Overlay) -> Tensor:
    y, x = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    turn = 2 * math.pi * overlay.value / OVERLAY_VALUES
    ink = 255 * torch.tensor(overlay.colour)
    if overlay.kind == "tint":
        ink = 127.5 * (1 + torch.tensor([math.cos(turn + third * 2 * math.pi / 3) for third in range(3)]))
        cover = torch.full((SIDE, SIDE), 0.3)
    elif overlay.kind == "patch":
        column, row = round(15.5 + 12 * math.cos(turn)), round(15.5 + 12 * math.sin(turn))
        cover = (((x - column).abs() <= 3) & ((y - row).abs() <= 3)).float()  # noqa: PLR2004 - 7 pixels a side
    else:
        along = x * math.cos(turn / 2) + y * math.sin(turn / 2)
        cover = 0.6 * (torch.remainder(along / 8 + overlay.phase, 1) < 0.25).float()  # noqa: PLR2004 - 2 of 8 pixels
    mixed = torch.lerp(pixels.float(), rearrange(ink, "c -> c 1 1 1"), cover)
    return mixed.round().clamp(0, 255).to(torch.uint8)
