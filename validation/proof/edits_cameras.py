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
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from validation.proof.contrast_page import CACHE
from validation.proof.edits import CLIPS, EDITS, Way, facts, path_of
from validation.proof.edits_page import WORDS, counted, of_a_way, own_first
from validation.proof.shares import ends, rate
from validation.proof.training import NETWORKS, Job, held_out, jobs, trained
from validation.proof.world import RULES, Film, normalised, render_films
from validation.provenance import ROOT, commit, in_words, machine
from validation.targets import Promise, record
from videotcav.models.model import VideoModel
from videotcav.planted.factors import CameraPath

SCRIPT = "validation/proof/edits_cameras.py"
RESULT = ROOT / "benchmarks" / "results" / "edits_cameras.json"
WEIGHTS = NETWORKS.with_name("networks_cameras")

RULES_ASKED, SEED = ("motion", "background", "shape", "reversed pairs", "shape × motion"), 3
WAYS: tuple[Way, ...] = ("mask", "box")
ASKED = (*(("actor", edit) for edit in EDITS), ("distractor", "remove"))
LEARNED = 0.5
"""Of the way from chance to all right: below it a network has not learned its rule."""

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
        torch.set_num_threads(1)
        networks = []
        with threadpool_limits(1):
            for job in asked():
                networks.append(of_network(job, CACHE))
                print(job.name, networks[-1]["accuracy"], flush=True)
        found = summary(networks) | {"machine": machine(), "commit": commit()}
        RESULT.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    record(SCRIPT, promises(json.loads(RESULT.read_text(encoding="utf-8"))))


def asked() -> list[Job]:
    """The networks, as they are fixed before any is trained."""
    return [job for job in jobs() if job.architecture == "cnn" and job.seed == SEED and job.rule in RULES_ASKED]


def of_network(job: Job, cache: Path) -> dict[str, Any]:
    """The facts of a network, from the cache where they are there and the code is the same."""
    code = ast.unparse(ast.parse(Path(__file__).read_text(encoding="utf-8"))) + path_of(job, cache).name
    path = cache / f"{job.name}-{hashlib.sha256(code.encode()).hexdigest()[:8]}.cameras.json"
    if not path.exists():
        model, _ = trained(job, WEIGHTS, seen=moved)
        started = time.process_time()
        found = facts(model, job, seen=moved, ways=WAYS, asked=ASKED) | {"accuracy": accuracy(model, job)}
        cache.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(found | {"processor_seconds": round(time.process_time() - started, 1)}))
    read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return read


def accuracy(model: VideoModel, job: Job) -> float:
    """The share of fresh films that it is right about."""
    films = held_out(job, 256)
    answers = model(normalised(render_films([moved(film) for film in films]))).argmax(dim=1)
    names = [RULES[job.rule].label(film.scene) for film in films]
    return float(np.mean([model.card.classes[index] == name for index, name in zip(answers, names, strict=True)]))


def summary(networks: list[dict[str, Any]]) -> dict[str, Any]:
    """All numbers, of the networks that learned their rule."""
    learned = []
    for each in networks:
        chance = 1 / len(RULES[each["rule"]].classes)
        if (each["accuracy"] - chance) / (1 - chance) >= LEARNED:
            learned.append(each)
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
