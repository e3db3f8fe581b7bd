"""Trains the bundled model again, on scenes that are drawn as they are needed, and measures it on video files.

python -m validation.train_swin -o swin.safetensors
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from einops import rearrange
from safetensors.torch import load_file, save_file
from scipy.stats import binomtest
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from videotcav.outputs import MARK, refuse_overwriting, whole_file, write_text
from videotcav.planted.factors import MOTION, Rule, Scene, sample_scene, swap
from videotcav.planted.model import CLIP_SPEC, FRAMES_PER_SECOND, FRAMES_PER_VIDEO, build
from videotcav.planted.render import VIDEO_SIDE
from videotcav.planted.scenes import render, render_batch
from videotcav.records import Progress, silent
from videotcav.video.clips import read_clip
from videotcav.video.write import write_video

EASY_SHARE = 0.2
"""Share of the steps, at the start, in which easy scenes grow rare: a network finds large clear motions sooner."""

SIDES = ((0.3, 32), (0.6, 48), (1.0, 64))
"""Pixels of a side until a share of the steps is done: most is learned on small pictures, which cost a quarter."""

WEIGHTS_DECAY = 0.996
"""Of the running mean of the weights: it forgets within about 250 steps."""

_TRAINING, _HELD_OUT = 0, 1  # streams of the seed that never meet


def train(
    output: Path,
    *,
    seed: int = 0,
    steps: int = 5000,
    scenes_per_step: int = 8,
    peak_rate: float = 1.5e-3,
    start: Path | None = None,
    held_out: int = 1000,
    rule: Rule = MOTION,
    replace: bool = False,
    progress: Progress = silent,
) -> dict[str, Any]:
    """The log of a training run; the weights go to `output` (safetensors), the log beside it (json).

    What is kept is a running mean of the weights. With `start`, another run's weights, the steps go on from there, on
    full-sized pictures and without easy scenes.
    The held-out accuracy is that of scenes from an independent stream, written as H.264 files and read back.
    """
    refuse_overwriting([output, output.with_suffix(".json")], inputs=[start] if start else [], replace=replace)
    torch.manual_seed(seed)
    classes = list(rule.classes)
    module = _fresh(classes=len(classes))
    if start is not None:
        module.load_state_dict(load_file(start))
    easy_steps = EASY_SHARE * steps if start is None else 0.0
    mean = AveragedModel(module, multi_avg_fn=get_ema_multi_avg_fn(WEIGHTS_DECAY))  # type: ignore[no-untyped-call] # as torch
    optimiser = torch.optim.AdamW(module.parameters(), lr=peak_rate, weight_decay=0.05)
    rate = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _rate(step, steps))
    rng = np.random.default_rng([seed, _TRAINING])
    curve, recent = [], []
    for step in progress(range(1, steps + 1), "training"):
        scenes = _paired(rng, rule, count=scenes_per_step, ease=1 - step / easy_steps if easy_steps else 0.0)
        answers = _answers(scenes, rule)
        pixels = _framed(
            _pixels(scenes, side=_side(step / steps if start is None else 1.0)), rng, together=len(classes)
        )
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = module(pixels).float()
        loss = nn.functional.cross_entropy(logits, answers)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call] # torch gives no types
        nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimiser.step()
        rate.step()
        mean.update_parameters(module)
        recent.append((loss.item(), (logits.argmax(1) == answers).float().mean().item()))
        if step % 100 == 0 or step == steps:
            mean_loss, accuracy = np.mean(recent, axis=0)
            curve.append({"step": step, "loss": round(float(mean_loss), 4), "accuracy": round(float(accuracy), 4)})
            recent = []
    module = mean.module.eval()
    output.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(output) as unfinished:
        weights = {name: tensor.contiguous() for name, tensor in module.state_dict().items()}
        save_file(weights, unfinished, metadata={"from": MARK})
    log = {
        "from": MARK,
        "rule": rule.name,
        "classes": classes,
        "seed": seed,
        "steps": steps,
        "scenes_per_step": scenes_per_step,
        "peak_rate": peak_rate,
        "started_from_sha256": hashlib.sha256(start.read_bytes()).hexdigest() if start is not None else None,
        "parameters": sum(parameter.numel() for parameter in module.parameters()),
        "versions": {package: version(package) for package in ("torch", "torchvision", "numpy", "av")},
        "curve": curve,
        **evaluate(module, clips=held_out, rule=rule, rng=np.random.default_rng([seed, _HELD_OUT]), progress=progress),
    }
    write_text(output.with_suffix(".json"), json.dumps(log, indent=1) + "\n")
    return log


def evaluate(
    module: nn.Module, *, clips: int, rule: Rule = MOTION, rng: np.random.Generator, progress: Progress = silent
) -> dict[str, Any]:
    """Accuracy, its 95 % interval (Clopper–Pearson) and the confusion matrix [true][given] on real video files."""
    classes = list(rule.classes)
    confusion = np.zeros((len(classes), len(classes)), dtype=int)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scene.mp4"
        for _ in progress(range(clips), "testing"):
            scene = sample_scene(rng, rule=rule)
            frames = render(scene, height=VIDEO_SIDE, width=VIDEO_SIDE, frames=FRAMES_PER_VIDEO)
            write_video(path, frames, frames_per_second=FRAMES_PER_SECOND)
            with torch.inference_mode():
                given = module(read_clip(path, CLIP_SPEC)[1][None]).argmax(1).item()
            confusion[_answers([scene], rule)[0], given] += 1
    right = int(confusion.trace())
    interval = binomtest(right, clips).proportion_ci(method="exact")
    return {
        "held_out_clips": clips,
        "accuracy": right / clips,
        "accuracy_interval": [round(interval.low, 4), round(interval.high, 4)],
        "confusion": confusion.tolist(),
    }


def _fresh(*, classes: int) -> nn.Module:
    """The network with a start that its size needs: torchvision's weights are meant for 96 channels and more.

    Half of the patch filters begin as differences between two frames, so that motion is seen from the first step.
    """
    module = build(classes=classes)
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
        if isinstance(layer, nn.Conv3d):
            half = layer.out_channels // 2
            with torch.no_grad():
                layer.weight[:half, :, 1] = -layer.weight[:half, :, 0]
    return module


def _paired(rng: np.random.Generator, rule: Rule, *, count: int, ease: float) -> list[Scene]:
    """Each of `count` scenes once in every class, all else alike.

    What the class does not depend on then cancels in every step's gradient. Without it a Swin of this size stays at
    chance for thousands of steps: colours and backgrounds vary far more between clips than motion does.
    """
    scenes = []
    for seed in rng.integers(2**63, size=count):
        easy = rng.random() < ease
        for name in rule.classes:
            scene = sample_scene(np.random.default_rng(seed), rule=rule, class_name=name)
            if easy:
                scene = swap(scene, distractor_x=9.0, size=max(scene.size, 0.5), extent=max(scene.extent, 0.5))
            scenes.append(scene)
    return scenes


def _side(share: float) -> int:
    return next(side for until, side in SIDES if share <= until)


def _answers(scenes: Sequence[Scene], rule: Rule) -> Tensor:
    numbers = {name: number for number, name in enumerate(rule.classes)}
    return torch.tensor([numbers[rule.label(scene) or ""] for scene in scenes])


def _pixels(scenes: Sequence[Scene], *, side: int) -> Tensor:
    """Scenes as the model's input (scene c t h w)."""
    levels = render_batch(scenes, height=side, width=side, frames=CLIP_SPEC.frames)
    mean, std = torch.tensor(CLIP_SPEC.mean), torch.tensor(CLIP_SPEC.std)
    return rearrange((levels / 255 - mean) / std, "scene t h w c -> scene c t h w")


