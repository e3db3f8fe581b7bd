"""Scenes → pixels, at any size: antialiased signed distances, many scenes at once, and exact boxes."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from torch import Tensor

from videotcav.planted.factors import (
    MOTION,
    CameraPath,
    FloatColour,
    Poses,
    Rule,
    Scene,
    actor_poses,
    distractor_poses,
    sample_scene,
    swap,
)
from videotcav.planted.shapes import ACTORS, DISTRACTOR_SHAPES, Part, Thing, bar, block, disc
from videotcav.records import Box

__all__ = [
    "MOTION",
    "CameraPath",
    "Rule",
    "Scene",
    "boxes",
    "event_frame",
    "masks",
    "outlines",
    "render",
    "render_batch",
    "sample_scene",
    "swap",
]

T = TypeVar("T", bound=Hashable)

Boxes = tuple[Box | None, ...]
"""One for each frame; None where the object is outside of it."""

Masks = NDArray[np.bool_]
"""`time height width`."""

HALF_A_PIXEL = 0.5
"""Coverage from which a pixel belongs to an object."""

_FIXED_INKS: Mapping[str, FloatColour] = {
    "dark": (0.16, 0.15, 0.2),
    "pale": (0.95, 0.94, 0.9),
    "metal": (0.6, 0.63, 0.68),
}


def render(
    scene: Scene, *, height: int, width: int, frames: int, actor_times: Sequence[float] | None = None
) -> np.ndarray:
    """The scene as uint8 pixels (time, height, width, 3)."""
    pixels: np.ndarray = render_batch([scene], height=height, width=width, frames=frames, actor_times=actor_times)[
        0
    ].numpy()
    return pixels


def render_batch(
    scenes: Sequence[Scene], *, height: int, width: int, frames: int, actor_times: Sequence[float] | None = None
) -> Tensor:
    """Scenes as uint8 pixels (scene, time, height, width, 3). The same scene gives the same pixels in any batch.

    `actor_times` are the moments (0…1) whose pose the actor has in each frame, instead of the frame's own: one moment
    again and again holds it, moments in another order shuffle it, in the scene that goes on and is seen as before.
    """
    picture = torch.empty(len(scenes), frames, height, width, 3)
    for views, members in _groups([scene.camera for scene in scenes]):
        canvas = _Canvas(height, width, frames, actor_times=actor_times)
        group = [scenes[member] for member in members]
        if views.stands:
            picture[members] = _paint(canvas, group)
        else:
            for frame in range(frames):
                picture[members, frame] = _paint(canvas.seen(views, frame), group)[:, 0]
    for member, scene in enumerate(scenes):
        if scene.grain:
            noise = np.random.default_rng(scene.seed).standard_normal((frames, height, width, 1), dtype=np.float32)
            picture[member] += scene.grain * torch.from_numpy(noise)
    return picture.mul_(255).round_().clamp_(0, 255).to(torch.uint8)


def _paint(canvas: _Canvas, scenes: Sequence[Scene]) -> Tensor:
    """Scenes without grain, 0…1 (scene, time, height, width, 3)."""
    frames, (height, width) = len(canvas.times), canvas.x.shape
    picture = torch.empty(len(scenes), frames, height, width, 3)
    for kind, members in _groups([scene.background for scene in scenes]):
        picture[members] = rearrange(
            _BACKGROUNDS[kind](canvas, [scenes[member] for member in members]), "scene c h w -> scene 1 h w c"
        )
    # The actor in front, so that nothing hides what decides the class.
    for object_of, times in ((_distractor, canvas.times), (_actor, canvas.actor_times)):
        objects = [object_of(scene) for scene in scenes]
        for _, members in _groups([thing.name for thing in objects]):
            group = [objects[member] for member in members]
            near, parts = canvas.parts(group, times)
            shown = picture[members].view(-1, 3)
            patch = shown.index_select(0, near)
            inks = _inks([thing.colours for thing in group])
            owner = near // (frames * height * width)
            for part, alpha in parts:
                patch = torch.lerp(patch, inks[part.ink].index_select(0, owner), alpha[:, None])
            picture[members] = shown.index_copy_(0, near, patch).view(-1, frames, height, width, 3)
    return picture


def masks(scene: Scene, *, height: int, width: int, frames: int) -> dict[str, Masks]:
    """The pixels of `actor` and `distractor` (time height width): where at least half a pixel is covered.

    Of what shines through, as strings do that are thinner than a pixel, every pixel counts that it touches: they are
    seen, and would stay where the rest is removed. The distractor's mask holds also what the actor hides.
    """
    return outlines(scene, height=height, width=width, frames=frames)[1]


def outlines(scene: Scene, *, height: int, width: int, frames: int) -> tuple[dict[str, Boxes], dict[str, Masks]]:
    """What `boxes` and `masks` give, from one look at the scene."""
    whole = _Canvas(height, width, frames)
    views = [whole] if scene.camera.stands else [whole.seen(scene.camera, frame) for frame in range(frames)]
    found_boxes, found_masks = {}, {}
    for name, thing in (("actor", _actor(scene)), ("distractor", _distractor(scene))):
        solid: list[Masks] = []
        seen: list[Masks] = []
        for canvas in views:
            near, parts = canvas.parts([thing], canvas.times)
            own = [alpha >= HALF_A_PIXEL for part, alpha in parts if isinstance(part.opacity, float)]
            through = [alpha > 0 for part, alpha in parts if not isinstance(part.opacity, float)]
            for found, covering in ((solid, own), (seen, own + through)):
                covered = torch.zeros(len(canvas.times) * height * width, dtype=torch.bool)
                covered.index_copy_(0, near, torch.stack(covering).any(0))
                found.extend(covered.view(-1, height, width).numpy())
        found_boxes[name] = tuple(_box(frame) for frame in solid)
        found_masks[name] = np.stack(seen)
    return found_boxes, found_masks


def boxes(scene: Scene, *, height: int, width: int, frames: int) -> dict[str, Boxes]:
    """The boxes of `actor` and `distractor` in each frame, clipped to it: around what is solid of them.

    None where the object is outside the frame.
    """
    return outlines(scene, height=height, width=width, frames=frames)[0]


def event_frame(scene: Scene, *, frames: int) -> int | None:
    """The frame in which the motion is at its peak; None for a scene at rest."""
    return None if scene.motion == "rest" else round(scene.event_time * (frames - 1))


@dataclass(frozen=True)
class _Object:
    """A thing in a scene. `unit` is the local length 1 as a share of its size, `middle` and `reach` bound it."""

    name: str
    thing: Thing
    poses: Callable[[np.ndarray], Poses]
    colours: tuple[FloatColour, FloatColour]
    unit: float
    middle: float
    reach: float


def _actor(scene: Scene) -> _Object:
    poses = partial(actor_poses, scene)
    return _Object(scene.shape, ACTORS[scene.shape], poses, scene.colours, unit=1.0, middle=0.5, reach=0.58)


def _distractor(scene: Scene) -> _Object:
    poses = partial(distractor_poses, scene)
    thing = DISTRACTOR_SHAPES[scene.distractor]
    return _Object(scene.distractor, thing, poses, scene.distractor_colours, unit=0.5, middle=0.0, reach=1.08)


class _Canvas:
    """Pixel centres of the frame, in units of its shorter side, and the times of its frames."""

    def __init__(self, height: int, width: int, frames: int, *, actor_times: Sequence[float] | None = None) -> None:
        side = min(height, width)
        self.height, self.width = height / side, width / side
        self.pixel = 1 / side
        self.times = np.linspace(0, 1, frames) if frames > 1 else np.array([0.5])
        self.actor_times = self.times if actor_times is None else np.asarray(actor_times, np.float64)
        self.y, self.x = torch.meshgrid(
            (torch.arange(height) + 0.5) / side, (torch.arange(width) + 0.5) / side, indexing="ij"
        )

    def seen(self, camera: CameraPath, frame: int) -> _Canvas:
        """One frame of it, as the camera sees the scene there: each pixel's centre is where it lies in the scene."""
        view = copy(self)
        view.times, view.actor_times = self.times[[frame]], self.actor_times[[frame]]
        since = float(view.times[0]) - 0.5
        magnified, turn = camera.zoom**since, camera.turn * since
        x, y = (self.x - self.width / 2) / magnified, (self.y - self.height / 2) / magnified
        view.x = self.width / 2 + x * math.cos(turn) - y * math.sin(turn) + camera.right * since
        view.y = self.height / 2 + x * math.sin(turn) + y * math.cos(turn) + camera.down * since
        view.pixel = self.pixel / magnified
        return view

    def parts(self, objects: Sequence[_Object], times: np.ndarray) -> tuple[Tensor, list[tuple[Part, Tensor]]]:
        """The pixels near objects of one kind, as flat indices (object time h w), and each part's coverage there.

        A thing covers little of its frame: only the pixels in its reach are computed.
        """
        poses = [thing.poses(times) for thing in objects]
        kind = objects[0]

        def stack(name: str) -> Tensor:
            values = np.stack([getattr(pose, name) for pose in poses])
            return torch.as_tensor(values, dtype=torch.float32)[..., None, None]

        unit, angle = kind.unit * stack("size"), stack("angle")
        x, y = stack("x") * self.width, stack("y") * self.height
        sine, cosine = angle.sin(), angle.cos()
        middle_x, middle_y = x + kind.middle * unit * sine, y - kind.middle * unit * cosine
        reach = kind.reach * unit + 2 * self.pixel
        close = (self.x - middle_x) ** 2 + (self.y - middle_y) ** 2 < reach**2
        near = close.flatten().nonzero()[:, 0]
        frame, place = near // self.x.numel(), near % self.x.numel()
        unit, sine, cosine, x, y = (value.flatten().index_select(0, frame) for value in (unit, sine, cosine, x, y))
        over = self.x.flatten().index_select(0, place) - x
        down = self.y.flatten().index_select(0, place) - y
        pixel = self.pixel / unit
        right, up = (over * cosine + down * sine) / unit, (over * sine - down * cosine) / unit
        parts = [(part, _coverage(part.distance, pixel) * part.opacity) for part in kind.thing(right, up, pixel)]
        return near, parts


