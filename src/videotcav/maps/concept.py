"""CAV maps of clips: which moments and places make a class sensitive to a concept, and which of them by chance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from videotcav.concepts.review.review import counted_videos
from videotcav.engine.run_store import scratch_store
from videotcav.errors import OutputError, PathTaken
from videotcav.explain.cavs.cav import ridge, spread
from videotcav.explain.cavs.gram import gram
from videotcav.explain.design.draws import GramRows
from videotcav.explain.saliency.concept_map import ClusterTest, Directions, cluster_test, concept_directions
from videotcav.maps.concept_view import ConceptMaps, ConceptMapSettings
from videotcav.maps.passes import last_spatial_layer
from videotcav.models.model import VideoModel
from videotcav.models.passes import volumes
from videotcav.outputs import refuse_overwriting, whole_file
from videotcav.records import KINDS, ClipSpec
from videotcav.results.manifest import ModelFacts
from videotcav.results.shown_figure import png
from videotcav.video.clips import Clips, read_clips

MEMORY_BYTES = 2**30


def concept_maps(
    model: VideoModel,
    clips: Clips,
    *,
    target: str | int,
    concept: Clips,
    random: Clips,
    layer: str | nn.Module | None = None,
    concept_name: str = "concept",
    settings: ConceptMapSettings | None = None,
) -> ConceptMaps:
    """Where and when in each clip the class is sensitive to the concept, held against pseudo-concepts.

    The direction lives in the layer's own grid, positions included: what was learned of the top left of the concept
    clips speaks about the top left of the class clips.

    Args:
        model: the model; handed back unchanged.
        clips: of the class, as many as are to be explained.
        target: the class, by name or number.
        concept: the concept's clips.
        random: the pool for random sets and pseudo-concepts, at least twice as many.
        layer: a layer whose output folds to time, height and width, by name or the module itself; the last spatial one
            when left out.
        concept_name: what pictures call it.
        settings: how the direction is trained and tested.

    Raises:
        NotEnoughData: the random pool is too small for pseudo-concepts like the concept.
    """
    settings = settings or ConceptMapSettings()
    index = model.class_index(target)
    layer = last_spatial_layer(model) if layer is None else model.layer_name(layer)
    gradients = torch.cat(
        [
            volumes(model, pixels, [layer], [index]).gradients[index][layer].cpu()
            for pixels in _batches(clips, settings.batch_size)
        ]
    )
    densities = []
    with scratch_store(MEMORY_BYTES) as store:
        keys: list[str] = []
        for part in (concept, random):
            for pixels in _batches(part, settings.batch_size):
                activation = volumes(model, pixels, [layer], ()).activations[layer].cpu()
                new = [str(len(keys) + number) for number in range(len(activation))]
                store.put({}, new, list(activation.flatten(1).numpy()))
                keys += new
                densities.append(torch.einsum("bcthw,ncthw->bnthw", gradients, activation).double())
        kernel = gram((block, block[:1]) for block in store.shelf({}).rows(keys).column_blocks()).kernel
    of_clip = torch.cat(densities, dim=1).numpy()
    first, pool = _clip_rows(concept, 0), _clip_rows(random, len(concept))
    directions = concept_directions(
        kernel,
        first,
        pool,
        draws=settings.pseudo_concepts,
        random_sets=settings.random_sets,
        classifier=ridge,
        penalty=settings.penalty * spread(kernel[np.ix_(pool.rows, pool.rows)]),
        rng=np.random.default_rng(settings.seed),
    )
    found = [_test(of_one, directions, settings.threshold) for of_one in of_clip]
    return ConceptMaps(
        model=ModelFacts.of(model.card, device=model.device.type),
        clips=clips.records,
        concept=concept_name,
        target=model.card.classes[index],
        layer=layer,
        densities=np.stack([density for density, _ in found]),
        size=(clips.pixels.shape[2], clips.pixels.shape[3], clips.pixels.shape[4]),
        tests=tuple(test for _, test in found),
        together=_test(of_clip.mean(axis=0), directions, settings.threshold)[1],
        settings=settings,
    )


def write_concept_map(
    path: Path,
    model: VideoModel,
    video: Path,
    *,
    concept: Path,
    random: Path,
    target: str,
    layer: str | None = None,
    settings: ConceptMapSettings | None = None,
    replace: bool = False,
) -> ConceptMaps:
    """The map of one concept on a clip of `video`, also written to `path`: a contact sheet (.png), or without an ending
    the folder that `ConceptMaps.read` reads.

    `concept` and `random` are folders of clips, each clip spread over the model's frames. Raises as `concept_maps`.
    """
    if path.suffix.lower() not in (".png", "") or not path.parent.is_dir():
        raise OutputError(
            f"{path}: a concept's map is a contact sheet: end it in .png, or in nothing for a folder that holds the "
            "numbers, where a folder exists"
        )
    if path.suffix:
        refuse_overwriting([path], inputs=[video], replace=replace)
    elif path.exists():
        raise PathTaken(f"{path} is there already; name a new folder")
    spec = model.card.clip_spec
    found = concept_maps(
        model,
        read_clips(video, spec),
        target=target,
        concept=read_counted(concept, spec),
        random=read_counted(random, spec),
        layer=layer,
        concept_name=concept.parent.name if concept.name in KINDS else concept.name,
        settings=settings,
    )
    if not path.suffix:
        found.save(path)
        return found
    with whole_file(path) as unfinished:
        unfinished.write_bytes(png(found.plot()))
    return found


def read_counted(place: Path, spec: ClipSpec) -> Clips:
    """The clips that count in a folder, each with its source: clips of one source are drawn together."""
    counted = counted_videos(place)
    read = read_clips(counted, spec, fit="stretch")
    records = zip(read.records, counted.values(), strict=True)
    return replace(read, records=tuple(clip.model_copy(update={"source": source}) for clip, source in records))


def _test(
    parts: NDArray[np.float64], directions: Directions, threshold: float
) -> tuple[NDArray[np.float64], ClusterTest]:
    """The density of the concept's direction, and its test; `parts` is `set-clip time height width`."""
    density = np.einsum("n,nthw->thw", directions.concept, parts)
    null = np.einsum("mn,nthw->mthw", directions.null, parts)
    return density, cluster_test(density, null, threshold=threshold)


def _batches(clips: Clips, size: int) -> Iterator[Tensor]:
    return (clips.pixels[start : start + size] for start in range(0, len(clips), size))


def _clip_rows(clips: Clips, first: int) -> GramRows:
    sources = tuple(record.source or str(record.video.path) for record in clips.records)
    return GramRows(rows=np.arange(first, first + len(clips)), sources=sources)
