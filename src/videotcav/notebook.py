"""The verbs of a notebook: load a model, read clips, see where it looks, ask which concepts move it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from videotcav.concepts.sets import read_sets
from videotcav.errors import ConceptError
from videotcav.explain import draws
from videotcav.explain.analyse import analyse
from videotcav.explain.design import ConceptRows
from videotcav.explain.settings import AnalysisSettings
from videotcav.maps import CamMaps, class_maps, last_spatial_layer
from videotcav.measure import Batch, measure
from videotcav.models.model import VideoModel
from videotcav.records import KINDS, ClipSpec, Kind, Pooling, Progress, Result, silent
from videotcav.report.notebook_view import results_html, results_table_text
from videotcav.video.clips import Clips, read_clips


@dataclass(frozen=True)
class TcavResults:
    """Rows of results that print as a table, in a terminal and in Jupyter."""

    results: tuple[Result, ...]

    def __iter__(self) -> Iterator[Result]:
        return iter(self.results)

    def __len__(self) -> int:
        return len(self.results)

    def __repr__(self) -> str:
        return results_table_text(self.results)

    def _repr_html_(self) -> str:
        return results_html(self.results)


def read_concepts(folder: Path | str, spec: ClipSpec, *, progress: Progress = silent) -> dict[str, Clips]:
    """The accepted concept sets of a folder as clips, by `concept/kind`; a twin has the order of its tracks."""
    clips = {}
    for concept in read_sets(folder):
        read = read_clips([clip.path for clip in concept.clips], spec, fit="stretch", progress=progress)
        records = tuple(
            record.model_copy(update={"source": clip.source})
            for record, clip in zip(read.records, concept.clips, strict=True)
        )
        clips[concept.name] = Clips(records=records, pixels=read.pixels)
    return clips


def tcav(
    model: VideoModel,
    *,
    target: str,
    clips: Clips,
    concepts: Mapping[str, Clips],
    random: Clips,
    layers: Sequence[str] | None = None,
    pooling: Pooling = "none",
    settings: AnalysisSettings | None = None,
) -> TcavResults:
    """Which concepts move the class `target`, at which layer, and how sure that is (Video-TCAV).

    Args:
        model: from `load_model`; handed back unchanged.
        target: the class, by name.
        clips: clips of that class.
        concepts: clips of each concept, by `name/kind` or by `name` alone (then `spatiotemporal`). Kinds of one
            concept are paired by position: clip i of `racket/frozen` is the twin of clip i of
            `racket/spatiotemporal`.
        random: the pool that random sets and pseudo-concepts are drawn from.
        layers: names of layers; the model's default ones when left out.
        pooling: which axes of an activation are averaged.
        settings: how CAVs are trained, tested and judged.

    Raises:
        NotEnoughData: fewer clips or draws than the tests can stand on; says the number needed.
        NumericalError: NaN or infinity in the model; names clip and layer.
    """
    groups = [*((None, each) for each in (*concepts.values(), random)), (target, clips)]
    measured = measure(
        model,
        [Batch(_names(each), each.pixels, class_name) for class_name, each in groups],
        classes=[target],
        layers=layers or model.card.default_layers,
        pooling=pooling,
    )
    rows, first = [], 0
    for name, each in concepts.items():
        concept, kind = _concept_and_kind(name)
        ids = tuple(str(position) for position in range(len(each)))
        rows.append(ConceptRows(concept=concept, kind=kind, ids=ids, clips=_rows(each, first)))
        first += len(each)
    results = analyse(
        measured.grams,
        concepts=rows,
        random=_rows(random, first),
        classes={target: _rows(clips, 0)},
        settings=settings,
    )
    return TcavResults(tuple(results))


def grad_cam(model: VideoModel, clips: Clips, *, target: str, layer: str | None = None) -> CamMaps:
    """Where and when the model looks for the class `target` in each clip (Grad-CAM), shown in Jupyter as a strip.

    `layer` is the deepest default layer that still has time, height and width when left out.
    """
    layer = layer or last_spatial_layer(model)
    maps, _ = class_maps(model, clips.pixels, layer=layer, classes=[model.class_index(target)])
    return CamMaps(clips=clips.records, maps=maps[0].cpu().numpy(), target=target, layer=layer)


def _concept_and_kind(name: str) -> tuple[str, Kind]:
    concept, _, kind = name.rpartition("/")
    if not concept:
        return name, "spatiotemporal"
    if kind not in KINDS:
        raise ConceptError(f"'{name}': a concept is named name/kind with a kind of {', '.join(KINDS)}")
    return concept, kind


def _names(clips: Clips) -> tuple[str, ...]:
    return tuple(str(record.video.path) for record in clips.records)


def _rows(clips: Clips, first: int) -> draws.Clips:
    sources = tuple(record.source or str(record.video.path) for record in clips.records)
    return draws.Clips(rows=np.arange(first, first + len(clips)), sources=sources)
