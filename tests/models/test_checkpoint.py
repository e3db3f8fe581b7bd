"""Checkpoint files: what they may hold, and that opening one never runs code."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from videotcav.errors import ModelError
from videotcav.models import checkpoint


@pytest.fixture
def state() -> dict[str, torch.Tensor]:
    return {"weight": torch.arange(6.0).reshape(2, 3), "bias": torch.ones(2)}


@pytest.mark.parametrize("wrapper", [None, "state_dict", "model", "model_state_dict"])
@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "module._orig_mod."])
def test_wrappers_and_prefixes_are_taken_off(
    tmp_path: Path, state: dict[str, torch.Tensor], wrapper: str | None, prefix: str
) -> None:
    held: object = {prefix + key: tensor for key, tensor in state.items()}
    torch.save({wrapper: held, "epoch": 3} if wrapper else held, tmp_path / "net.pth")
    found = checkpoint.read(tmp_path / "net.pth").state
    assert found.keys() == state.keys()
    assert all(torch.equal(found[key], state[key]) for key in state)


def test_safetensors_say_what_they_are(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    path = tmp_path / "net.safetensors"
    save_file(state, path, metadata={"classes": json.dumps(["a", "b"]), "architecture": json.dumps({"depths": [1]})})
    found = checkpoint.read(path)
    assert found.classes == ("a", "b")
    assert found.architecture == {"depths": [1]}
    assert found.clip_spec is None
    assert torch.equal(found.state["weight"], state["weight"])


def test_classes_may_lie_beside_the_file(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    torch.save(state, tmp_path / "net.pt")
    (tmp_path / "classes.txt").write_text("forehand\nback hand\n\n")
    assert checkpoint.read(tmp_path / "net.pt").classes == ("forehand", "back hand")


class Malicious:
    """Unpickled with trust, this makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.folder),)


def test_a_pickle_that_would_run_code_is_refused_and_not_run(tmp_path: Path) -> None:
    trap, path = tmp_path / "trap", tmp_path / "evil.pth"
    torch.save({"state_dict": Malicious(trap)}, path)
    with pytest.raises(
        ModelError, match=r"evil\.pth: refused, .*\(posix\.mkdir\).* would run code; save the state_dict"
    ):
        checkpoint.read(path)
    assert not trap.exists()
    torch.load(path, weights_only=False)
    assert trap.exists(), "the trap itself does not work"


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("absent.pth", None, "there is no such checkpoint file"),
        ("empty.pth", b"", "not a readable checkpoint"),
        ("text.pt", b"weights, honestly", "not a readable checkpoint"),
        ("text.safetensors", b"weights, honestly", "not a readable safetensors file"),
        ("empty.safetensors", b"", "not a readable safetensors file"),
        ("net.onnx", b"x", "a checkpoint is a .safetensors, .pt or .pth file"),
    ],
)
def test_what_is_no_checkpoint_is_named(tmp_path: Path, name: str, content: bytes | None, says: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelError, match=f"{name}: .*({says})"):
        checkpoint.read(tmp_path / name)


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_a_truncated_file_is_named(tmp_path: Path, state: dict[str, torch.Tensor], suffix: str) -> None:
    path = tmp_path / f"net.{suffix}"
    if suffix == "pth":
        torch.save(state, path)
    else:
        save_file(state, path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ModelError, match=rf"net\.{suffix}: not a readable"):
        checkpoint.read(path)


@pytest.mark.parametrize("held", [{}, {"epoch": 3}, [1, 2], {"weight": "x"}])
def test_a_file_without_a_state_dict_is_named(tmp_path: Path, held: object) -> None:
    torch.save(held, tmp_path / "net.pth")
    with pytest.raises(ModelError, match=r"net\.pth: holds no state dict of tensors"):
        checkpoint.read(tmp_path / "net.pth")


def test_metadata_that_cannot_be_read_is_named(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    for metadata in ({"classes": "a, b"}, {"clip_spec": '{"frames": 0}'}):
        save_file(state, tmp_path / "net.safetensors", metadata=metadata)
        with pytest.raises(ModelError, match=r"net\.safetensors: its metadata cannot be read"):
            checkpoint.read(tmp_path / "net.safetensors")


def test_the_first_keys_of_each_kind_are_named() -> None:
    module = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2), nn.Linear(2, 2))
    state = {"0.weight": torch.zeros(4, 3), "0.bias": torch.zeros(2), "extra": torch.zeros(1)}
    assert checkpoint.mismatch(module, state) == (
        "missing: '1.weight', '1.bias', '2.weight' and 1 more; unexpected: 'extra'; "
        "of another shape: '0.weight' (4, 3) instead of (2, 3)"
    )
    assert checkpoint.mismatch(module, module.state_dict()) == ""


def test_the_fingerprint_changes_with_any_bit_of_the_weights() -> None:
    module = nn.Linear(3, 2)
    before = checkpoint.fingerprint(module)
    assert checkpoint.fingerprint(module) == before
    with torch.no_grad():
        module.bias[1] = torch.nextafter(module.bias[1], torch.tensor(9.0))
    assert checkpoint.fingerprint(module) != before
    assert checkpoint.fingerprint(nn.Sequential(module)) != checkpoint.fingerprint(module)
    assert len(checkpoint.fingerprint(nn.BatchNorm3d(1).bfloat16())) == 64
