"""Checkpoints and ONNX files: damaged, hostile, or not a number."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save as safetensors_bytes
from torch import nn

from validation.campaign import damage
from validation.campaign.damage import Rng
from videotcav.concepts.detectors.detect import VideoFrames
from videotcav.concepts.detectors.yolo import load as load_yolo
from videotcav.models.load import load_model
from videotcav.models.passes import features
from videotcav.records import ClipSpec, ModelCard
from videotcav.video.info import VideoInfo

CARD = ModelCard(
    name="small",
    clip_spec=ClipSpec(frames=2, seconds_between_frames=0.1, height=8, width=8, resize=8),
    classes=("a", "b"),
    layouts={"0": "b c t h w"},
)


def small() -> nn.Module:
    """Two layers with weights that are the same each time."""
    module = nn.Sequential(nn.Conv3d(3, 4, (1, 3, 3)), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(4, 2))
    generator = torch.Generator().manual_seed(5)
    for parameter in module.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator)
    return module.eval()


def _bytes(state: dict[str, torch.Tensor], suffix: str) -> bytes:
    if suffix == "safetensors":
        return safetensors_bytes(state)
    held = io.BytesIO()
    torch.save(state, held)
    return held.getvalue()


def _outcome(path: Path) -> str:
    """`same` for the very weights; `unknowable` for others: a manifest records their fingerprint. NaN must be named."""
    model = load_model(small(), weights=path, card=CARD)
    state, truth = model.module.state_dict(), small().state_dict()
    clip = torch.linspace(-1, 1, 3 * 2 * 8 * 8).reshape(1, 3, 2, 8, 8)
    finite = all(bool(tensor.isfinite().all()) for tensor in state.values())
    read = features(model, clip, ["0"], pooling="none", clip_names=["clip"])["0"]
    if not bool(read.isfinite().all()):
        return "wrong"
    same = finite and all(torch.equal(state[key], truth[key]) for key in truth)
    return "same" if same else "unknowable"


def _checkpoint(change: Callable[[bytes, Rng], bytes]) -> Callable[[Path, Rng], str]:
    def attempt(folder: Path, rng: Rng) -> str:
        suffix = str(rng.choice(["safetensors", "pt", "pth"]))
        path = folder / f"weights.{suffix}"
        path.write_bytes(change(_bytes(small().state_dict(), suffix), rng))
        return _outcome(path)

    return attempt


def _head(data: bytes, rng: Rng) -> bytes:
    return damage.flipped(data, rng, high=min(len(data), 300))


def _hostile(folder: Path, rng: Rng) -> str:
    """A pickle that would write a file if it ran."""
    witness = folder / "it ran"

    class Hostile:
        def __reduce__(self) -> tuple[object, tuple[object, ...]]:
            return [(os.system, (f"touch '{witness}'",)), (open, (str(witness), "w"))][int(rng.integers(2))]

    path = folder / str(rng.choice(["weights.pt", "weights.pth", "weights.safetensors"]))
    held = io.BytesIO()
    if rng.random() < 0.5:
        torch.save({"state_dict": Hostile()}, held)
    else:
        pickle.dump(Hostile(), held)
    path.write_bytes(held.getvalue())
    try:
        return _outcome(path)
    finally:
        assert not witness.exists(), "the pickle ran"


def _other_shapes(folder: Path, rng: Rng) -> str:
    state = small().state_dict()
    key = str(rng.choice(list(state)))
    match int(rng.integers(4)):
        case 0:
            state[key] = torch.zeros((*state[key].shape, 2))
        case 1:
            del state[key]
        case 2:
            state[f"more.{key}"] = state[key].clone()
        case 3:
            state[key] = torch.zeros((0,))
    suffix = str(rng.choice(["safetensors", "pt"]))
    path = folder / f"weights.{suffix}"
    path.write_bytes(_bytes(state, suffix))
    return _outcome(path)


def _other_types(folder: Path, rng: Rng) -> str:
    kinds = [torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.bool]
    kind = kinds[int(rng.integers(len(kinds)))]
    path = folder / "weights.safetensors"
    path.write_bytes(_bytes({key: tensor.to(kind) for key, tensor in small().state_dict().items()}, "safetensors"))
    return _outcome(path)


def _not_numbers(folder: Path, rng: Rng) -> str:
    """Weights of NaN or infinity: the pass must name them."""
    state = small().state_dict()
    state["0.weight"].view(-1)[int(rng.integers(20))] = float(rng.choice([np.nan, np.inf, -np.inf]))
    path = folder / "weights.safetensors"
    path.write_bytes(_bytes(state, "safetensors"))
    _outcome(path)
    return "wrong"  # the pass must have named them


def _long_head(folder: Path, rng: Rng) -> str:
    """A header that says it is as long as the universe, or holds what no tensor is."""
    heads = [
        struct.pack("<Q", 2**62),
        struct.pack("<Q", 2**31) + b"{}",
        *(struct.pack("<Q", len(text)) + text for text in (b"[]", b"{", b"null", b'{"a":' * 3000)),
        *(
            struct.pack("<Q", len(text)) + text
            for text in (
                json.dumps({"0.weight": {"dtype": "F32", "shape": [2**40, 2**40], "data_offsets": [0, 8]}}).encode(),
                json.dumps({"0.weight": {"dtype": "X", "shape": [-1], "data_offsets": [8, 0]}}).encode(),
            )
        ),
    ]
    path = folder / "weights.safetensors"
    path.write_bytes(heads[int(rng.integers(len(heads)))] + bytes(16))
    return _outcome(path)


CHECKPOINTS: dict[str, Callable[[Path, Rng], str]] = {
    **{name: _checkpoint(change) for name, change in damage.BYTES.items()},
    "bits of the head flipped": _checkpoint(_head),
    "hostile pickle": _hostile,
    "other shapes": _other_shapes,
    "other types": _other_types,
    "not a number": _not_numbers,
    "a hostile header": _long_head,
}


@cache
def _network() -> bytes:
    """A detector in the form of YOLOv8 that sees nothing: the mean of the picture times zero."""
    from onnx import TensorProto, helper, numpy_helper  # noqa: PLC0415 - slow to import

    side, cells, classes = 32, 21, 3
    constants = {"zero": np.zeros((1, 1, 1), np.float32), "table": np.zeros((1, 4 + classes, cells), np.float32)}
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["grey"], axes=[1, 2], keepdims=0),
        helper.make_node("ReduceMean", ["grey"], ["mean"], axes=[1], keepdims=1),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Add", ["table", "nothing"], ["output"]),
    ]
    graph = helper.make_graph(
        nodes,
        "nothing",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, side, side])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 4 + classes, cells])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    helper.set_model_props(model, {"names": "{0: 'a', 1: 'b', 2: 'c'}"})
    return bytes(model.SerializeToString())


def _onnx(change: Callable[[bytes, Rng], bytes]) -> Callable[[Path, Rng], str]:
    """Loaded and shown a picture; `same` where it sees nothing, `unknowable` where another network lies there now."""

    def attempt(folder: Path, rng: Rng) -> str:
        path = folder / "net.onnx"
        path.write_bytes(change(_network(), rng))
        video = VideoInfo(path=folder / "x", sha256="0", width=64, height=48, duration_seconds=1, frames_per_second=1)
        (found,) = load_yolo(str(path))(VideoFrames(np.full((1, 48, 64, 3), 99, np.uint8), video, 0))
        if not np.isfinite(found.boxes).all() or not np.isfinite(found.scores).all():
            return "wrong"
        return "unknowable" if len(found.boxes) else "same"

    return attempt


NAMES = ("__import__('os').abort()", "{0: 'a'}", "[", "{'a': 0}", "{0: 1}", "{" * 5000, "-" * 10**5 + "1")


def _another_network(rng: Rng) -> bytes:
    """A network that is no detector, or says what no detector may, or is no network."""
    import onnx  # noqa: PLC0415 - slow to import

    model = onnx.load_from_string(_network())
    table = model.graph.initializer[1]
    match rng.choice(["shape in", "shape out", "names", "outside", "operator", "loop"]):
        case "shape in":
            dim = model.graph.input[0].type.tensor_type.shape.dim[int(rng.integers(4))]
            dim.dim_value = int(rng.choice([0, -1, 7, 2**31 - 1]))
        case "shape out":
            table.CopyFrom(onnx.numpy_helper.from_array(np.zeros((1, 3, 21), np.float32), "table"))
        case "names":
            onnx.helper.set_model_props(model, {"names": str(rng.choice(NAMES))})
        case "outside":  # weights in a file of its choice
            table.ClearField("raw_data")
            table.data_location = onnx.TensorProto.EXTERNAL
            table.external_data.add(key="location", value=str(rng.choice(["../../etc/passwd", "/etc/passwd", "gone"])))
        case "operator":
            model.graph.node[0].op_type = "System"
        case "loop":
            model.graph.node[0].input[0] = "output"
    return bytes(model.SerializeToString())


def _not_finite(data: bytes, rng: Rng) -> bytes:
    """One number of the network's output is none."""
    import onnx  # noqa: PLC0415 - slow to import

    model = onnx.load_from_string(data)
    values = np.zeros((1, 7, 21), np.float32)
    values.flat[int(rng.integers(values.size))] = rng.choice([np.nan, np.inf, -np.inf])
    model.graph.initializer[1].CopyFrom(onnx.numpy_helper.from_array(values, "table"))
    return bytes(model.SerializeToString())


def _network_of_nan(folder: Path, rng: Rng) -> str:
    _onnx(_not_finite)(folder, rng)
    return "wrong"  # it must have been named


def _odd_network(folder: Path, rng: Rng) -> str:
    """Its boxes must lie in the picture, whatever it says; nothing outside its file may be touched."""
    return _onnx(lambda _whole, rng: _another_network(rng))(folder, rng)


NETWORKS: dict[str, Callable[[Path, Rng], str]] = {
    **{name: _onnx(change) for name, change in damage.BYTES.items()},
    "not a number": _network_of_nan,
    **{f"another network {number}": _odd_network for number in range(3)},
}
