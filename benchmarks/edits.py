"""How true the fill of an edit is: planted scenes with the object taken out, against the film rendered without it.

Scenes of all sorts, one of five motions each (an object at rest is never uncovered, and made up), grain and a passing
distractor included. The error is the mean difference inside the object's mask, in grey levels; beside it stand those of
the second fill and of a constant colour, and how often the camera is taken for what it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from harness import Book, Cells, options, taken
from validation.targets import Promise
from videotcav.planted.scenes import CameraPath, masks, render, sample_scene, swap
from videotcav.video.camera import camera_motion
from videotcav.video.fill import filled
from videotcav.video.softly import grown

SIZE: dict[str, Any] = {"height": 64, "width": 64, "frames": 8}
STANDS, MOVES = "the camera stands", "the camera moves"


def camera_path(rng: np.random.Generator) -> CameraPath:
    """A pan by up to a quarter of the picture, and in half of all a turn and a zoom."""
    way, far = rng.uniform(0, 2 * np.pi), rng.uniform(0.05, 0.25)
    pan = {"right": far * np.cos(way), "down": far * np.sin(way)}
    if rng.integers(2):
        return CameraPath(**pan, turn=rng.uniform(-0.15, 0.15), zoom=float(np.exp(rng.uniform(-0.2, 0.2))))
    return CameraPath(**pan)


def measured(scenes: int, *, moves: bool) -> dict[str, list[float]]:
    """The errors of each scene by fill, the share made up, and whether the camera is said to move."""
    found: dict[str, list[float]] = {name: [] for name in ("median", "surroundings", "constant", "inpainted", "moved")}
    for seed in range(scenes):
        rng = np.random.default_rng([19, seed])
        scene = sample_scene(rng)
        scene = swap(scene, camera=camera_path(rng)) if moves else scene
        frames, truth = render(scene, **SIZE), render(swap(scene, x=9.0), **SIZE)
        where = grown(masks(scene, **SIZE)["actor"])
        if not where.any():
            continue
        camera = camera_motion(frames, where)
        made = filled(frames, where, camera=camera)
        constant = np.broadcast_to(frames[~where].mean(axis=0), frames.shape)
        second = filled(frames, where, camera=camera, fill="surroundings").frames
        for name, shown in (("median", made.frames), ("surroundings", second), ("constant", constant)):
            found[name].append(float(np.abs(shown.astype(np.float64) - truth)[where].mean()))
        found["inpainted"].append(made.inpainted)
        found["moved"].append(float(not camera.stands))
    return found


def promises(cells: Cells) -> Iterator[Promise]:
    """The mean error of the fill, with its interval over scenes."""
    for title, cell in cells.items():
        errors = np.array(cell["findings"]["median"])
        drawn = np.random.default_rng(0).choice(errors, (2000, len(errors))).mean(axis=1)
        low, high = np.quantile(drawn, [0.025, 0.975]).tolist()
        yield Promise(
            area="interventions",
            what=f"fill of an object's place against the film without it, mean error in grey levels, {title}",
            value=float(errors.mean()),
            low=low,
            high=high,
            n=len(errors),
            **taken(cell),
        )


def main() -> None:
    """Prints the errors and writes them down."""
    parser = options(__doc__)
    parser.add_argument("--scenes", type=int, default=150)
    arguments = parser.parse_args()
    book = Book(__file__, "how true the fill of an edit is", arguments, promises)
    for title in book.wanted(STANDS, MOVES):
        found = measured(arguments.scenes, moves=title == MOVES)
        print({name: round(float(np.mean(values)), 3) for name, values in found.items()})
        book.note(title, **found)


if __name__ == "__main__":
    main()
