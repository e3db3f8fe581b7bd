"""One model's whole part of the proof, kept beside its weights."""

from __future__ import annotations

import ast
import hashlib
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from validation.proof import concepts, maps, nulls, passes, study
from validation.proof.concepts import logits, planted, tied
from validation.proof.passes import take_inventory
from validation.proof.training import NETWORKS, Job, as_drawn, held_out, trained
from validation.proof.world import RULES, Film
from videotcav.models.model import VideoModel

HELD_OUT = 400
LEAST_CHANGE = 0.5
"""Standard deviations by which forcing what decides a class must raise its logit before the rule counts as learned."""


def evaluated(job: Job, cache: Path) -> dict[str, Any]:
    """Everything found about the job's model; from the cache where it is there and the code is the same."""
    code = "".join(
        ast.unparse(ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8")))
        for module in (concepts, maps, nulls, passes, study)
    )
    path = cache / f"{job.key}-{hashlib.sha256(code.encode()).hexdigest()[:8]}.result.json"
    if path.exists():
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found
    started = time.process_time()
    model, log = trained(job, NETWORKS)
    accuracy = accuracy_of(model, job)
    inventory = take_inventory(model, job.rule, seed=job.seed)
    truths = study.truths(model, inventory)
    facts: dict[str, Any] = {"log": log, "accuracy": accuracy, "learned": learned(job, accuracy, truths)}
    if facts["learned"]:
        facts |= {
            "truths": truths,
            "verdicts": study.verdicts(model, job.rule, inventory, seed=job.seed),
            "tests": study.tested(inventory, seed=job.seed),
            "false_positives": nulls.false_positives(inventory, seed=job.seed),
            "coverage": nulls.coverage(inventory, seed=job.seed),
            "maps": maps.pointing(model, job),
        }
    facts["processor_seconds"] = round(time.process_time() - started, 1)
    path.write_text(json.dumps(facts), encoding="utf-8")
    return facts


def accuracy_of(
    model: VideoModel, job: Job, *, count: int = HELD_OUT, seen: Callable[[Film], Film] = as_drawn
) -> float:
    """The share of held-out films that are given their class; `seen` is what a camera makes of each."""
    films = [seen(film) for film in held_out(job, count)]
    true = [model.card.classes.index(str(RULES[job.rule].label(film.scene))) for film in films]
    return float((logits(model, films).argmax(axis=1) == np.array(true)).mean())


def is_half_way(job: Job, accuracy: float) -> bool:
    """Whether an accuracy is at least half-way from chance to 1."""
    return accuracy >= (1 + 1 / len(RULES[job.rule].classes)) / 2


def learned(job: Job, accuracy: float, truths: Sequence[study.Row], *, said: str = "change") -> bool:
    """Whether the model learned its rule, as fixed before any result was seen.

    Held-out accuracy is at least half-way from chance to 1, and forcing what decides a class (or its shortcut) on
    natural films raises its logit by half a standard deviation or more, for every class. `said` is
    what rows call the change of the logit.
    """
    classes = list(RULES[job.rule].classes)
    change = {row["concept"]: row[said] for row in truths if row["against"] == "random"}
    raised = [
        max(
            change[concept.name][name]
            for concept in (planted(job.rule, name), tied(job.rule, name))
            if concept is not None
        )
        for name in classes
    ]
    return is_half_way(job, accuracy) and min(raised) >= LEAST_CHANGE
