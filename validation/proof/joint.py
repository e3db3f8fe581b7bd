"""The joint verdict of push and need against scenes rendered anew, and shams of one edit against each other.

python -m validation.proof.joint              every small network, those that confirm first, then the rows
python -m validation.proof.joint --part 0/2   only this share of them, no rows
python -m validation.proof.joint --cached     rows of the networks whose facts are there already
python -m validation.proof.joint --page       rows from the results that are there

A cell is a concept, a class and what the concept is held against: the pool beside the object removed, a frozen twin
beside the object frozen. The push is `contrast` of 20 films of the concept; the need is what the edit, by exact masks,
costs the class's own films that hold the concept. As a number the verdict is the one of both that is nearer to 0, with
its sign, and 0 where their signs differ.

Truth *of both legs*: the same number of what the renderer does, in 128 films for the push and in the very films for
the need. Truth *of the needed factor*: what it costs those films to have each other value of the concept's factor.
The camera stands, and edits are told so: what its estimate costs is measured by `validation.proof.edits`.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from validation.proof.concepts import CLIPS as OF_CONCEPT
from validation.proof.concepts import CONCEPTS, Concept
from validation.proof.contrast_page import CACHE
from validation.proof.contrast_page import RESULT as CONTRAST
from validation.proof.counting import Facts, Row, auroc, clustered, hits, rejected
from validation.proof.edits import _Passed, frames_of, order_of, path_of, rendered_anew, where
from validation.proof.harder_page import in_turn, is_small
from validation.proof.shares import IRRELEVANT, RELEVANT, ends
from validation.proof.training import NETWORKS, Job, trained
from validation.proof.world import MOTIONS, RULES, SHAPES, Film, sample
from validation.provenance import ROOT, commit, in_words, machine
from validation.targets import Promise, Target, at_least, at_most, record
from videotcav.explain.inference.interval_null import Margins, against_pool, within_pairs
from videotcav.interventions.camera import standing
from videotcav.interventions.frames import Frames
from videotcav.interventions.objects import ObjectClip, object_edit
from videotcav.interventions.sham import shams
from videotcav.models.model import VideoModel

SCRIPT = "validation/proof/joint.py"
RESULT = ROOT / "benchmarks" / "results" / "joint.json"

HOLDERS, LOOKED_AT = 16, 1000
"""Films of a class that hold a concept, and among how many of the class they are looked for."""
TRUTH, POOL, DRAWS = 128, 120, 1999
LEAST = 8
"""Holders, without which a class is not asked about a concept."""
MOVING = 0.5
"""Speed from which on a distractor passes."""
VALUES: Mapping[str, Sequence[str]] = {"motion": MOTIONS, "shape": SHAPES}

Against = Literal["random", "frozen"]
EDIT: Mapping[Against, str] = {"random": "remove", "frozen": "freeze"}


@dataclass(frozen=True)
class Asked:
    """A concept, beside what it is held against, and the object that shows it."""

    concept: Concept
    against: Against
    who: Literal["actor", "distractor"]

    def holds(self, film: Film) -> bool:
        """Whether the film shows the concept."""
        if self.who == "distractor":
            return film.scene.distractor == self.concept.factors["distractor"] and (
                abs(film.scene.distractor_speed) >= MOVING
            )
        return all(getattr(film.scene, factor) == value for factor, value in self.concept.factors.items())

    def swapped(self, film: Film) -> list[Film]:
        """The film with each other value of the factor: of a distractor, without its motion."""
        if self.who == "distractor":
            return [film.swapped(distractor_speed=0.0)]
        ((factor, own),) = self.concept.factors.items()
        return [film.swapped(**{factor: value}) for value in VALUES[factor] if value != own]


def asked() -> list[Asked]:
    """Motions and shapes of the actor, and what passes: against the pool, and what moves against its frozen twin."""
    found = []
    for concept in CONCEPTS:
        if concept.group in ("motion", "shape"):
            found.append(Asked(concept, "random", "actor"))
        if concept.group == "motion":
            found.append(Asked(concept, "frozen", "actor"))
        if concept.group == "distractor":
            found += [Asked(concept, "random", "distractor"), Asked(concept, "frozen", "distractor")]
    return found


def joint(push: float, need: float) -> float:
    """The one that is nearer to 0, with its sign; 0 where signs differ (method.md 9)."""
    return min(push, need, key=abs) if push * need > 0 else 0.0


def main() -> None:
    """One line a network, then the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", default="", help="share the work: 0/2 here and 1/2 there, then once without")
    parser.add_argument("--cached", action="store_true", help="only networks whose facts are there")
    parser.add_argument("--page", action="store_true", help="only write the rows again")
    arguments = parser.parse_args()
    if not arguments.page:
        torch.set_num_threads(1)
        share, _, parts = (arguments.part or "0/1").partition("/")
        known = json.loads(CONTRAST.read_text(encoding="utf-8"))["networks"]
        learned = {(each["rule"], each["seed"]) for each in known if each["learned"] and each["architecture"] == "cnn"}
        own = [job for job in in_turn() if is_small(job) and (job.rule, job.seed) in learned]
        networks = []
        with threadpool_limits(1):
            for job in own[int(share) :: int(parts)]:
                if not arguments.cached or kept_at(job, CACHE).exists():
                    networks.append(of_network(job, CACHE))
                    print(job.name, flush=True)
        if arguments.part:
            return
        found = summary(networks) | {"machine": machine(), "commit": commit()}
        RESULT.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    record(SCRIPT, promises(json.loads(RESULT.read_text(encoding="utf-8"))))


