"""The frames that a model is shown, as 8-bit pictures to be edited, and the way back to its pixels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from torch import Tensor

from videotcav.errors import ArgumentError
from videotcav.records import ClipSpec
from videotcav.video.clips import normalised

Frames = NDArray[np.uint8]
"""`time height width channel` (RGB) in the model's geometry: after resizing and cropping, before normalising."""

Masks = NDArray[np.bool_]
"""`time height width` in the same geometry; true where the object is."""

Edit = Callable[[Frames], Frames]

_NEAR = 0.01
"""How far a grey level may be from a whole number: float32 leaves a thousandth, colours never rounded leave more."""


def to_frames(pixels: Tensor, spec: ClipSpec) -> Frames:
    """The pictures behind a clip's pixels, float `channel time height width`, that were normalised as the spec says.

    Raises:
        ArgumentError: the pixels have another shape, or are no whole grey levels from 0 to 255 of three colours.
    """
    shape = (spec.channels, spec.frames, spec.height, spec.width)
    if spec.unlike_pictures:
        raise ArgumentError(f"edits change colour pictures, and {spec.unlike_pictures}")
    if tuple(pixels.shape) != shape:
        raise ArgumentError(
            f"a clip to be edited has the shape {shape} (channel time height width), got {tuple(pixels.shape)}"
        )
    mean, std = (
        rearrange(torch.tensor(each, dtype=torch.float32, device="cpu"), "c -> c 1 1 1")
        for each in (spec.mean, spec.std)
    )
    levels = (pixels.detach().cpu().float() * std + mean) * 255
    whole = levels.round()
    off = (levels - whole).abs()
    # not "> _NEAR": a NaN is no grey level either
    if not bool(((off <= _NEAR) & (whole >= 0) & (whole <= 255)).all()):  # noqa: PLR2004 - 8 bits
        raise ArgumentError(
            "the pixels of a clip to be edited must be whole grey levels from 0 to 255, normalised by the mean and "
            f"deviation of the clip spec; got levels from {levels.min():.4g} to {levels.max():.4g}, up to "
            f"{off.max():.2g} from a whole one: read the clip with read_clips, or round before normalising"
        )
    return np.asarray(rearrange(whole.to(torch.uint8), "c t h w -> t h w c").contiguous().numpy())


def of_frames(frames: Frames, spec: ClipSpec) -> Tensor:
    """The pixels that the video reader would make of pictures: float32 `channel time height width`, normalised."""
    return normalised(rearrange(torch.from_numpy(np.ascontiguousarray(frames)), "t h w c -> t c h w"), spec)


def with_frames(pixels: Tensor, before: Frames, after: Frames, spec: ClipSpec) -> Tensor:
    """The pixels with the pictures `after` in the place of `before`, which `to_frames` gave.

    A pixel whose colours did not change is the same to the last bit; a changed one is what the video reader would
    make of its new colour.

    Raises:
        ArgumentError: `after` is no 8-bit pictures of the same shape.
    """
    if not isinstance(after, np.ndarray) or after.dtype != np.uint8 or after.shape != before.shape:
        got = f"{after.dtype} {after.shape}" if isinstance(after, np.ndarray) else type(after).__name__
        raise ArgumentError(
            f"an edit gives back frames of its own kind, uint8 {before.shape} (time height width channel); got {got}"
        )
    changed = rearrange(torch.from_numpy(before != after), "t h w c -> c t h w")
    return torch.where(changed.to(pixels.device), of_frames(after, spec).to(pixels), pixels)