def _coverage(distance: Tensor, pixel: Tensor | float) -> Tensor:
    return (0.5 - distance / pixel).clamp(0, 1)


def _inks(colours: Sequence[tuple[FloatColour, FloatColour]]) -> dict[str, Tensor]:
    """Each ink's colour for each object (object, 3)."""
    first, second = rearrange(torch.tensor(colours, dtype=torch.float32), "object slot c -> slot object c")
    fixed = {name: torch.tensor(ink).expand(len(colours), 3) for name, ink in _FIXED_INKS.items()}
    return {"first": first, "second": second, **fixed}


def _groups(kinds: Sequence[T]) -> Iterator[tuple[T, list[int]]]:
    members = defaultdict(list)
    for number, kind in enumerate(kinds):
        members[kind].append(number)
    yield from members.items()


def _box(solid: np.ndarray) -> Box | None:
    rows, columns = np.flatnonzero(solid.any(1)), np.flatnonzero(solid.any(0))
    if not len(rows):
        return None
    return Box(left=columns[0], top=rows[0], right=columns[-1] + 1, bottom=rows[-1] + 1)


# --- backgrounds: (scene, 3, height, width) --------------------------------------------------------------------


def _column(values: Sequence[float]) -> Tensor:
    return rearrange(torch.tensor(values, dtype=torch.float32), "scene -> scene 1 1")