def _framed(pixels: Tensor, rng: np.random.Generator, *, together: int, share: float = 0.2) -> Tensor:
    """Some of the clips behind a window whose edges move smoothly, the mean colour around it.

    Concept clips follow an object's box and are padded, whatever moves in them. A model that has never met such
    borders would judge the border and not the object. `together` clips in a row, one of each class, share theirs.
    """
    clips, _, frames, height, width = pixels.shape
    windows = clips // together
    start, end, wave = rng.uniform(0, 0.2, (3, windows, 4, 1))
    times = np.linspace(0, 1, frames)
    margins = start + (end - start) * times + (wave - 0.1) * np.sin(math.pi * times)
    edged = rng.random((windows, 4, 1)) < 0.75  # noqa: PLR2004 - now and then an edge is the frame's own
    framed = rng.random((windows, 1, 1)) < share
    margins = np.repeat(margins * edged * framed, together, axis=0)
    left, right, top, bottom = rearrange(
        torch.as_tensor(margins, dtype=torch.float32), "clip edge t -> edge clip t 1 1"
    )
    y = rearrange((torch.arange(height) + 0.5) / height, "h -> h 1")
    x = rearrange((torch.arange(width) + 0.5) / width, "w -> 1 w")
    inside = (x > left) & (x < 1 - right) & (y > top) & (y < 1 - bottom)
    seen: Tensor = pixels * rearrange(inside, "clip t h w -> clip 1 t h w")
    return seen


def _rate(step: int, steps: int) -> float:
    warmup = max(1, steps // 15)
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def main() -> None:
    """Trains as the command line says, and says how good the result is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, required=True, help="where to write the weights (safetensors)")
    parser.add_argument("--seed", type=int, default=0, help="of weights and scenes")
    parser.add_argument("--start", type=Path, help="weights of an earlier run to go on from")
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--peak-rate", type=float, default=1.5e-3, help="highest learning rate")
    parser.add_argument("--replace", action="store_true", help="replace an earlier run's files")
    log = train(**vars(parser.parse_args()))
    print(f"held-out accuracy {log['accuracy']:.3f}")


if __name__ == "__main__":
    main()
