"""What a scene is made of, which factors decide its class, and how scenes are drawn and changed.

The truth about a model trained on scenes is interventional: `swap` one factor, look at the logit.
"""

from __future__ import annotations

import colorsys
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
from pydantic import Field, PositiveFloat

from videotcav.records import Record

Motion = Literal["swing", "slide", "jump", "pulse", "rest"]
Shape = Literal["racket", "bottle", "hammer", "umbrella", "key", "brush"]
Distractor = Literal["ball", "box", "star", "ring"]
Background = Literal["plain", "court", "stripes", "checker", "gradient", "grass"]

MOTIONS: tuple[Motion, ...] = get_args(Motion)
SHAPES: tuple[Shape, ...] = get_args(Shape)
DISTRACTORS: tuple[Distractor, ...] = get_args(Distractor)
BACKGROUNDS: tuple[Background, ...] = get_args(Background)

FloatColour = tuple[float, float, float]
Pair = tuple[FloatColour, FloatColour]

LEAST_CONTRAST = 0.4
"""Distance in RGB (0…√3) between an object's colour and both of its background's."""


class CameraPath(Record):
    """What the camera does over the video: in its middle it always stands where a standing camera does.

    It moves by `right` and `down` (shares of the frame's shorter side; the scene moves the other way), turns by `turn`
    (radians clockwise), and magnifies `zoom` times as much at the end as at the beginning.
    """

    right: float = 0.0
    down: float = 0.0
    turn: float = 0.0
    zoom: PositiveFloat = 1.0

    @property
    def stands(self) -> bool:
        """Whether all frames are seen alike."""
        return self == CameraPath()


class Scene(Record):
    """All factors of one short video.

    Lengths are shares of the frame's shorter side, positions shares of its width (x) and height (y, downwards),
    angles radians clockwise from upright, times shares of the video. `extent` 0…1 says how far the motion goes.
    """

    shape: Shape
    motion: Motion
    direction: Literal[1, -1]
    event_time: float = Field(ge=0, le=1)
    duration: PositiveFloat
    extent: float = Field(ge=0, le=1)
    x: float
    y: float
    angle: float
    size: PositiveFloat
    pivot: float
    colours: Pair

    distractor: Distractor
    distractor_x: float
    distractor_y: float
    distractor_heading: float
    distractor_speed: float
    distractor_size: PositiveFloat
    distractor_colours: Pair

    background: Background
    background_colours: Pair
    background_scale: PositiveFloat
    background_angle: float

    grain: float = Field(ge=0)
    seed: int
    camera: CameraPath = CameraPath()


@dataclass(frozen=True)
class Rule:
    """How classes follow from factors.

    `classes` gives the factor values that make a scene a member of the class. `only` limits other factors to some
    values. `shortcut` ties a further factor to the class without deciding it: with probability `correlation` it
    takes its class's own value, else any.
    """

    name: str
    classes: Mapping[str, Mapping[str, Any]]
    only: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    shortcut: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    correlation: float = 0.0

    def label(self, scene: Scene) -> str | None:
        """The scene's class; None where it belongs to none."""
        for name, values in self.classes.items():
            if all(getattr(scene, factor) == value for factor, value in values.items()):
                return name
        return None


MOTION = Rule("motion", {motion: {"motion": motion} for motion in MOTIONS})


def sample_scene(
    rng: np.random.Generator, *, rule: Rule = MOTION, class_name: str | None = None, **fixed: object
) -> Scene:
    """A random scene of the class (default: any class, all alike); `fixed` factors are taken as given."""
    name = class_name if class_name is not None else str(rng.choice(list(rule.classes)))
    decided: dict[str, Any] = {factor: values[rng.integers(len(values))] for factor, values in rule.only.items()}
    if rng.random() < rule.correlation:
        decided |= rule.shortcut[name]
    decided |= {**rule.classes[name], **fixed}

    size = float(np.exp(rng.uniform(math.log(0.3), math.log(0.95))))
    room = 0.45 - 0.4 * size
    background = decided.get("background") or BACKGROUNDS[rng.integers(len(BACKGROUNDS))]
    behind = _background_colours(rng, background)
    drawn: dict[str, Any] = {
        "shape": SHAPES[rng.integers(len(SHAPES))],
        "motion": MOTIONS[rng.integers(len(MOTIONS))],
        "direction": int(rng.choice((-1, 1))),
        "event_time": rng.uniform(0.3, 0.7),
        "duration": rng.uniform(0.5, 0.9),
        "extent": rng.random(),
        "x": 0.5 + rng.uniform(-room, room),
        "y": 0.5 + rng.uniform(-room, room),
        "angle": rng.uniform(-math.pi, math.pi),
        "size": size,
        "pivot": rng.uniform(0.0, 0.45),
        "colours": _object_colours(rng, behind),
        "distractor": DISTRACTORS[rng.integers(len(DISTRACTORS))],
        "distractor_x": rng.uniform(0.2, 0.8),
        "distractor_y": rng.uniform(0.08, 0.92),
        "distractor_heading": rng.uniform(-0.5, 0.5) + math.pi * rng.integers(2),
        "distractor_speed": rng.uniform(0.3, 1.0),
        "distractor_size": float(np.exp(rng.uniform(math.log(0.12), math.log(0.5)))),
        "distractor_colours": _object_colours(rng, behind),
        "background": background,
        "background_colours": behind,
        "background_scale": rng.uniform(0.12, 0.3),
        "background_angle": rng.uniform(0, math.pi),
        "grain": rng.uniform(0, 0.015),
        "seed": int(rng.integers(2**31)),
    }
    return Scene(**(drawn | decided))


