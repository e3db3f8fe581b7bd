"""torch's defaults are the caller's own: whatever they are, frames, pixels and numbers are the same to the last bit."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import videotcav as vt
from support.clips import in_memory
from videotcav.explain.saliency import measures
from videotcav.models.load import load_model
from videotcav.models.model import VideoModel
from videotcav.models.pathways import slow_fast
from videotcav.records import ClipSpec, ModelCard
from videotcav.video.clips import read_clip, to_source
from videotcav.video.write import write_video

SPEC = ClipSpec(
    frames=8, spread="linspace", height=8, width=8, resize=8, mean=(0.45, 0.4, 0.43), std=(0.22, 0.23, 0.24)
)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.head = nn.Conv3d(3, 4, 3, padding=1), nn.Linear(4, 2)

    def forward(self, clips: Tensor) -> Tensor:
        return self.head(torch.tanh(self.first(clips)).mean((2, 3, 4)))


@pytest.fixture(scope="module")
def model() -> VideoModel:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = Net()
    return load_model(
        module, card=ModelCard(name="net", clip_spec=SPEC, classes=("a", "b"), layouts={"first": "b c t h w"})
    )


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, rng = tmp_path_factory.mktemp("videos"), np.random.default_rng(0)
    for name in ("a", "b"):
        (folder / name).mkdir()
        for number in range(3):
            noise = rng.integers(0, 255, (301, 16, 24, 3), dtype=np.uint8)
            write_video(folder / name / f"{number}.mp4", noise, frames_per_second=30)
    return folder


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


def of_a_file(_: VideoModel, videos: Path) -> list[object]:
    clip, pixels = read_clip(videos / "a" / "0.mp4", SPEC)
    blurred = measures.blurred(pixels[None], sigma=2.0)
    beside = (to_source(pixels[0], clip), blurred.numpy(), measures.centre_map(pixels[None]).numpy())
    return [clip.timestamps, pixels.dtype, pixels.numpy().tobytes(), *(each.tobytes() for each in beside)]


def of_probe(model: VideoModel, videos: Path) -> list[object]:
    return [row.model_dump() for row in vt.probe(model, videos, edits=["still", "grey"])]


def of_maps(model: VideoModel, videos: Path) -> list[object]:
    clips = vt.read_clips(videos / "a", SPEC)
    found = vt.maps(model, clips, layers=["first"], methods=["grad-cam", "integrated-gradients"])
    return [np.asarray(found.values).tobytes()]


def of_tcav(model: VideoModel, _: Path) -> list[object]:
    pixels = torch.from_numpy(np.random.default_rng(1).normal(size=(48, 3, 8, 8, 8)).astype(np.float32))
    own, concept, pool = (
        in_memory(part, prefix=name) for part, name in zip(pixels.split([6, 12, 30]), "ocp", strict=True)
    )
    found = vt.tcav(model, target="a", clips=own, concepts={"c": concept}, random=pool, layers=["first"])
    return [row.model_dump() for row in found]


def of_pathways(_: VideoModel, __: Path) -> list[object]:
    return [slow_fast(300, alpha=15, spacing="even")]


def test_every_tensor_that_is_made_here_says_where_it_is() -> None:
    """Those of the renderer alone do not: its text is part of what the trained networks are known by."""
    makers = {"arange", "as_tensor", "empty", "eye", "full", "linspace", "ones", "rand", "randn", "tensor", "zeros"}
    package = Path(vt.__file__).parent
    forgot = [
        f"{path.relative_to(package)}:{call.lineno}"
        for path in sorted(package.rglob("*.py"))
        if path.parent.name != "planted"
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Name)
        and (call.func.value.id, call.func.attr in makers) == ("torch", True)
        and "device" not in {keyword.arg for keyword in call.keywords}
    ]
    assert forgot == []


@pytest.mark.parametrize("asked", [of_a_file, of_probe, of_maps, of_tcav, of_pathways])
def test_whatever_the_callers_defaults_numbers_are_the_same(
    model: VideoModel, videos: Path, asked: Callable[[VideoModel, Path], list[object]]
) -> None:
    expected = repr(asked(model, videos))
    for dtype in (torch.float64, torch.bfloat16):
        with default_dtype(dtype):
            assert repr(asked(model, videos)) == expected, dtype
    with torch.device("meta"):  # as torch.set_default_device: tensors without a device of their own have no numbers
        assert repr(asked(model, videos)) == expected
