"""A study's clips as rows of the kernel: what is asked of which of them."""

from __future__ import annotations

import numpy as np

from videotcav.explain.cavs.gram import Floats
from videotcav.explain.design.design import ConceptRows, Design, Group
from videotcav.explain.design.draws import GramRows
from videotcav.explain.questions.contrast import ClipScores, Units
from videotcav.features.measure import ClipFile
from videotcav.study.file import StudyFile
from videotcav.study.inputs import Inputs
from videotcav.study.preregistration import hypotheses, needs


def study_design(study: StudyFile, inputs: Inputs, *, layers: int) -> Design:
    """What is asked of which clips, the rows of one kind of clips standing one after the other."""
    concepts, first_row = [], 0
    for concept in inputs.concepts:
        concepts.append(ConceptRows.of(concept, first_row=first_row))
        first_row += len(concept.clips)
    classes, first_class_row = {}, 0
    for name, files in inputs.classes.items():
        classes[name] = _rows(files, first_class_row)
        first_class_row += len(files)
    by_name = {concept.name: concept for concept in concepts}
    return Design(
        tuple(concepts),
        _rows(inputs.random, first_row),
        classes,
        layers=layers,
        settings=study.tests.model_copy(update={"seed": study.seed}),
        groups=tuple(Group(name, tuple(by_name[each] for each in members)) for name, members in inputs.groups),
        hypotheses=hypotheses(study),
        edits=tuple(
            (edit, target, name)
            for edit, target in (study.interventions.of(inputs.kinds) if study.interventions else ())
            for name in classes
        ),
        needs=needs(study),
        unseen=max(0, inputs.held_out.found - inputs.held_out.asked(inputs.concepts)),
        random_kinds=tuple(file.kind for file in inputs.random),
        matched={
            name: np.array([file.path in paths for file in inputs.random]) for name, paths in inputs.matched.items()
        },
    )


def pool_scores(scores: ClipScores, design: Design) -> Floats:
    """The score of each class of each video of the random pool, (video, class): its spread is the unit of effects."""
    return Units.of(scores.values[design.random.rows], design.random.sources).values


def _rows(files: tuple[ClipFile, ...], first: int) -> GramRows:
    """Clips that stand one after the other from row `first`."""
    return GramRows(rows=np.arange(first, first + len(files)), sources=tuple(file.source for file in files))
