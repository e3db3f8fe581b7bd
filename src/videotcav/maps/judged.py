"""Every measure of method.md 6 on a model's maps, clip by clip: methods side by side, all from the same passes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from videotcav.explain.saliency import faithfulness as measures
from videotcav.explain.saliency.cam import METHODS, PIXEL_METHODS, method_of, upsample
from videotcav.maps.compute import PixelSettings, pixel_maps
from videotcav.models.model import VideoModel
from videotcav.models.passes import logits, volumes
from videotcav.models.randomised import randomised
from videotcav.records import Record

BASELINES = ("moving pixels", "centre", "random blobs")
"""Maps that know nothing of the model; what a method must beat."""

MEASURES = (
    "energy",
    "pointing in space",
    "pointing in time",
    "moments",
    *(f"{curve} {fill}" for curve in ("insertion", "deletion") for fill in measures.FILLS),
    "flicker",
    "random weights",
    "reversal",
    "shuffle",
    "noise",
)


class FaithfulnessSettings(Record):
    """How the measures are taken. `noise` is a share of each clip's own spread of pixels; `steps` those of a curve."""

    steps: int = 10
    fills: tuple[str, ...] = tuple(measures.FILLS)
    noise: float = 0.05
    rise_masks: int = 256
    batch_size: int = 32
    seed: int = 0


_CLIPS_MAPPED = 5
"""The clip, reversed, shuffled, with noise, and before a network with its weights in random places."""


@dataclass(frozen=True, eq=False)
class Truth:
    """What is known of a clip: boxes `time height width` over its own pixels, frames `time` of the event; or None."""

    inside: NDArray[np.bool_] | None = None
    during: NDArray[np.bool_] | None = None


@dataclass(frozen=True, eq=False)
class ClipToJudge:
    """A clip with its class: pixels `channel time height width`, and what is known of it."""

    name: str
    pixels: Tensor
    class_index: int
    truth: Truth = field(default_factory=Truth)


@dataclass(frozen=True, eq=False)
class Judged:
    """What came out for a clip: a value for each method and measure (NaN: undefined), and each method's map."""

    clip: ClipToJudge
    values: Mapping[tuple[str, str], float]
    maps: Mapping[str, NDArray[np.float32]]
    probability: float
    chance: Mapping[str, float]


def judge(
    model: VideoModel,
    clips: Iterable[ClipToJudge],
    *,
    layer: str,
    methods: Sequence[str],
    settings: FaithfulnessSettings | None = None,
) -> Iterator[Judged]:
    """Each clip with every measure of every method, and of the baselines, one clip after the other.

    One pass of the model serves all methods of a clip as it is, and one each of the clip reversed, shuffled, with
    noise, and before a network with the same weights in random places; methods that read pixels need their own.

    Args:
        model: the model; handed back unchanged.
        clips: what to explain; may be a generator.
        layer: whose activations the methods read.
        methods: names of METHODS and PIXEL_METHODS.
        settings: how the measures are taken.
    """
    settings = settings or FaithfulnessSettings()
    for name in methods:
        if name not in PIXEL_METHODS:
            method_of(name)
    blank = randomised(model, rng=np.random.default_rng([settings.seed, 0]))
    for number, clip in enumerate(clips):
        rng = np.random.default_rng([settings.seed, 1, number])
        yield _Judge(model, blank, clip, layer, tuple(methods), settings, rng).judged


def passes_a_clip(methods: Sequence[str], settings: FaithfulnessSettings, *, frames: int) -> int:
    """How many clips are passed to judge one: the steps of all curves, each frame covered, and the changed clips."""
    curves = (len(methods) + len(BASELINES)) * len(settings.fills) * len(get_args(measures.Curve))
    pixel_methods = {"rise": settings.rise_masks, "integrated-gradients": PixelSettings().steps}
    own = sum(pixel_methods.get(method, 0) for method in methods)
    return curves * (settings.steps + 1) + frames + 2 + (1 + own) * _CLIPS_MAPPED


