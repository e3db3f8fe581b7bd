"""Films in, inner products out: all that one model's part of the proof reads of the network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from validation.proof.concepts import CLIPS, CONCEPTS, Concept, pixels, planted, tied
from validation.proof.world import RULES, Film, sample
from videotcav.explain.cavs.gram import Gram, gram
from videotcav.explain.design.design import ConceptRows
from videotcav.explain.design.draws import GramRows
from videotcav.models.model import VideoModel
from videotcav.models.passes import features, gradients

LAYERS = ("second", "third", "head.1")
"""After the second and third convolution (8 192 and 4 096 numbers a clip), and their mean over space and time (64)."""

POOL, BANK, PLANTED_BANK, CLASS_CLIPS, CLASS_BANK = 120, 400, 120, 30, 120
_BATCH, _COLUMNS = 64, 2048

_Rows = Sequence[Mapping[str, torch.Tensor]]


@dataclass(frozen=True)
class Inventory:
    """Which rows of the kernel, and of the gradients, are what.

    `bank` are films of the random pool: its first `POOL` are the random clips of the study, sets drawn from it are
    true nulls. `planted_bank` are films of the first class's planted concept, and that class has more clips.
    """

    grams: Mapping[str, Gram]
    concepts: Mapping[str, Concept]
    sets: Mapping[str, ConceptRows]
    twins: Mapping[str, ConceptRows]
    bank: np.ndarray
    planted_bank: np.ndarray
    classes: Mapping[str, np.ndarray]
    natural: tuple[Film, ...]


def clips(rows: np.ndarray) -> GramRows:
    """Rows as clips of which each comes from a source of its own."""
    return GramRows(rows, tuple(map(str, rows.tolist())))


@dataclass
class _Shelf:
    """Films put down one after the other, remembered by their rows."""

    films: list[Film] = field(default_factory=list)

    def put(self, films: Sequence[Film]) -> np.ndarray:
        first = len(self.films)
        self.films += films
        return np.arange(first, len(self.films))


def take_inventory(model: VideoModel, rule: str, *, seed: int) -> Inventory:
    """All films of one model's part, rendered, and their inner products at every layer."""
    rng = np.random.default_rng([seed, 2])
    shelf = _Shelf()
    bank = shelf.put([sample(rng) for _ in range(BANK)])
    natural = tuple(shelf.films)
    names = model.card.classes
    asked = [*CONCEPTS, *(planted(rule, name) for name in names)]
    asked += [concept for name in names if (concept := tied(rule, name)) is not None]
    sets, twins = {}, {}
    for concept in asked:
        films = concept.films(CLIPS, rng=rng)
        ids = tuple(map(str, range(CLIPS)))
        own = clips(shelf.put(films))
        sets[concept.name] = ConceptRows(concept.name, "spatiotemporal", ids, own)
        if concept.twin is not None:
            rows = shelf.put([concept.twin_of(film) for film in films])
            twins[concept.name] = ConceptRows(concept.name, concept.twin, ids, GramRows(rows, own.sources))
    planted_bank = shelf.put(planted(rule, names[0]).films(PLANTED_BANK, rng=rng))
    of_class = {
        name: [sample(rng, RULES[rule], name) for _ in range(CLASS_BANK if name == names[0] else CLASS_CLIPS)]
        for name in names
    }
    ends = np.cumsum([0, *map(len, of_class.values())])
    activations = [features(model, pixels(part), LAYERS) for part in _parts(shelf.films)]
    slopes = [
        gradients(model, pixels(part), LAYERS, (index,)).gradients[index]
        for index, films in enumerate(of_class.values())
        for part in _parts(films)
    ]
    return Inventory(
        grams={layer: _gram(activations, slopes, layer) for layer in LAYERS},
        concepts={concept.name: concept for concept in asked},
        sets=sets,
        twins=twins,
        bank=bank,
        planted_bank=planted_bank,
        classes={name: np.arange(ends[at], ends[at + 1]) for at, name in enumerate(names)},
        natural=natural,
    )


def _gram(
    activations: Sequence[Mapping[str, torch.Tensor]], slopes: Sequence[Mapping[str, torch.Tensor]], layer: str
) -> Gram:
    X, G = (torch.cat([part[layer] for part in parts]).numpy() for parts in (activations, slopes))
    starts = range(0, X.shape[1], _COLUMNS)
    return gram(((X[:, at : at + _COLUMNS], G[:, at : at + _COLUMNS]) for at in starts), layer=layer)


def _parts(films: Sequence[Film]) -> list[Sequence[Film]]:
    return [films[start : start + _BATCH] for start in range(0, len(films), _BATCH)]
