"""Is a map true? The measures of method.md 6, on clips; all of them for many clips at once.

Maps are `clip time height width` and never negative. A measure gives one number a clip, NaN where it has none: a map
that is 0 everywhere lies nowhere, and agrees with nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own abbreviation
from einops import rearrange, reduce, repeat
from scipy.stats import rankdata
from torch import Tensor

from videotcav.explain.saliency.cam import temporal_profile
from videotcav.explain.saliency.rise import ScoreFunction

# --- against a truth --------------------------------------------------------------------------------------------


def energy_ratio(cam: Tensor, inside: Tensor) -> Tensor:
    """The share of the map inside the boxes ÷ the boxes' share of the volume, `clip`: 1 is chance.

    The energy-based pointing game of Wang et al. 2020 (Score-CAM), over what a flat map would score. `inside` is
    `clip time height width`, bool. NaN for a clip without a box, or boxes that are everything.
    """
    energy = reduce(cam * inside, "b t h w -> b", "sum") / reduce(cam, "b t h w -> b", "sum")
    volume = reduce(inside.to(cam.dtype), "b t h w -> b", "mean")
    return torch.where((volume > 0) & (volume < 1), energy / volume, torch.nan)


def pointing_in_space(cam: Tensor, inside: Tensor) -> Tensor:
    """Whether the map's strongest point lies inside a box of its own frame, `clip`: 1 hit, 0 miss.

    The pointing game of Zhang et al. 2016, section 4.2.
    Several points of equal strength count by the share of them that lies inside, so that a flat map scores chance.
    """
    peak = cam == reduce(cam, "b t h w -> b 1 1 1", "max")
    hits, tied = (reduce(where.to(cam.dtype), "b t h w -> b", "sum") for where in (peak & inside, peak))
    return torch.where(inside.flatten(1).any(dim=1), hits / tied, torch.nan)


def pointing_in_time(cam: Tensor, during: Tensor) -> Tensor:
    """Whether the frame that holds most of the map lies in the event, `clip`; `during` is `clip time`, bool."""
    profile = temporal_profile(cam)
    return pointing_in_space(rearrange(profile, "b t -> b t 1 1"), rearrange(during, "b t -> b t 1 1"))


# --- against the model ------------------------------------------------------------------------------------------


def blurred(pixels: Tensor, *, sigma: float) -> Tensor:
    """Every frame behind a Gaussian blur of `sigma` pixels: what is where is gone, colours and light stay."""
    radius = max(1, round(3 * sigma))
    steps = torch.arange(-radius, radius + 1, dtype=pixels.dtype, device=pixels.device)
    line = torch.exp(-(steps**2) / (2 * sigma**2))
    line = line / line.sum()
    frames = rearrange(pixels, "b c t h w -> (b c t) 1 h w")
    frames = F.conv2d(F.pad(frames, (0, 0, radius, radius), mode="replicate"), rearrange(line, "k -> 1 1 k 1"))
    frames = F.conv2d(F.pad(frames, (radius, radius, 0, 0), mode="replicate"), rearrange(line, "k -> 1 1 1 k"))
    return frames.view_as(pixels)


def frozen(pixels: Tensor) -> Tensor:
    """The clip's middle frame in place of every frame: what happens is gone, what is there stays."""
    return repeat(pixels[:, :, pixels.shape[2] // 2], "b c h w -> b c t h w", t=pixels.shape[2])


def mean_colour(pixels: Tensor) -> Tensor:
    """Each clip's mean colour everywhere."""
    return reduce(pixels, "b c t h w -> b c 1 1 1", "mean").expand_as(pixels)


FillName = Literal["blur", "freeze", "mean"]
FILLS: Mapping[str, Callable[[Tensor], Tensor]] = MappingProxyType(
    {"blur": lambda pixels: blurred(pixels, sigma=pixels.shape[-1] / 10), "freeze": frozen, "mean": mean_colour}
)
"""What stands where a clip is covered, by name. Only `freeze` leaves a clip that could have been filmed."""


def ranks(cam: Tensor, *, rng: np.random.Generator) -> Tensor:
    """The place of each voxel when the strongest come first, 0…1, `clip time height width`; ties in random order."""
    flat = cam.flatten(1)
    shuffled = torch.from_numpy(rng.permutation(flat.shape[1])).to(cam.device)
    order = shuffled[flat[:, shuffled].argsort(dim=1, descending=True, stable=True)]
    place = torch.empty_like(flat)
    steps = (torch.arange(flat.shape[1], device=cam.device, dtype=flat.dtype) + 0.5) / flat.shape[1]
    return place.scatter_(1, order, steps.expand_as(flat)).view_as(cam)


def masking_curve(
    score: ScoreFunction, start: Tensor, end: Tensor, places: Tensor, *, steps: int, batch_size: int = 32
) -> Tensor:
    """The class's score as one clip turns into another, strongest voxels first: `clip step`, steps + 1 of them.

    Petsiuk et al. 2018, in time as in space. Insertion starts from what stands where a clip is covered and ends with
    the clip, deletion the other way round.

    Args:
        score: of the class, for many clips at once.
        start: clip channel time height width.
        end: of the same shape.
        places: from `ranks`.
        steps: into how many equal parts the volume is cut.
        batch_size: clips on their way held at a time.
    """
    shares = torch.linspace(0, 1, steps + 1, device=start.device)
    points = [(clip, share) for clip in range(len(start)) for share in shares]
    scores = []
    for first in range(0, len(points), batch_size):
        batch = points[first : first + batch_size]
        scores.append(score(torch.stack([torch.where(places[n] < share, end[n], start[n]) for n, share in batch])))
    return torch.cat(scores).view(len(start), steps + 1)


def area(curve: Tensor) -> Tensor:
    """The area under curves `clip step` over 0…1, `clip`."""
    return torch.trapezoid(curve, dx=1 / (curve.shape[1] - 1), dim=1)


def losses_by_frame(score: ScoreFunction, pixels: Tensor, fill: Tensor, *, batch_size: int = 32) -> Tensor:
    """How much the class's score falls when one frame is covered, `clip time`: an intervention, no map is asked.

    Arguments as in `masking_curve`; costs a pass a frame and one more.
    """
    frames = pixels.shape[2]
    hidden = torch.eye(frames, dtype=torch.bool, device=pixels.device)
    found = []
    for clip, other in zip(pixels, fill, strict=True):
        covered = torch.where(rearrange(hidden, "n t -> n 1 t 1 1"), other, clip)
        scores = torch.cat([score(batch) for batch in (clip[None], *torch.split(covered, batch_size))])
        found.append(scores[0] - scores[1:])
    return torch.stack(found)


def temporal_agreement(cam: Tensor, losses: Tensor) -> Tensor:
    """Whether the map is full where the class needs the clip: rank correlation over frames of profile and losses.

    Spearman's, `clip`, of the map's temporal profile with `losses_by_frame`; Alvarez-Melis and Jaakkola 2018 call such
    a correlation faithfulness. A map as full in every frame says nothing about when: 0. NaN for a map that is 0
    everywhere, and for a clip in which every frame is worth the same.
    """
    profile = temporal_profile(cam)
    same = (profile == profile[:, :1]).all(dim=1) & (profile[:, 0] > 0) & (losses != losses[:, :1]).any(dim=1)
    return torch.where(same, 0, rank_agreement(profile, losses).to(profile.dtype))


# --- against itself ---------------------------------------------------------------------------------------------


def flicker(cam: Tensor) -> Tensor:
    """How much of the map moves from a frame to the next, `clip`: 0 stands still, 1 shares no place with the next."""
    change = (cam[:, 1:] - cam[:, :-1]).abs().flatten(1).sum(dim=1)
    return change / (cam[:, 1:] + cam[:, :-1]).flatten(1).sum(dim=1)


def rank_agreement(cam: Tensor, other: Tensor) -> Tensor:
    """The rank correlation of two maps of each clip (Spearman), `clip`; NaN where one of them is flat."""
    found = []
    for one, two in zip(cam.flatten(1).double().numpy(), other.flatten(1).double().numpy(), strict=True):
        a, b = (rank - rank.mean() for rank in (rankdata(one), rankdata(two)))
        length = float(np.sqrt((a @ a) * (b @ b)))
        found.append(float(a @ b) / length if length > 0 else float("nan"))
    return torch.tensor(found, dtype=torch.float32, device="cpu")


# --- maps that know nothing of the model --------------------------------------------------------------------------


def centre_map(pixels: Tensor) -> Tensor:
    """A soft spot in the middle of every frame: what a map must beat before it says more than where things are."""
    t, h, w = pixels.shape[2:]
    sides = (torch.linspace(-1, 1, length, dtype=torch.float32, device="cpu") for length in (h, w))
    spots = [torch.exp(-((side / 0.4) ** 2) / 2) for side in sides]
    return torch.einsum("h,w->hw", *spots).expand(len(pixels), t, h, w).clone()


def motion_map(pixels: Tensor) -> Tensor:
    """How much every pixel changes between its neighbouring frames: what a map must beat to say more than that."""
    steps = (pixels[:, :, 1:] - pixels[:, :, :-1]).abs().sum(dim=1)
    before = F.pad(steps, (0, 0, 0, 0, 1, 0))
    after = F.pad(steps, (0, 0, 0, 0, 0, 1))
    return (before + after) / 2


def random_map(pixels: Tensor, *, grid: tuple[int, int, int], rng: np.random.Generator) -> Tensor:
    """Random blobs on a grid as coarse as a layer's: what chance looks like at that resolution."""
    noise = torch.from_numpy(rng.random((len(pixels), 1, *grid))).float()
    return F.interpolate(noise, size=pixels.shape[2:], mode="trilinear")[:, 0]


# --- intervals ----------------------------------------------------------------------------------------------------


class MeanOverVideos(NamedTuple):
    """A mean over clips with its 95 % interval; `clips` have a value, `undefined` have none."""

    value: float
    low: float
    high: float
    clips: int
    undefined: int


def mean_over_videos(
    values: Sequence[float], sources: Sequence[str], *, rng: np.random.Generator, resamples: int = 2000
) -> MeanOverVideos:
    """The mean over clips, with a percentile bootstrap over the videos that they come from (METHOD 4.5).

    NaN values are left out and counted. All values undefined, or one source alone, give no interval (NaN).
    """
    of_source: dict[str, list[float]] = {}
    for value, source in zip(values, sources, strict=True):
        if not math.isnan(value):
            of_source.setdefault(source, []).append(value)
    known = [value for own in of_source.values() for value in own]
    low = high = math.nan
    if len(of_source) > 1:
        sums, counts = (np.array([one(own) for own in of_source.values()], dtype=np.float64) for one in (sum, len))
        drawn = rng.multinomial(len(sums), np.full(len(sums), 1 / len(sums)), size=resamples)
        low, high = map(float, np.quantile((drawn @ sums) / (drawn @ counts), (0.025, 0.975)))
    mean = float(np.mean(known)) if known else math.nan
    return MeanOverVideos(mean, low, high, clips=len(known), undefined=len(values) - len(known))
