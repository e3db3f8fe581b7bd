"""A study of clips in memory: which concepts move which class, asked from a notebook."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
from torch import Tensor, nn

from videotcav.compat.captum import CaptumConcept, clips_of
from videotcav.engine.local import Engine, here
from videotcav.engine.store import Store
from videotcav.errors import (
    ArgumentError,
    ConceptError,
    ConceptNotFound,
    HypothesisError,
    NotEnoughData,
    VideotcavWarning,
    closest,
    repeated,
    require_distinct,
)
from videotcav.explain.design import draws
from videotcav.explain.design.design import ConceptRows, Design, Group
from videotcav.explain.design.hypotheses import NOTHING_AT_A_LAYER, Hypothesis, outcome, parse, problems
from videotcav.explain.design.settings import AnalysisSettings, unread
from videotcav.explain.questions.all import answers, refuse_untestable
from videotcav.features.measure import DEFAULT_MEMORY_BYTES, Batch, HeldClips, measure, pixels_digest
from videotcav.models.class_score import asked_score
from videotcav.models.model import VideoModel
from videotcav.records import (
    KINDS,
    STATISTICS,
    TWINS,
    Kind,
    Pooling,
    Progress,
    ScoreName,
    Statistic,
    silent,
)
from videotcav.study.inputs import grouped
from videotcav.study.tcav_results import TcavResults
from videotcav.video.clips import Clips


def tcav(
    model: VideoModel,
    *,
    clips: Clips | Mapping[str, Clips],
    target: str | int | None = None,
    concepts: Mapping[str, Clips] | Sequence[CaptumConcept],
    random: Clips | CaptumConcept,
    groups: Mapping[str, Sequence[str]] | None = None,
    layers: Sequence[str | nn.Module] | None = None,
    pooling: Pooling = "none",
    settings: AnalysisSettings | None = None,
    score: ScoreName | Callable[[Tensor], Tensor] | None = None,
    hypotheses: Sequence[str] = (),
    primary: Statistic | None = None,
    store: Path | str | None = None,
    memory_bytes: int = DEFAULT_MEMORY_BYTES,
    batch_size: int | None = None,
    engine: Engine = here,
    progress: Progress = silent,
) -> TcavResults:
    """Which concepts move which class, at which layer, and how sure that is (Video-TCAV).

    Args:
        model: from `load_model`; handed back unchanged.
        clips: clips of the class `target`; or those of several classes, by their names, and no `target`.
        target: the class, by name or index; or "a - b", the class a held against the class b.
        concepts: clips of each concept, by `name/kind` or by `name` alone (then `spatiotemporal`). Kinds of one
            concept are paired by their clips' `track`, or, where none have one, by position: clip i of `racket/frozen`
            is then the twin of clip i of `racket/spatiotemporal`, and there are as many. Or captum's `Concept`
            objects, whose loaders yield preprocessed clips.
        random: the pool that random sets and pseudo-concepts are drawn from; clips or a captum `Concept`.
        groups: concepts that are also to be told from each other, by a name for each group: names as in `concepts`,
            or of concepts alone, then kind by kind (`relative` scores).
        layers: names of layers, or the modules themselves; the model's default ones when left out.
        pooling: which axes of an activation are averaged.
        settings: how concepts are tested and judged.
        score: what a class is asked by: its logit above the mean of all where the head is a softmax, otherwise its
            logit; another by name, or a function of the logits `clip class` that gives one number a clip.
        hypotheses: sentences as in a study file, such as "racket pushes swing" or "racket: moving > frozen". Only what
            they ask for is tested as declared and corrected for; all else is exploratory.
        primary: the statistic that hypotheses about classic scores are decided by; cosine when left out.
        store: a folder or URL where what the passes produce is kept for other questions.
        memory_bytes: what inner products may take beside the model; the rest lies in files.
        batch_size: clips of a pass; see `videotcav.features.measure.measure`.
        engine: where passes run and rows are multiplied.
        progress: shows how far the passes are.

    Raises:
        ConceptError: sets, groups or classes that do not fit each other.
        HypothesisError: hypotheses that do not fit these concepts, layers and class; all of them are told.
        NotEnoughData: fewer clips or draws than the tests can stand on; says the number needed.
        NumericalError: NaN or infinity in the model; names clip and layer.
    """
    settings = settings or AnalysisSettings()
    _refuse_unknown(pooling, primary, score, settings)
    _refuse_unread(settings, groups=bool(groups))
    target, asked_by = asked_score(model, target, score, classic=settings.scores == "classic")
    asked = _classes(model, clips, target)
    if not isinstance(random, Clips | CaptumConcept):
        raise ArgumentError(f"random is the pool of clips that chance is measured by, not {type(random).__name__}")
    if isinstance(concepts, Mapping):
        named, numbers = dict(concepts), list(range(len(concepts)))
    else:
        own = [*concepts, *([random] if isinstance(random, CaptumConcept) else [])]
        for what, marks in (("id", [each.id for each in own]), ("name", [each.name for each in own])):
            if twice := repeated(marks):
                raise ConceptError(f"two of the concepts have the {what} {twice[0]!r}; give each one of its own")
        named, numbers = {each.name: clips_of(each) for each in concepts}, [each.id for each in concepts]
    numbered = {"/".join(concept_and_kind(name)): number for name, number in zip(named, numbers, strict=True)}
    numbered["random"] = random.id if isinstance(random, CaptumConcept) else len(named)
    pool = clips_of(random) if isinstance(random, CaptumConcept) else random
    names = [model.layer_name(layer) for layer in layers or model.card.default_layers]
    require_distinct("layer", names)
    _refuse_other_shapes({**asked, **named, "random": pool})
    pooled = frozenset(map(pixels_digest, pool.pixels))
    _refuse_overlap(named, pooled)
    for name, each in asked.items():
        if both := _shared(each, pooled):
            message = (
                f"the random pool holds {both} of the {len(each)} clips of the class “{name}”: take them out of it"
            )
            warnings.warn(message, VideotcavWarning, stacklevel=2)
    rows, first = [], 0
    for name, each in named.items():
        concept, kind = concept_and_kind(name)
        rows.append(ConceptRows(concept=concept, kind=kind, ids=_tracks(each), clips=_rows(each, first)))
        first += len(each)
    _refuse_pairs_that_nobody_can_tell(rows)
    ends = np.cumsum([len(each) for each in asked.values()]).tolist()
    design = Design(
        tuple(rows),
        _rows(pool, first),
        {name: _rows(each, end - len(each)) for (name, each), end in zip(asked.items(), ends, strict=True)},
        layers=len(names),
        settings=settings,
        groups=_groups(groups or {}, rows),
    )
    declared = _declared(hypotheses, design, names)
    design = replace(design, hypotheses=declared)
    refuse_untestable(design)
    batches = [(None, each) for each in (*named.values(), pool)], asked.items()
    source = HeldClips(Batch(_names(each), each.pixels, name) for part in batches for name, each in part)
    source.progress = progress
    measured = measure(
        model,
        source,
        classes=tuple(asked),
        layers=names,
        pooling=pooling,
        score=asked_by,
        store=None if store is None else Store(store),
        memory_bytes=memory_bytes,
        batch_size=batch_size,
        engine=engine,
        kernel=design.trains_cavs,
        gradients=design.trains_cavs,
    )
    scores = measured.scores(model, asked_by)
    results = answers(measured.grams, design, scores=scores, primary=primary or "cosine")
    found = {
        each.text: outcome(each, [row.verdict for row in results if row.hypothesis == each.text]) for each in declared
    }
    unmoved = {layer: float((gram.cross == 0).all(axis=1).mean()) for layer, gram in measured.grams.items()}
    return TcavResults(tuple(results), numbered, found, unmoved)


def _refuse_unknown(pooling: object, primary: object, score: object, settings: AnalysisSettings) -> None:
    for what, given, known in (
        ("pooling", pooling, get_args(Pooling)),
        ("primary", primary, (None, *STATISTICS)),
        ("score", None if callable(score) else score, (None, *get_args(ScoreName))),
    ):
        if given not in known:
            raise ArgumentError(f"no {what} '{given}'; there are {', '.join(filter(None, known))}")
    if primary is not None and settings.scores != "classic":
        raise ArgumentError(
            f"primary '{primary}' is a classic score: leave it out, since contrast decides, or give "
            'settings=AnalysisSettings(scores="classic")'
        )


def _refuse_unread(settings: AnalysisSettings, *, groups: bool) -> None:
    given = settings.model_dump(exclude_unset=True, exclude_none=True)
    if found := [f"{name}: {cure}" for name, cure in unread(given, scores=settings.scores, groups=groups)]:
        raise ArgumentError("; ".join(found))


def _classes(model: VideoModel, clips: Clips | Mapping[str, Clips], target: str | int | None) -> dict[str, Clips]:
    """The clips of each class by the model's own name for it. Raises ConceptError where it is not said which class."""
    if isinstance(clips, Clips):
        if target is None:
            raise ArgumentError("clips are of one class: say which as target, or give clips by the names of classes")
        return {model.card.classes[model.class_index(target)]: clips}
    if target is not None or not clips:
        raise ArgumentError("clips by the names of classes say which classes are asked: name one, and leave target out")
    names = [model.card.classes[model.class_index(name)] for name in clips]
    require_distinct("class", names)
    return dict(zip(names, clips.values(), strict=True))


