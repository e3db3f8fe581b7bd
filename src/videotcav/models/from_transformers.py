"""Video classifiers of the transformers library, as `transformers:MCG-NJU/videomae-base-finetuned-kinetics` or from
a local folder, as `transformers:./folder`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Literal

import numpy as np
import torch
from safetensors import SafetensorError
from torch import nn

from videotcav.compat.torchvision import import_torchvision
from videotcav.errors import MissingExtra, ModelError, ModelNotFound
from videotcav.models import checkpoint
from videotcav.models.seeded import seeded
from videotcav.models.transformers_families import FAMILIES, TransformersFamily
from videotcav.records import ClipSpec, KnownModel, ModelCard

RANDOM = "random"
"""The name of weights that are drawn anew, the same at each call."""

_STARTING_POINTS = (
    ("MCG-NJU/videomae-base-finetuned-kinetics", 16, 4 / 30, 224, 400, "CC BY-NC 4.0"),
    ("facebook/timesformer-base-finetuned-k400", 8, 32 / 30, 224, 400, "CC BY-NC 4.0"),
    ("google/vivit-b-16x2-kinetics400", 32, 2 / 25, 224, 400, "MIT"),
    ("facebook/vjepa2-vitl-fpc16-256-ssv2", 16, 4 / 30, 256, 174, "MIT"),
)

_PIXELS = "b t c h w"
_RESAMPLING: dict[int, Literal["bilinear", "bicubic"]] = {2: "bilinear", 3: "bicubic"}  # by Pillow's numbers
_REASON = 160
_HEIGHT, _WIDTH = 300, 400  # of the clips that a processor is measured on


def load(name: str, *, weights: str | None) -> tuple[nn.Module, ModelCard]:
    """A video classifier with its card; a model source, see `load.ModelSource`.

    Layers keep the names that transformers gives them. Input, classes and token grid are read from the model's own
    config and processor.

    Args:
        name: a name on the Hugging Face hub, or a folder written by `save_pretrained` of a model and its processor.
        weights: None for those under that name; `random`; or a checkpoint file of the same architecture.

    Raises:
        MissingExtra: transformers is not installed.
        ModelError: nothing under that name, no way to fetch it, no video classifier, or weights that do not fit.
    """
    origin = f"transformers:{name}"
    with _quiet_transformers(origin) as transformers:
        if name.startswith((".", "/", "~")) and not Path(name).expanduser().is_dir():
            raise ModelNotFound(f"{origin}: there is no such folder")
        place = str(Path(name).expanduser())
        config = _fetched(origin, "config", lambda: transformers.AutoConfig.from_pretrained(place))
        _check_kind(transformers, origin, config)
        module = _module(transformers, origin, place, config, weights)
        processor = _processor(transformers, origin, place)
        family = FAMILIES.get(config.model_type)
        spec = _clip_spec(origin, config, processor, family)
        return module, card_for(name, config, clip_spec=spec, weights=_said(weights, place))


def catalogue() -> tuple[KnownModel, ...]:
    """The fine-tuned classifiers that people start from; any other name on the hub will do as well."""
    return tuple(
        KnownModel(
            name=f"transformers:{name}",
            frames=frames,
            seconds_between_frames=seconds,
            size=(side, side),
            classes=classes,
            weights=(name,),
            licence=f"{licence} (check its page)",
            origin=f"https://huggingface.co/{name}",
        )
        for name, frames, seconds, side, classes, licence in _STARTING_POINTS
    )


def card_for(name: str, config: Any, *, clip_spec: ClipSpec, weights: str) -> ModelCard:
    """The card of a classifier with that config; layouts of a family that nobody described are not guessed."""
    family = FAMILIES.get(config.model_type)
    labels = [str(config.id2label[index]) for index in range(config.num_labels)]
    classes = tuple(f"{name} ({index})" if labels.count(name) > 1 else name for index, name in enumerate(labels))
    shared: dict[str, Any] = {
        "name": f"transformers:{name}",
        "clip_spec": clip_spec,
        "classes": classes,
        "weights": weights,
    }
    if config.problem_type == "multi_label_classification":
        shared["scores"] = "multi-label logits"
    if family is None:
        return ModelCard.model_validate({**shared, "pixels": _PIXELS, "layouts": {"classifier": "b c"}})
    return ModelCard.model_validate(
        {
            **shared,
            "pixels": _PIXELS,
            "layouts": family.layouts(config),
            "grids": {"*": family.grid(config)},
            "default_layers": family.default_layers(config),
            "degenerate": family.degenerate(config),
        }
    )


def _known(transformers: Any) -> dict[str, str]:
    """The classes of transformers' video classifiers by `model_type`."""
    return dict(transformers.models.auto.modeling_auto.MODEL_FOR_VIDEO_CLASSIFICATION_MAPPING_NAMES)


