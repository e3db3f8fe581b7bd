"""The proof's networks: a small 3D CNN a rule and seed, a network of 20 classes, and small Video Swins.

`jobs` fixes rules, seeds and the budget of steps before anything is trained; what did not learn its rule is counted.
A Video Swin from fresh weights stays at chance in this budget, so the transformers start from the bundled one. Weights
are rounded to half precision at the end of training, and lie in `networks/`, each with the log of its training.
"""

from __future__ import annotations

import ast
import hashlib
import json
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from einops import rearrange
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from validation.proof import world
from validation.proof.world import CLIP_SPEC, RULES, Film, normalised, render_films, sample
from videotcav.models.model import VideoModel
from videotcav.planted import factors, scenes, shapes
from videotcav.planted import model as planted_model
from videotcav.records import ModelCard

NETWORKS = Path(__file__).parent / "networks"
LAYERS = {
    "cnn": ("first", "second", "third"),
    "swin": ("features.0", "features.2", "features.4"),
}
_TRAINING, _HELD_OUT = 0, 1  # streams of the seed that never meet


@dataclass(frozen=True)
class Job:
    """One model to train: every number that decides its weights."""

    rule: str
    seed: int
    steps: int = 1000
    clips_per_step: int = 32
    rendered: int = 6144
    peak_rate: float = 3e-3
    architecture: Literal["cnn", "swin"] = "cnn"

    @property
    def name(self) -> str:
        """What its files are called."""
        return f"{self.architecture}-{self.rule.replace(' × ', '-x-').replace(' ', '-')}-{self.seed}"

    @property
    def key(self) -> str:
        """The hash of this job and of the code that renders and trains."""
        sources = [Path(str(module.__file__)) for module in (world, factors, scenes, shapes)] + [Path(__file__)]
        code = [ast.unparse(ast.parse(path.read_text(encoding="utf-8"))) for path in sources]
        return hashlib.sha256(json.dumps([asdict(self), code]).encode()).hexdigest()[:16]


def jobs(seeds: Sequence[int] = range(5)) -> list[Job]:
    """All networks: nine rules at each seed, one of 20 classes, and Video Swins of three rules at two seeds."""
    first = ("motion", "background", "shape", "shortcut 0.9", "reversed pairs", "shape × motion", "shortcut 0.5")
    order = (*first, "shortcut 1", "shortcut 0.7")
    return [
        *(Job(rule, seed, steps=1400 if rule == "shape" else 1000) for seed in seeds for rule in order),
        Job("background × motion", 0, steps=3000, clips_per_step=40, rendered=12288),
        *(
            Job(rule, seed, steps=1500, peak_rate=1e-3, architecture="swin")
            for seed in (0, 1)
            for rule in ("motion", "background", "shortcut 0.7")
        ),
    ]


def build(classes: int, *, architecture: Literal["cnn", "swin"] = "cnn", width: int = 16) -> nn.Module:
    """A network with fresh weights: (b c t h w) to logits (b class)."""
    return _swin(classes) if architecture == "swin" else _cnn(classes, width)


def _swin(classes: int) -> nn.Module:
    """The bundled Video Swin, a fresh linear layer in the place of its last one."""
    module = planted_model.build(classes=classes)
    head = {name: value for name, value in module.state_dict().items() if name.startswith("head.")}
    module.load_state_dict(load_file(planted_model.WEIGHTS) | head)
    return module


def _cnn(classes: int, width: int) -> nn.Module:
    """Three convolutions over time and space, a mean over both, and two linear layers, so that no gradient is
    the same for all clips: (b c t h w) to logits (b class).
    """

    def convolution(inputs: int, outputs: int, stride: tuple[int, int, int]) -> nn.Module:
        return nn.Sequential(
            nn.Conv3d(inputs, outputs, 3, stride=stride, padding=1, bias=False), nn.BatchNorm3d(outputs), nn.ReLU()
        )

    return nn.Sequential(
        OrderedDict(
            first=convolution(3, width, (1, 2, 2)),
            second=convolution(width, 2 * width, (2, 2, 2)),
            third=convolution(2 * width, 4 * width, (1, 2, 2)),
            head=nn.Sequential(
                nn.AdaptiveAvgPool3d(1),
                nn.Flatten(),
                nn.Linear(4 * width, 4 * width),
                nn.ReLU(),
                nn.Linear(4 * width, classes),
            ),
        )
    )