def _mix(scenes: Sequence[Scene], share: Tensor) -> Tensor:
    pairs = torch.tensor([scene.background_colours for scene in scenes], dtype=torch.float32)
    first, second = rearrange(pairs, "scene slot c -> slot scene c 1 1")
    return torch.lerp(first, second, rearrange(share, "scene h w -> scene 1 h w"))


def _along(canvas: _Canvas, scenes: Sequence[Scene], *, turn: float = 0.0) -> Tensor:
    angle = _column([scene.background_angle + turn for scene in scenes])
    return (canvas.x - canvas.width / 2) * angle.cos() + (canvas.y - canvas.height / 2) * angle.sin()


def _bands(canvas: _Canvas, scenes: Sequence[Scene], *, turn: float = 0.0) -> Tensor:
    """0 in one band, 1 in the next, antialiased."""
    scale = _column([scene.background_scale for scene in scenes])
    position = torch.remainder(_along(canvas, scenes, turn=turn), 2 * scale)
    return _coverage((position - scale / 2).abs() - scale / 2, canvas.pixel)


def _plain(canvas: _Canvas, scenes: Sequence[Scene]) -> Tensor:
    return _mix(scenes, torch.zeros(len(scenes), *canvas.x.shape))


def _gradient(canvas: _Canvas, scenes: Sequence[Scene]) -> Tensor:
    return _mix(scenes, (_along(canvas, scenes) + 0.5).clamp(0, 1))


