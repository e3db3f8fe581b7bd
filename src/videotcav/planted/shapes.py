"""The things in a scene, as signed distances: what is painted where, at any resolution.

A thing is a list of parts, painted one over the other. Coordinates are local to the thing: an actor stands upright
from its grip (0, 0) to its tip (0, 1); a distractor lies within the unit circle. All arguments broadcast, so one
call serves many scenes and frames. Distances after Inigo Quilez, "2D distance functions".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Ink = Literal["first", "second", "dark", "pale", "metal"]


@dataclass(frozen=True)
class Part:
    """One painted part: negative `distance` is inside; `ink` names its colour; `opacity` 1 hides what is below."""

    distance: Tensor
    ink: Ink
    opacity: Tensor | float = 1.0


Thing = Callable[[Tensor, Tensor, Tensor], list[Part]]
"""Parts at local coordinates x (to the right) and y (to the tip); the third argument is a pixel's local size."""


def disc(x: Tensor, y: Tensor, *, x0: float = 0.0, y0: float = 0.0, radius: float) -> Tensor:
    """Distance to a disc."""
    return torch.hypot(x - x0, y - y0) - radius


def ellipse(x: Tensor, y: Tensor, *, y0: float, across: float, along: float) -> Tensor:
    """Distance to an ellipse, exact to first order at its rim."""
    u, v = x / across, (y - y0) / along
    level = torch.hypot(u, v)
    slope = torch.hypot(u / across, v / along).clamp_min(1e-6)
    return level * (level - 1) / slope


def bar(x: Tensor, y: Tensor, *, start: tuple[float, float], end: tuple[float, float], radius: float) -> Tensor:
    """Distance to a line with round ends."""
    (x0, y0), (x1, y1) = start, end
    along_x, along_y = x1 - x0, y1 - y0
    share = (((x - x0) * along_x + (y - y0) * along_y) / (along_x**2 + along_y**2)).clamp(0, 1)
    return torch.hypot(x - x0 - share * along_x, y - y0 - share * along_y) - radius


def block(x: Tensor, y: Tensor, *, centre: tuple[float, float], half: tuple[float, float], corner: float) -> Tensor:
    """Distance to a rectangle with rounded corners."""
    over_x = (x - centre[0]).abs() - half[0] + corner
    over_y = (y - centre[1]).abs() - half[1] + corner
    outside = torch.hypot(over_x.clamp_min(0), over_y.clamp_min(0))
    return outside + torch.maximum(over_x, over_y).clamp_max(0) - corner


def _lines(position: Tensor, *, spacing: float, width: float) -> Tensor:
    return (torch.remainder(position + spacing / 2, spacing) - spacing / 2).abs() - width / 2


def _racket(x: Tensor, y: Tensor, pixel: Tensor) -> list[Part]:
    head = ellipse(x, y, y0=0.72, across=0.215, along=0.28)
    string_width, spacing = 0.011, 0.062
    strings = torch.minimum(
        _lines(x, spacing=spacing, width=string_width), _lines(y - 0.72, spacing=spacing, width=string_width)
    )
    throat = torch.minimum(
        bar(x, y, start=(0.0, 0.34), end=(-0.14, 0.53), radius=0.018),
        bar(x, y, start=(0.0, 0.34), end=(0.14, 0.53), radius=0.018),
    )
    # Where strings are thinner than a pixel they fade instead of flickering.
    fade = (string_width / pixel).clamp_max(1)
    return [
        Part(torch.maximum(strings, head), "pale", fade),
        Part(throat, "first"),
        Part((head + 0.02).abs() - 0.02, "first"),
        Part(bar(x, y, start=(0, 0.04), end=(0, 0.36), radius=0.032), "second"),
    ]


def _bottle(x: Tensor, y: Tensor, pixel: Tensor) -> list[Part]:  # noqa: ARG001 - as Thing
    glass = torch.minimum(
        block(x, y, centre=(0, 0.31), half=(0.15, 0.31), corner=0.07),
        torch.minimum(
            ellipse(x, y, y0=0.56, across=0.15, along=0.2),
            block(x, y, centre=(0, 0.78), half=(0.055, 0.16), corner=0.02),
        ),
    )
    return [
        Part(glass, "first"),
        Part(block(x, y, centre=(0, 0.3), half=(0.15, 0.13), corner=0.01), "pale"),
        Part(block(x, y, centre=(0, 0.3), half=(0.15, 0.05), corner=0.0), "second"),
        Part(block(x, y, centre=(0, 0.95), half=(0.068, 0.05), corner=0.015), "second"),
    ]


