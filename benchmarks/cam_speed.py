"""What a map costs: ours against the bare forward and backward pass, captum, torch-cam and grad-cam.

    python benchmarks/cam_speed.py [--repeats 5] [--threads 1]

Every contender explains the same clips with Grad-CAM on the same network, at one layer and at three; the clips that go
forward and backward are counted beside the clock. Ours includes the enlargement to the clip's pixels; the peers' maps
are left on the layer's grid. On Video Swin the peers have no right answer (tests/maps/test_peers.py) and are left out.

`bare` is the least that any gradient method must do: forward, and backward from the score to the layer (the first of
the three), no parameter differentiated.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator

import torch
from captum.attr import LayerGradCam
from torch import Tensor

from harness import Book, Cells, counted, medians, middle, options, ratios, taken
from validation.targets import Promise, at_most
from videotcav.maps import layer_maps
from videotcav.models.load import load_model
from videotcav.models.model import VideoModel

LAYERS = {"r3d_18": ("layer1", "layer2", "layer3"), "swin3d_t": ("features.0", "features.2", "features.4")}
SIZES = {"r3d_18": (8, 112), "swin3d_t": (16, 112)}
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


def promises(cells: Cells) -> Iterator[Promise]:
    """A twentieth above the bare passes at most, as fast as each peer, and one pass for all layers."""
    for title, cell in cells.items():
        rounds = ratios(cell, "videotcav", "bare")
        what = f"maps ÷ bare passes, seconds, {title}"
        yield Promise(area="speed", what=what, unit="×", target=at_most(1.05), **middle(rounds), **taken(cell))
        for peer in [name for name in cell["contestants"] if name not in ("bare", "videotcav")]:
            what = f"maps ÷ {peer}, seconds, {title}"
            row = medians(cell, "videotcav", peer)
            yield Promise(area="speed", what=what, unit="×", target=at_most(1.0), **row, **taken(cell))
        passed = cell["contestants"]["videotcav"]["clips_forwarded"]
        yield Promise(
            area="speed",
            what=f"forward passes a clip of maps, {title}",
            target=at_most(1.0),
            value=passed["median"] / cell["conditions"]["clips"],
            n=len(passed["samples"]),
            **taken(cell),
        )


def main() -> None:
    """Run all races, print them, and write them down."""
    parser = options(__doc__)
    parser.add_argument("--clips", type=int, default=2)
    arguments = parser.parse_args()
    book = Book(__file__, "What Grad-CAM costs", arguments, promises, packages=("captum", "torchcam", "grad-cam"))
    cells = {
        f"{name}, {frames} × {side} × {side}, {count} layer{'s' * (count > 1)}": (name, frames, side, count)
        for name, (frames, side) in SIZES.items()
        for count in (1, 3)
    }
    for title in book.wanted(*cells):
        name, frames, side, count = cells[title]
        size = (arguments.clips, 3, frames, side, side)
        clips = torch.randn(size, generator=torch.Generator().manual_seed(0))
        model = load_model(f"torchvision:{name}")
        model.module.eval()
        layers = LAYERS[name][-count:]
        with counted(model.module) as passes:
            runners = contenders(model, clips, layers, peers=name == "r3d_18")
            found = book.race(title, runners, meters=passes.meters, clips=arguments.clips, layers=layers)
        rounds = ratios({"contestants": found}, "videotcav", "bare")
        book.note(title, ours_to_bare=statistics.median(rounds), range_of_rounds=[min(rounds), max(rounds)])


if __name__ == "__main__":
    main()