def _stripes(canvas: _Canvas, scenes: Sequence[Scene]) -> Tensor:
    return _mix(scenes, _bands(canvas, scenes))


def _checker(canvas: _Canvas, scenes: Sequence[Scene]) -> Tensor:
    one, other = _bands(canvas, scenes), _bands(canvas, scenes, turn=math.pi / 2)
    return _mix(scenes, one + other - 2 * one * other)


def _grass(canvas: _Canvas, scenes: Sequence[Scene]) -> Tensor:
    share = torch.zeros(len(scenes), *canvas.x.shape)
    for turn, blades in ((0.2, 9.0), (-0.15, 14.0), (0.05, 21.0), (1.4, 4.0)):
        phase = _column([scene.seed % 97 + turn for scene in scenes])
        lean = canvas.x * math.cos(turn) + canvas.y * math.sin(turn)
        share += torch.sin(2 * math.pi * blades * lean + phase + 2 * torch.sin(7 * canvas.y + phase)) / 8
    return _mix(scenes, share + 0.5)


def _court(canvas: _Canvas, scenes: Sequence[Scene]) -> Tensor:
    """A court seen from above: an inner field, its lines, a net."""
    x, y = canvas.x - canvas.width / 2, canvas.y - canvas.height / 2
    half = (0.36 * canvas.width, 0.42 * canvas.height)
    field = block(x, y, centre=(0, 0), half=half, corner=0.0)
    line = 0.008
    rim = field.abs() - line
    net = bar(x, y, start=(-half[0], 0), end=(half[0], 0), radius=line)
    middle = bar(x, y, start=(0, -half[1] / 2), end=(0, half[1] / 2), radius=line)
    service = (y.abs() - half[1] / 2).abs() - line
    circle = disc(x, y, radius=0.1).abs() - line
    lines = torch.stack([rim, net, middle, circle, torch.maximum(service, field)]).amin(0)
    inner = _mix(scenes, _coverage(field, canvas.pixel).expand(len(scenes), -1, -1))
    # Lines thinner than a pixel fade instead of flickering.
    white = 0.85 * _coverage(lines, canvas.pixel) * min(1.0, 2 * line / canvas.pixel)
    return torch.lerp(inner, torch.tensor(0.96), white)


_BACKGROUNDS: Mapping[str, Callable[[_Canvas, Sequence[Scene]], Tensor]] = {
    "plain": _plain,
    "court": _court,
    "stripes": _stripes,
    "checker": _checker,
    "gradient": _gradient,
    "grass": _grass,
}
