"""To and from captum's forms: its `Concept` in, dictionaries of scores as its `TCAV.interpret` gives them out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from videotcav.errors import ConceptError, NotEnoughData
from videotcav.records import Result
from videotcav.video.clips import Clips
from videotcav.video.info import ClipOrigin, VideoInfo


@runtime_checkable
class CaptumConcept(Protocol):
    """What `captum.concept.Concept` has; captum itself is not needed."""

    id: int
    name: str
    data_iter: Iterable[Tensor] | None


def clips_from_pixels(pixels: Tensor, name: str) -> Clips:
    """Clips of pixels `clip channel time height width` that come from no file: each is a source of its own."""
    if pixels.ndim != len("bcthw"):
        raise ConceptError(f"'{name}': clips are clip channel time height width, got {tuple(pixels.shape)}")
    if not pixels.is_floating_point():
        raise ConceptError(
            f"'{name}': clips are numbers as the model is given them, got {pixels.dtype}; preprocess them"
        )
    _, _, frames, height, width = pixels.shape
    records = tuple(
        ClipOrigin(
            video=VideoInfo(
                path=Path(f"{name}-{number}"),
                sha256="",
                width=width,
                height=height,
                duration_seconds=frames,
                frames_per_second=1,
            ),
            timestamps=tuple(float(frame) for frame in range(frames)),
            top=0,
            left=0,
            pixels_per_row=1,
            pixels_per_column=1,
        )
        for number in range(len(pixels))
    )
    return Clips(records=records, pixels=pixels)


def clips_of(concept: CaptumConcept) -> Clips:
    """The clips that a captum concept's loader yields, already preprocessed. Raises NotEnoughData where it has none."""
    batches = [] if concept.data_iter is None else [_pixels(batch, concept.name) for batch in concept.data_iter]
    if not batches:
        raise NotEnoughData(f"'{concept.name}': its data_iter yields no clip")
    return clips_from_pixels(torch.cat(batches), f"{concept.name} ({concept.id})")


def _pixels(batch: object, name: str) -> Tensor:
    """The clips of a batch, which is alone or first of a tuple, as a TensorDataset's loader gives it."""
    first = batch[0] if isinstance(batch, tuple | list) and batch else batch
    if not isinstance(first, Tensor):
        raise ConceptError(f"'{name}': its data_iter yields {type(first).__name__}, not tensors of clips")
    return first


def captum_scores(
    results: Iterable[Result], ids: Mapping[str, int], unmoved: Mapping[str, float] | None = None
) -> dict[str, dict[str, dict[str, Tensor]]]:
    """Scores by `"concept-random"` and layer: `sign_count` and `magnitude`, for the concept and for the random set.

    Args:
        results: rows of one class.
        ids: number of each concept by `concept/kind`, and of the pool by `random`.
        unmoved: share of the class clips by layer which no step moves, either way (S = 0).

    The random set's scores are those of the opposite direction, as for captum's binary classifier. `magnitude` is the
    mean slope along a vector of unit length; captum's vectors have the length that their classifier gave them.
    """
    found: dict[str, dict[str, dict[str, Tensor]]] = {}
    names = {"sign_count": "sign_count", "sensitivity": "magnitude"}
    for row in results:
        if row.against != "random" or row.statistic not in names:
            continue
        key = f"{ids[f'{row.concept}/{row.kind}']}-{ids['random']}"
        still = (unmoved or {}).get(row.layer, 0.0)
        other = 1 - still - row.value if row.statistic == "sign_count" else -row.value
        layer = found.setdefault(key, {}).setdefault(row.layer, {})
        layer[names[row.statistic]] = torch.tensor([row.value, other], dtype=torch.float32, device="cpu")
    return found
