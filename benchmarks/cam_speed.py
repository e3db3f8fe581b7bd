"""What a map costs: ours against the bare forward and backward pass, captum, torch-cam and grad-cam.

    python benchmarks/cam_speed.py [--repeats 7] [--threads 1]

Every contender explains the same clips with Grad-CAM on the same r3d_18, at one layer and at three. In each round all
of them run once, in a random order; ratios are taken within rounds, so that a machine that slows down slows all.
Seconds are those of the processor (user and system time of the process), which another program cannot take away;
wall-clock seconds are kept beside them. Ours includes the enlargement to the clip's pixels; captum's and torch-cam's
maps are left on the layer's grid.

`bare` is the least that any gradient method must do: forward, and backward from the score to the layer (the first of
the three), no parameter differentiated.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from captum.attr import LayerGradCam
from torch import Tensor

from videotcav.maps import layer_maps
from videotcav.models.load import load_model
from videotcav.models.model import VideoModel

RESULT = Path(__file__).parent / "results" / "cam_speed.json"
LAYERS = {"r3d_18": ("layer1", "layer2", "layer3"), "swin3d_t": ("features.0", "features.2", "features.4")}
CLASS = 7

Contender = Callable[[], object]


def bare(model: VideoModel, clips: Tensor, layers: tuple[str, ...]) -> Contender:
    """Forward and backward to the layers with nothing else, parameters frozen."""

    def run() -> object:
        kept: dict[str, Tensor] = {}

        def keep(name: str) -> Callable[..., Tensor]:
            def hook(_module: object, _inputs: object, output: Tensor) -> Tensor:
                kept[name] = output if output.requires_grad else output.requires_grad_()
                return kept[name].clone()  # residual blocks change their input in place

            return hook

        handles = [model.layer(layer).register_forward_hook(keep(layer)) for layer in layers]
        try:
            score = model.module(clips)[:, CLASS].sum()
            return torch.autograd.grad(score, list(kept.values()))
        finally:
            for handle in handles:
                handle.remove()

    def frozen() -> object:
        parameters = [parameter for parameter in model.module.parameters() if parameter.requires_grad]
        for parameter in parameters:
            parameter.requires_grad_(False)
        try:
            return run()
        finally:
            for parameter in parameters:
                parameter.requires_grad_(True)

    return frozen


def contenders(model: VideoModel, clips: Tensor, layers: tuple[str, ...], *, peers: bool) -> dict[str, Contender]:
    """Everything that runs in a round, by name."""

    def ours() -> object:
        return layer_maps(model, clips, layers=layers, classes=[CLASS])

    def captum() -> object:
        return [
            LayerGradCam(model.module, model.layer(layer)).attribute(clips, CLASS, relu_attributions=True)
            for layer in layers
        ]

    found: dict[str, Contender] = {"bare": bare(model, clips, layers), "videotcav": ours}
    if not peers:
        return found
    found["captum"] = captum
    try:
        from torchcam.methods import GradCAM  # noqa: PLC0415 - may be absent

        def torchcam() -> object:
            with GradCAM(model.module, list(layers)) as method:
                return method(CLASS, model.module(clips), normalized=False)

        found["torch-cam"] = torchcam
    except ImportError:
        print("torch-cam is not installed: left out")
    try:
        from pytorch_grad_cam import GradCAM as TheirGradCAM  # noqa: PLC0415 - may be absent
        from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget  # noqa: PLC0415 - as above

        def gradcam() -> object:
            with TheirGradCAM(model.module, [model.layer(layer) for layer in layers]) as method:
                method.outputs = method.activations_and_grads(clips)
                method.model.zero_grad()
                targets = [ClassifierOutputTarget(CLASS)] * len(clips)
                sum(target(output) for target, output in zip(targets, method.outputs, strict=True)).backward()
                held = method.activations_and_grads
                return [
                    method.get_cam_image(None, None, targets, activation.numpy(), gradient.numpy())
                    for activation, gradient in zip(held.activations, held.gradients, strict=True)
                ]

        # Without its resizing, which goes through scipy on the processor and would cost more than the passes.
        found["grad-cam"] = gradcam
    except ImportError:
        print("grad-cam is not installed: left out")
    return found


def race(runners: dict[str, Contender], *, repeats: int, rng: np.random.Generator) -> dict[str, dict[str, list[float]]]:
    """Seconds of every contender in every round, `cpu` and `wall`; one round before them warms up."""
    samples: dict[str, dict[str, list[float]]] = {name: {"cpu": [], "wall": []} for name in runners}
    for round_ in range(repeats + 1):
        for name in rng.permutation(list(runners)).tolist():
            wall, cpu = time.perf_counter(), time.process_time()
            runners[name]()
            if round_:
                samples[name]["cpu"].append(time.process_time() - cpu)
                samples[name]["wall"].append(time.perf_counter() - wall)
    return samples


def summary(samples: dict[str, dict[str, list[float]]]) -> dict[str, dict[str, object]]:
    """Median and quartiles of each contender, and of its ratio to `bare` and to ours within rounds."""
    found = {}
    for name, seconds in samples.items():
        ratios = {
            other: [a / b for a, b in zip(seconds["cpu"], samples[other]["cpu"], strict=True)]
            for other in ("bare", "videotcav")
        }
        found[name] = {
            "cpu_seconds_median": statistics.median(seconds["cpu"]),
            "cpu_seconds_quartiles": np.quantile(seconds["cpu"], (0.25, 0.75)).tolist(),
            "wall_seconds_median": statistics.median(seconds["wall"]),
            "to_bare": statistics.median(ratios["bare"]),
            "to_bare_range": [min(ratios["bare"]), max(ratios["bare"])],
            "to_videotcav": statistics.median(ratios["videotcav"]),
            "samples": seconds,
        }
    return found


def main() -> None:
    """Run all races, print them, and write them down."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--clips", type=int, default=2)
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--side", type=int, default=112)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    size = (arguments.clips, 3, arguments.frames, arguments.side, arguments.side)
    clips = torch.randn(size, generator=torch.Generator().manual_seed(0))
    facts = {
        "device": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "load_before": os.getloadavg(),
        "threads": arguments.threads,
        "clips": size,
        "repeats": arguments.repeats,
        "versions": {"python": platform.python_version(), **_versions()},
        "races": {},
    }
    print({key: value for key, value in facts.items() if key != "races"})
    for name, layers in LAYERS.items():
        model = load_model(f"torchvision:{name}")
        model.module.eval()
        for chosen in (layers[-1:], layers):
            runners = contenders(model, clips, chosen, peers=name == "r3d_18")
            found = summary(race(runners, repeats=arguments.repeats, rng=np.random.default_rng(0)))
            title = f"{name}, {len(chosen)} layer{'s' * (len(chosen) > 1)}"
            facts["races"][title] = {"layers": chosen, "contenders": found}
            print(f"\n{title}: {', '.join(chosen)}")
            for contender, row in found.items():
                low, high = row["cpu_seconds_quartiles"]
                print(
                    f"  {contender:<10} {row['cpu_seconds_median']:7.3f} s ({low:.3f} to {high:.3f})   "
                    f"{row['to_bare']:5.2f} × bare   {row['to_videotcav']:5.2f} × ours   "
                    f"samples {' '.join(f'{second:.3f}' for second in row['samples']['cpu'])}"
                )
    facts["load_after"] = os.getloadavg()
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    print(f"\n{RESULT}")


def _versions() -> dict[str, str]:
    found = {}
    for package in ("torch", "torchvision", "captum", "torchcam", "grad-cam"):
        try:
            found[package] = version(package)
        except ModuleNotFoundError:
            found[package] = "absent"
    return found


if __name__ == "__main__":
    main()
