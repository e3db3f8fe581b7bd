"""Does a class's score follow a map? Its strongest part is blurred, and other parts of that size (method.md 9).

A tubelet is a block of a sixteenth of the clip: a quarter of the frames × half the height × half the width. A map's
strongest tubelet is where the sum of the map over it is largest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
import xxhash
from numpy.typing import NDArray
from torch import Tensor

from videotcav.explain.cavs.gram import Floats
from videotcav.explain.design.draws import generator
from videotcav.explain.inference.interval_null import exceeding
from videotcav.explain.questions.contrast import NO_SPREAD, Units
from videotcav.interventions.frames import Frames, to_frames, with_frames
from videotcav.interventions.whole import Watched
from videotcav.models.class_score import ClassScore
from videotcav.models.model import VideoModel
from videotcav.models.passes import logits
from videotcav.results.followed import LEAST_SOURCES, Followed

SHARE = 1 / 16
"""Of the clip, in a tubelet."""

RANDOM_TUBELETS = 5

OWN_VIDEOS = "the class’s own videos"
"""Whose standard deviation the unit is where there is no pool."""

_DRAWS = 9999
_ROUNDING = 1e-9  # of the whole map's sum: by so much two sums that are one may differ

Corner = tuple[int, int, int]
"""The first frame, row and column of a tubelet."""

BlurredScores = dict[tuple[str, Corner | None], float]
"""A class's score of clips, by the hash of their pictures, with a tubelet blurred or, None, as they are."""


def tubelet_shape(frames: int, height: int, width: int) -> tuple[int, int, int]:
    """The frames, rows and columns of a tubelet: a quarter, half and half, as nearly as whole numbers allow.

    What rounding takes from the frames, rows and columns give back, so that it stays a sixteenth of the clip.
    """
    length = max(1, round(frames / 4))
    side = math.sqrt(SHARE * frames / length)
    return length, max(1, round(height * side)), max(1, round(width * side))


def strongest_tubelet(cam: Floats, *, rng: np.random.Generator) -> Corner:
    """Where the sum of the map `time height width` over a tubelet is largest; of several such places one by chance.

    A map that is the same everywhere thus points at a random tubelet.
    """
    sums = cam.astype(np.float64)
    for axis, length in enumerate(tubelet_shape(*cam.shape)):
        upto = np.insert(np.cumsum(sums, axis=axis), 0, 0.0, axis=axis)
        ends = np.arange(length, upto.shape[axis])
        sums = np.take(upto, ends, axis=axis) - np.take(upto, ends - length, axis=axis)
    largest = np.argwhere(sums >= sums.max() - _ROUNDING * np.abs(cam).sum())
    return _corner(largest[rng.integers(len(largest))])


def random_tubelet(shape: tuple[int, int, int], *, rng: np.random.Generator) -> Corner:
    """The place of a tubelet in a clip of that `time height width`, every place as likely as any other."""
    room = [length - own for length, own in zip(shape, tubelet_shape(*shape), strict=True)]
    return _corner(rng.integers(np.array(room) + 1))


def blurred_at(clip: Watched, corner: Corner) -> Frames:
    """The clip's frames with a tubelet blurred."""
    frames = clip.frames.copy()
    block = tuple(
        slice(first, first + length)
        for first, length in zip(corner, tubelet_shape(*clip.frames.shape[:3]), strict=True)
    )
    frames[block] = clip.blurred[block]
    return frames


@dataclass(frozen=True, eq=False)
class TubeletCosts:
    """What blurring tubelets takes from a class's score, a row a clip.

    `score` is that of the clip as it is. `strongest` and `random_weights`, `clip map`, are of the strongest tubelet of
    each map, and of the same map of the network with random weights; `random`, `clip`, is the mean of some random ones.
    NaN for a clip that the model does not give to the class.
    """

    score: Floats
    strongest: Floats
    random: Floats
    random_weights: Floats

    @classmethod
    def of_wrong(cls, score: float, maps: int) -> TubeletCosts:
        """Of one clip that the model does not give to the class: nothing is asked of its maps."""
        none = np.full((1, maps), np.nan)
        return cls(np.array([score]), none, none[:, 0], none)

    @classmethod
    def joined(cls, costs: Sequence[TubeletCosts]) -> TubeletCosts:
        """Of all clips."""
        return cls(*(np.concatenate([getattr(each, part.name) for each in costs]) for part in fields(cls)))


