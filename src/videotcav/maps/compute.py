"""Clips in, their maps out, one batch after the other; and whether a class's score follows them."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from einops import rearrange
from numpy.typing import NDArray
from torch import Tensor, nn

from videotcav.errors import ArgumentError, VideotcavWarning, require_distinct
from videotcav.explain.saliency.cam import Over
from videotcav.maps.checked import ClipToCheck, MapCheck
from videotcav.maps.passes import listed, view_maps, views_of
from videotcav.maps.view import PIXELS, ClipMaps, PixelSettings, Values, View, joined
from videotcav.models.model import VideoModel
from videotcav.models.passes import logits
from videotcav.results.followed import Followed
from videotcav.results.manifest import ModelFacts
from videotcav.video.clips import Clips

Class = str | int | np.integer[Any] | Tensor
DEFAULT_METHODS = ("grad-cam",)


def stream_maps(
    model: VideoModel,
    batches: Iterable[Clips],
    *,
    layers: Sequence[str | nn.Module] = (),
    methods: Sequence[str] = DEFAULT_METHODS,
    classes: Sequence[Class] = (),
    targets: Sequence[Class] = (),
    weights: Over = "clip",
    pixel_settings: PixelSettings | None = None,
) -> Iterator[ClipMaps]:
    """The maps of each clip, one clip after the other; never more than one batch of maps is held.

    Arguments and errors as in `clip_maps`. `batches` may be a generator: a batch is asked for when the maps of the one
    before it have all been taken.
    """
    views = views_of(model, layers, methods, weights=weights)
    asked = tuple(model.class_index(each) for each in listed(classes))
    require_distinct("class", [model.card.classes[index] for index in asked])
    if asked and len(targets):
        raise ArgumentError("classes are those of every clip, targets one class a clip: give one of the two")
    indices: Sequence[tuple[int, ...]]
    of_each: list[tuple[int, ...]] = [(model.class_index(each),) for each in listed(targets)]
    reads_pixels = any(view.layer == PIXELS for view in views)
    settings = (pixel_settings or PixelSettings()) if reads_pixels else None
    facts, taken = ModelFacts.of(model.card, device=model.device.type), 0
    for batch in batches:
        names = [str(record.video.path) for record in batch.records]
        if asked:
            indices = [asked] * len(batch)
        elif of_each:
            indices = of_each[taken : taken + len(batch)]
        else:
            indices = [(index,) for index in logits(model, batch.pixels, clip_names=names).argmax(dim=1).tolist()]
        taken += len(batch)
        if len(indices) < len(batch):
            raise ArgumentError(f"{len(of_each)} targets for {taken} clips or more: give one class a clip")
        values, shares = _of_batch(model, batch.pixels, indices, names, views, weights, settings)
        for position, record in enumerate(batch.records):
            yield ClipMaps(
                model=facts,
                clips=(record,),
                views=views,
                classes=(tuple(model.card.classes[index] for index in indices[position]),),
                probabilities=(tuple(shares[position].tolist()),),
                # A copy: a view would keep the maps of the whole batch alive.
                values=values[position : position + 1].copy(),
                weights=weights,
                settings=settings,
            )
        del values, batch
    if of_each and taken != len(of_each):
        raise ArgumentError(f"{len(of_each)} targets for {taken} clips: give one class a clip")


def clip_maps(
    model: VideoModel,
    clips: Clips | Iterable[Clips],
    *,
    layers: Sequence[str | nn.Module] = (),
    methods: Sequence[str] = DEFAULT_METHODS,
    classes: Sequence[Class] = (),
    targets: Sequence[Class] = (),
    weights: Over = "clip",
    pixel_settings: PixelSettings | None = None,
    check: bool = False,
    batch_size: int = 8,
) -> ClipMaps:
    """The maps of clips: all layers, methods and classes of a clip from one forward pass and one backward pass a class.

    Args:
        model: from `load_model`; handed back unchanged.
        clips: from `read_clips`, or batches of them.
        layers: names of layers, or the modules themselves; the last spatial one when left out.
        methods: `grad-cam`, `grad-cam++`, `hirescam`, `layercam`, `eigencam`; `integrated-gradients` and `rise` read
            the pixels and need passes of their own.
        classes: classes by name or number, each of them for every clip.
        targets: one class a clip. Without classes and targets it is what the model predicts of each clip.
        weights: whether a channel's weight holds for the clip or for each time step.
        pixel_settings: for methods that read pixels.
        check: also ask whether each class's score follows its maps (`badges`), by those of the clips that the model
            gives to it; 10 passes a clip and class for one method at one layer, about 30 more where it does not, for
            other methods at the model's default layers.
        batch_size: clips of a pass.

    Raises:
        ClassNotFound, LayerNotFound, LayoutError, NumericalError: names what does not fit.
        ArgumentError: there is no such method, or something is named twice.
    """
    targets = listed(targets)
    if isinstance(clips, Clips) and len(targets) not in (0, len(clips)):
        raise ArgumentError(f"{len(targets)} targets for {len(clips)} clips: give one class a clip")
    batches = clips if isinstance(clips, Iterable) else [clips]  # of a str, its letters are refused
    kept: list[Clips] = []

    def shown() -> Iterator[Clips]:
        for part in (part for batch in batches for part in _split(batch, batch_size)):
            if check:
                kept.append(part)
            yield part

    parts = list(
        stream_maps(
            model,
            shown(),
            layers=layers,
            methods=methods,
            classes=classes,
            targets=targets,
            weights=weights,
            pixel_settings=pixel_settings,
        )
    )
    if not parts:
        raise ArgumentError("there are no clips to explain")
    maps = joined(parts)
    if check:
        checked = MapCheck(model, weights=weights, pixel_settings=pixel_settings)
        maps = replace(maps, badges=_badges(checked, maps, [pixels for part in kept for pixels in part.pixels]))
    for remark in maps.remarks:
        warnings.warn(remark, VideotcavWarning, stacklevel=2)
    return maps


def _badges(check: MapCheck, maps: ClipMaps, pixels: Sequence[Tensor]) -> tuple[Followed, ...]:
    """Of each class, by the clips whose maps of it were asked for."""
    clips = [
        ClipToCheck(str(record.video.path), record.source or str(record.video.path), clip)
        for record, clip in zip(maps.clips, pixels, strict=True)
    ]
    found: list[Followed] = []
    for name in dict.fromkeys(name for names in maps.classes for name in names):
        own = [clip for clip, names in zip(clips, maps.classes, strict=True) if name in names]

        def anew(_: int, own: list[ClipToCheck] = own) -> list[ClipToCheck]:
            return own

        found += check.search(anew, name, maps.views)
    return tuple(found)


def _of_batch(  # noqa: PLR0917 - the parts of one pass
    model: VideoModel,
    pixels: Tensor,
    indices: Sequence[tuple[int, ...]],
    names: Sequence[str],
    views: Sequence[View],
    weights: Over,
    settings: PixelSettings | None,
) -> tuple[Values, NDArray[np.floating]]:
    """Maps `clip view class time height width` and probabilities `clip class`; `indices[i]` are the classes of clip i.

    Clips of the same classes share their passes.
    """
    values = np.empty((len(pixels), len(views), len(indices[0]), *pixels.shape[2:]), dtype=np.float32)
    shares = np.empty((len(pixels), len(indices[0])))
    for classes in dict.fromkeys(indices):
        rows = [row for row, each in enumerate(indices) if each == classes]
        maps, scores = view_maps(
            model,
            pixels[rows],
            views=views,
            classes=classes,
            weights=weights,
            pixel_settings=settings,
            clip_names=[names[row] for row in rows],
        )
        values[rows] = rearrange(maps, "v k b t h w -> b v k t h w").numpy()
        shares[rows] = model.probabilities(scores)[:, list(classes)].cpu().numpy()
    return values, shares


def _split(clips: Any, size: int) -> Iterator[Clips]:
    if not isinstance(clips, Clips):
        raise ArgumentError(f"clips are what read_clips gives, or batches of them, not {type(clips).__name__}")
    parts = (slice(start, start + size) for start in range(0, len(clips), size))
    return (Clips(records=clips.records[part], pixels=clips.pixels[part]) for part in parts)
