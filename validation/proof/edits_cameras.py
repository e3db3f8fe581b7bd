"""Edits of objects in films whose camera moves, on networks that learned from such films: `edits` in all else.

python -m validation.proof.edits_cameras              five networks, trained where they are not there, then the rows
python -m validation.proof.edits_cameras --page       rows from the results that are there

The truth holds the object *in the scene*: the camera goes on. Of the distractor only *remove* is asked, as the renderer
cannot hold it while the camera moves. Rules, seed and budget are those of the networks of `edits` whose camera stands.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import math
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from validation.proof.contrast_page import CACHE
from validation.proof.edits import CLIPS, EDITS, Way, facts, path_of
from validation.proof.edits_page import WORDS, counted, of_a_way, own_first
from validation.proof.evaluate import accuracy_of, is_half_way
from validation.proof.kept import kept, of_each, timed, write
from validation.proof.shares import ends, rate
from validation.proof.training import NETWORKS, Job, jobs, trained
from validation.proof.world import Film
from validation.provenance import ROOT, in_words
from validation.targets import Promise, record
from videotcav.planted.factors import CameraPath

SCRIPT = "validation/proof/edits_cameras.py"
RESULT = ROOT / "benchmarks" / "results" / "edits_cameras.json"
WEIGHTS = NETWORKS.with_name("networks_cameras")

RULES_ASKED, SEED = ("motion", "background", "shape", "reversed pairs", "shape × motion"), 3
WAYS: tuple[Way, ...] = ("mask", "box")
ASKED = (*(("actor", edit) for edit in EDITS), ("distractor", "remove"))
HELD_OUT = 256
"""Films of which the accuracy is told."""

_PAN, _TURN, _ZOOM = 0.25, 0.15, math.log(1.2)


def moved(film: Film) -> Film:
    """The film by a camera that pans, or turns and zooms, by as much as the film's own seed says."""
    rng = np.random.default_rng([film.seed, 50])
    if rng.random() < 0.5:  # noqa: PLR2004 - one way or the other
        right, down = rng.uniform(-_PAN, _PAN, size=2)
        return film.swapped(camera=CameraPath(right=right, down=down))
    return film.swapped(camera=CameraPath(turn=rng.uniform(-_TURN, _TURN), zoom=math.exp(rng.uniform(-_ZOOM, _ZOOM))))


def main() -> None:
    """One line a network, then the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--page", action="store_true", help="only write the rows again")
    arguments = parser.parse_args()
    if not arguments.page:
        write(RESULT, summary(of_each(asked(), partial(of_network, cache=CACHE))))
    record(SCRIPT, promises(json.loads(RESULT.read_text(encoding="utf-8"))))


def asked() -> list[Job]:
    """The networks, as they are fixed before any is trained."""
    return [job for job in jobs() if job.architecture == "cnn" and job.seed == SEED and job.rule in RULES_ASKED]


def of_network(job: Job, cache: Path) -> dict[str, Any]:
    """The facts of a network, from the cache where they are there and the code is the same."""
    code = ast.unparse(ast.parse(Path(__file__).read_text(encoding="utf-8"))) + path_of(job, cache).name
    path = cache / f"{job.name}-{hashlib.sha256(code.encode()).hexdigest()[:8]}.cameras.json"
    return kept(path, lambda: timed(partial(_found, job)))


def _found(job: Job) -> dict[str, Any]:
    model, _ = trained(job, WEIGHTS, seen=moved)
    accuracy = accuracy_of(model, job, count=HELD_OUT, seen=moved)
    return facts(model, job, seen=moved, ways=WAYS, asked=ASKED) | {"accuracy": accuracy}


def summary(networks: list[dict[str, Any]]) -> dict[str, Any]:
    """All numbers, of the networks that learned their rule."""
    rules = {job.rule: job for job in asked()}
    learned = [each for each in networks if is_half_way(rules[each["rule"]], each["accuracy"])]
    return {
        "clips": CLIPS,
        "networks": [
            {key: each[key] for key in ("rule", "seed", "accuracy", "probe", "processor_seconds")} for each in learned
        ],
        "not_learned": [each["rule"] for each in networks if each not in learned],
        "ways": {
            way: counted([[row for row in each["rows"] if row["way"] == way] for each in learned]) for way in WAYS
        },
        "probe": rate(sum(own_first(each["probe"]) for each in learned), len(learned)),
    }


def promises(found: dict[str, Any]) -> Iterator[Promise]:
    """The rows of docs/targets.json."""
    taken = {"area": "interventions", "commit": found["commit"], "machine": in_words(found["machine"])}
    for way, of in found["ways"].items():
        yield from of_a_way(f"object edits {WORDS[way]}, the camera moves", way, of, taken)
    what = "probe: the largest ranked edit is the network's own, the camera moves"
    yield Promise(what=what, unit="%", **taken, **ends(found["probe"]))


if __name__ == "__main__":
    main()
