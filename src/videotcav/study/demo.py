"""The bundled scenes through both routes: rendered, cut into concepts, studied."""

from __future__ import annotations

from pathlib import Path

from videotcav.concepts.folder import accept
from videotcav.concepts.propose.recipe import Recipe
from videotcav.concepts.propose.videos import propose_from_boxes
from videotcav.planted.model import CLIP_SPEC, FRAMES_PER_VIDEO
from videotcav.planted.render import render_demo
from videotcav.records import Kind, Progress, silent
from videotcav.results.read import RunResults
from videotcav.study.run import Study

STILL_AND_MOVING: tuple[Kind, ...] = ("spatial", "spatiotemporal", "frozen", "shuffled")


def run_demo(folder: Path, *, command: str = "", progress: Progress = silent) -> RunResults:
    """The results of the study on the bundled scenes.

    `folder` gets the scenes, the concept clips cut from them, the study file, and the run folder `run`, which
    replaces that of an earlier demo.
    """
    study = render_demo(folder, progress=progress)
    cut_concepts(folder, progress=progress)
    return Study.from_file(study).run(folder / "run", replace=True, command=command, progress=progress)


def cut_concepts(folder: Path, *, progress: Progress = silent) -> None:
    """Cuts the concept sets and the random pool of the rendered scenes out of their sources, by their boxes.

    Half of the pool's videos give clips that move, the other half still ones: each is what a concept of its sort is
    compared with.
    """
    pool = sorted((folder / "random_source").glob("*.mp4"))
    half = len(pool) // 2
    concepts = [folder / "concepts_source"]
    anything = {"*": "other things"}
    sets: list[tuple[str, list[Path], dict[str, str], tuple[Kind, ...]]] = [
        ("concepts", concepts, {"racket": "racket", "ball": "ball"}, STILL_AND_MOVING),
        ("random/moving", pool[:half], anything, ("spatiotemporal",)),
        ("random/still", pool[half:], anything, ("spatial",)),
    ]
    for name, videos, labels, kinds in sets:
        # Boxes are exact and scenes differ by design: the gates that protect a person's eyes have nothing to do.
        # A steady window with its real surroundings: padding that flickers with the box would look like motion.
        recipe = Recipe(
            mode="window",
            fill=CLIP_SPEC.fill,
            frames_per_clip=FRAMES_PER_VIDEO,
            kinds=kinds,
            min_sharpness=0,
            min_hash_distance=0,
        )
        boxes = folder / f"{name.partition('/')[0]}_source" / "boxes.json"
        propose_from_boxes(videos, boxes, folder / name, labels=labels, recipe=recipe, progress=progress)
        accept(folder / name)
