"""Concepts that nobody collected, on networks whose rule is shape × motion: are what was planted found, and do sets of
tubelets that are drawn at random stay silent?

Ten seeds are five networks with two draws of 160 videos each. `vt.discover` looks at layer *third* of half of them, and
`vt.Study.of(…).run` tests every set on the other half, against the pool that was cut alike. A set *matches* where 80 %
of its held-out clips share the class's shape or motion. Then as many sets of tubelets drawn at random take the place of
those that were found, several times, in the same folder's form and with its `discovery.json`.

python -m validation.proof.discovered          everything, some 20 minutes; a seed that is in the results stays
python -m validation.proof.discovered --page   the rows of docs/targets.json from the results that are there
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from einops import rearrange

import videotcav as vt
from validation.proof.shares import ends, rate
from validation.proof.training import NETWORKS, Job, trained
from validation.proof.world import RULES, Film, render_films, sample
from validation.provenance import ROOT, commit, in_words, machine
from validation.targets import Promise, Target, at_least, at_most, both, record
from videotcav.concepts.discover.candidates import DISCOVERY, Discovery
from videotcav.concepts.folder import ClipRecord, read_records, write_records
from videotcav.explain.inference.multiplicity import holm
from videotcav.models.model import VideoModel
from videotcav.video.write import write_video

RESULT = ROOT / "benchmarks" / "results" / "discovered.json"
SCRIPT = "validation/proof/discovered.py"
RULE, LAYER, VIDEOS, SETS, CLIPS, REPEATS = "shape × motion", "third", 160, 5, 12, 4
SEEDS, PURE, ALPHA = 10, 0.8, 0.05


def of_seed(seed: int, folder: Path) -> dict[str, Any]:
    """What was found in one network's videos, and what studies say of it and of sets drawn at random."""
    model, _ = trained(Job(RULE, seed // 2), NETWORKS)
    rng = np.random.default_rng([seed, 70])
    films = [sample(rng, RULES[RULE]) for _ in range(VIDEOS)]
    filmed(folder / "videos", films)
    found = vt.discover(
        model,
        folder / "videos",
        folder / "found",
        layers=[LAYER],
        target=model.card.classes[0],
        pool=folder / "pool",
        factors=SETS,
        clips=CLIPS,
        kinds=("spatiotemporal",),
        seed=seed,
        store=folder / "rows",
    )
    vt.accept(folder / "found")
    tested = _study(model, folder, "found", "pool")
    records = [each for each in read_records(folder / "found") if each.source_sha256 in found.held_out]
    sets = [_set(each.concept, records, films, tested.results) for each in found.found]
    return {"seed": seed, "sets": sets, "family": _family(tested), "random": [*_at_random(model, folder, found, seed)]}


def filmed(folder: Path, films: Sequence[Film]) -> None:
    """Films as files of a new folder that are called by their number."""
    folder.mkdir(parents=True)
    for number, pixels in enumerate(render_films(films)):
        shown = rearrange(pixels, "c t h w -> t h w c").numpy()
        write_video(folder / f"{number:03}.mp4", shown, frames_per_second=7.5)


def _study(model: VideoModel, folder: Path, concepts: str, pool: str, name: str = "run") -> vt.Run:
    return vt.Study.of(
        model,
        classes={each: [str(folder / "videos")] for each in model.card.classes},
        concepts=folder / concepts,
        random=folder / pool,
        layers=[LAYER],
        name=name,
    ).run(folder / name, store=folder / "rows")


def _family(run: vt.Run) -> list[int]:
    """The family's sizes, as the manifest states them; it also proves that no video is on both sides."""
    facts = run.manifest.discovery
    assert facts is not None  # noqa: S101 - a folder that was found
    assert not set(facts.finding) & set(facts.tested)  # noqa: S101 - that is promised
    return list(facts.families)


def _set(concept: str, records: Sequence[ClipRecord], films: Sequence[Film], results: Sequence[vt.Result]) -> Any:
    """A set's purest factor among its held-out clips, and the classes that contrast says it pushes."""
    scenes = [films[int(each.source)].scene for each in records if each.concept == concept]
    shares = {
        value: count / len(scenes)
        for factor in ("shape", "motion")
        for value, count in Counter(getattr(scene, factor) for scene in scenes).items()
    }
    value = max(shares, key=lambda each: shares[each])
    rows = [row for row in results if row.concept == concept and row.statistic == "contrast"]
    pushed = [row.class_name for row in rows if row.verdict == "positive"]
    return {"concept": concept, "value": value, "purity": shares[value], "pushed": pushed}


def _at_random(model: VideoModel, folder: Path, found: Discovery, seed: int) -> Iterator[dict[str, Any]]:
    """Sets of the pool's tubelets in the place of those that were found: verdicts, p, and the family's size."""
    pool = [each for each in read_records(folder / "pool") if each.kind == "spatiotemporal"]
    for repeat in range(REPEATS):
        order = np.random.default_rng([seed, 71, repeat]).permutation(len(pool))
        dealt = np.split(order[: SETS * CLIPS], SETS)
        place = folder / f"random-{repeat}"
        own = {each.concept: [pool[at] for at in part] for each, part in zip(found.found, dealt, strict=True)}
        _copied(folder / "pool", place / "found", own)
        shutil.copy(folder / "found" / DISCOVERY, place / "found")
        _copied(folder / "pool", place / "pool", {"random": [pool[at] for at in order[SETS * CLIPS :]]})
        run = _study(model, folder, f"random-{repeat}/found", f"random-{repeat}/pool", f"run-{repeat}")
        rows = [row for row in run.results if row.statistic == "contrast"]
        yield {
            "positive": [sum(r.verdict == "positive" for r in rows if r.concept == each) > 0 for each in own],
            "p": [[row.p for row in rows if row.concept == each] for each in own],
            "family": _family(run),
        }


def _copied(source: Path, target: Path, sets: Mapping[str, Sequence[ClipRecord]]) -> None:
    records = []
    for concept, own in sets.items():
        (target / concept / "spatiotemporal").mkdir(parents=True)
        for each in own:
            name = f"{concept}/spatiotemporal/{each.id}.mp4"
            shutil.copy(source / each.file_name, target / name)
            records.append(each.model_copy(update={"file_name": name, "concept": concept, "decision": "accepted"}))
    write_records(target, records)


# --- rows ---------------------------------------------------------------------------------------------------------


def promises(found: Mapping[str, Any]) -> Iterator[Promise]:
    """The rows of docs/targets.json."""
    taken = {"commit": found["commit"], "machine": in_words(found["machine"])}
    seeds = found["seeds"]
    matched = [[each for each in seed["sets"] if each["purity"] >= PURE] for seed in seeds]
    pushing = [any(any(s["value"] in name for name in s["pushed"]) for s in own) for own in matched]
    random = [part for seed in seeds for part in seed["random"]]
    sets = [is_positive for part in random for is_positive in part["positive"]]
    kept = [min(float(holm(np.array(own)).min()) for own in part["p"]) <= ALPHA for part in random]
    false_positive = both(at_most(0.05), at_most(0.07, on="high"))

    def share(what: str, hits: Sequence[bool], target: Target | None = None) -> Promise:
        cell = ends(rate(sum(hits), len(hits)))
        return Promise(area="concepts", what=f"discovered sets: {what}", unit="%", target=target, **cell, **taken)

    yield share("seeds in which one is 80 % of one planted shape or motion", [*map(bool, matched)], at_least(0.8))
    pure = [each["purity"] >= PURE for seed in seeds for each in seed["sets"]]
    yield share("of all sets those that are 80 % of one shape or motion (by chance 8 %)", pure)
    yield share("seeds in which one that matches pushes its class on held-out videos", pushing, at_least(0.8))
    yield share("random tubelets in their place, positive on held-out videos", sets, false_positive)
    yield share("studies of random tubelets where the best set is kept, asked alone and positive", kept)


def main() -> None:
    """A line a seed, then the rows."""
    torch.set_num_threads(1)
    found = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.is_file() else {"seeds": []}
    for seed in () if "--page" in sys.argv else range(SEEDS):
        if any(each["seed"] == seed for each in found["seeds"]):
            continue
        with tempfile.TemporaryDirectory() as folder:
            found["seeds"].append(of_seed(seed, Path(folder)))
        found |= {"commit": commit(), "machine": machine()}
        RESULT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        print(seed, [(each["purity"], each["value"], each["pushed"]) for each in found["seeds"][-1]["sets"]])
    record(SCRIPT, promises(found))


if __name__ == "__main__":
    main()