def _check_kind(transformers: Any, origin: str, config: Any) -> None:
    if config.model_type not in (known := _known(transformers)):
        raise ModelError(
            f"{origin}: is a {config.model_type}, no video classifier; transformers has {', '.join(known)}"
        )
    if getattr(config, "attention_type", None) == "space_only":
        raise ModelError(
            f"{origin}: a TimeSformer with space_only attention gives one score a frame, not a clip; "
            "take one with divided_space_time or joint_space_time"
        )


def _module(transformers: Any, origin: str, place: str, config: Any, weights: str | None) -> nn.Module:
    kind = getattr(transformers, _known(transformers)[config.model_type])
    if weights == RANDOM:
        with seeded():
            drawn: nn.Module = kind(config)
        return drawn.eval()
    # A checkpoint goes through the library too: the keys of its files are not always those of its modules.
    held = {} if weights is None else {"state_dict": checkpoint.read(Path(weights)).state}
    module, found = _fetched(
        origin if weights is None else weights,
        "weights",
        lambda: kind.from_pretrained(None if held else place, config=config, output_loading_info=True, **held),
    )
    if missing := sorted(found["missing_keys"]):
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        if held:
            raise ModelError(f"{weights}: does not fit {origin}: missing: '{missing[0]}'{more}")
        raise ModelError(
            f"{origin}: its weights lack '{missing[0]}'{more}: a pre-trained network without a trained classifier; "
            "take one that was fine-tuned"
        )
    whole: nn.Module = module.float()  # some are stored in half precision; --precision says what passes compute in
    return whole.eval()


def _processor(transformers: Any, origin: str, place: str) -> Any:
    """The image processor if there is one, as older models have, or else the video processor."""
    kinds = [
        kind
        for name in ("AutoImageProcessor", "AutoVideoProcessor")
        if (kind := getattr(transformers, name, None)) is not None
    ]
    for kind in kinds:
        try:
            return kind.from_pretrained(place)
        except (OSError, ValueError, ImportError):
            continue
    raise ModelError(
        f"{origin}: has no preprocessor_config.json, so that nobody knows the size, crop, mean and deviation that it "
        "was trained with; save its processor beside it: processor.save_pretrained(folder)"
    )


def _clip_spec(origin: str, config: Any, processor: Any, family: TransformersFamily | None) -> ClipSpec:
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
    elif family is not None:
        seconds = family.seconds(config)
    else:
        raise ModelError(f"{origin}: neither its processor (fps) nor videotcav knows how far its frames are apart")
    return ClipSpec(
        frames=frames,
        seconds_between_frames=seconds,
        height=height,
        width=width,
        resize=resize,
        mean=tuple(round(value, 6) for value in (-low / (high - low)).tolist()),
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
        raise ModelError(f"{origin}: its processor cannot be used: {_short(error)}") from None
    return torch.as_tensor(clip)


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


def _said(weights: str | None, place: str) -> str:
    if weights is None:
        return Path(place).name if Path(place).is_dir() else place
    return weights if weights == RANDOM else Path(weights).name


def _fetched(origin: str, what: str, fetch: Callable[[], Any]) -> Any:
    try:
        return fetch()
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError, UnpicklingError) as error:
        name = origin.removeprefix("transformers:")
        if Path(name).expanduser().exists():
            raise ModelError(f"{origin}: its {what} cannot be read: {_short(error)}") from None
        raise ModelError(
            f"{origin}: its {what} cannot be fetched from the Hugging Face hub, and no copy is here ({_short(error)}); "
            "check the name, or fetch the folder elsewhere and name it as transformers:./folder"
        ) from None


def _short(error: Exception) -> str:
    sentence = " ".join(str(error).split()).partition(". ")[0]
    return sentence if len(sentence) <= _REASON else sentence[:_REASON] + "…"


@contextmanager
def _quiet_transformers(origin: str) -> Iterator[Any]:
    """The library, silent inside: progress bars and remarks of its own belong to nobody here."""
    import_torchvision()  # before transformers, which imports it and gives up where it fails
    try:
        transformers: Any = importlib.import_module("transformers")
    except ImportError:
        raise MissingExtra("transformers", extra="hub", purpose=origin) from None
    logging = transformers.utils.logging
    level, speaks = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield transformers
    finally:
        logging.set_verbosity(level)
        if speaks:
            logging.enable_progress_bar()
