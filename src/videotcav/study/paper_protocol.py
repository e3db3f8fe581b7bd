"""The published protocol: what it fixes, and where a user's own study departs from it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace

from videotcav.concepts.folder import ClipRecord
from videotcav.errors import LayerNotFound, NotEnoughData, StudyFileError, closest
from videotcav.records import Kind
from videotcav.results.paper_facts import DYNAMIC, STATIC
from videotcav.study.inputs import Inputs
from videotcav.study.run import Study

RANDOM_SETS = 10
ALPHA = 0.05
POOLED = "avgpool"
KINDS: tuple[Kind, ...] = ("spatial", "spatiotemporal")
CLIPS_A_CONCEPT = range(25, 31)
CLASS_CLIPS = 30


def paper_study(study: Study, inputs: Inputs, *, class_name: str | None) -> Study:
    """The same study under the protocol: its class, layers, kinds, groups, tests and correction.

    The classifier, its penalty and the seed stay the study's own: the paper does not name them.
    """
    name = the_class(study, class_name)
    text = study.file.study
    tests = text.tests.model_copy(update={"random_draws": RANDOM_SETS, "alpha": ALPHA, "correction": "bonferroni"})
    changed = text.model_copy(
        update={
            "classes": {name: text.classes[name]},
            "layers": paper_layers(study),
            "primary": "sign_count",
            "hypotheses": (),
            "concepts": text.concepts.model_copy(update={"kinds": KINDS}),
            "groups": paper_groups(inputs),
            "tests": tests,
            "cam": None,
        }
    )
    return replace(study, file=study.file.model_copy(update={"study": changed}))


def the_class(study: Study, asked: str | None) -> str:
    """The one class that the figures are about."""
    known = list(study.file.study.classes)
    if asked is None and len(known) == 1:
        return known[0]
    if asked in known:
        return asked
    if asked is None:
        raise StudyFileError(
            study.file.path, [f"classes: paper mode is about one of {', '.join(known)}; name it: --class"]
        )
    raise StudyFileError(
        study.file.path, [f"classes: there is no '{asked}'; closest: {closest(asked, known) or ', '.join(known)}"]
    )


def paper_layers(study: Study) -> tuple[str, ...]:
    """The two stages before the last one, and the pooled feature between the last stage and the logits.

    Where the model's card does not tell which those are: the three layers that the study names.
    Raises LayerNotFound where it does not name three either.
    """
    model, stages = study.model, study.model.card.default_layers
    try:
        model.layer(POOLED)
    except LayerNotFound:
        stages = ()
    if len(stages) < 3:  # noqa: PLR2004 - the protocol's three layers
        if len(study.file.study.layers) == 3:  # noqa: PLR2004 - as above
            return study.file.study.layers
        raise LayerNotFound(
            f"the protocol reads two stages and the pooled feature, and {model.name} does not say which those are; "
            f"name three layers in the study file, as layers = [...]; list them: videotcav layers {model.name}"
        )
    return (stages[-3], stages[-2], POOLED)


def paper_groups(inputs: Inputs) -> dict[str, tuple[str, ...]]:
    """Static concepts against each other, dynamic ones against each other, and the two kinds of each concept."""
    there = {each.name for each in inputs.concepts}
    concepts = list(dict.fromkeys(each.concept for each in inputs.concepts))
    groups = {
        STATIC: tuple(f"{concept}/spatial" for concept in concepts),
        DYNAMIC: tuple(f"{concept}/spatiotemporal" for concept in concepts),
        **{concept: (f"{concept}/spatial", f"{concept}/spatiotemporal") for concept in concepts},
    }
    kept = {name: tuple(member for member in members if member in there) for name, members in groups.items()}
    return {name: members for name, members in kept.items() if len(members) > 1}


def departures(study: Study, inputs: Inputs, records: Sequence[ClipRecord], *, class_name: str) -> Iterator[str]:
    """Where what was asked differs from what was published, in sentences."""
    layers = paper_layers(study)
    if POOLED not in layers:
        yield f"The layers are those that the study names: {', '.join(layers)}."
    clips = len(inputs.classes[class_name])
    if clips != CLASS_CLIPS:
        yield f"{clips} clips of the class, not {CLASS_CLIPS}."
    sizes = {each.name: len(each.clips) for each in inputs.concepts if each.kind in KINDS}
    outside = [f"{name} has {size}" for name, size in sizes.items() if size not in CLIPS_A_CONCEPT]
    if outside:
        yield f"A concept had 25 to 30 clips; here {', '.join(outside)}. A random set is as large as its concept."
    if not records:
        yield "Nothing says how the concept clips were cut: their folder has no metadata.jsonl."
    modes = {json.loads(record.recipe).get("mode") for record in records if record.recipe.startswith("{")} - {"paper"}
    if modes:
        yield (
            f"Concept clips were cut in mode {' and '.join(sorted(map(str, modes)))}, not in the paper's: cut them "
            "with videotcav concepts propose --mode paper."
        )
    unseen = sorted({each.concept for each in inputs.concepts} - set(inputs.reviews))
    if unseen:
        yield f"Every crop was verified by hand; here nobody looked through {', '.join(unseen)}."
    yield f"CAVs are {study.file.study.tests.classifier}; the paper does not name its classifier."


def refuse_too_little(inputs: Inputs) -> None:
    """Nothing where the protocol has at least one of its two kinds.

    Raises NotEnoughData with what to do.
    """
    if not any(each.kind in KINDS for each in inputs.concepts):
        raise NotEnoughData(
            "paper mode needs spatial or spatiotemporal clips, and the study has neither; cut them with: "
            "videotcav concepts propose --mode paper"
        )
