"""torchvision beside a CPU torch: what is imported once is tried in an interpreter of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

from videotcav.compat import torchvision as torchvision_cpu


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_torchvision_imports_and_its_video_models_run() -> None:
    code = """
import torch
from videotcav.compat.torchvision import import_torchvision
video = import_torchvision("torchvision.models.video")
assert import_torchvision("torchvision.models.video") is video
model = video.SwinTransformer3d([2, 4, 4], 12, [1, 1], [1, 2], [2, 2, 2], num_classes=3).eval()
print(tuple(model(torch.zeros(1, 3, 4, 16, 16)).shape))
"""
    assert run(code) == "(1, 3)"


def test_operators_that_exist_are_not_declared_again() -> None:
    """With the operators in place, as beside a matching torch, nothing is added to them."""
    plain = subprocess.run([sys.executable, "-c", "import torchvision"], capture_output=True, check=False)
    if plain.returncode == 0:
        assert run("from videotcav.compat import torchvision as t; t.import_torchvision(); print(t._library)") == "None"
        return
    code = """
import torch
from videotcav.compat import torchvision as torchvision_cpu
operators = torch.library.Library("torchvision", "DEF")
for signature in torchvision_cpu._SIGNATURES:
    operators.define(signature)
torchvision_cpu.import_torchvision("torchvision")
print(torchvision_cpu._library)
"""
    assert run(code) == "None"


def test_another_failure_of_the_import_is_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_module: str) -> None:
        raise RuntimeError("a failure of another kind")

    monkeypatch.setattr(torchvision_cpu.importlib, "import_module", broken)
    with pytest.raises(RuntimeError, match="a failure of another kind"):
        torchvision_cpu.import_torchvision()
