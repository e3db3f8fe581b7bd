"""Verdicts on generated clips: whether they are on the concept, or on what tells a generator from a camera.

The direction between the generated and the real clips of one concept is held against the concept's own, in what both do
to the score, or to a layer's readout of it: where the gap between the two domains is the larger, it wins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from videotcav.explain.cavs.gram import Gram
from videotcav.explain.design.design import Design
from videotcav.explain.design.draws import Flags
from videotcav.explain.questions.contrast import ClipScores, Readouts, Sides, sides
from videotcav.records import Against, Origin, Result


def with_origins(
    results: Sequence[Result],
    grams: Mapping[str, Gram],
    design: Design,
    scores: ClipScores,
    generated: Mapping[str, Sequence[bool]],
) -> list[Result]:
    """The results, each with the origin of its concept's clips; `generated` says it of every clip of each set.

    Of a comparison of two concepts nothing more is asked than whether its first one has generated clips.
    """
    some = {name: bool(any(flags)) + bool(all(flags)) for name, flags in generated.items()}
    if not any(some.values()):
        return [*results]
    readouts = Readouts.of(scores, grams, design.classes)
    asked: dict[tuple[str, Against], Sides] = {
        (each.of.name, each.against): each for each in sides(readouts, design) if each.against != "concept"
    }

    def origin(row: Result) -> Origin:
        name = f"{row.concept}/{row.kind}"
        if some.get(name, 0) != 1:
            return "synthetic" if some.get(name) else ""
        question = asked.get((name, row.against))
        layer = row.layer if (row.layer, row.class_name) in readouts.columns else ""
        column = readouts.column(layer, row.class_name)
        wins = question is not None and gap_wins(question, np.array(generated[name], dtype=np.bool_), column)
        return "synthetic, domain gap" if wins else "partly synthetic"

    return [row.model_copy(update={"origin": origin(row)}) for row in results]


def gap_wins(question: Sides, generated: Flags, column: int) -> bool:
    """Whether generated and real videos of the concept are farther apart than the concept is from what it is held
    against; a source is generated where one of its clips is.
    """
    sources = question.of.clips.sources
    made = {source for source, flag in zip(sources, generated, strict=True) if flag}
    flags = np.array([source in made for source in dict.fromkeys(sources)], dtype=np.bool_)
    if flags.all():
        return False
    values = question.first[:, column]
    own = values.mean() - (0.0 if question.second is None else question.second[:, column].mean())
    return bool(abs(values[flags].mean() - values[~flags].mean()) > abs(own))
