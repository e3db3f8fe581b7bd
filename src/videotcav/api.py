"""The verbs of a notebook: load a model, read clips, see where it looks, ask which concepts move it."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import get_args

import numpy as np
from torch import Tensor, nn

from videotcav.compat.captum import CaptumConcept, captum_scores, clips_of
from videotcav.concepts.review.review import reviewed_sets
from videotcav.errors import ConceptError, HypothesisError, VideotcavError, VideotcavWarning, repeated, require_distinct
from videotcav.explain.design import draws
from videotcav.explain.design.design import ConceptRows, Design
from videotcav.explain.design.hypotheses import Hypothesis, outcome, parse, problems
from videotcav.explain.design.settings import AnalysisSettings
from videotcav.explain.questions.all import answers, refuse_untestable
from videotcav.features.measure import Batch, measure
from videotcav.maps import CamMaps, class_maps, empty_maps, last_spatial_layer, require_space
from videotcav.models.model import VideoModel
from videotcav.records import (
    KINDS,
    STATISTICS,
    TWINS,
    ClipSpec,
    Kind,
    Outcome,
    Pooling,
    Progress,
    Result,
    Statistic,
    silent,
)
from videotcav.results.table import results_html, results_table_text
from videotcav.video.clips import Clips, read_clips
from videotcav.video.sources import as_sources


@dataclass(frozen=True)
class TcavResults:
    """Rows of results that print as a table, in a terminal and in Jupyter.

    `ids` are captum's numbers of concepts, `outcomes` what became of each hypothesis, `unmoved` the share of the class
    clips, by layer, whose gradient meets no clip's activation: S = 0 for every concept.
    """

    results: tuple[Result, ...]
    ids: Mapping[str, int] = field(default_factory=dict)
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    unmoved: Mapping[str, float] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Result]:
        return iter(self.results)

    def __len__(self) -> int:
        return len(self.results)

    def as_captum(self) -> dict[str, dict[str, dict[str, Tensor]]]:
        """The scores as `captum.concept.TCAV.interpret` gives them, see `captum_scores`."""
        return captum_scores(self.results, self.ids, self.unmoved)

    def __repr__(self) -> str:
        return results_table_text(self.results)

    def _repr_html_(self) -> str:
        return results_html(self.results)


def read_concepts(
    folder: Path | str,
    spec: ClipSpec,
    *,
    sources: Mapping[Path | str, str] | Path | str | None = None,
    progress: Progress = silent,
) -> dict[str, Clips]:
    """The accepted concept sets of a folder as clips, by `concept/kind`; a twin has the order of its tracks.

    Clips count as in a study: what reviewers accepted, under the name that they gave it, and what was accepted unseen.
    `sources` says what the clips, or the videos that they were cut from, come from, as for `read_clips`.
    """
    clips = {}
    table = as_sources(sources)
    for concept in reviewed_sets(folder, sources=table).sets:
        read = read_clips([clip.path for clip in concept.clips], spec, fit="stretch", progress=progress)
        records = tuple(
            record.model_copy(update={"source": clip.source, "track": clip.id})
            for record, clip in zip(read.records, concept.clips, strict=True)
        )
        clips[concept.name] = Clips(records=records, pixels=read.pixels)
    for remark in table.remarks():
        warnings.warn(remark, VideotcavWarning, stacklevel=2)
    return clips


def tcav(
    model: VideoModel,
    *,
    target: str | int,
    clips: Clips,
    concepts: Mapping[str, Clips] | Sequence[CaptumConcept],
    random: Clips | CaptumConcept,
    layers: Sequence[str | nn.Module] | None = None,
    pooling: Pooling = "none",
    settings: AnalysisSettings | None = None,
    hypotheses: Sequence[str] = (),
    smallest_effect: float | None = None,
    primary: Statistic = "cosine",
) -> TcavResults:
    """Which concepts move the class `target`, at which layer, and how sure that is (Video-TCAV).

    Args:
        model: from `load_model`; handed back unchanged.
        target: the class, by name or index.
        clips: clips of that class.
        concepts: clips of each concept, by `name/kind` or by `name` alone (then `spatiotemporal`). Kinds of one
            concept are paired by their clips' `track`, or, where none have one, by position: clip i of `racket/frozen`
            is then the twin of clip i of `racket/spatiotemporal`, and there are as many. Or captum's `Concept`
            objects, whose loaders yield preprocessed clips.
        random: the pool that random sets and pseudo-concepts are drawn from; clips or a captum `Concept`.
        layers: names of layers, or the modules themselves; the model's default ones when left out.
        pooling: which axes of an activation are averaged.
        settings: how CAVs are trained, tested and judged.
        hypotheses: sentences as in a study file, such as "racket matters" or "racket: dynamic > frozen". Only what
            they ask for is tested as declared and corrected for; all else is exploratory.
        smallest_effect: what "nothing about racket matters" is about, in units of `primary`.
        primary: the statistic that hypotheses are decided by.

    Raises:
        HypothesisError: hypotheses that do not fit these concepts, layers and class; all of them are told.
        NotEnoughData: fewer clips or draws than the tests can stand on; says the number needed.
        NumericalError: NaN or infinity in the model; names clip and layer.
    """
    target = model.card.classes[model.class_index(target)]
    for what, given, known in (("pooling", pooling, get_args(Pooling)), ("primary", primary, STATISTICS)):
        if given not in known:
            raise VideotcavError(f"no {what} '{given}'; there are {', '.join(known)}")
    if not isinstance(random, Clips | CaptumConcept):
        raise ConceptError(f"random is the pool of clips that chance is measured by, not {type(random).__name__}")
    if isinstance(concepts, Mapping):
        named, numbers = dict(concepts), list(range(len(concepts)))
    else:
        own = [*concepts, *([random] if isinstance(random, CaptumConcept) else [])]
        for what, marks in (("id", [each.id for each in own]), ("name", [each.name for each in own])):
            if twice := repeated(marks):
                raise ConceptError(f"two of the concepts have the {what} {twice[0]!r}; give each one of its own")
        named, numbers = {each.name: clips_of(each) for each in concepts}, [each.id for each in concepts]
    numbered = {"/".join(_concept_and_kind(name)): number for name, number in zip(named, numbers, strict=True)}
    numbered["random"] = random.id if isinstance(random, CaptumConcept) else len(named)
    pool = clips_of(random) if isinstance(random, CaptumConcept) else random
    names = [model.layer_name(layer) for layer in layers or model.card.default_layers]
    require_distinct("layer", names)
    _refuse_other_shapes({target: clips, **named, "random": pool})
    pooled = frozenset(map(_digest, pool.pixels))
    _refuse_overlap(named, pooled)
    if both := _shared(clips, pooled):
        message = f"the random pool holds {both} of the {len(clips)} clips of the class “{target}”: take them out of it"
        warnings.warn(message, VideotcavWarning, stacklevel=2)
    rows, first = [], 0
    for name, each in named.items():
        concept, kind = _concept_and_kind(name)
        rows.append(ConceptRows(concept=concept, kind=kind, ids=_tracks(each), clips=_rows(each, first)))
        first += len(each)
    _refuse_pairs_that_nobody_can_tell(rows)
    design = Design(
        tuple(rows),
        _rows(pool, first),
        {target: _rows(clips, 0)},
        layers=len(names),
        settings=settings or AnalysisSettings(),
    )
    declared = _declared(hypotheses, design, names, smallest_effect)
    design = replace(design, hypotheses=declared)
    refuse_untestable(design)
    groups = [*((None, each) for each in (*named.values(), pool)), (target, clips)]
    measured = measure(
        model,
        [Batch(_names(each), each.pixels, class_name) for class_name, each in groups],
        classes=[target],
        layers=names,
        pooling=pooling,
    )
    results = answers(measured.grams, design, primary=primary)
    found = {
        each.text: outcome(each, [row.verdict for row in results if row.hypothesis == each.text]) for each in declared
    }
    unmoved = {layer: float((gram.cross == 0).all(axis=1).mean()) for layer, gram in measured.grams.items()}
    return TcavResults(tuple(results), numbered, found, unmoved)


def grad_cam(
    model: VideoModel,
    clips: Clips,
    *,
    target: str | int,
    layer: str | nn.Module | None = None,
    reshape_transform: Callable[[Tensor], Tensor] | None = None,
) -> CamMaps:
    """Where and when the model looks for the class `target` in each clip (Grad-CAM), shown in Jupyter as a strip.

    `layer` is the deepest default layer that still has time, height and width when left out. `reshape_transform` folds
    what the layer gives, as grad-cam takes it, where the model's card does not say the layout.
    """
    if reshape_transform is not None:
        model = replace(model, reshape_transform=reshape_transform)
    layer = last_spatial_layer(model) if layer is None else model.layer_name(layer)
    require_space(model, layer)
    index = model.class_index(target)
    target = model.card.classes[index]
    maps, _ = class_maps(model, clips.pixels, layer=layer, classes=[index])
    for remark in empty_maps(maps[0], target=target, layer=layer):
        warnings.warn(remark, VideotcavWarning, stacklevel=2)
    return CamMaps(clips=clips.records, maps=maps[0].cpu().numpy(), target=target, layer=layer)


def _concept_and_kind(name: str) -> tuple[str, Kind]:
    concept, _, kind = name.rpartition("/")
    if not concept:
        return name, "spatiotemporal"
    if kind not in KINDS:
        raise ConceptError(f"'{name}': a concept is named name/kind with a kind of {', '.join(KINDS)}")
    return concept, kind


def _declared(
    texts: Sequence[str], design: Design, layers: Sequence[str], smallest_effect: float | None
) -> tuple[Hypothesis, ...]:
    """The hypotheses that the sentences state. Raises HypothesisError with all that is wrong with them."""
    read: list[Hypothesis] = []
    wrong: list[str] = []
    for text in texts:
        try:
            read.append(parse(text, smallest_effect=smallest_effect))
        except ValueError as error:
            wrong.append(str(error))
    wrong += [sentence for _, sentence in problems(read, design.kinds, classes=design.classes)]
    for each in read:
        if each.layer not in (None, *layers):
            wrong.append(f"'{each.text}': the layers that are asked are {', '.join(layers)}")
        if each.claim == "negligible" and smallest_effect is None:
            wrong.append(f"'{each.text}' needs smallest_effect: the smallest effect that would be of interest")
    if wrong:
        raise HypothesisError("; ".join(wrong))
    return tuple(read)


def _refuse_other_shapes(groups: Mapping[str, Clips]) -> None:
    """Raises ConceptError where clips are of several shapes, so that their activations cannot be compared."""
    shapes = {name: tuple(clips.pixels.shape[1:]) for name, clips in groups.items()}
    first = next(iter(shapes))
    for name, shape in shapes.items():
        if shape != shapes[first]:
            raise ConceptError(
                f"clips of '{name}' are {shape} (channel time height width), those of '{first}' {shapes[first]}; "
                "read all by one clip spec"
            )


def _refuse_overlap(concepts: Mapping[str, Clips], pool: frozenset[bytes]) -> None:
    """Raises ConceptError where the pool holds clips of a concept, so that the concept would be told from itself."""
    for name, clips in concepts.items():
        if both := _shared(clips, pool):
            raise ConceptError(f"the random pool holds {both} of the {len(clips)} clips of '{name}'; take them out")


def _shared(clips: Clips, pool: frozenset[bytes]) -> int:
    """How many of the clips are in the pool, to the bit, by the digests of its clips."""
    return sum(_digest(pixels) in pool for pixels in clips.pixels)


def _digest(pixels: Tensor) -> bytes:
    return hashlib.blake2b(pixels.contiguous().numpy(force=True).tobytes(), digest_size=16).digest()


def _tracks(clips: Clips) -> tuple[str, ...]:
    """What each clip shows: its track, or its place where none has one."""
    tracks = [record.track for record in clips.records]
    return tuple(tracks) if all(tracks) else tuple(map(str, range(len(clips))))


def _refuse_pairs_that_nobody_can_tell(concepts: Sequence[ConceptRows]) -> None:
    """Raises ConceptError where twins have no tracks and are not as many: nobody knows which belongs to which."""
    without_tracks = [each for each in concepts if each.ids == tuple(map(str, range(len(each.ids))))]
    for each in without_tracks:
        for twin in without_tracks:
            paired = each.concept == twin.concept and each.kind == "spatiotemporal" and twin.kind in TWINS
            if paired and len(each.ids) != len(twin.ids):
                raise ConceptError(
                    f"'{each.name}' has {len(each.ids)} clips and '{twin.name}' {len(twin.ids)}, and their records "
                    "name no track: nobody can tell which is the twin of which; leave out the same clips of both"
                )


def _names(clips: Clips) -> tuple[str, ...]:
    return tuple(str(record.video.path) for record in clips.records)


def _rows(clips: Clips, first: int) -> draws.Clips:
    sources = tuple(record.source or str(record.video.path) for record in clips.records)
    return draws.Clips(rows=np.arange(first, first + len(clips)), sources=sources)