def as_drawn(film: Film) -> Film:
    """The film itself."""
    return film


def trained(job: Job, cache: Path, *, seen: Callable[[Film], Film] = as_drawn) -> tuple[VideoModel, dict[str, Any]]:
    """The job's model and the log of its training, from the cache where it is there; `seen` as for `train`."""
    weights = cache / f"{job.name}.safetensors"
    log_file = weights.with_suffix(".json")
    classes = tuple(RULES[job.rule].classes)
    module = build(len(classes), architecture=job.architecture)
    if not log_file.exists():
        cache.mkdir(parents=True, exist_ok=True)
        fresh, log = train(job, seen=seen)
        save_file({name: _half(tensor) for name, tensor in fresh.state_dict().items()}, weights)
        log_file.write_text(json.dumps(log), encoding="utf-8")
    module.load_state_dict(load_file(weights))
    card = ModelCard(
        name=f"{job.rule}, seed {job.seed}",
        clip_spec=CLIP_SPEC,
        classes=classes,
        layouts=dict.fromkeys(LAYERS[job.architecture], "b c t h w" if job.architecture == "cnn" else "b t h w c"),
        default_layers=LAYERS[job.architecture],
    )
    return VideoModel(module.eval(), card), json.loads(log_file.read_text(encoding="utf-8"))


def _half(tensor: Tensor) -> Tensor:
    return (tensor.half() if tensor.is_floating_point() else tensor).contiguous()


def train(job: Job, *, seen: Callable[[Film], Film] = as_drawn) -> tuple[nn.Module, dict[str, Any]]:
    """A module with the running mean of the weights, and the log. The same job gives the same on one machine.

    Each scene is shown in all classes of the rule, all else alike; what the class does not hang on cancels. `seen` is
    what a camera makes of each film.
    """
    started = time.perf_counter()
    torch.manual_seed(job.seed)
    rng = np.random.default_rng([job.seed, _TRAINING])
    rule = RULES[job.rule]
    count = len(rule.classes)
    films = [
        seen(sample(np.random.default_rng(seed), rule, name))
        for seed in rng.integers(2**63, size=job.rendered // count)
        for name in rule.classes
    ]
    pixels = rearrange(_rendered(films), "(film name) ... -> film name ...", name=count)
    module = build(count, architecture=job.architecture)
    mean = AveragedModel(module, multi_avg_fn=get_ema_multi_avg_fn(0.99), use_buffers=True)  # type: ignore[no-untyped-call]
    optimiser = torch.optim.AdamW(module.parameters(), lr=job.peak_rate, weight_decay=0.05)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, job.peak_rate, job.steps, pct_start=0.1)
    groups = job.clips_per_step // count
    answers = torch.arange(count).repeat(groups)
    curve: list[float] = []
    for _step in range(job.steps):
        chosen = pixels[rng.integers(len(pixels), size=groups)]
        colours = torch.from_numpy(rng.permutation(3))  # no rule knows a colour
        logits = module(normalised(chosen[:, :, colours]).flatten(0, 1))
        loss = nn.functional.cross_entropy(logits, answers)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call] # torch gives no types
        nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimiser.step()
        rate.step()
        mean.update_parameters(module)
        curve.append(loss.item())
    log = {
        **asdict(job),
        "key": job.key,
        "parameters": sum(parameter.numel() for parameter in module.parameters()),
        "loss": [round(float(np.mean(curve[start : start + 100])), 4) for start in range(0, job.steps, 100)],
        "seconds": round(time.perf_counter() - started, 1),
    }
    return mean.module.eval(), log


def held_out(job: Job, clips: int) -> list[Film]:
    """Fresh films of the rule, its classes in turn, from a stream that training never draws from."""
    names = list(RULES[job.rule].classes)
    rng = np.random.default_rng([job.seed, _HELD_OUT])
    return [sample(rng, RULES[job.rule], names[number % len(names)]) for number in range(clips)]


def _rendered(films: Sequence[Film]) -> Tensor:
    return torch.cat([render_films(films[start : start + 64]) for start in range(0, len(films), 64)])