@dataclass(frozen=True, eq=False)
class _Judge:
    model: VideoModel
    blank: VideoModel
    clip: ClipToJudge
    layer: str
    methods: tuple[str, ...]
    settings: FaithfulnessSettings
    rng: np.random.Generator

    @property
    def judged(self) -> Judged:
        maps = self._maps(self.model, self.pixels) | self._baselines(self.pixels)
        values = {(name, what): value for name, cam in maps.items() for what, value in self._of_one(cam)}
        for what, others in self._variants(tuple(maps)):
            for name, other in others.items():
                values[name, what] = float(measures.agreement(maps[name], other))
        with torch.no_grad():
            probability = float(self._score(self.pixels))
        return Judged(
            clip=self.clip,
            values=values,
            maps={name: cam[0].numpy() for name, cam in maps.items()},
            probability=probability,
            chance=self._chance(),
        )

    @cached_property
    def pixels(self) -> Tensor:
        return self.clip.pixels[None]

    def _score(self, pixels: Tensor) -> Tensor:
        return self.model.probabilities(logits(self.model, pixels))[:, self.clip.class_index].cpu()

    @cached_property
    def _losses(self) -> Tensor:
        """What covering each frame by the clip's mean colour takes from the class's logit."""

        def logit(pixels: Tensor) -> Tensor:
            return logits(self.model, pixels)[:, self.clip.class_index].cpu()

        return measures.losses_by_frame(
            logit, self.pixels, measures.mean_colour(self.pixels), batch_size=self.settings.batch_size
        )

    def _maps(self, model: VideoModel, pixels: Tensor) -> dict[str, Tensor]:
        """The map of every method, `1 time height width`, from one pass."""
        frames, height, width = pixels.shape[2:]
        index, found = self.clip.class_index, {}
        passed = volumes(model, pixels, [self.layer], [index], clip_names=[self.clip.name])
        activation, gradient = passed.activations[self.layer].cpu(), passed.gradients[index][self.layer].cpu()
        for name in self.methods:
            if name in PIXEL_METHODS:
                found[name] = pixel_maps(model, pixels, [index], method=name, settings=self._pixel_settings)[0]
            else:
                small = METHODS[name].map(activation, gradient)
                found[name] = upsample(small, frames=frames, height=height, width=width)
        return found

    @property
    def _pixel_settings(self) -> PixelSettings:
        # RISE's masks are the same for a clip and its variants: a difference is then the model's, not the masks'.
        settings = self.settings
        return PixelSettings(masks=settings.rise_masks, batch_size=settings.batch_size, seed=settings.seed)

    def _baselines(self, pixels: Tensor) -> dict[str, Tensor]:
        moving, centre, blobs = BASELINES
        return {
            moving: measures.motion_map(pixels),
            centre: measures.centre_map(pixels),
            blobs: measures.random_map(pixels, grid=(4, 7, 7), rng=self.rng),
        }

    def _of_one(self, cam: Tensor) -> Iterator[tuple[str, float]]:
        """The measures that need no second map."""
        truth = self.clip.truth
        if truth.inside is not None:
            inside = torch.from_numpy(truth.inside)[None]
            yield "energy", float(measures.energy_ratio(cam, inside))
            yield "pointing in space", float(measures.pointing_in_space(cam, inside))
        if truth.during is not None:
            yield "pointing in time", float(measures.pointing_in_time(cam, torch.from_numpy(truth.during)[None]))
        yield "moments", float(measures.moments(cam, self._losses))
        yield "flicker", float(measures.flicker(cam))
        places = measures.ranks(cam, rng=self.rng)
        curve = partial(
            measures.masking_curve,
            self._score,
            self.pixels,
            steps=self.settings.steps,
            batch_size=self.settings.batch_size,
        )
        for fill in self.settings.fills:
            covered = measures.FILLS[fill](self.pixels)
            yield f"insertion {fill}", float(measures.area(curve(covered, places, curve="insertion")))
            yield f"deletion {fill}", float(measures.area(curve(covered, places, curve="deletion")))

    def _variants(self, names: tuple[str, ...]) -> Iterator[tuple[str, dict[str, Tensor]]]:
        """The maps of the changed clip, brought back to the order of the clip's own frames."""
        frames = self.pixels.shape[2]
        order = torch.from_numpy(self.rng.permutation(frames))
        noise = torch.from_numpy(self.rng.normal(size=self.pixels.shape)).to(self.pixels)
        for what, changed, back in (
            ("reversal", self.pixels.flip(2), torch.arange(frames).flip(0)),
            ("shuffle", self.pixels[:, :, order], order.argsort()),
            ("noise", self.pixels + self.settings.noise * self.pixels.std() * noise, torch.arange(frames)),
        ):
            maps = self._maps(self.model, changed) | self._baselines(changed)
            yield what, {name: maps[name][:, back] for name in names}
        yield "random weights", self._maps(self.blank, self.pixels)

    def _chance(self) -> dict[str, float]:
        """What a flat map scores on this clip, where that is known."""
        inside, during = self.clip.truth.inside, self.clip.truth.during
        found = {"energy": 1.0} if inside is not None else {}
        if inside is not None and inside.any():
            found["pointing in space"] = float(inside.mean())
        if during is not None and during.any():
            found["pointing in time"] = float(during.mean())
        return found
