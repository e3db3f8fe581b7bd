"""Maps checked by edits: does a class's score follow the maps of a method at a layer, on the class's own clips?"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
from torch import Tensor

from videotcav.errors import ArgumentError, NumericalError
from videotcav.explain.saliency.cam import METHODS, Over
from videotcav.features.extract import clips_a_pass
from videotcav.interventions.followed import (
    OWN_VIDEOS,
    RANDOM_TUBELETS,
    BlurredScores,
    TubeletCosts,
    map_verdicts,
    tubelet_costs,
)
from videotcav.maps.passes import view_maps
from videotcav.maps.view import PixelSettings, View
from videotcav.models.class_score import ClassScore, default_score
from videotcav.models.model import VideoModel
from videotcav.models.randomised import randomised
from videotcav.results.followed import Followed

TRIED_METHODS = ("grad-cam", "hirescam", "layercam")
"""Those that are tried at the model's default layers where the maps that were asked for are not followed. Grad-CAM++ is
not: no network was found whose score follows it and not HiResCAM (benchmarks/map_badges.py)."""


@dataclass(frozen=True, eq=False)
class ClipToCheck:
    """A clip of a class, `channel time height width`, cut from the video `source`."""

    name: str
    source: str
    pixels: Tensor


@dataclass(frozen=True, eq=False)
class MapCheck:
    """How a model's maps are checked. `score` is what a class is asked by, `default_score` when left out."""

    model: VideoModel
    score: ClassScore | None = None
    weights: Over = "clip"
    pixel_settings: PixelSettings | None = None
    negligible_below: float = 0.1
    seed: int = 0
    batch_size: int | None = None

    @cached_property
    def random_weights(self) -> VideoModel:
        """The same network, its weights in random places."""
        return randomised(self.model, rng=np.random.default_rng([self.seed, 0]))

    def passes_a_clip(self, views: Sequence[View], *, again: bool = False) -> int:
        """How often a clip is passed forward at most: for its maps in both networks, as it is, and each blur of it.

        Where it is asked about `again`, it is known as it is and with random tubelets blurred.
        """
        settings = self.pixel_settings or PixelSettings()
        of_pixels = {"rise": settings.masks, "integrated-gradients": settings.steps}
        maps = sum(of_pixels.get(view.method, 0) for view in views) + 1
        blurred = (0 if again else 1 + RANDOM_TUBELETS) + 2 * len(views)
        return 2 * maps + math.ceil(blurred / self._batch) * self._batch

    @property
    def _batch(self) -> int:
        return self.batch_size or clips_a_pass(self.model)

    def __call__(
        self,
        clips: Iterable[ClipToCheck],
        class_name: str,
        views: Sequence[View],
        *,
        sigma: float | None = None,
        sigma_of: str = OWN_VIDEOS,
        scores: BlurredScores | None = None,
    ) -> tuple[Followed, ...]:
        """The badge of each view, from clips of the class, one after the other; arguments as of `map_verdicts`.

        What `scores` hold is not passed again, and what is new is added.
        """
        index = self.model.class_index(class_name)
        score = self.score or default_score(self.model)
        costs, sources, untold = [], [], ""
        for clip in clips:
            maps, said = self._maps(self.model, clip, index, views)
            sources.append(clip.source)
            if untold or int(said.argmax()) != index:
                costs.append(TubeletCosts.of_wrong(float(score(said, index)), len(views)))
                continue
            try:
                random_weight_maps, _ = self._maps(self.random_weights, clip, index, views)
            except NumericalError:  # numbers that were learned together may overflow apart
                untold = "the network with random weights gives NaN or infinity"
            else:
                costs.append(
                    tubelet_costs(
                        self.model,
                        clip.pixels,
                        maps,
                        random_weight_maps,
                        class_index=index,
                        score=score,
                        seed=self.seed,
                        batch_size=self._batch,
                        clip_name=clip.name,
                        scores=scores,
                    )
                )
        if not sources:
            raise ArgumentError(f"there are no clips of '{class_name}' to check maps by")
        return map_verdicts(
            TubeletCosts.joined([TubeletCosts.of_wrong(np.nan, len(views))] * len(sources) if untold else costs),
            sources,
            maps=[(view.method, view.layer) for view in views],
            class_name=self.model.card.classes[index],
            sigma=sigma,
            sigma_of=sigma_of,
            negligible_below=self.negligible_below,
            seed=self.seed,
            untold=untold,
        )

    def search(
        self,
        clips: Callable[[int], Iterable[ClipToCheck]],
        class_name: str,
        views: Sequence[View],
        *,
        sigma: float | None = None,
        sigma_of: str = OWN_VIDEOS,
    ) -> tuple[Followed, ...]:
        """The badges of these views and, where the score follows none of them, behind these those of `others`.

        `clips` gives the clips, anew each time; it is told how many passes each of them will cost.
        """
        scores: BlurredScores = {}
        ask = partial(self, class_name=class_name, sigma=sigma, sigma_of=sigma_of, scores=scores)
        found = ask(clips(self.passes_a_clip(views)), views=views)
        if {badge.verdict for badge in found} != {"not followed"} or not (others := self.others(views)):
            return found
        return (*found, *ask(clips(self.passes_a_clip(others, again=True)), views=others))

    def others(self, views: Sequence[View]) -> list[View]:
        """What is tried where none of these views is followed: other methods, at the model's default layers."""
        layers = [layer for layer in self.model.card.default_layers if "h w" in self.model.layout_of(layer)]
        methods = [name for name in TRIED_METHODS if self.weights == "clip" or METHODS[name].pools]
        tried = [View(method=method, layer=layer) for layer in layers for method in methods]
        return [view for view in tried if view not in views]

    def _maps(self, model: VideoModel, clip: ClipToCheck, index: int, views: Sequence[View]) -> tuple[Tensor, Tensor]:
        """The maps `view time height width`, and the logits, of one clip."""
        maps, said = view_maps(
            model,
            clip.pixels[None],
            views=views,
            classes=[index],
            weights=self.weights,
            pixel_settings=self.pixel_settings,
            clip_names=[clip.name],
        )
        return maps[:, 0, 0], said
