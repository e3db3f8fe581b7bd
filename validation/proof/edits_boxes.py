"""Edits of objects whose boxes are wrong, as a detector's are: moved at random, or missing in some frames.

python -m validation.proof.edits_boxes              the networks of the proof of edits, then the rows
python -m validation.proof.edits_boxes --part 0/2   only this share of them, no rows
python -m validation.proof.edits_boxes --page       rows from the results that are there

The scenes, the edits and their truth are those of `validation.proof.edits`, the places those that the tool finds.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from validation.proof import edits
from validation.proof.contrast_page import CACHE
from validation.proof.counting import moves
from validation.proof.edits import CLIPS, EDITS, OBJECTS, POOL, frames_of, order_of, path_of, rendered_anew
from validation.proof.edits_page import RESULT as EXACT
from validation.proof.edits_page import mean_error, median_order, spread, with_order
from validation.proof.harder_page import in_turn
from validation.proof.kept import kept, of_each, write
from validation.proof.training import NETWORKS, Job, trained
from validation.proof.world import CLIP_SPEC, FRAMES, RULES, SIDE, sample
from validation.provenance import ROOT, in_words
from validation.targets import Promise, record
from videotcav.concepts.propose.track import Track
from videotcav.interventions.frames import Masks
from videotcav.interventions.objects import ObjectClip, object_edit
from videotcav.interventions.tracks import object_masks
from videotcav.models.model import VideoModel
from videotcav.planted.scenes import Boxes, outlines
from videotcav.records import Box
from videotcav.video.info import ClipOrigin

SCRIPT = "validation/proof/edits_boxes.py"
RESULT = ROOT / "benchmarks" / "results" / "edits_boxes.json"

WAYS = {
    "exact": "exact",
    "10": "each side moved by up to 10 % of the box",
    "20": "each side moved by up to 20 % of the box",
    "missing": "2 of 8 frames missing",
}
MISSING = 2
"""Frames of a clip without a box: between two others it is interpolated, before the first and after the last absent."""


def main() -> None:
    """One line a network, then the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", default="", help="share the work: 0/2 here and 1/2 there, then once without")
    parser.add_argument("--page", action="store_true", help="only write the rows again")
    arguments = parser.parse_args()
    if not arguments.page:
        share, _, parts = (arguments.part or "0/1").partition("/")
        asked = {(each["rule"], each["seed"]) for each in json.loads(EXACT.read_text(encoding="utf-8"))["networks"]}
        own = [job for job in in_turn() if job.architecture == "cnn" and (job.rule, job.seed) in asked]
        networks = of_each(own[int(share) :: int(parts)], partial(of_network, cache=CACHE))
        if arguments.part:
            return
        write(RESULT, summary(networks))
    record(SCRIPT, promises(json.loads(RESULT.read_text(encoding="utf-8"))))


# --- boxes -------------------------------------------------------------------------------------------------------


def moved(boxes: Boxes, by: float, rng: np.random.Generator) -> Boxes:
    """Each side of each box moved on its own, by at most this share of the box's width or height."""
    found: list[Box | None] = []
    for box in boxes:
        left, top, right, bottom = rng.uniform(-by, by, size=4)
        found.append(
            box
            and Box(
                left=box.left + left * box.width,
                top=box.top + top * box.height,
                right=box.right + right * box.width,
                bottom=box.bottom + bottom * box.height,
            )
        )
    return tuple(found)


def thinned(boxes: Boxes, count: int, rng: np.random.Generator) -> Boxes:
    """Without the boxes of so many frames, drawn among all."""
    away = set(rng.choice(len(boxes), size=count, replace=False).tolist())
    return tuple(None if frame in away else box for frame, box in enumerate(boxes))


def told(boxes: Boxes, way: str, rng: np.random.Generator) -> Boxes:
    """The boxes as a way of `WAYS` has them."""
    if way == "missing":
        return thinned(boxes, MISSING, rng)
    return boxes if way == "exact" else moved(boxes, int(way) / 100, rng)


