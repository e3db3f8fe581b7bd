"""One network's part of the proof of joint verdicts: push and need against scenes rendered anew, shams beside shams.

A cell is a concept, a class and what the concept is held against: the pool beside the object removed, a frozen twin
beside the object frozen. The push is `contrast` of 20 films of the concept; the need is what the edit, by exact masks,
costs the class's own films that hold the concept. As a number the verdict is the one of both that is nearer to 0, with
its sign, and 0 where their signs differ.

Truth *of both legs*: the same number of what the renderer does, in 128 films for the push and in the very films for
the need. Truth *of the needed factor*: what it costs those films to have each other value of the concept's factor.
The camera stands, and edits are told so: what its estimate costs is measured by `validation.proof.edits`.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, Literal

import numpy as np

from validation.proof.concepts import CLIPS as OF_CONCEPT
from validation.proof.concepts import CONCEPTS, Concept
from validation.proof.counting import Row
from validation.proof.edits import _Passed, frames_of, object_clips, order_of, path_of, rendered_anew
from validation.proof.kept import kept
from validation.proof.training import NETWORKS, Job, trained
from validation.proof.world import MOTIONS, RULES, SHAPES, Film, sample
from videotcav.explain.inference.interval_null import Margins, against_pool, within_pairs
from videotcav.interventions.frames import Frames
from videotcav.interventions.objects import ObjectClip, object_edit
from videotcav.interventions.sham import shams
from videotcav.models.model import VideoModel
from videotcav.video.camera import standing

HOLDERS, LOOKED_AT = 16, 1000
"""Films of a class that hold a concept, and among how many of the class they are looked for."""
TRUTH, POOL, DRAWS = 128, 120, 1999
LEAST = 8
"""Holders, without which a class is not asked about a concept."""
_AWAY = 9.0  # widths of the picture: outside of it
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


# --- networks ----------------------------------------------------------------------------------------------------


def facts(model: VideoModel, job: Job) -> dict[str, Any]:
    """Every cell of a network, and the p of its shams against each other."""
    rng = np.random.default_rng([job.seed, 60])
    natural = [sample(rng) for _ in range(TRUTH)]
    scores = _scores(model, natural)
    unit = scores.std(axis=0, ddof=1)
    pushes = {(each.concept.name, each.against): _pushes(model, each, natural, scores, rng) for each in asked()}
    without = _scores(model, [film.swapped(x=_AWAY) for film in natural[:64]])
    default = model.card.classes[int(without.mean(axis=0).argmax())]
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
                    # What lacks motion, or has the class by default, loses nothing by an edit that takes it away.
                    "blind": name == default or each.concept.name == "motion rest",
                }
            )
        tests += _shams(model, place, name, films[:HOLDERS], scores[:, place])
    return {"rule": job.rule, "seed": job.seed, "rows": rows, "shams": tests}


def _clip(film: Film, who: str, way: str = "mask") -> ObjectClip:
    clip = object_clips(film, frames_of(film))[who, way]
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
    return kept(kept_at(job, cache), lambda: facts(trained(job, NETWORKS)[0], job))
