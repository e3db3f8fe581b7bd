"""One network's part of the proof of contrast and shift: every concept beside what an intervention does to its score.

The score is the centred logit. The truth is interventional: one factor of 256 natural films is forced, or the motion of
256 films of the concept taken away, and the mean change of the score is told in its standard deviations over natural
films. Everything is counted as it is asked of a study: source videos, relabellings, corrections.
"""

from __future__ import annotations

import ast
import hashlib
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from validation.proof import concepts, evaluate, world
from validation.proof.concepts import CLIPS, CONCEPTS, Concept, pixels, planted, tied
from validation.proof.training import LAYERS, NETWORKS, Job, trained
from validation.proof.world import RULES, Film, sample
from videotcav.explain.inference import interval_null
from videotcav.explain.inference.interval_null import Effects, Margins, against_pool, within_pairs
from videotcav.explain.inference.multiplicity import correct
from videotcav.models.class_score import CENTRED
from videotcav.models.model import VideoModel
from videotcav.models.passes import forward, gradients

TRUTH, NATURAL, POOL, CLASS_CLIPS = 256, 1400, 120, 30
FEW = 10
"""Clips of the smaller sets."""
NULL_SETS, STUDIES = 20, 40
SHARES = (0.5, 0.8)
"""Of a confounded concept's clips that carry the class's own factor."""
CONFOUNDED = ("tint 0", "tint 4", "patch 0", "patch 4", "stripes 0")
TWINS = ("motion", "distractor", "distractor alone", "planted")
COMPANY = ("ball passes", "tint 0", "patch 0", "stripes 0")
"""Concepts that stand beside the planted one in the study whose whole family is corrected."""
DRAWS = 1999
MOST_CLASSES = 4
"""Of a network, that are asked about a confounded concept."""
MARGINS = Margins()

Row = dict[str, Any]


@dataclass(frozen=True)
class Scores:
    """Of some films: the logits (film, class), and the columns of a study, first the score of each class, then each
    layer's readout of it.
    """

    logits: np.ndarray
    columns: np.ndarray

    def __getitem__(self, rows: Any) -> Scores:
        return Scores(self.logits[rows], self.columns[rows])


class Asked:
    """A network that scores films, its readouts taken at clips of each class."""

    def __init__(self, model: VideoModel, job: Job) -> None:
        self.model, self.rule = model, job.rule
        self.classes, self.layers = model.card.classes, LAYERS[job.architecture]
        rng = np.random.default_rng([job.seed, 20])
        self.class_films = {
            name: [sample(rng, RULES[job.rule], name) for _ in range(CLASS_CLIPS)] for name in self.classes
        }
        slopes = []
        for index, films in enumerate(self.class_films.values()):
            found = gradients(model, pixels(films), self.layers, (index,), score=CENTRED).gradients[index]
            slopes.append({layer: rows.double().mean(dim=0) for layer, rows in found.items()})
        self.readouts = {layer: torch.stack([each[layer] for each in slopes], dim=1) for layer in self.layers}

    def scores(self, films: Sequence[Film]) -> Scores:
        """The scores of these films."""
        logits, columns = [], []
        for start in range(0, len(films), 64):
            found = self._passed(films[start : start + 64])
            logits.append(found.logits)
            columns.append(found.columns)
        return Scores(np.concatenate(logits), np.concatenate(columns))

    def _passed(self, films: Sequence[Film]) -> Scores:
        passed = forward(self.model, pixels(films), self.layers)
        logits = passed.logits.double()
        centred = logits - logits.mean(dim=1, keepdim=True)
        readouts = [passed.activations[layer].double() @ self.readouts[layer] for layer in self.layers]
        return Scores(logits.numpy(), torch.cat([centred, *readouts], dim=1).numpy())

    @property
    def places(self) -> list[tuple[str, str]]:
        """Layer and class of each column; the score's own layer is empty."""
        return [(layer, name) for layer in ("", *self.layers) for name in self.classes]

    def told(self, effects: Effects, **said: Any) -> list[Row]:
        """A row a column."""
        return [
            {
                **said,
                "layer": layer,
                "class": name,
                "effect": float(effects.effect[place]),
                "low": float(effects.low[place]),
                "high": float(effects.high[place]),
                "p": float(effects.p[place]),
                "p_t": float(effects.p_t[place]),
            }
            for place, (layer, name) in enumerate(self.places)
        ]