# --- networks ----------------------------------------------------------------------------------------------------


def facts(model: VideoModel, job: Job) -> dict[str, Any]:
    """Every cell of a network, and the p of its shams against each other."""
    rng = np.random.default_rng([job.seed, 60])
    natural = [sample(rng) for _ in range(TRUTH)]
    scores = _scores(model, natural)
    unit = scores.std(axis=0, ddof=1)
    pushes = {(each.concept.name, each.against): _pushes(model, each, natural, scores, rng) for each in asked()}
    rows, tests = [], []
    for place, name in enumerate(model.card.classes):
        films = [sample(rng, RULES[job.rule], name) for _ in range(LOOKED_AT)]
        for each in asked():
            held = [film for film in films if each.holds(film)][:HOLDERS]
            if len(held) < LEAST:
                continue
            before, after, anew, swapped = _needs(model, place, each, held)
            told, truth = (found[place] for found in pushes[each.concept.name, each.against])
            need, true_need, cost = (float((before - each).mean() / unit[place]) for each in (after, anew, swapped))
            rows.append(
                {
                    "concept": each.concept.name,
                    "against": each.against,
                    "class": name,
                    "holders": len(held),
                    "push": told,
                    "need": need,
                    "effect": joint(told, need),
                    "true_push": truth,
                    "true_need": true_need,
                    "cost": cost,
                }
            )
        tests += _shams(model, place, name, films[:HOLDERS], scores[:, place])
    return {"rule": job.rule, "seed": job.seed, "rows": rows, "shams": tests}


def _clip(film: Film, who: str, way: str = "mask") -> ObjectClip:
    clip = ObjectClip(frames_of(film), where(film)[who, way])
    vars(clip)["camera"] = standing(clip.frames, clip.masks)
    return clip


def _scores(model: VideoModel, films: Sequence[Film]) -> np.ndarray:
    return _Passed(model, [frames_of(film) for film in films]).scores


def _pushes(
    model: VideoModel, each: Asked, natural: Sequence[Film], scores: np.ndarray, rng: np.random.Generator
) -> tuple[list[float], list[float]]:
    """What contrast tells of each class, and what rendering anew does, in σ."""
    concept, unit, pool = each.concept, scores.std(axis=0, ddof=1), scores[:POOL]
    own = concept.films(OF_CONCEPT, rng=rng)
    told = _scores(model, own)
    if each.against == "random":
        found = against_pool(told, pool, margins=Margins(), draws=1, rng=rng)
        change = _scores(model, [concept.forced_on(film, rng) for film in natural]) - scores
    else:
        twins = _scores(model, [concept.twin_of(film) for film in own])
        found = within_pairs(told - twins, pool, margins=Margins(), draws=1, rng=rng)
        films = concept.films(TRUTH, rng=rng)
        change = _scores(model, films) - _scores(model, [concept.twin_of(film) for film in films])
    return found.effect.tolist(), (change.mean(axis=0) / unit).tolist()


