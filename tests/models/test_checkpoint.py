"""Checkpoint files: what they say of themselves."""

from __future__ import annotations

import json
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


def test_safetensors_say_what_they_are(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    path = tmp_path / "net.safetensors"
    save_file(state, path, metadata={"classes": json.dumps(["a", "b"]), "architecture": json.dumps({"depths": [1]})})
    found = checkpoint.read(path)
    assert found.classes == ("a", "b")
    assert found.architecture == {"depths": [1]}
    assert found.clip_spec is None
    assert torch.equal(found.tables[""]["weight"], state["weight"])


def test_classes_may_lie_beside_the_file(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    torch.save(state, tmp_path / "net.pt")
    (tmp_path / "classes.txt").write_text("forehand\nback hand\n\n")
    assert checkpoint.read(tmp_path / "net.pt").classes == ("forehand", "back hand")


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
    ("text", "says"),
    [
        ("a\nb\na\n", "names 'a' twice"),
        ("\n", "holds no names"),
        ("a\n\nb\n", "line 2 is empty"),
        ("a\0\n", "is no name of a class"),
    ],
)
def test_classes_beside_a_file_are_held_to_the_same(
    tmp_path: Path, state: dict[str, torch.Tensor], text: str, says: str
) -> None:
    torch.save(state, tmp_path / "net.pt")
    (tmp_path / "classes.txt").write_text(text)
    with pytest.raises(ModelError, match=rf"classes\.txt: .*{says}"):
        checkpoint.read(tmp_path / "net.pt")


def test_a_name_of_a_class_may_hold_what_only_some_call_the_end_of_a_line(
    tmp_path: Path, state: dict[str, torch.Tensor]
) -> None:
    torch.save(state, tmp_path / "net.pt")
    (tmp_path / "classes.txt").write_text("for\u2028ehand\r\nback hand\r\n", encoding="utf-8-sig")
    assert checkpoint.read(tmp_path / "net.pt").classes == ("for\u2028ehand", "back hand")


def test_the_fingerprint_changes_with_any_bit_of_the_weights() -> None:
    module = nn.Linear(3, 2)
    before = checkpoint.fingerprint(module)
    assert checkpoint.fingerprint(module) == before
    with torch.no_grad():
        module.bias[1] = torch.nextafter(module.bias[1], torch.tensor(9.0))
    assert checkpoint.fingerprint(module) != before
    assert checkpoint.fingerprint(nn.Sequential(module)) != checkpoint.fingerprint(module)
    assert len(checkpoint.fingerprint(nn.BatchNorm3d(1).bfloat16())) == 64
