"""Every measure of METHOD 6 on a model's maps, clip by clip: methods side by side, all from the same passes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import get_args

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveInt
from torch import Tensor

from videotcav.explain.saliency import measures
from videotcav.explain.saliency.cam import PIXEL_METHODS, method_of
from videotcav.maps.passes import view_maps
from videotcav.maps.view import PIXELS, PixelSettings, View
from videotcav.models.model import VideoModel
from videotcav.models.passes import logits
from videotcav.models.randomised import randomised
from videotcav.records import Distinct, Record

BASELINES: Mapping[str, Callable[[Tensor, np.random.Generator], Tensor]] = MappingProxyType(
    {
        "moving pixels": lambda pixels, _: measures.motion_map(pixels),
        "centre": lambda pixels, _: measures.centre_map(pixels),
        "random blobs": lambda pixels, rng: measures.random_map(pixels, grid=(4, 7, 7), rng=rng),
    }
)
"""Maps that know nothing of the model; what a method must beat."""


class FaithfulnessSettings(Record):
    """How the measures are taken. `noise` is a share of each clip's own spread of pixels; `steps` those of a curve."""

    steps: PositiveInt = 10
    fills: Distinct[measures.FillName] = get_args(measures.FillName)
    noise: NonNegativeFloat = 0.05
    rise_masks: PositiveInt = 256
    batch_size: PositiveInt = 32
    seed: NonNegativeInt = 0


@dataclass(frozen=True, eq=False)
class ClipToEvaluate:
    """A clip, `channel time height width`, with its class and what is known of it: which of its pixels lie in a box
    (`time height width`), and which of its frames in the event (`time`); None where that is not known.
    """

    name: str
    pixels: Tensor
    class_index: int
    inside: NDArray[np.bool_] | None = None
    during: NDArray[np.bool_] | None = None