def _needs(
    model: VideoModel, place: int, each: Asked, held: Sequence[Film]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The class's score of each film: as it is, edited, rendered anew, and on average with other values."""
    edit = EDIT[each.against]
    clips: list[Frames] = []
    for film in held:
        clip = _clip(film, each.who)
        edited = object_edit(edit)(clip).frames
        clips += [
            clip.frames,
            clip.frames if edited is None else edited,
            rendered_anew(film, each.who, order_of(edit, clip)),
            *map(frames_of, each.swapped(film)),
        ]
    scores = _Passed(model, clips).scores[:, place].reshape(len(held), -1)
    return scores[:, 0], scores[:, 1], scores[:, 2], scores[:, 3:].mean(axis=1)


def _shams(model: VideoModel, place: int, name: str, films: Sequence[Film], reference: np.ndarray) -> list[Row]:
    """The point null of removals elsewhere in the same clip, one place against another, by mask and by box."""
    rng = np.random.default_rng(61)
    remove = object_edit("remove")
    tests = []
    for who in ("actor", "distractor"):
        for way in ("mask", "box"):
            clips: list[Frames] = []
            numbers: list[list[int]] = []
            for film in films:
                made = shams(remove, _clip(film, who, way))
                own = [sham.frames for sham in made if sham.frames is not None]
                numbers.append(list(range(len(clips), len(clips) + len(own))))
                clips += own
            if not clips:
                continue
            scores = _Passed(model, clips).scores[:, place]
            for one, other in combinations(range(3), 2):
                both = [(places[one], places[other]) for places in numbers if len(places) > other]
                if len(both) < LEAST:
                    continue
                differences = np.array([scores[first] - scores[second] for first, second in both])[:, None]
                found = within_pairs(
                    differences, reference[:POOL, None], margins=Margins(negligible_below=0.0), draws=DRAWS, rng=rng
                )
                tests.append({"class": name, "object": who, "way": way, "clips": len(both), "p": float(found.p[0])})
    return tests


def kept_at(job: Job, cache: Path) -> Path:
    """Where the facts of a network are kept, as this code finds them."""
    code = ast.unparse(ast.parse(Path(__file__).read_text(encoding="utf-8"))) + path_of(job, cache).name
    return cache / f"{job.name}-{hashlib.sha256(code.encode()).hexdigest()[:8]}.joint.json"


def of_network(job: Job, cache: Path) -> dict[str, Any]:
    """The facts of a network, from the cache where they are there and the code is the same."""
    path = kept_at(job, cache)
    if not path.exists():
        model, _ = trained(job, NETWORKS)
        cache.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(facts(model, job)), encoding="utf-8")
    read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return read


# --- counts ------------------------------------------------------------------------------------------------------


def summary(networks: Sequence[Facts]) -> dict[str, Any]:
    """All numbers."""
    rows = [row for each in networks for row in each["rows"]]
    truths = {
        "legs": [row | {"change": joint(row["true_push"], row["true_need"])} for row in rows],
        "factor": [row | {"change": row["cost"]} for row in rows],
    }
    return {
        "networks": [{key: each[key] for key in ("rule", "seed")} for each in networks],
        "cells": len(rows),
        **{name: auroc(told) for name, told in truths.items()},
        "push_alone": auroc([row | {"effect": row["push"]} for row in truths["legs"]]),
        "need_alone": auroc([row | {"effect": row["need"]} for row in truths["legs"]]),
        # A concept that is a lack of motion loses nothing where motion is taken away.
        "factor_without_lack": auroc([row for row in truths["factor"] if row["concept"] != "motion rest"]),
        "shams": clustered([hits(each["shams"], rejected) for each in networks]),
        "none_told": clustered([hits(filter(does_nothing, each["rows"]), is_large) for each in networks]),
    }


def does_nothing(row: Row) -> bool:
    """Whether the concept hardly moves the score, or is hardly needed."""
    return abs(joint(row["true_push"], row["true_need"])) <= IRRELEVANT


def is_large(row: Row) -> bool:
    """Whether the joint number says what counts as relevant."""
    return bool(abs(row["effect"]) >= RELEVANT)


def promises(found: Facts) -> Iterator[Promise]:
    """The rows of docs/targets.json."""
    taken = {"area": "interventions", "commit": found["commit"], "machine": in_words(found["machine"])}

    def area(name: str, what: str, target: Target | None) -> Iterator[Promise]:
        cell = found[name]
        if cell["auroc"] is not None:
            n = cell["relevant"] + cell["irrelevant"]
            yield Promise(what=what, unit="", target=target, value=cell["auroc"], n=n, **taken)

    yield from area("legs", "joint verdict, truth both legs rendered anew: AUROC", at_least(0.98))
    yield from area("factor", "joint verdict, truth the factor changed in the class's own films: AUROC", at_least(0.92))
    yield from area("factor_without_lack", "the same, without the concept that is a lack of motion", None)
    yield from area("push_alone", "push alone, truth both legs rendered anew: AUROC", None)
    yield from area("need_alone", "need alone, truth both legs rendered anew: AUROC", None)
    for name, what, target in (
        ("none_told", "joint verdict of .5 σ or more where both legs rendered anew give .1 σ or less", None),
        ("shams", "removals elsewhere against each other, point null: rejected", at_most(0.07, on="high")),
    ):
        if found[name]["of"]:
            yield Promise(what=what, unit="%", target=target, **ends(found[name]), **taken)


if __name__ == "__main__":
    main()
