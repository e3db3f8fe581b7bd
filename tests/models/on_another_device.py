"""Passes on a device that is not the CPU, without having one: torch's own fake tensors, on a backend made up for it.

Whoever mixes devices there raises, as on a GPU. Fake tensors have no numbers: what is read of them is made up here.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

from support.noise import write_noise
from videotcav.features.measure import Batch, measure
from videotcav.models import passes
from videotcav.models.load import load_model
from videotcav.models.model import VideoModel
from videotcav.records import ClipSpec, ModelCard
from videotcav.study.probe import probe

SPEC = ClipSpec(frames=4, seconds_between_frames=0.1, height=8, width=8, resize=8)
_ELSEWHERE = "elsewhere"


class Net(nn.Module):
    """A convolution, a norm with buffers, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.head = nn.Conv3d(3, 4, 3, padding=1), nn.BatchNorm3d(4), nn.Linear(4, 2)

    def forward(self, clips: Tensor) -> Tensor:
        return self.head(torch.relu(self.norm(self.first(clips))).mean((2, 3, 4)))


@pytest.fixture(scope="module")
def mode() -> FakeTensorMode:
    _setup_privateuseone_for_python_backend(_ELSEWHERE)
    return FakeTensorMode(allow_non_fake_inputs=True)


@pytest.fixture
def model(mode: FakeTensorMode, monkeypatch: pytest.MonkeyPatch) -> VideoModel:
    card = ModelCard(name="net", clip_spec=SPEC, classes=("a", "b"), layouts={"norm": "b c t h w"})
    made = load_model(Net(), card=card)
    rng, to, numpy, raw = np.random.default_rng(0), Tensor.to, Tensor.numpy, VideoModel.raw

    def fake(tensor: Tensor) -> Tensor:
        return tensor if isinstance(tensor, FakeTensor) else mode.from_tensor(tensor)

    def moved(tensor: Tensor, *where: Any, **how: Any) -> Tensor:
        if not where or _ELSEWHERE not in str(where[0]):
            return to(tensor, *where, **how)
        with mode:
            return to(fake(tensor), *where, **how)

    def read(tensor: Tensor, **how: Any) -> np.ndarray:
        if not isinstance(tensor, FakeTensor):
            return numpy(tensor, **how)
        if tensor.device.type != "cpu" or tensor.requires_grad:
            raise TypeError(f"a tensor on {tensor.device} is no array")
        return np.asarray(rng.random(tuple(tensor.shape)), dtype=str(tensor.dtype).removeprefix("torch."))

    @wraps(raw)
    def passed(self: VideoModel, pixels: Tensor) -> Any:
        with mode:
            return raw(self, pixels)

    for owner, name, value in (
        (Tensor, "to", moved),
        (Tensor, "numpy", read),
        (VideoModel, "raw", passed),
        (FakeTensor, "__bool__", lambda _: True),
    ):
        monkeypatch.setattr(owner, name, value, raising=False)
    with mode:
        _move(made.module)
    assert made.device.type == _ELSEWHERE
    return made


def _move(module: nn.Module) -> None:
    for part in module.modules():
        for name, weight in list(part.named_parameters(recurse=False)):
            setattr(part, name, nn.Parameter(torch.empty(weight.shape, device=_ELSEWHERE)))
        for name, buffer in list(part.named_buffers(recurse=False)):
            setattr(part, name, torch.empty(buffer.shape, dtype=buffer.dtype, device=_ELSEWHERE))


ASKED: dict[str, Callable[[VideoModel, Tensor], Tensor]] = {
    "logits": passes.logits,
    "forward": lambda model, clips: passes.forward(model, clips, ["norm"]).activations["norm"],
    "gradients": lambda model, clips: passes.gradients(model, clips, ["norm"], [0], pooling="space").gradients[0][
        "norm"
    ],
    "volumes": lambda model, clips: passes.volumes(model, clips, ["norm"], [0, 1]).gradients[1]["norm"],
    "pixels": lambda model, clips: passes.pixel_gradients(model, clips, [0]),
}


@pytest.mark.filterwarnings("ignore:Accessing the data pointer of FakeTensor")
@pytest.mark.parametrize("asked", ASKED)
def test_clips_go_where_the_model_is_and_what_comes_back_stays_there(
    model: VideoModel, mode: FakeTensorMode, asked: str
) -> None:
    with mode:
        assert ASKED[asked](model, torch.zeros(3, 3, 4, 8, 8)).device.type == _ELSEWHERE


@pytest.mark.filterwarnings("ignore:Accessing the data pointer of FakeTensor")
def test_a_study_and_a_probe_with_objects_bring_their_numbers_home(
    model: VideoModel, mode: FakeTensorMode, tmp_path: Path
) -> None:
    with mode:
        sets, own = torch.zeros(2, 3, 4, 8, 8), torch.ones(1, 3, 4, 8, 8)
        found = measure(
            model, [Batch(("s1", "s2"), sets), Batch(("c",), own, "a")], classes=["a"], layers=["norm"], pooling="space"
        )
    assert found.clips_passed == 2  # pixels of fake clips are one content each
    write_noise(tmp_path)
    rows = probe(model, tmp_path / "videos", objects=tmp_path / "regions.json")
    assert {row.target for row in rows} >= {"object", "background"}


def test_whoever_forgets_the_device_is_found(model: VideoModel, mode: FakeTensorMode) -> None:
    """The negative control: pixels that stay on the CPU, and numbers that are read where they are."""
    with mode:
        with pytest.raises(RuntimeError, match=r"two devices|same device"):
            model.module(torch.zeros(1, 3, 4, 8, 8))
        with pytest.raises(TypeError, match="is no array"):
            passes.logits(model, torch.zeros(1, 3, 4, 8, 8)).numpy()
