"""Scores that are made by hand: sets of clips in one class, and layers whose readouts are what we say they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from videotcav.explain.cavs.gram import Gram
from videotcav.explain.design.design import ConceptRows, Design
from videotcav.explain.design.draws import GramRows
from videotcav.explain.design.hypotheses import parse
from videotcav.explain.design.settings import AnalysisSettings
from videotcav.explain.questions.all import answers
from videotcav.explain.questions.contrast import ClipScores
from videotcav.records import Kind, Result


@dataclass
class Planted:
    """Scores of sets of clips in one class, and layers whose readouts are what we say they are."""

    scores: list[float]
    layers: Mapping[str, list[float]]
    sets: list[ConceptRows]

    @classmethod
    def empty(cls, *layers: str) -> Planted:
        return cls([], {layer: [] for layer in layers}, [])

    def add(
        self,
        name: str,
        scores: Sequence[float],
        *,
        kind: Kind = "spatial",
        sources: Sequence[str] = (),
        ids: Sequence[str] = (),
        **readouts: Sequence[float],
    ) -> None:
        first, n = len(self.scores), len(scores)
        self.scores += map(float, scores)
        for layer, readout in self.layers.items():
            readout.extend(map(float, readouts.get(layer, scores)))
        sources = tuple(sources) or tuple(f"{name} {number}" for number in range(n))
        names = tuple(ids) or tuple(map(str, range(n)))
        self.sets.append(ConceptRows(name, kind, names, GramRows(np.arange(first, first + n), sources)))

    def asked(self, *hypotheses: str, settings: AnalysisSettings | None = None) -> list[Result]:
        """The answers, the last set being the pool; the gradient at both class clips is the readout itself."""
        *concepts, pool = self.sets
        design = Design(
            tuple(concepts),
            pool.clips,
            {"swing": GramRows(np.arange(2), ("a", "b"))},
            layers=len(self.layers),
            settings=settings or AnalysisSettings(),
            hypotheses=tuple(parse(text, equivalence_margin=0.3) for text in hypotheses),
        )
        values = np.array(self.scores)[:, None]
        grams = {
            layer: Gram(np.eye(len(values)), np.stack([np.array(readout)] * 2), np.ones((2, 2)))
            for layer, readout in self.layers.items()
        }
        return answers(grams, design, scores=ClipScores(values, values > 1))


def normal(n: int, mean: float = 0.0, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, 1, n)


def row(rows: Sequence[Result], concept: str, *, layer: str = "", against: str = "random", kind: str = "") -> Result:
    [found] = [
        each
        for each in rows
        if (each.concept, each.layer, each.against) == (concept, layer, against) and kind in ("", each.kind)
    ]
    return found
