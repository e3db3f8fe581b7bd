"""What is said of videos that nobody labelled, on networks that learned their rule: whether `vt.find` puts those first
that show a planted concept, whether `vt.concept_scores` follows how strongly a clip shows it, and what comes of
choosing a set and testing it on the same videos.

The concept is what the rule says of the network's first class, a quarter of all films. Graded films show it from not at
all to fully: a shape or background fades in, of a motion ever more is seen. Sets of films drawn at random stand for
what is chosen: `vt.tcav` asks twenty of them, then the one with the largest contrast again, alone.

python -m validation.proof.unlabelled          everything, a few minutes
python -m validation.proof.unlabelled --page   the rows of docs/targets.json from the results that are there
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from einops import rearrange
from scipy.stats import spearmanr
from sklearn.metrics import average_precision_score

import videotcav as vt
from validation.proof.concepts import planted
from validation.proof.discovered import filmed
from validation.proof.shares import ends, rate
from validation.proof.training import NETWORKS, Job, trained
from validation.proof.world import FRAMES, RULES, SIDE, Film, render_films, sample
from validation.provenance import ROOT, commit, in_words, machine
from validation.targets import Promise, at_least, at_most, record
from videotcav.models.model import VideoModel
from videotcav.planted.factors import Scene
from videotcav.planted.scenes import render_batch

RESULT = ROOT / "benchmarks" / "results" / "unlabelled.json"
SCRIPT = "validation/proof/unlabelled.py"
LAYER, SEEDS = "third", range(5)
GRADED = ("shape", "background", "motion")
EXAMPLES, VIDEOS, POOL = 12, 80, 48
STRENGTHS, ASKED = np.linspace(0, 1, 9), 16
SETS, REPEATS = 20, 4

Facts = dict[str, Any]


def of_network(rule: str, seed: int) -> Facts:
    """What `find` and, of graded rules, `concept_scores` make of one network's concept."""
    model, _ = trained(Job(rule, seed, steps=1400 if rule == "shape" else 1000), NETWORKS)
    rng = np.random.default_rng([seed, 80])
    concept = planted(rule, model.card.classes[0])
    examples = [sample(rng, RULES[rule], model.card.classes[0]) for _ in range(EXAMPLES)]
    films = [sample(rng, RULES[rule]) for _ in range(VIDEOS)]
    shows = [all(getattr(film.scene, name) == value for name, value in concept.factors.items()) for film in films]
    found: Facts = {"rule": rule, "seed": seed, "shows": sum(shows)}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        filmed(folder / "videos", films)
        filmed(folder / "planted", examples)
        for by in ("displacement", "similarity"):
            ranked = vt.find(
                model,
                folder / "videos",
                folder / by,
                like=folder / "planted",
                layer=LAYER,
                by=by,
                clips=1,
                store=folder / "rows",
            )
            truth = [shows[int(each.video.stem)] for each in ranked]
            found[by] = float(average_precision_score(truth, [each.score for each in ranked]))
    if rule in GRADED:
        found["correlation"] = _correlation(model, rule, examples, rng)
    return found