@dataclass(frozen=True, eq=False)
class Evaluated:
    """What came out for a clip: a value for each method and measure (NaN: undefined), each method's map
    `1 time height width`, the probability of the class, and what a flat map scores where that is known.
    """

    values: Mapping[tuple[str, str], float]
    maps: Mapping[str, Tensor]
    probability: float
    chance: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class Evaluator:
    """Every measure of every method, and of the baselines, on one clip after the other.

    One pass of the model serves all methods of a clip as it is, and one each of the clip reversed, shuffled, with
    noise, and before a network with the same weights in random places; methods that read pixels need their own.
    The model is handed back unchanged. `layer` is whose activations the methods read; `methods` are names of METHODS
    and PIXEL_METHODS.
    """

    model: VideoModel
    layer: str
    methods: tuple[str, ...]
    settings: FaithfulnessSettings

    def __post_init__(self) -> None:
        for name in self.methods:
            if name not in PIXEL_METHODS:
                method_of(name)

    @cached_property
    def blank(self) -> VideoModel:
        """The same network, its weights in random places."""
        return randomised(self.model, rng=np.random.default_rng([self.settings.seed, 0]))

    @property
    def passes_a_clip(self) -> int:
        """How many clips are passed to judge one: the steps of all curves, each frame covered, the changed clips."""
        settings = self.settings
        curves = 2 * len(settings.fills) * (len(self.methods) + len(BASELINES))
        pixel_methods = {"rise": settings.rise_masks, "integrated-gradients": PixelSettings().steps}
        changed = 5 * (1 + sum(pixel_methods.get(method, 0) for method in self.methods))
        return curves * (settings.steps + 1) + self.model.card.clip_spec.frames + 2 + changed

    def __call__(self, clip: ClipToEvaluate, *, number: int = 0) -> Evaluated:
        """What came out for a clip; its `number` decides, with the seed, what is random about it."""
        rng = np.random.default_rng([self.settings.seed, 1, number])
        pixels = clip.pixels[None]

        def maps_of(pixels: Tensor) -> dict[str, Tensor]:
            baselines = {name: baseline(pixels, rng) for name, baseline in BASELINES.items()}
            return self._maps(self.model, clip, pixels) | baselines

        maps = maps_of(pixels)
        truths = list(_truths(clip))
        losses = measures.losses_by_frame(
            lambda covered: logits(self.model, covered)[:, clip.class_index].cpu(),
            pixels,
            measures.mean_colour(pixels),
            batch_size=self.settings.batch_size,
        )
        values: dict[tuple[str, str], float] = {}
        for name, cam in maps.items():
            values |= {(name, what): float(measure(cam, truth)) for what, measure, truth in truths}
            values[name, "moments"] = float(measures.temporal_agreement(cam, losses))
            values[name, "flicker"] = float(measures.flicker(cam))
            values |= {(name, what): area for what, area in self._areas(cam, clip, rng)}
        for what, changed, back in self._changed(pixels, rng):
            others = maps_of(changed)
            values |= {
                (name, what): float(measures.rank_agreement(cam, others[name][:, back])) for name, cam in maps.items()
            }
        for name, other in self._maps(self.blank, clip, pixels).items():
            values[name, "random weights"] = float(measures.rank_agreement(maps[name], other))
        shares = {what: float(truth.double().mean()) for what, _, truth in truths}
        chance = {
            what: 1.0 if what == "energy" else share for what, share in shares.items() if share or what == "energy"
        }
        return Evaluated(values, maps, probability=float(self._score(clip, pixels)), chance=chance)

    def _score(self, clip: ClipToEvaluate, pixels: Tensor) -> Tensor:
        return self.model.probabilities(logits(self.model, pixels))[:, clip.class_index].cpu()

    def _maps(self, model: VideoModel, clip: ClipToEvaluate, pixels: Tensor) -> dict[str, Tensor]:
        """The map of every method, `1 time height width`, from one pass."""
        index, settings = clip.class_index, self.settings
        # RISE's masks are the same for a clip and its variants: a difference is then the model's, not the masks'.
        of_pixels = PixelSettings(masks=settings.rise_masks, batch_size=settings.batch_size, seed=settings.seed)
        views = [View(method=name, layer=PIXELS if name in PIXEL_METHODS else self.layer) for name in self.methods]
        maps, _ = view_maps(
            model, pixels, views=views, classes=[index], pixel_settings=of_pixels, clip_names=[clip.name]
        )
        return dict(zip(self.methods, maps[:, 0], strict=True))

    def _areas(self, cam: Tensor, clip: ClipToEvaluate, rng: np.random.Generator) -> Iterator[tuple[str, float]]:
        """The areas under the curves of insertion and deletion."""
        pixels, places = clip.pixels[None], measures.ranks(cam, rng=rng)
        for name in self.settings.fills:
            fill = measures.FILLS[name](pixels)
            for what, start, end in (("insertion", fill, pixels), ("deletion", pixels, fill)):
                curve = measures.masking_curve(
                    lambda batch: self._score(clip, batch),
                    start,
                    end,
                    places,
                    steps=self.settings.steps,
                    batch_size=self.settings.batch_size,
                )
                yield f"{what} {name}", float(measures.area(curve))

    def _changed(self, pixels: Tensor, rng: np.random.Generator) -> Iterator[tuple[str, Tensor, Tensor]]:
        """The clip changed in each way, and what brings the frames of its maps back to the clip's own order."""
        frames = torch.arange(pixels.shape[2], device="cpu")
        order = torch.from_numpy(rng.permutation(len(frames)))
        noise = torch.from_numpy(rng.normal(size=pixels.shape)).to(pixels)
        yield "reversal", pixels.flip(2), frames.flip(0)
        yield "shuffle", pixels[:, :, order], order.argsort()
        yield "noise", pixels + self.settings.noise * pixels.std() * noise, frames


_Measure = Callable[[Tensor, Tensor], Tensor]


def _truths(clip: ClipToEvaluate) -> Iterator[tuple[str, _Measure, Tensor]]:
    """Measures against what is known of the clip, each with the truth that it needs."""
    if clip.inside is not None:
        inside = torch.from_numpy(clip.inside)[None]
        yield "energy", measures.energy_ratio, inside
        yield "pointing in space", measures.pointing_in_space, inside
    if clip.during is not None:
        yield "pointing in time", measures.pointing_in_time, torch.from_numpy(clip.during)[None]