def found_by_the_tool(boxes: Boxes, clip: ClipOrigin) -> Masks | None:
    """The pixels that the tool takes for the object's, of boxes in pixels of the clip; None where there is no box."""
    kept = [(frame, box) for frame, box in enumerate(boxes) if box is not None]
    if not kept:
        return None
    frames, own = zip(*kept, strict=True)
    track = Track(id="0", label="object", frames=frames, boxes=own, scores=(1.0,) * len(own))
    return object_masks([track], clip, range(FRAMES), CLIP_SPEC).masks


# --- networks ----------------------------------------------------------------------------------------------------


def facts(model: VideoModel, job: Job) -> dict[str, Any]:
    """Each cell's changes by each way of telling the boxes, beside the truth, in σ."""
    rng, errors = np.random.default_rng([job.seed, 40]), np.random.default_rng([job.seed, 41])
    reference = edits._Passed(model, [frames_of(sample(rng)) for _ in range(POOL)]).scores  # noqa: SLF001 - one proof
    rows = []
    for place, name in enumerate(model.card.classes):
        films = [sample(rng, RULES[job.rule], name) for _ in range(CLIPS)]
        (origin, *_) = edits._clips(name, films[:1]).records  # noqa: SLF001 - one proof
        clips, cells, absent = [], [], 0
        for film in films:
            original = frames_of(film)
            boxes, _ = outlines(film.scene, height=SIDE, width=SIDE, frames=FRAMES)
            for who in OBJECTS:
                for way in WAYS:
                    masks = found_by_the_tool(told(boxes[who], way, errors), origin)
                    if masks is None:
                        absent += 1
                        continue
                    clip = ObjectClip(original, masks)
                    for edit in EDITS:
                        edited = object_edit(edit)(clip).frames
                        cells.append((way, who, edit))
                        clips += [
                            original,
                            original if edited is None else edited,
                            rendered_anew(film, who, order_of(edit, clip)),
                        ]
        scores = edits._Passed(model, clips).scores[:, place].reshape(-1, 3)  # noqa: SLF001 - one proof
        before, after, truth = scores.T / float(reference[:, place].std(ddof=1))
        for cell in dict.fromkeys(cells):
            own = [number for number, each in enumerate(cells) if each == cell]
            changes, truths = (after - before)[own], (truth - before)[own]
            rows.append(
                {
                    **dict(zip(("way", "object", "edit"), cell, strict=True)),
                    "class": name,
                    "changes": np.round(changes, 5).tolist(),
                    "truths": np.round(truths, 5).tolist(),
                    "mean": float(changes.mean()),
                    "change": float(truths.mean()),
                    "absent": absent,
                }
            )
    return {"rule": job.rule, "seed": job.seed, "rows": rows}


def of_network(job: Job, cache: Path) -> dict[str, Any]:
    """The facts of a network, from the cache where they are there and the code is the same."""
    code = ast.unparse(ast.parse(Path(__file__).read_text(encoding="utf-8"))) + path_of(job, cache).name
    path = cache / f"{job.name}-{hashlib.sha256(code.encode()).hexdigest()[:8]}.boxes.json"
    return kept(path, lambda: facts(trained(job, NETWORKS)[0], job))


# --- counts ------------------------------------------------------------------------------------------------------


def summary(networks: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """All numbers."""
    ways = {}
    for way in WAYS:
        parts = [[with_order(row) for row in each["rows"] if row["way"] == way] for each in networks]
        ways[way] = {
            "ordered": spread(parts, median_order),
            "ordered_relevant": spread([list(filter(moves, part)) for part in parts], median_order),
            "error": spread(parts, mean_error),
        }
    return {
        "clips": CLIPS,
        "networks": [{key: each[key] for key in ("rule", "seed")} for each in networks],
        "ways": ways,
    }


def promises(found: dict[str, Any]) -> Iterator[Promise]:
    """The rows of docs/targets.json, reported."""
    taken = {"area": "interventions", "commit": found["commit"], "machine": in_words(found["machine"])}
    for way, of in found["ways"].items():
        words = f"object edits by box, {WAYS[way]}"
        for name, what in (
            ("ordered", "rank correlation with the scene rendered anew over a cell's clips, median of cells"),
            ("ordered_relevant", "the same of relevant cells"),
            ("error", "mean error of a class's mean, in σ"),
        ):
            if of[name]["n"]:
                yield Promise(what=f"{words}: {what}", **taken, **of[name])


if __name__ == "__main__":
    main()