def _hammer(x: Tensor, y: Tensor, pixel: Tensor) -> list[Part]:  # noqa: ARG001 - as Thing
    claw = bar(x, y, start=(-0.1, 0.89), end=(-0.25, 0.8), radius=0.035)
    return [
        Part(bar(x, y, start=(0, 0.04), end=(0, 0.9), radius=0.036), "first"),
        Part(bar(x, y, start=(0, 0.04), end=(0, 0.3), radius=0.045), "second"),
        Part(claw, "metal"),
        Part(block(x, y, centre=(0.02, 0.9), half=(0.16, 0.075), corner=0.03), "metal"),
        Part(block(x, y, centre=(0.22, 0.9), half=(0.05, 0.1), corner=0.02), "metal"),
    ]


def _umbrella(x: Tensor, y: Tensor, pixel: Tensor) -> list[Part]:  # noqa: ARG001 - as Thing
    dome = torch.maximum(disc(x, y, y0=0.52, radius=0.42), 0.56 - y)
    for hollow in (-0.28, 0.0, 0.28):
        dome = torch.maximum(dome, -ellipse(x - hollow, y, y0=0.55, across=0.14, along=0.07))
    middle = torch.maximum(dome, x.abs() - 0.14)
    hook = torch.maximum(disc(x, y, x0=-0.07, y0=0.09, radius=0.07).abs() - 0.02, y - 0.09)
    return [
        Part(bar(x, y, start=(0, 0.09), end=(0, 0.98), radius=0.018), "dark"),
        Part(hook, "dark"),
        Part(dome, "first"),
        Part(middle, "second"),
    ]


def _key(x: Tensor, y: Tensor, pixel: Tensor) -> list[Part]:  # noqa: ARG001 - as Thing
    return [
        Part(bar(x, y, start=(0, 0.32), end=(0, 0.96), radius=0.038), "first"),
        Part(block(x, y, centre=(0.09, 0.9), half=(0.1, 0.04), corner=0.01), "first"),
        Part(block(x, y, centre=(0.075, 0.76), half=(0.08, 0.035), corner=0.01), "first"),
        Part(disc(x, y, y0=0.18, radius=0.13).abs() - 0.05, "first"),
        Part(bar(x, y, start=(-0.03, 0.36), end=(0.03, 0.36), radius=0.035), "second"),
    ]


def _brush(x: Tensor, y: Tensor, pixel: Tensor) -> list[Part]:  # noqa: ARG001 - as Thing
    return [
        Part(ellipse(x, y, y0=0.33, across=0.06, along=0.33), "first"),
        Part(block(x, y, centre=(0, 0.79), half=(0.11, 0.21), corner=0.05), "second"),
        Part(block(x, y, centre=(0, 0.61), half=(0.125, 0.07), corner=0.01), "metal"),
    ]


def _ball(x: Tensor, y: Tensor, pixel: Tensor) -> list[Part]:  # noqa: ARG001 - as Thing
    rim = disc(x, y, radius=1.0)
    seams = torch.minimum(
        disc(x, y, x0=-1.25, radius=0.95).abs() - 0.07,
        disc(x, y, x0=1.25, radius=0.95).abs() - 0.07,
    )
    return [Part(rim, "first"), Part(torch.maximum(seams, rim), "pale")]


def _box(x: Tensor, y: Tensor, pixel: Tensor) -> list[Part]:  # noqa: ARG001 - as Thing
    return [
        Part(block(x, y, centre=(0, 0), half=(0.78, 0.78), corner=0.08), "first"),
        Part(block(x, y, centre=(0, 0), half=(0.78, 0.16), corner=0.02), "second"),
        Part(block(x, y, centre=(0, 0), half=(0.16, 0.78), corner=0.02), "second"),
    ]


def _star(x: Tensor, y: Tensor, pixel: Tensor) -> list[Part]:  # noqa: ARG001 - as Thing
    sector = 2 * math.pi / 5
    angle = torch.remainder(torch.atan2(x, y) + sector / 2, sector) - sector / 2
    radius = torch.hypot(x, y)
    u, v = radius * angle.sin().abs(), radius * angle.cos()
    # The edge runs from the point (0, 1) to the notch between two points.
    notch = 0.48
    edge_u, edge_v = notch * math.sin(sector / 2), notch * math.cos(sector / 2) - 1
    outside = (edge_u * (v - 1) - edge_v * u) / math.hypot(edge_u, edge_v)
    return [Part(outside, "first"), Part(disc(x, y, radius=0.2), "second")]


def _ring(x: Tensor, y: Tensor, pixel: Tensor) -> list[Part]:  # noqa: ARG001 - as Thing
    band = disc(x, y, radius=0.72).abs() - 0.28
    return [Part(band, "first"), Part(torch.maximum(band, x.abs() - 0.2), "second")]


ACTORS: Mapping[str, Thing] = {
    "racket": _racket,
    "bottle": _bottle,
    "hammer": _hammer,
    "umbrella": _umbrella,
    "key": _key,
    "brush": _brush,
}
DISTRACTOR_SHAPES: Mapping[str, Thing] = {"ball": _ball, "box": _box, "star": _star, "ring": _ring}