def tubelet_costs(
    model: VideoModel,
    pixels: Tensor,
    maps: Tensor,
    random_weight_maps: Tensor,
    *,
    class_index: int,
    score: ClassScore,
    seed: int = 0,
    batch_size: int = 8,
    clip_name: str = "",
    scores: BlurredScores | None = None,
) -> TubeletCosts:
    """The costs of one clip, `channel time height width`, under maps `map time height width`.

    What is random about a clip follows from its own pictures and the seed, not from the clips and maps beside it.
    What `scores` hold is not passed again, and what is new is added.

    Raises:
        ArgumentError: the pixels are no pictures that could be blurred, see `to_frames`.
    """
    spec = model.card.clip_spec
    watched = Watched(to_frames(pixels, spec))
    content = xxhash.xxh64_hexdigest(watched.frames.tobytes())
    rng = generator(seed, "random tubelets", content)
    corners = [random_tubelet((spec.frames, spec.height, spec.width), rng=rng) for _ in range(RANDOM_TUBELETS)]
    corners += [
        strongest_tubelet(cam, rng=generator(seed, "equally strong tubelets", content))
        for cam in torch.cat([maps, random_weight_maps]).double().cpu().numpy()
    ]
    scores = {} if scores is None else scores
    new = [corner for corner in dict.fromkeys([None, *corners]) if (content, corner) not in scores]
    for first in range(0, len(new), batch_size):
        some = new[first : first + batch_size]
        inputs = [
            pixels if corner is None else with_frames(pixels, watched.frames, blurred_at(watched, corner), spec)
            for corner in some
        ]
        inputs += [inputs[-1]] * (batch_size - len(inputs))  # passes of another size round otherwise
        said = logits(model, torch.stack(inputs), clip_names=[clip_name] * batch_size).cpu()
        values = score(said, class_index).double().tolist()
        scores.update(zip([(content, corner) for corner in some], values, strict=False))
    whole = scores[content, None]
    random, strongest, random_weights = np.split(
        np.array([whole - scores[content, corner] for corner in corners]),
        [RANDOM_TUBELETS, RANDOM_TUBELETS + len(maps)],
    )
    return TubeletCosts(np.array([whole]), strongest[None], random.mean(keepdims=True), random_weights[None])


def map_verdicts(
    costs: TubeletCosts,
    sources: Sequence[str],
    *,
    maps: Sequence[tuple[str, str]],
    class_name: str,
    sigma: float | None = None,
    sigma_of: str = OWN_VIDEOS,
    negligible_below: float = 0.1,
    alpha: float = 0.05,
    seed: int = 0,
    untold: str = "",
) -> tuple[Followed, ...]:
    """The badge of each map.

    Both tests flip signs over source videos, one-sided (see `exceeding`): that the strongest tubelet costs more than
    random ones by over what counts as none, and that it costs more than that of the network with random weights.

    Args:
        costs: of all clips of the class.
        sources: the source video of each.
        maps: the method and the layer of each.
        class_name: whose score it is.
        sigma: the unit; the standard deviation of the score over the clips' source videos when left out.
        sigma_of: whose standard deviation it is, in words.
        negligible_below: what counts as none, in units of sigma.
        alpha: the level.
        seed: of the flips.
        untold: why nothing can be told, where that is so.
    """
    is_right = np.isfinite(costs.random)
    right = [source for source, kept in zip(sources, is_right, strict=True) if kept]
    if sigma is None:
        of_videos = Units.of(costs.score[:, None], sources).values
        has_spread = len(of_videos) > 1 and of_videos.std() > NO_SPREAD * np.abs(of_videos).max()
        sigma = float(of_videos.std(ddof=1)) if has_spread else 0.0
    random = np.broadcast_to(costs.random[:, None], costs.strongest.shape)
    strongest, random, random_weights = (
        Units.of(each[is_right], right).values for each in (costs.strongest, random, costs.random_weights)
    )
    common: dict[str, Any] = {
        "class_name": class_name,
        "clips": len(costs.score),
        "right": len(right),
        "sources": len(strongest),
        "sigma": sigma,
        "sigma_of": sigma_of,
        "negligible_below": negligible_below,
    }
    if untold := untold or _untold(len(strongest), sigma):
        common |= {"verdict": "not told", "reason": untold}
        return tuple(Followed(method=method, layer=layer, **common) for method, layer in maps)
    p_random, p_weights = (
        exceeding(strongest - others, beyond=beyond, draws=_DRAWS, rng=generator(seed, "sign flips", class_name))
        for others, beyond in ((random, negligible_below * sigma), (random_weights, 0.0))
    )
    means = np.stack([strongest, random, random_weights]).mean(axis=1) / sigma
    return tuple(
        Followed(
            method=method,
            layer=layer,
            verdict="followed" if max(p_random[place], p_weights[place]) <= alpha else "not followed",
            **common,
            **dict(zip(("strongest", "random", "random_weights"), means[:, place].tolist(), strict=True)),
            p_random=p_random[place],
            p_random_weights=p_weights[place],
        )
        for place, (method, layer) in enumerate(maps)
    )


def _untold(sources: int, sigma: float) -> str:
    """Why nothing can be told, or nothing."""
    if sources < LEAST_SOURCES:
        few = "one source video" if sources == 1 else f"{sources or 'no'} source videos"
        return f"the model gets clips of {few} right, and {LEAST_SOURCES} are needed"
    return "" if sigma else "the score is the same for all clips"


def _corner(place: NDArray[np.int64]) -> Corner:
    first, row, column = map(int, place)
    return first, row, column
