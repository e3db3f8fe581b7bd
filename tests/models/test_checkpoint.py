"""Checkpoint files: what they may hold, and that opening one never runs code."""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path
from typing import Any

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


DEEP = "[" * 100_000 + "]" * 100_000


@pytest.mark.parametrize(
    ("classes", "says"),
    [
        ("5", "'classes' is 5, not a list of names"),
        ("null", "'classes' is None, not a list of names"),
        ("NaN", "'classes' is nan, not a list of names"),
        ("true", "'classes' is True, not a list of names"),
        ('"ab"', "'classes' is 'ab', not a list of names"),
        ('{"a": 1}', "'classes' is {'a': 1}, not a list of names"),
        (DEEP, "classes: is not JSON: it is nested too deeply"),
        ("9" * 5000, "classes: is not JSON: Exceeds the limit"),
        ("[]", "names no class"),
        ("[1, 2]", "has 1 at 0, which is no name of a class"),
        ('["a", null]', "has None at 1, which is no name of a class"),
        ('["a", [["b"]]]', r"has \[\['b'\]\] at 1, which is no name of a class"),
        ('["a", " "]', "has ' ' at 1, which is no name of a class"),
        (r'["a", "\ud800"]', "which is no name of a class"),
        (r'["a\u0000"]', "which is no name of a class"),
        ('["a", "b", "a"]', "names 'a' twice"),
    ],
)
def test_classes_are_a_list_of_distinct_names_or_one_sentence(
    tmp_path: Path, state: dict[str, torch.Tensor], classes: str, says: str
) -> None:
    path = tmp_path / "net.safetensors"
    save_file(state, path, metadata={"classes": classes})
    with pytest.raises(ModelError, match=rf"net\.safetensors: its metadata .*{says}") as told:
        checkpoint.read(path)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("says", ["5", "null", "NaN", '"ab"', "[[1]]", DEEP, "{"])
@pytest.mark.parametrize("key", ["architecture", "clip_spec"])
def test_other_metadata_is_an_object_or_one_sentence(
    tmp_path: Path, state: dict[str, torch.Tensor], key: str, says: str
) -> None:
    save_file(state, tmp_path / "net.safetensors", metadata={key: says})
    with pytest.raises(ModelError, match=rf"net\.safetensors: its metadata .*{key}") as told:
        checkpoint.read(tmp_path / "net.safetensors")
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("text", "says"), [("a\nb\na\n", "names 'a' twice"), ("\n", "names no class"), ("a\0\n", "is no name of a class")]
)
def test_classes_beside_a_file_are_held_to_the_same(
    tmp_path: Path, state: dict[str, torch.Tensor], text: str, says: str
) -> None:
    torch.save(state, tmp_path / "net.pt")
    (tmp_path / "classes.txt").write_text(text)
    with pytest.raises(ModelError, match=rf"classes\.txt: .*{says}"):
        checkpoint.read(tmp_path / "net.pt")


def unusual(kind: str) -> Any:
    full = torch.ones(2, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # torch announces that some of these are young or old
        return {
            "meta": lambda: full.to("meta"),
            "nested": lambda: torch.nested.nested_tensor([full[0], full[1, :2]]),
            "sparse": full.to_sparse,
            "sparse_csr": full.to_sparse_csr,
            "quantised": lambda: torch.quantize_per_tensor(full, 0.1, 0, torch.qint8),
            "float8": lambda: full.to(torch.float8_e4m3fn),
            "complex": lambda: full.to(torch.complex64),
        }[kind]()


@pytest.mark.parametrize("kind", ["meta", "nested", "sparse", "sparse_csr", "quantised", "float8", "complex"])
def test_tensors_that_are_no_plain_numbers_are_named(tmp_path: Path, kind: str) -> None:
    torch.save({"bias": torch.ones(2), "weight": unusual(kind)}, tmp_path / "net.pth")
    with pytest.raises(
        ModelError, match=rf"net\.pth: ('weight'|a tensor in it) is .*{kind}.*; save the weights as plain numbers"
    ):
        checkpoint.read(tmp_path / "net.pth")


def test_a_tensor_that_this_torch_does_not_open_is_told_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Newer ones no longer open nested tensors, older ones not those to come."""

    def rebuild() -> None: ...

    class Foreign:
        def __reduce__(self) -> tuple[Any, ...]:
            return rebuild, ()

    rebuild.__module__, rebuild.__qualname__ = "torch._utils", "_rebuild_foreign_tensor"
    monkeypatch.setattr("torch._utils._rebuild_foreign_tensor", rebuild, raising=False)
    torch.save({"weight": Foreign()}, tmp_path / "net.pth")
    with pytest.raises(ModelError, match=r"net\.pth: a tensor in it is of the kind 'foreign'.*; save the weights as"):
        checkpoint.read(tmp_path / "net.pth")


@pytest.mark.parametrize("key", [0, ("a", 1)])
def test_names_that_are_no_text_are_named(tmp_path: Path, key: Any) -> None:
    torch.save({"weight": torch.ones(1), key: torch.ones(1)}, tmp_path / "net.pth")
    with pytest.raises(ModelError, match=r"net\.pth: holds no state dict: its tensors have names such as"):
        checkpoint.read(tmp_path / "net.pth")


def test_whole_numbers_are_not_taken_for_weights() -> None:
    """A weight of int8 means nothing without its scale; a module's own whole numbers stay what they are."""
    module = nn.BatchNorm3d(2)
    assert checkpoint.mismatch(module, module.state_dict()) == ""
    state = module.state_dict() | {"weight": torch.ones(2, dtype=torch.int8)}
    assert checkpoint.mismatch(module, state) == "whole numbers: 'weight' torch.int8 instead of torch.float32"


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
