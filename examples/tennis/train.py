"""Train a small Video Swin on the tennis clips, split by scene, and say honestly how good it is.

    python examples/tennis/train.py ../shared/data/tennis -o examples/tennis/swin.safetensors

Many clips share a scene (one camera, one court, one player), so a random split would test on what it trained on.
Here whole scenes are held out: about a quarter of the clips of each stroke. Chance is 1/7 = 14 %.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import platform
import time
from pathlib import Path

import numpy as np
import torch
from sklearn.model_selection import StratifiedGroupKFold
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own abbreviation

from videotcav.compat.torchvision import import_torchvision
from videotcav.models.checkpoint import save
from videotcav.records import ClipSpec
from videotcav.video.clips import read_clips
from videotcav.video.read import probe, read_frames
from videotcav.video.sampling import sample_times

CLIP_SPEC = ClipSpec(
    frames=16, seconds_between_frames=0.1, height=64, width=112, resize=64, mean=(0.45,) * 3, std=(0.225,) * 3
)
ARCHITECTURE = {
    "patch_size": [2, 4, 4],
    "embed_dim": 32,
    "depths": [2, 2, 2],
    "num_heads": [2, 4, 8],
    "window_size": [8, 4, 7],
    "stochastic_depth_prob": 0.1,
    "dropout": 0.2,
}
STORED = (72, 128)  # a little more than the model sees, so that training can crop


def main() -> None:
    """Reads, splits, trains, evaluates, writes weights and log."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with labels.csv and the clips")
    parser.add_argument("-o", "--output", type=Path, required=True, help="safetensors file; the log lies beside it")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    started = time.monotonic()

    rows = labelled_clips(options.data)
    classes = tuple(sorted({row["label"] for row in rows}))
    labels = torch.tensor([classes.index(row["label"]) for row in rows])
    train_rows, test_rows = split_by_scene(rows, seed=options.seed)
    frames = torch.stack([read_small(options.data / row["file"]) for row in rows])
    print(f"{len(rows)} clips read, {len(train_rows)} to train on, {len(test_rows)} of other scenes to test on")

    torch.manual_seed(options.seed)
    swin = import_torchvision("torchvision.models.video").SwinTransformer3d
    architecture = {**ARCHITECTURE, "num_classes": len(classes)}
    model = swin(**architecture)
    fit(model, frames[train_rows], labels[train_rows], epochs=options.epochs, seed=options.seed)

    model.half().float()  # the weights as they will be stored
    accuracy = {
        part: float(
            (predict(model, [options.data / rows[index]["file"] for index in chosen]) == labels[chosen]).float().mean()
        )
        for part, chosen in (("training scenes", train_rows), ("held-out scenes", test_rows))
    }
    model.half()
    save(options.output, model, classes=classes, clip_spec=CLIP_SPEC, architecture=architecture)
    log = {
        "command": f"train.py --epochs {options.epochs} --seed {options.seed}",
        "torch": torch.__version__,
        "python": platform.python_version(),
        "minutes": round((time.monotonic() - started) / 60, 1),
        "accuracy": accuracy,
        "chance": 1 / len(classes),
        "clips": {"training scenes": len(train_rows), "held-out scenes": len(test_rows)},
        "held_out_files": [rows[index]["file"] for index in test_rows],
    }
    options.output.with_suffix(".json").write_text(json.dumps(log, indent=1) + "\n")
    print(f"held-out accuracy {accuracy['held-out scenes']:.3f}, chance {log['chance']:.3f}")


def labelled_clips(data: Path) -> list[dict[str, str]]:
    """The rows of labels.csv: file, label, scene."""
    with (data / "labels.csv").open(newline="") as lines:
        return list(csv.DictReader(lines))


def split_by_scene(rows: list[dict[str, str]], *, seed: int) -> tuple[list[int], list[int]]:
    """Rows to train on and rows to test on, about 3 : 1 within each stroke, no scene on both sides."""
    folds = StratifiedGroupKFold(n_splits=4, shuffle=True, random_state=seed)
    labels, scenes = [row["label"] for row in rows], [row["scene"] for row in rows]
    train, test = next(folds.split(np.zeros(len(rows)), labels, scenes))
    return train.tolist(), test.tolist()


def read_small(path: Path) -> Tensor:
    """The frames that the model's clip specification takes, uint8 `channel time height width`, a little larger."""
    video = probe(path)
    frames = torch.from_numpy(read_frames(video, sample_times(video, CLIP_SPEC))).permute(0, 3, 1, 2).float()
    small = F.interpolate(frames, size=STORED, mode="bilinear", antialias=True)
    return small.round().clamp(0, 255).byte().permute(1, 0, 2, 3)


def normalised(frames: Tensor) -> Tensor:
    """Pixels as the model takes them."""
    mean, std = (torch.tensor(values)[:, None, None, None] for values in (CLIP_SPEC.mean, CLIP_SPEC.std))
    return (frames.float() / 255 - mean) / std


def augmented(frames: Tensor, rng: np.random.Generator) -> Tensor:
    """Random crops (half of the area and more), mirrored half the time (strokes stay strokes), in other light."""
    clips = []
    for clip in frames:
        scale = math.sqrt(rng.uniform(0.5, 1.0))
        height, width = int(STORED[0] * scale), int(STORED[1] * scale)
        top, left = rng.integers(0, STORED[0] - height + 1), rng.integers(0, STORED[1] - width + 1)
        crop = clip[:, :, top : top + height, left : left + width].permute(1, 0, 2, 3).float()
        crop = F.interpolate(crop, size=(CLIP_SPEC.height, CLIP_SPEC.width), mode="bilinear", antialias=True)
        crop = (crop - 128) * rng.uniform(0.7, 1.3) + 128 + rng.uniform(-25, 25)
        clips.append((crop.flip(-1) if rng.integers(2) else crop).permute(1, 0, 2, 3))
    return normalised(torch.stack(clips).clamp(0, 255))


def fit(model: nn.Module, frames: Tensor, labels: Tensor, *, epochs: int, seed: int, batch: int = 16) -> None:
    """AdamW with a warm-up and a cosine, on augmented clips."""
    rng = np.random.default_rng(seed)
    steps = epochs * math.ceil(len(labels) / batch)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=1e-3, total_steps=steps, pct_start=0.1)
    model.train()
    for epoch in range(epochs):
        order, losses = rng.permutation(len(labels)), []
        for start in range(0, len(order), batch):
            chosen = order[start : start + batch]
            logits = model(augmented(frames[chosen], rng))
            loss = F.cross_entropy(logits, labels[chosen], label_smoothing=0.1)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            losses.append(loss.item())
        print(f"epoch {epoch + 1}/{epochs} loss {np.mean(losses):.3f}", flush=True)


@torch.no_grad()
def predict(model: nn.Module, paths: list[Path]) -> Tensor:
    """The predicted class of each clip, read as a study reads it."""
    model.eval()
    return torch.cat([model(part).argmax(dim=1) for part in read_clips(paths, CLIP_SPEC).pixels.split(16)])


if __name__ == "__main__":
    main()