def facts(model: VideoModel, job: Job) -> dict[str, Any]:
    """Everything that is counted of one network."""
    asked = Asked(model, job)
    rng = np.random.default_rng([job.seed, 21])
    concepts = _concepts(job.rule, asked.classes)
    films = [sample(rng) for _ in range(NATURAL)]
    natural = asked.scores(films)
    truths = _truths(asked, concepts, films, natural, rng)
    accuracy = evaluate.accuracy_of(model, job)
    found: dict[str, Any] = {
        "rule": job.rule,
        "seed": job.seed,
        "architecture": job.architecture,
        "classes": list(asked.classes),
        "accuracy": accuracy,
        "learned": evaluate.learned(job, accuracy, truths, said="logit_change"),
        "truths": truths,
        "fidelity": _fidelity(asked, natural[:POOL]),
    }
    if not found["learned"]:
        return found
    sets = {name: concept.films(CLIPS, rng=rng) for name, concept in concepts.items()}
    twins = {
        name: [concept.twin_of(film) for film in sets[name]]
        for name, concept in concepts.items()
        if concept.twin is not None and concept.group in TWINS
    }
    study = Study(
        asked,
        concepts,
        films,
        natural,
        {name: asked.scores(own) for name, own in sets.items()},
        {name: asked.scores(own) for name, own in twins.items()},
        rng,
        np.random.default_rng([job.seed, 22]),
    )
    return found | {
        "tests": study.tests(),
        "nulls": study.nulls(),
        "coverage": study.coverage(concepts[f"planted {asked.classes[0]}"]),
        "confounded": study.confounded(),
        "verdicts": study.verdicts(),
    }


def _concepts(rule: str, classes: Sequence[str]) -> dict[str, Concept]:
    asked = [*CONCEPTS, *(planted(rule, name) for name in classes)]
    asked += [concept for name in classes if (concept := tied(rule, name)) is not None]
    return {concept.name: concept for concept in asked}


def _truths(
    asked: Asked,
    concepts: Mapping[str, Concept],
    films: Sequence[Film],
    natural: Scores,
    rng: np.random.Generator,
) -> list[Row]:
    """What forcing a concept, and taking its motion away, does to the score of each class, and to its logit."""
    classes = len(asked.classes)
    unit, logit_unit = natural.columns[:, :classes].std(axis=0, ddof=1), natural.logits.std(axis=0, ddof=1)
    rows = []

    def told(concept: Concept, against: str, after: Scores, before: Scores) -> Row:
        change = (after.columns - before.columns)[:, :classes].mean(axis=0) / unit
        of_logit = (after.logits - before.logits).mean(axis=0) / logit_unit
        return {
            "concept": concept.name,
            "group": concept.group,
            "against": against,
            "change": dict(zip(asked.classes, change.tolist(), strict=True)),
            "logit_change": dict(zip(asked.classes, of_logit.tolist(), strict=True)),
        }

    for concept in concepts.values():
        forced = asked.scores([concept.forced_on(film, rng) for film in films[:TRUTH]])
        rows.append(told(concept, "random", forced, natural[:TRUTH]))
        if concept.twin is not None and concept.group in TWINS:
            own = concept.films(TRUTH, rng=rng)
            still = asked.scores([concept.twin_of(film) for film in own])
            rows.append(told(concept, "twin", asked.scores(own), still))
    return rows


def _fidelity(asked: Asked, pool: Scores) -> dict[str, dict[str, float]]:
    """The correlation of each layer's readout with the score over the pool."""
    found: dict[str, dict[str, float]] = {}
    for place, (layer, name) in enumerate(asked.places):
        of_score = pool.columns[:, asked.classes.index(name)]
        if layer:
            found.setdefault(layer, {})[name] = float(np.corrcoef(pool.columns[:, place], of_score)[0, 1])
    return found


