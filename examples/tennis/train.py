"""Train small Video Swins on the tennis clips, and say honestly how good they are. Their recipes stand below.

    python examples/tennis/train.py ../shared/data/tennis scene-split

Many clips share a scene (one camera, one court, one player), and most clips of four strokes carry a mark in a corner.
The recipe `random-split` tests on other clips of the scenes that it trained on. `scene-split` holds whole scenes out
and fills the mark's corner in every clip, marked or not. `swin` holds scenes out and leaves the mark in. Each holds
out about a quarter of the clips of each stroke. Chance is 1/7 = 14 %.

Settled before any network was trained: seed 0, the first of four folds, and the last epoch.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import platform
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own abbreviation

from videotcav.compat.torchvision import import_torchvision
from videotcav.interventions.clips import edit_clips
from videotcav.models.checkpoint import save
from videotcav.records import ClipSpec
from videotcav.video.clips import Clips, normalised, read_clips

HERE = Path(__file__).parent
SECONDS = 1.6
STORED = (72, 128)  # a little more than the model sees, so that training can crop
MARK = "watermark"


@dataclass(frozen=True)
class Recipe:
    """How a network is trained: what is held out, what it sees, and how clips are varied.

    Crops of training keep `least_area` of the picture and more.
    """

    split: Literal["scene", "random"]
    fills_mark: bool = False
    frames: int = 8
    epochs: int = 40
    batch: int = 8
    least_area: float = 0.8
    mirrored: bool = False
    antialias: bool = True

    @property
    def clip_spec(self) -> ClipSpec:
        """What the network sees of a video."""
        return ClipSpec(
            frames=self.frames,
            seconds_between_frames=SECONDS / self.frames,
            height=64,
            width=112,
            resize=64,
            mean=(0.45,) * 3,
            std=(0.225,) * 3,
            antialias=self.antialias,
        )

    @property
    def architecture(self) -> dict[str, object]:
        """Of the network, but for its classes."""
        return {
            "patch_size": [2, 4, 4],
            "embed_dim": 32,
            "depths": [2, 2, 2],
            "num_heads": [2, 4, 8],
            "window_size": [self.frames // 2, 4, 7],
            "stochastic_depth_prob": 0.1,
            "dropout": 0.2,
        }


RECIPES = {
    "swin": Recipe("scene", frames=16, epochs=16, batch=16, least_area=0.5, mirrored=True, antialias=False),
    "random-split": Recipe("random"),
    "scene-split": Recipe("scene", fills_mark=True),
}
"""The last two are alike but for the split and the corner. They crop little and mirror nothing, so that a mark in a
corner stays what and where it is, and see 8 frames in the same time, so that each takes minutes on one core."""


def main() -> None:
    """Reads, splits, trains, evaluates, writes weights and log."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with labels.csv and the clips")
    parser.add_argument("recipe", choices=RECIPES, help="the weights are called so, the log lies beside them")
    parser.add_argument("-o", "--output", type=Path, default=HERE, help="folder of the weights")
    parser.add_argument("--epochs", type=int, help="those of the recipe when left out")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    recipe, output = RECIPES[options.recipe], options.output / f"{options.recipe}.safetensors"
    epochs, started = options.epochs or recipe.epochs, time.monotonic()

    rows = labelled_clips(options.data)
    paths = [options.data / row["file"] for row in rows]
    classes = tuple(sorted({row["label"] for row in rows}))
    labels = torch.tensor([classes.index(row["label"]) for row in rows])
    train_rows, test_rows = split(rows, by=recipe.split, seed=options.seed)
    frames = read_small(paths, recipe)
    print(f"{len(rows)} clips read, {len(train_rows)} to train on, {len(test_rows)} to test on")

    torch.manual_seed(options.seed)
    swin = import_torchvision("torchvision.models.video").SwinTransformer3d
    architecture = {**recipe.architecture, "num_classes": len(classes)}
    model = swin(**architecture)
    fit(model, frames[train_rows], labels[train_rows], recipe, epochs=epochs, seed=options.seed)

    model.half().float()  # the weights as they will be stored
    clips = read_clips(paths, recipe.clip_spec)
    right = predict(model, clips.pixels) == labels
    right_without = predict(model, without_mark(clips)) == labels
    model.half()
    save(output, model, classes=classes, clip_spec=recipe.clip_spec, architecture=architecture)
    log = {
        "command": f"train.py {options.recipe} --epochs {epochs} --seed {options.seed}",
        "torch": torch.__version__,
        "python": platform.python_version(),
        "minutes": round((time.monotonic() - started) / 60, 1),
        "chance": 1 / len(classes),
        **{
            part: {
                "clips": len(chosen),
                "accuracy": float(right[chosen].float().mean()),
                "accuracy with the mark's corner filled": float(right_without[chosen].float().mean()),
            }
            for part, chosen in (("trained on", train_rows), ("held out", test_rows))
        },
        "held_out_files": [rows[index]["file"] for index in test_rows],
    }
    output.with_suffix(".json").write_text(json.dumps(log, indent=1) + "\n")
    print(f"held-out accuracy {log['held out']['accuracy']:.3f}, chance {log['chance']:.3f}")