def _correlation(model: VideoModel, rule: str, examples: Sequence[Film], rng: np.random.Generator) -> float:
    """The mean rank correlation of strength and share over films; 0 where the layer is said not to show the concept."""
    factors = planted(rule, model.card.classes[0]).factors
    others = [sample(rng, RULES[rule], name) for name in model.card.classes[1:] for _ in range(ASKED // 3)]
    pool = [sample(rng, RULES[rule]) for _ in range(POOL)]
    if rule == "motion":
        graded = [np.concatenate([_moved(each.swapped(**factors).scene, s) for each in others]) for s in STRENGTHS]
    else:
        without, whole = (_shown(some).astype(float) for some in (others, [f.swapped(**factors) for f in others]))
        graded = [((1 - s) * without + s * whole).round().astype(np.uint8) for s in STRENGTHS]
    spec = model.card.clip_spec
    rows = vt.concept_scores(
        model,
        vt.clips_from_arrays([*np.concatenate(graded)], spec, frames_per_second=7.5),
        concepts={"planted/spatiotemporal": vt.clips_from_arrays([*_shown(examples)], spec)},
        random=vt.clips_from_arrays([*_shown(pool)], spec),
        layers=[LAYER],
        exact=False,
    )
    if not all(row.is_told for row in rows):
        return 0.0
    shares = np.array([row.share for row in rows]).reshape(len(STRENGTHS), len(others))
    return float(np.mean([spearmanr(STRENGTHS, each).statistic for each in shares.T]))


def _moved(scene: Scene, share: float) -> np.ndarray:
    """The scene with so much of its motion, held in its middle without any."""
    times = scene.event_time + share * (np.linspace(0, 1, FRAMES) - scene.event_time)
    pixels: np.ndarray = render_batch(
        [scene], height=SIDE, width=SIDE, frames=FRAMES, actor_times=times.tolist()
    ).numpy()
    return pixels


def selected(seed: int) -> Iterator[Facts]:
    """Of sets drawn at random: whether the one with the largest contrast is told an effect alone, and any among all."""
    rule = "shape × motion"
    model, _ = trained(Job(rule, seed), NETWORKS)
    rng = np.random.default_rng([seed, 81])
    for _ in range(REPEATS):
        shown = _shown([sample(rng, RULES[rule]) for _ in range(SETS * EXAMPLES + 2 * POOL)])
        clips = {str(at): each for at, each in enumerate(shown)}
        parts = np.split(np.arange(len(shown)), [*range(EXAMPLES, SETS * EXAMPLES + 1, EXAMPLES)])
        *sets, pool = (
            vt.clips_from_arrays({str(at): clips[str(at)] for at in part.tolist()}, model.card.clip_spec)
            for part in parts
        )
        own = {name: [sample(rng, RULES[rule], name) for _ in range(4)] for name in model.card.classes}
        classes = {name: vt.clips_from_arrays([*_shown(some)], model.card.clip_spec) for name, some in own.items()}
        asked: Facts = {"model": model, "random": pool, "layers": [LAYER], "clips": classes}
        named = {f"set {number}/spatiotemporal": each for number, each in enumerate(sets)}
        every = [row for row in vt.tcav(**asked, concepts=named) if row.statistic == "contrast"]
        best = f"{max(every, key=lambda row: abs(row.value)).concept}/spatiotemporal"
        alone = [row for row in vt.tcav(**asked, concepts={best: named[best]}) if row.statistic == "contrast"]
        yield {"alone": _is_effect(alone), "counted": _is_effect(every)}


def _is_effect(rows: Sequence[vt.Result]) -> bool:
    return any(row.verdict in {"positive", "negative"} for row in rows)


def _shown(films: Sequence[Film]) -> np.ndarray:
    return rearrange(render_films(films), "film c t h w -> film t h w c").numpy()


# --- rows ---------------------------------------------------------------------------------------------------------


def promises(found: Mapping[str, Any]) -> Iterator[Promise]:
    """The rows of docs/targets.json."""
    taken: Facts = {"area": "concepts", "commit": found["commit"], "machine": in_words(found["machine"])}

    def mean(what: str, key: str) -> Promise:
        values = [each[key] for each in found["networks"] if key in each]
        low, high = min(values), max(values)
        target = at_least(0.9)
        return Promise(
            what=what, value=float(np.mean(values)), low=low, high=high, n=len(values), target=target, **taken
        )

    for by in ("displacement", "similarity"):
        yield mean(
            f"find by {by}: average precision of planted concepts (by chance .25), mean and range of networks", by
        )
    yield mean("concept scores: rank correlation of share and strength, range of networks", "correlation")
    alone, counted = ([each[key] for each in found["selected"]] for key in ("alone", "counted"))
    what = f"of {SETS} sets drawn at random the strongest, tested alone on the videos that it was chosen by: an effect"
    yield Promise(what=what, unit="%", **ends(rate(sum(alone), len(alone))), **taken)
    what = f"of {SETS} sets drawn at random any, with all of them counted: an effect"
    yield Promise(what=what, unit="%", target=at_most(0.05), **ends(rate(sum(counted), len(counted))), **taken)


def main() -> None:
    """A line a network, then the rows."""
    torch.set_num_threads(1)
    if "--page" not in sys.argv:
        networks = []
        for rule in (*GRADED, "shape × motion"):
            for seed in SEEDS:
                networks.append(of_network(rule, seed))
                print(networks[-1])
        chosen = [each for seed in SEEDS for each in selected(seed)]
        found = {"commit": commit(), "machine": machine(), "networks": networks, "selected": chosen}
        RESULT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    record(SCRIPT, promises(json.loads(RESULT.read_text(encoding="utf-8"))))


if __name__ == "__main__":
    main()
