"""CAV maps of clips: which moments and places make a class sensitive to a concept, and which of them by chance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import NonNegativeInt, PositiveInt
from torch import Tensor

from videotcav.concepts.review.review import counted_videos
from videotcav.engine.run_store import held
from videotcav.errors import OutputError
from videotcav.explain.cavs.cav import ridge, spread
from videotcav.explain.cavs.gram import gram
from videotcav.explain.design.draws import Clips as ClipRows
from videotcav.explain.saliency.cam import upsample
from videotcav.explain.saliency.concept_map import ClusterTest, Directions, cluster_test, concept_directions
from videotcav.maps.compute import last_spatial_layer
from videotcav.maps.sheet import Strip, contact_sheet
from videotcav.models.model import VideoModel
from videotcav.models.passes import volumes
from videotcav.outputs import MARK, refuse_overwriting, whole_file
from videotcav.records import KINDS, Clip, ClipSpec, Positive, Record
from videotcav.video.clips import Clips, read_clips, to_source
from videotcav.video.overlay import overlay_heatmap
from videotcav.video.read import read_frames

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MEMORY_BYTES = 2**30


class ConceptMapSettings(Record):
    """How a concept's direction is trained and tested; `penalty` is in units of the random clips' spread."""

    pseudo_concepts: PositiveInt = 999
    random_sets: PositiveInt = 5
    penalty: Positive = 0.1
    threshold: Positive = 2.0
    batch_size: PositiveInt = 8
    seed: NonNegativeInt = 0


@dataclass(frozen=True, eq=False)
class ConceptMaps:
    """Where each clip's sensitivity to a concept sits: `densities` is `clip time height width` on the layer's grid,
    which spans the `size` (time, height, width) of the clips' own pixels.

    `tests[i]` says where clip i's density is more than that of pseudo-concepts, `together` the same of their mean.
    Shows itself in Jupyter as the first clip.
    """

    clips: tuple[Clip, ...]
    concept: str
    target: str
    layer: str
    densities: NDArray[np.float64]
    size: tuple[int, int, int]
    tests: tuple[ClusterTest, ...]
    together: ClusterTest

    def __repr__(self) -> str:
        beyond = sum(bool(test.significant().any()) for test in self.tests)
        return (
            f"ConceptMaps('{self.concept}' for '{self.target}' at {self.layer}: {len(self.clips)} clips, "
            f"more than chance somewhere in {beyond})"
        )

    def _repr_png_(self) -> bytes:
        picture = BytesIO()
        self.figure().savefig(picture, format="png")
        return picture.getvalue()

    def figure(self, index: int = 0, *, alpha: float = 0.05) -> Figure:
        """Clip `index` under its density where it raises the class, where it lowers it, and what is beyond chance."""
        clip, density, test = self.clips[index], self.densities[index], self.tests[index]
        frames = read_frames(clip.video, clip.timestamps)
        peak = float(np.abs(density).max()) or 1.0
        whole = _enlarged(np.abs(density) / peak, self.size).sum()  # profiles are shares of one and the same whole
        strips = []
        for caption, shown in (
            (f"“{self.concept}” raises “{self.target}” at {self.layer}", density.clip(0)),
            ("… and lowers it", (-density).clip(0)),
            (f"beyond pseudo-concepts, either way (clusters of p ≤ {alpha:g})", abs(density) * test.significant(alpha)),
        ):
            heat = _enlarged(shown / peak, self.size)
            profile = (heat.sum(dim=(1, 2)) / whole.clamp_min(1e-12)).numpy()
            strips.append(Strip(caption, overlay_heatmap(frames, to_source(heat.numpy(), clip)), profile))
        return contact_sheet(strips, timestamps=clip.timestamps, note="one scale for all frames and rows")


def concept_maps(
    model: VideoModel,
    clips: Clips,
    *,
    target: str,
    concept: Clips,
    random: Clips,
    layer: str,
    concept_name: str = "concept",
    settings: ConceptMapSettings | None = None,
) -> ConceptMaps:
    """Where and when in each clip the class is sensitive to the concept, held against pseudo-concepts.

    The direction lives in the layer's own grid, positions included: what was learned of the top left of the concept
    clips speaks about the top left of the class clips.

    Args:
        model: the model; handed back unchanged.
        clips: of the class, as many as are to be explained.
        target: the class, by name.
        concept: the concept's clips.
        random: the pool for random sets and pseudo-concepts, at least twice as many.
        layer: a layer whose output folds to time, height and width.
        concept_name: what pictures call it.
        settings: how the direction is trained and tested.

    Raises:
        NotEnoughData: the random pool is too small for pseudo-concepts like the concept.
    """
    settings = settings or ConceptMapSettings()
    index = model.class_index(target)
    gradients = torch.cat(
        [
            volumes(model, pixels, [layer], [index]).gradients[index][layer].cpu()
            for pixels in _batches(clips, settings.batch_size)
        ]
    )
    densities = []
    with held(MEMORY_BYTES) as store:
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
        clips=clips.records,
        concept=concept_name,
        target=target,
        layer=layer,
        densities=np.stack([density for density, _ in found]),
        size=(clips.pixels.shape[2], clips.pixels.shape[3], clips.pixels.shape[4]),
        tests=tuple(test for _, test in found),
        together=_test(of_clip.mean(axis=0), directions, settings.threshold)[1],
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
    """The map of one concept on a clip of `video`, also written to `path` as a contact sheet (.png).

    `concept` and `random` are folders of clips, each clip spread over the model's frames. Raises as `concept_maps`.
    """
    if path.suffix.lower() != ".png" or not path.parent.is_dir():
        raise OutputError(f"{path}: a concept's map is a contact sheet: end it in .png, in a folder that exists")
    refuse_overwriting([path], inputs=[video], replace=replace)
    spec = model.card.clip_spec
    found = concept_maps(
        model,
        read_clips(video, spec),
        target=target,
        concept=_read_counted(concept, spec),
        random=_read_counted(random, spec),
        layer=layer or last_spatial_layer(model),
        concept_name=concept.parent.name if concept.name in KINDS else concept.name,
        settings=settings,
    )
    with whole_file(path) as unfinished:
        found.figure().savefig(unfinished, format="png", metadata={"Software": None, "Comment": MARK})
    return found


def _read_counted(place: Path, spec: ClipSpec) -> Clips:
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


def _clip_rows(clips: Clips, first: int) -> ClipRows:
    sources = tuple(record.source or str(record.video.path) for record in clips.records)
    return ClipRows(rows=np.arange(first, first + len(clips)), sources=sources)


def _enlarged(volume: NDArray[np.float64], size: tuple[int, int, int]) -> Tensor:
    frames, height, width = size
    return upsample(torch.from_numpy(volume).float()[None], frames=frames, height=height, width=width)[0]