def labelled_clips(data: Path) -> list[dict[str, str]]:
    """The rows of labels.csv: file, label, scene."""
    with (data / "labels.csv").open(newline="") as lines:
        return list(csv.DictReader(lines))


def split(rows: list[dict[str, str]], *, by: str, seed: int) -> tuple[list[int], list[int]]:
    """Rows to train on and to test on, about 3 : 1 within each stroke; by `scene`, none is on both sides."""
    folds = (StratifiedGroupKFold if by == "scene" else StratifiedKFold)(n_splits=4, shuffle=True, random_state=seed)
    labels, scenes = [row["label"] for row in rows], [row["scene"] for row in rows]
    train, test = next(folds.split(np.zeros(len(rows)), labels, scenes if by == "scene" else None))
    return train.tolist(), test.tolist()


def read_small(paths: list[Path], recipe: Recipe) -> Tensor:
    """The frames that the network sees, uint8 `clip channel time height width`, a little larger."""
    height, width = STORED
    whole = {"height": height, "width": width, "resize": STORED, "mean": (0.0,) * 3, "std": (1.0,) * 3}
    clips = read_clips(paths, recipe.clip_spec.model_copy(update={**whole, "antialias": True}))
    pixels = without_mark(clips) if recipe.fills_mark else clips.pixels
    return (255 * pixels).round().byte()


def without_mark(clips: Clips) -> Tensor:
    """The clips with the mark's corner filled, whether it is there or not."""
    return edit_clips(clips, HERE / "regions.json", "remove", label=MARK).pixels


def augmented(frames: Tensor, recipe: Recipe, rng: np.random.Generator) -> Tensor:
    """Random crops, mirrored half the time where the recipe says so (strokes stay strokes), in other light."""
    clips, spec = [], recipe.clip_spec
    for clip in frames:
        scale = math.sqrt(rng.uniform(recipe.least_area, 1.0))
        height, width = int(STORED[0] * scale), int(STORED[1] * scale)
        top, left = rng.integers(0, STORED[0] - height + 1), rng.integers(0, STORED[1] - width + 1)
        crop = clip[:, :, top : top + height, left : left + width].permute(1, 0, 2, 3).float()
        crop = F.interpolate(crop, size=(spec.height, spec.width), mode="bilinear", antialias=True)
        crop = ((crop - 128) * rng.uniform(0.7, 1.3) + 128 + rng.uniform(-25, 25)).clamp(0, 255)
        clips.append(normalised((crop.flip(-1) if recipe.mirrored and rng.integers(2) else crop) / 255, spec))
    return torch.stack(clips)


def fit(model: nn.Module, frames: Tensor, labels: Tensor, recipe: Recipe, *, epochs: int, seed: int) -> None:
    """AdamW with a warm-up and a cosine, on augmented clips."""
    rng, batch = np.random.default_rng(seed), recipe.batch
    steps = epochs * math.ceil(len(labels) / batch)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=1e-3, total_steps=steps, pct_start=0.1)
    model.train()
    for epoch in range(epochs):
        order, losses = rng.permutation(len(labels)), []
        for start in range(0, len(order), batch):
            chosen = order[start : start + batch]
            logits = model(augmented(frames[chosen], recipe, rng))
            loss = F.cross_entropy(logits, labels[chosen], label_smoothing=0.1)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            losses.append(loss.item())
        print(f"epoch {epoch + 1}/{epochs} loss {np.mean(losses):.3f}", flush=True)


@torch.no_grad()
def predict(model: nn.Module, pixels: Tensor) -> Tensor:
    """The predicted class of each clip."""
    model.eval()
    return torch.cat([model(part).argmax(dim=1) for part in pixels.split(16)])


if __name__ == "__main__":
    main()