def swap(scene: Scene, **factors: object) -> Scene:
    """The same scene with some factors changed: an intervention. Validated like a new scene."""
    values: dict[str, Any] = scene.model_dump() | factors
    return Scene(**values)


@dataclass(frozen=True)
class Poses:
    """Where an object is in each frame: centre (shares of width and height), clockwise angle, length; all (t,)."""

    x: np.ndarray
    y: np.ndarray
    angle: np.ndarray
    size: np.ndarray


def actor_poses(scene: Scene, times: np.ndarray) -> Poses:
    """The actor's grip, angle and length at `times` (0…1 of the video). x and y are where the *grip* is."""
    progress = np.clip((times - scene.event_time) / scene.duration + 0.5, 0, 1)
    stroke = 2 * progress**2 * (3 - 2 * progress) - 1  # −1 before the event, +1 after, fastest at it
    hop = np.sin(np.pi * progress) ** 2  # 0 before and after, 1 at the event
    x, y = np.full_like(times, scene.x), np.full_like(times, scene.y)
    angle, size = np.full_like(times, scene.angle), np.full_like(times, scene.size)
    held = 0.5  # the point of the object that stays where it is: its middle, or near its grip while it swings
    match scene.motion:
        case "swing":
            held = scene.pivot
            x = x + (held - 0.5) * scene.size * math.sin(scene.angle)
            y = y - (held - 0.5) * scene.size * math.cos(scene.angle)
            angle = angle + scene.direction * math.radians(30 + 30 * scene.extent) * stroke
        case "slide":
            x = x + scene.direction * (0.18 + 0.15 * scene.extent) * stroke
        case "jump":
            y = y - (0.25 + 0.2 * scene.extent) * hop
        case "pulse":
            size = size * (1.6 + 0.5 * scene.extent) ** (scene.direction * hop)
        case "rest":
            pass
    return Poses(x=x - held * size * np.sin(angle), y=y + held * size * np.cos(angle), angle=angle, size=size)


def distractor_poses(scene: Scene, times: np.ndarray) -> Poses:
    """The distractor's centre, angle and diameter at `times`: it rolls along a straight line."""
    way = scene.distractor_speed * (times - 0.5)
    forwards = 1 if math.cos(scene.distractor_heading) >= 0 else -1
    return Poses(
        x=scene.distractor_x + way * math.cos(scene.distractor_heading),
        y=scene.distractor_y + way * math.sin(scene.distractor_heading),
        angle=forwards * way / (scene.distractor_size / 2) + scene.seed % 7,
        size=np.full_like(times, scene.distractor_size),
    )


def _hsv(hue: float, saturation: float, value: float) -> FloatColour:
    return colorsys.hsv_to_rgb(hue % 1, saturation, min(value, 1.0))


def _background_colours(rng: np.random.Generator, background: str) -> Pair:
    hue, saturation, value = rng.random(), rng.uniform(0.05, 0.45), rng.uniform(0.4, 0.95)
    if background == "plain" and rng.integers(2):
        # Cropped concept clips are padded with the model's mean, a middle grey: plain scenes must know it.
        hue, saturation, value = rng.random(), rng.uniform(0, 0.06), rng.uniform(0.45, 0.57)
    if background == "grass":
        hue, saturation, value = rng.uniform(0.22, 0.38), rng.uniform(0.35, 0.6), rng.uniform(0.5, 0.8)
    darker = value - rng.uniform(0.12, 0.22)
    return _hsv(hue, saturation, value), _hsv(hue + rng.uniform(-0.05, 0.05), saturation, darker)


def _object_colours(rng: np.random.Generator, behind: Pair) -> Pair:
    while True:
        hue = rng.random()
        first = _hsv(hue, rng.uniform(0.55, 0.95), rng.uniform(0.3, 1.0))
        if min(math.dist(first, colour) for colour in behind) >= LEAST_CONTRAST:
            return first, _hsv(hue + rng.uniform(0.3, 0.7), rng.uniform(0.5, 0.9), rng.uniform(0.3, 0.95))
