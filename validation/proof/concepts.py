"""The concepts of the proof: named sets of films, their twins, and what an intervention on each does to the logits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from validation.proof.world import (
    MOTIONS,
    OVERLAYS,
    RULES,
    SHAPES,
    TIED,
    Film,
    Overlay,
    normalised,
    render_films,
    sample,
)
from videotcav.models.model import VideoModel
from videotcav.planted.factors import DISTRACTORS
from videotcav.records import Kind

CLIPS = 20
"""Of a concept set, each of a source of its own."""

FAST = 0.85
"""Speed of a distractor whose motion is the concept."""


@dataclass(frozen=True)
class Concept:
    """Films in which some factors have one value and all else is as in the random pool.

    `group` says what sort of concept it is; `twin` is how its twins are made from it, if it has any:
    `still_distractor` takes the distractor's motion away and leaves all other motion.
    """

    name: str
    group: str
    factors: Mapping[str, Any] = field(default_factory=dict)
    twin: Kind | None = None
    still_distractor: bool = False

    def films(self, count: int, *, rng: np.random.Generator) -> list[Film]:
        """Films of the concept, fresh from the renderer."""
        return [sample(rng, **self.factors) for _ in range(count)]

    def twin_of(self, film: Film) -> Film:
        """The same film without the motion in question, or with it turned round."""
        if self.still_distractor:
            return film.swapped(distractor_speed=0.0)
        return replace(film, twin="reversed" if self.twin == "reversed" else "frozen")

    def forced_on(self, film: Film, rng: np.random.Generator) -> Film:
        """The film after an intervention: the concept's factors have the concept's values, all else is as it was."""
        factors = dict(self.factors)
        if "overlay" in factors:
            kind, value = factors["overlay"]
            red, green, blue = rng.random(3).tolist()
            factors["overlay"] = Overlay(kind, value, (red, green, blue), rng.random())
        return film.swapped(**factors)


def _each(factor: str, values: Sequence[Any]) -> list[Concept]:
    return [Concept(f"{factor} {value}", factor, {factor: value}, "frozen") for value in values]


CONCEPTS: tuple[Concept, ...] = (
    *_each("motion", MOTIONS),
    *_each("shape", SHAPES),
    *_each("background", TIED),
    *(Concept(f"{kind} {value}", "overlay", {"overlay": (kind, value)}) for kind in OVERLAYS for value in (0, 2, 4, 6)),
    *(
        Concept(
            f"{kind} passes",
            "distractor",
            {"distractor": kind, "distractor_speed": FAST},
            "frozen",
            still_distractor=True,
        )
        for kind in DISTRACTORS
    ),
    *(
        Concept(
            f"{kind} alone",
            "distractor alone",
            {"distractor": kind, "distractor_speed": FAST, "motion": "rest"},
            "frozen",
        )
        for kind in DISTRACTORS
    ),
)


def planted(rule: str, class_name: str) -> Concept:
    """The concept that decides the class: what the rule says, as films."""
    factors = dict(RULES[rule].classes[class_name])
    if "direction" in factors:
        return Concept(f"planted {class_name}", "planted", factors | {"motion": "slide"}, "reversed")
    return Concept(f"planted {class_name}", "planted", factors, "frozen" if "motion" in factors else None)


def tied(rule: str, class_name: str) -> Concept | None:
    """The shortcut of a class, where the rule has one."""
    shortcut = RULES[rule].shortcut
    return Concept(f"tied {class_name}", "tied", dict(shortcut[class_name])) if shortcut else None


def pixels(films: Sequence[Film]) -> Tensor:
    """The model's input (film, channel, time, height, width)."""
    return normalised(render_films(films))


def logits(model: VideoModel, films: Sequence[Film]) -> np.ndarray:
    """The logits (film, class)."""
    parts = [model(pixels(films[start : start + 64])) for start in range(0, len(films), 64)]
    return torch.cat(parts).double().numpy()