def _groups(groups: Mapping[str, Sequence[str]], concepts: Sequence[ConceptRows]) -> tuple[Group, ...]:
    """The groups with their sets. Raises ConceptError for a name that no concept has, or a group of one."""
    by_name = {each.name: each for each in concepts}
    known = {*by_name, *(each.concept for each in concepts)}
    for name, members in groups.items():
        require_distinct(f"in the group '{name}',", members)
        if strange := [member for member in members if member not in known]:
            near = closest(strange[0], known) or ", ".join(sorted(known))
            raise ConceptNotFound(f"group '{name}': there is no concept '{strange[0]}'; closest: {near}")
    found = grouped(groups, by_name)
    if lonely := groups.keys() - {name for name, _ in found}:
        raise NotEnoughData(f"group '{min(lonely)}' has fewer than two sets of one kind; name two concepts at least")
    return tuple(Group(name, tuple(by_name[each] for each in members)) for name, members in found)


def concept_and_kind(name: str) -> tuple[str, Kind]:
    """What `name/kind` names; a name alone is that of moving clips. Raises ArgumentError."""
    concept, _, kind = name.rpartition("/")
    if not concept:
        return name, "spatiotemporal"
    if kind not in KINDS:
        raise ArgumentError(f"'{name}': a concept is named name/kind with a kind of {', '.join(KINDS)}")
    return concept, kind