@dataclass(frozen=True)
class Study:
    """The films of one network's part with their scores: `natural` of its pool and of all else that is drawn by chance,
    `scored` of each concept's set, `twins` of the same films without their motion. `rng` makes films, `draw` relabels.
    """

    asked: Asked
    concepts: Mapping[str, Concept]
    films: Sequence[Film]
    natural: Scores
    scored: Mapping[str, Scores]
    twins: Mapping[str, Scores]
    rng: np.random.Generator
    draw: np.random.Generator

    def tests(self) -> list[Row]:
        """Every test before a correction, with sets of 20 clips and of 10."""
        rows = []
        for name, own in self.scored.items():
            said = {"concept": name, "group": self.concepts[name].group}
            for clips in (CLIPS, FEW):
                pool_effects = against_pool(
                    own.columns[:clips], self.natural[:POOL].columns, margins=MARGINS, draws=DRAWS, rng=self.draw
                )
                rows += self.asked.told(pool_effects, **said, against="random", clips=clips)
                if name in self.twins:
                    differences = (own.columns - self.twins[name].columns)[:clips]
                    paired = within_pairs(
                        differences, self.natural[:POOL].columns, margins=MARGINS, draws=DRAWS, rng=self.draw
                    )
                    rows += self.asked.told(paired, **said, against="twin", clips=clips)
        return rows

    def nulls(self) -> dict[str, Any]:
        """Sets drawn from the films of the pool, four at a time as a family: all is rejected falsely."""
        rejected: dict[str, list[int]] = {}
        families = [0, 0]
        classes = len(self.asked.classes)
        for _ in range(NULL_SETS // 4):
            order = self.draw.permutation(NATURAL)
            pool = self.natural.columns[order[:POOL]]
            family = []
            for number in range(4):
                own = self.natural.columns[order[POOL + number * CLIPS : POOL + (number + 1) * CLIPS]]
                found = against_pool(own, pool, margins=MARGINS, draws=DRAWS, rng=self.draw)
                family.append(found.p[:classes])
                score_p = np.tile(found.p[:classes], 1 + len(self.asked.layers))
                score_sign = np.tile(np.sign(found.effect[:classes]), 1 + len(self.asked.layers))
                rows_p = np.where(np.sign(found.effect) == score_sign, np.maximum(found.p, score_p), 1.0)
                for place, (layer, _) in enumerate(self.asked.places):
                    cell = rejected.setdefault(layer, [0, 0])
                    cell[0] += bool((rows_p if layer else found.p)[place] <= 0.05)  # noqa: PLR2004 - nominal 5 %
                    cell[1] += 1
            for column in range(classes):
                p = np.array([each[column] for each in family])
                families[0] += bool((correct(p, correction="holm") <= 0.05).any())  # noqa: PLR2004 - as above
                families[1] += 1
        return {"rejected": rejected, "families": families}

    def coverage(self, concept: Concept) -> dict[str, list[int]]:
        """How often 95 % intervals hold the effect of a thousand films, of the planted concept and of none."""
        classes = len(self.asked.classes)
        unit, mean = (
            self.natural.columns[:, :classes].std(axis=0, ddof=1),
            self.natural.columns[:, :classes].mean(axis=0),
        )
        own = self.asked.scores(concept.films(1000, rng=self.rng)).columns[:, :classes]
        held: dict[str, list[int]] = {}
        for kind, bank in (("planted", own), ("a draw from the pool", self.natural.columns[:, :classes])):
            true = (bank.mean(axis=0) - mean) / unit
            for _ in range(STUDIES):
                pool = self.natural.columns[self.draw.integers(NATURAL, size=POOL), :classes]
                some = bank[self.draw.integers(len(bank), size=CLIPS)]
                found = against_pool(some, pool, margins=MARGINS, draws=19, rng=self.draw)
                cell = held.setdefault(kind, [0, 0])
                cell[0] += int(((found.low <= true) & (true <= found.high)).sum())
                cell[1] += classes
        return held

    def confounded(self) -> list[Row]:
        """A concept without effect whose clips carry the class's own factor, against a plain pool and a matched one."""
        rows = []
        for place, class_name in enumerate(self.asked.classes[:MOST_CLASSES]):
            of_class = np.array([RULES[self.asked.rule].label(film.scene) == class_name for film in self.films])
            factors = planted(self.asked.rule, class_name).factors
            for name in CONFOUNDED:
                for share in SHARES:
                    carrying = round(share * CLIPS)
                    own = [sample(self.rng, **self.concepts[name].factors, **factors) for _ in range(carrying)]
                    own += [sample(self.rng, **self.concepts[name].factors) for _ in range(CLIPS - carrying)]
                    scores = self.asked.scores(own).columns[:, [place]]
                    with_label = np.array(
                        [RULES[self.asked.rule].label(film.scene) == class_name for film in own]
                    ).mean()
                    for pool, chosen in (
                        ("plain", np.arange(POOL)),
                        ("matched", matched(of_class, float(with_label), self.draw)),
                    ):
                        reference = self.natural.columns[:, [place]]
                        compared = np.zeros(NATURAL, dtype=np.bool_)
                        compared[chosen] = True
                        found = against_pool(
                            scores, reference, compared=compared, margins=MARGINS, draws=DRAWS, rng=self.draw
                        )
                        rows.append(
                            {
                                "concept": name,
                                "class": class_name,
                                "share": share,
                                "pool": pool,
                                "clips": len(chosen),
                                "p": float(found.p[0]),
                            }
                        )
        return rows

    def verdicts(self) -> list[Row]:
        """What a user reads who asks for one class about its planted concept, its twin and four others, after Holm."""
        rows = []
        for place, class_name in enumerate(self.asked.classes):
            for concept in (planted(self.asked.rule, class_name), tied(self.asked.rule, class_name)):
                if concept is None:
                    continue
                family = []
                for name in (concept.name, *COMPANY):
                    found = against_pool(
                        self.scored[name].columns[:, [place]],
                        self.natural[:POOL].columns[:, [place]],
                        margins=MARGINS,
                        draws=DRAWS,
                        rng=self.draw,
                    )
                    family.append((name, "random", found))
                if concept.name in self.twins:
                    differences = (self.scored[concept.name].columns - self.twins[concept.name].columns)[:, [place]]
                    paired = within_pairs(
                        differences,
                        self.natural[:POOL].columns[:, [place]],
                        margins=MARGINS,
                        draws=DRAWS,
                        rng=self.draw,
                    )
                    family.append((concept.name, "twin", paired))
                corrected = correct(np.array([found.p[0] for *_, found in family]), correction="holm")
                rows += [
                    {
                        "asked": concept.name,
                        "group": concept.group,
                        "concept": name,
                        "group_of_concept": self.concepts[name].group,
                        "against": against,
                        "class": class_name,
                        "effect": float(found.effect[0]),
                        "p_corrected": float(p),
                    }
                    for (name, against, found), p in zip(family, corrected, strict=True)
                ]
        return rows


def matched(of_class: np.ndarray, share: float, draw: np.random.Generator) -> np.ndarray:
    """Places of a pool that has the class's label as often as the concept does, as large as the films allow."""
    has, lacks = draw.permutation(np.flatnonzero(of_class)), draw.permutation(np.flatnonzero(~of_class))
    size = int(min(POOL, len(has) / share if share else POOL, len(lacks) / (1 - share) if share < 1 else POOL))
    with_label = round(size * share)
    return np.concatenate([has[:with_label], lacks[: size - with_label]])


def of_network(job: Job, cache: Path) -> dict[str, Any]:
    """The facts of a network, from the cache where they are there and the code is the same."""
    modules = (interval_null, concepts, evaluate, world, sys.modules[__name__])
    code = "".join(ast.unparse(ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))) for module in modules)
    path = cache / f"{job.name}-{hashlib.sha256(code.encode()).hexdigest()[:8]}.moves.json"
    if not path.exists():
        model, _ = trained(job, NETWORKS)
        started = time.process_time()
        found = facts(model, job) | {"processor_seconds": round(time.process_time() - started, 1)}
        cache.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(found), encoding="utf-8")
    read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return read
