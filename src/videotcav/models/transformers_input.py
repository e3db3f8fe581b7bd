"""The input of transformers' classifiers: what their processors make of a clip, seen on clips that show it."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch

from videotcav.compat.hub import hub_errors
from videotcav.errors import ModelError
from videotcav.models.transformers_families import TransformersFamily
from videotcav.records import ClipSpec

_RESAMPLING: dict[int, Literal["bilinear", "bicubic"]] = {2: "bilinear", 3: "bicubic"}  # by Pillow's numbers
_REASON = 160
_HEIGHT, _WIDTH = 300, 400  # of the clips that a processor is measured on


def processor_of(transformers: Any, origin: str, place: str, how: dict[str, bool]) -> Any:
    """The image processor if there is one, as older models have, or else the video processor."""
    kinds = [
        kind
        for name in ("AutoImageProcessor", "AutoVideoProcessor")
        if (kind := getattr(transformers, name, None)) is not None
    ]
    for kind in kinds:
        try:
            with hub_errors():
                return kind.from_pretrained(place, **how)
        except (OSError, ValueError, ImportError):
            continue
    raise ModelError(
        f"{origin}: has no preprocessor_config.json, so that nobody knows the size, crop, mean and deviation that it "
        "was trained with; save its processor beside it: processor.save_pretrained(folder)"
    )


def clip_spec_of(origin: str, config: Any, processor: Any, family: TransformersFamily | None) -> ClipSpec:
    """The model's input as its processor makes it.

    Mean and deviation are measured on a black and a white clip, since what a processor does to a pixel is spread over
    half a dozen of its settings (ViViT's moves it by −1, then takes the mean off).
    """
    frames = getattr(config, "num_frames", None) or config.frames_per_clip
    black, white = (
        _processed(origin, processor, np.full((frames, _HEIGHT, _WIDTH, 3), grey, np.uint8)) for grey in (0, 255)
    )
    height, width = black.shape[-2:]
    side = getattr(config, "image_size", None) or config.crop_size
    expected = (side, side) if isinstance(side, int) else tuple(side)
    if (height, width) != expected:
        raise ModelError(
            f"{origin}: its processor gives {height} × {width} pixels, the model takes {expected[0]} × {expected[1]}; "
            "correct size or crop_size in preprocessor_config.json"
        )
    middle = (0, slice(None), height // 2, width // 2)  # corners may be padding
    low, high = black[middle].double(), white[middle].double()
    resize = _resize(origin, processor)
    lines = (white[0, 0, :, width // 2], white[0, 0, height // 2])
    resized = (resize, resize * _WIDTH // _HEIGHT) if isinstance(resize, int) else resize
    for line, length, wanted in zip(lines, resized, (height, width), strict=True):
        if int(line.isclose(line.max()).int().argmax()) != max(0, wanted - length) // 2:
            raise ModelError(
                f"{origin}: its processor pads {length} pixels to {wanted} otherwise than videotcav does; "
                "resize to at least the crop_size in preprocessor_config.json"
            )
    rate = getattr(processor, "fps", None)
    if rate:
        seconds = 1 / float(rate)
    elif family is not None and family.seconds is not None:
        seconds = family.seconds(config)
    else:
        raise ModelError(
            f"{origin}: nobody knows how far its frames are apart; write the frames a second that it was trained on "
            'as "fps" into the JSON of its processor'
        )
    return ClipSpec(
        frames=frames,
        seconds_between_frames=seconds,
        height=height,
        width=width,
        resize=resize,
        mean=tuple(round(value, 6) + 0.0 for value in (-low / (high - low)).tolist()),  # 0.0, not −0.0
        std=tuple(round(value, 6) for value in (1 / (high - low)).tolist()),
        resampling=_resampling(origin, processor),
        antialias=True,
        crop_rounding=_crop_rounding(origin, processor, resize, crop=(height, width), black=low[0], white=high[0]),
    )


def _processed(origin: str, processor: Any, frames: np.ndarray[Any, Any]) -> torch.Tensor:
    """One clip `time channel height width` as the model is given it."""
    try:
        clip = next(iter(processor(list(frames), return_tensors="pt").values()))[0]
    except (ValueError, TypeError, RuntimeError) as error:
        raise ModelError(f"{origin}: its processor cannot be used: {brief(error)}") from None
    return torch.as_tensor(clip, device="cpu")


def _resize(origin: str, processor: Any) -> int | tuple[int, int]:
    size = dict(processor.size) if processor.do_resize else {}
    if size.get("shortest_edge") and not size.get("longest_edge"):
        return int(size["shortest_edge"])
    if size.get("height") and size.get("width"):
        return int(size["height"]), int(size["width"])
    raise ModelError(
        f"{origin}: its processor resizes to {size or 'nothing'}; needed: shortest_edge, or height and width"
    )


def _crop_rounding(
    origin: str,
    processor: Any,
    resize: int | tuple[int, int],
    *,
    crop: tuple[int, int],
    black: torch.Tensor,
    white: torch.Tensor,
) -> Literal["even", "down"]:
    """How the edge of a centre crop is rounded that falls between two pixels: releases of transformers differ.

    Seen on a picture that is not resized and numbers its columns, or its rows, where the half is above an odd pixel.
    """
    odd = 3  # pixels to spare: 1 before the crop when rounded down, 2 to the even number
    height, width = (resize, max(resize, crop[1] + odd)) if isinstance(resize, int) else resize
    while isinstance(resize, int) and (width - crop[1]) % 4 != odd:
        width += 1
    for axis, (length, wanted) in enumerate(((height, crop[0]), (width, crop[1]))):
        if length > wanted and (length - wanted) % 4 == odd:
            numbers = np.arange(length) % 256
            picture = np.broadcast_to(numbers[:, None] if axis == 0 else numbers, (height, width))[..., None]
            clip = _processed(origin, processor, np.repeat(picture.astype(np.uint8)[None], 3, axis=-1))
            shown = clip[0, 0, 0, crop[1] // 2] if axis == 0 else clip[0, 0, crop[0] // 2, 0]
            first, down = round(float(255 * (shown - black) / (white - black))), (length - wanted) // 2
            if first not in (down % 256, (down + 1) % 256):
                raise ModelError(f"{origin}: its processor does not crop the centre, which videotcav cannot follow")
            return "down" if first == down % 256 else "even"
    return "down"  # no crop of this processor begins between two pixels


def _resampling(origin: str, processor: Any) -> Literal["bilinear", "bicubic"]:
    try:
        return _RESAMPLING[int(processor.resample)]
    except KeyError:
        raise ModelError(f"{origin}: its processor resizes neither bilinearly nor bicubically") from None


def brief(error: Exception) -> str:
    """The first sentence of what a library says."""
    sentence = " ".join(str(error).split()).partition(". ")[0]
    return sentence if len(sentence) <= _REASON else sentence[:_REASON] + "…"