def _declared(texts: Sequence[str], design: Design, layers: Sequence[str]) -> tuple[Hypothesis, ...]:
    """The hypotheses that the sentences state. Raises HypothesisError with all that is wrong with them."""
    settings = design.settings
    margin = settings.margin if design.asks_contrast else settings.equivalence_margin
    read: list[Hypothesis] = []
    wrong: list[str] = []
    for text in texts:
        try:
            read.append(parse(text, equivalence_margin=margin, classes=design.classes))
        except ValueError as error:
            wrong.append(str(error))
    wrong += [sentence for _, sentence in problems(read, design.kinds, classes=design.classes)]
    for each in read:
        if each.layer not in (None, *layers):
            wrong.append(f"'{each.text}': the layers that are asked are {', '.join(layers)}")
        if each.claim == "negligible" and margin is None:
            wrong.append(f"'{each.text}' needs equivalence_margin in the settings: below which nothing is of interest")
        if each.claim == "negligible" and each.layer is not None and design.asks_contrast:
            wrong.append(f"'{each.text}': {NOTHING_AT_A_LAYER}")
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


def _refuse_overlap(concepts: Mapping[str, Clips], pool: frozenset[str]) -> None:
    """Raises ConceptError where the pool holds clips of a concept, so that the concept would be told from itself."""
    for name, clips in concepts.items():
        if both := _shared(clips, pool):
            raise ConceptError(f"the random pool holds {both} of the {len(clips)} clips of '{name}'; take them out")


def _shared(clips: Clips, pool: frozenset[str]) -> int:
    """How many of the clips are in the pool, to the bit, by the digests of its clips."""
    return sum(pixels_digest(pixels) in pool for pixels in clips.pixels)


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


def _rows(clips: Clips, first: int) -> draws.GramRows:
    sources = tuple(record.source or str(record.video.path) for record in clips.records)
    return draws.GramRows(rows=np.arange(first, first + len(clips)), sources=sources)
