"""From a folder of Kinetics-400 or Something-Something v2 to reviewed concepts and a study that can be run.

    python examples/kinetics/recipe.py study /data/kinetics400 --detector yolov7.onnx -o tennis
    python examples/kinetics/recipe.py ssv2 /data/ssv2 --detector yolov7.onnx -o pushing

Cuts concepts out of training videos of the class and a random pool out of one video each of other classes, writes
`study.toml` beside them, and opens the review. Stopped and given again, it goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import tomllib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import videotcav as vt
from videotcav.cli.console import Voice
from videotcav.datasets.read import read_list

HERE = Path(__file__).parent
FROM_CLASS, OTHER_CLASSES = 60, 120  # videos in which things are looked for


@dataclass(frozen=True)
class Cut:
    """How concepts are cut: labels of the detector → concepts; the pool is cut of all labels, or of the others."""

    lists: tuple[str, str]  # of training and of validation
    labels: dict[str, str]
    recipe: vt.Recipe
    pool_has_all: bool


CUTS = {
    "study": Cut(
        lists=("train.csv", "val.csv"),
        labels={"person": "person", "tennis racket": "racket", "sports ball": "ball"},
        # As published: padded canvases, still and moving. Each of the 32 frames is one of those that the model sees.
        recipe=vt.Recipe(
            mode="paper",
            kinds=("spatial", "spatiotemporal", "frozen"),
            frames_per_clip=32,
            max_clips_per_source=1,
        ),
        pool_has_all=False,
    ),
    "ssv2": Cut(
        lists=("train.json", "validation.json"),
        labels={"person": "hand", "*": "thing"},
        # The way through the frame is what the classes differ by: nothing is centred, and tracks are taken whole.
        recipe=vt.Recipe(
            mode="in-place",
            kinds=("spatiotemporal", "frozen", "reversed"),
            frames_per_clip=None,
            max_clips_per_source=1,
        ),
        pool_has_all=True,
    ),
}


def main() -> None:
    """Writes the folder of a study, and opens the review of its concepts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", choices=CUTS, help="study: playing tennis, of Kinetics-400; ssv2: a mirrored pair")
    parser.add_argument("data", type=Path, help="the folder with the lists (or annotations/, labels/) and the videos")
    parser.add_argument("--detector", required=True, help="as `videotcav concepts propose` takes it")
    parser.add_argument("--output", "-o", type=Path, required=True, help="the study's folder")
    parser.add_argument("--model", help="another model with the same classes")
    parser.add_argument("--weights", help="its weights")
    parser.add_argument("--unseen", action="store_true", help="accept every clip, on record as seen by nobody")
    given = parser.parse_args()
    try:
        prepare(given.study, given.data, given.detector, given.output, model=given.model, weights=given.weights)
        if given.unseen:
            vt.accept(given.output / "concepts")
        else:
            with suppress(KeyboardInterrupt):
                vt.review(given.output / "concepts", announce=print)
    except vt.VideotcavError as error:
        sys.exit(str(error))
    print(f"next: videotcav plan {given.output / 'study.toml'}")


def prepare(
    name: str, data: Path, detector: str, output: Path, *, model: str | None = None, weights: str | None = None
) -> None:
    """Cuts concepts and pool into `output`, and writes the study there unless it is there already."""
    cut, text = CUTS[name], (HERE / f"{name}.toml").read_text(encoding="utf-8")
    (class_name,) = tomllib.loads(text)["classes"]["include"]
    data = data.resolve()
    train, asked = (_list(data, each) for each in cut.lists)
    listed = read_list(vt.ClipList(list=train, videos=_videos(data, train), limit_per_class=FROM_CLASS), Path())
    print(*listed.remarks, sep="\n")
    others = [paths[0] for label, paths in listed.classes.items() if label != class_name]
    others = random.Random(0).sample(others, min(OTHER_CLASSES, len(others)))  # noqa: S311 - no secret
    finder = vt.load_detector(detector)
    pool = {label: "other things" for label in finder.labels if cut.pool_has_all or label not in cut.labels}
    still = ("spatial",) if "spatial" in cut.recipe.kinds else ()
    for folder, videos, labels, kinds in (
        ("concepts", listed.classes.get(class_name, ()), cut.labels, cut.recipe.kinds),
        ("random", others, pool, (*still, "spatiotemporal")),
    ):
        if not videos:
            sys.exit(f"{train}: none of the videos that {folder} are cut from is in {_videos(data, train)}")
        done = vt.propose(
            videos,
            output / folder,
            detector=finder,
            labels=labels,
            recipe=cut.recipe.model_copy(update={"kinds": kinds}),
            skip_bad=True,
            progress=Voice().progress,
        )
        print(f"{done.added} clips in {output / folder}, {len(done.skipped)} videos cannot be read")
    vt.accept(output / "random")
    if not (output / "study.toml").exists():
        said = {"list": asked, "videos": _videos(data, asked), "detector": _found(detector)}
        said |= {"name": model, "weights": _found(weights)} if model else {}
        (output / "study.toml").write_text(_with(text, said), encoding="utf-8")


def _list(data: Path, name: str) -> Path:
    for place in (data, data / "annotations", data / "labels"):
        if found := sorted(place.glob(f"*{name}")):
            return found[0]
    sys.exit(f"{data}: no list is called {name}, there or in annotations/ or labels/")


def _videos(data: Path, clips: Path) -> Path:
    """Where the videos of a list lie: in a folder of its part, or of all."""
    places = (data / clips.stem, data / "20bn-something-something-v2", data / "videos")
    return next((place for place in places if place.is_dir()), data)


def _found(place: str | None) -> Path | str | None:
    """A path as it is seen from everywhere; a name as it is."""
    return Path(place).resolve() if place and Path(place).exists() else place


def _with(text: str, said: dict[str, Path | str | None]) -> str:
    """The study with other values; a key without one goes."""
    for key, value in said.items():
        line = "" if value is None else f"{key} = {json.dumps(str(value), ensure_ascii=False)}"
        text, count = re.subn(rf'^{key} = "[^"]*"', line.replace("\\", r"\\"), text, flags=re.MULTILINE)
        if not count and line:
            sys.exit(f"{key} has no place in the study")
    return text


if __name__ == "__main__":
    main()
