"""Files of weights as the tools write them: told apart by their bytes, and opening one never runs code."""

from __future__ import annotations

import argparse
import collections
import datetime as dt
import functools
import json
import os
import pickle
import sys
import warnings
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from videotcav.errors import ModelError
from videotcav.models.weight_file import tables

STATE = {"weight": torch.arange(6.0).reshape(2, 3), "bias": torch.ones(2)}


def same(one: dict[str, Any], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in other)


@pytest.mark.parametrize("name", ["a.pth", "a.pyth", "a.pth.tar", "a.ckpt", "a.bin", "a", "a.safetensors"])
@pytest.mark.parametrize("how", ["new", "old", "safetensors"])
def test_the_bytes_say_what_a_file_is_not_its_ending(tmp_path: Path, name: str, how: str) -> None:
    if how == "safetensors":
        save_file(STATE, tmp_path / name)
    else:
        torch.save(STATE, tmp_path / name, _use_new_zipfile_serialization=how == "new")
    found, _ = tables(tmp_path / name)
    assert found.keys() == {""}
    assert same(found[""], STATE)


def test_every_dictionary_is_there_under_the_keys_that_lead_to_it(tmp_path: Path) -> None:
    held = {"epoch": 3, "nets": [{"a": STATE}, STATE], "optimizer": {"state": {0: {"exp": torch.ones(1)}}}}
    torch.save(held, tmp_path / "net.pth")
    found, _ = tables(tmp_path / "net.pth")
    assert found.keys() == {"nets.1", "optimizer.state.[0]"}  # the same dictionary is there once
    torch.save({"a": STATE, "b": dict(STATE)}, tmp_path / "net.pth")
    assert tables(tmp_path / "net.pth")[0].keys() == {"a", "b"}


class Config(dict[str, Any]):
    """As yacs, addict and others have them: a dictionary of a class of its own."""


class Settings:
    def __init__(self) -> None:
        self.rate = 0.1


def trainers_things() -> dict[str, Any]:
    nested = Config(deeper=Config(rate=0.1))
    nested.frozen = True  # type: ignore[attr-defined] # what yacs keeps beside the items
    return {
        "args": argparse.Namespace(out=Path("runs"), when=dt.datetime(2026, 1, 1)),  # noqa: DTZ001
        "metric": np.float64(0.7),
        "history": np.ones(3),
        "seen": collections.defaultdict(list, {"train": [1, 2]}),
        "config": nested,
        "losses": collections.deque([0.5, 0.4], maxlen=3),
        "settings": Settings(),
        "schedule": functools.partial(save_file, {}),
    }


@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize("kind", sorted(trainers_things()))
def test_what_trainers_keep_beside_the_weights_is_passed_over(tmp_path: Path, kind: str, new: bool) -> None:
    held = {"state_dict": STATE, kind: trainers_things()[kind], "more": {kind: trainers_things()[kind]}}
    torch.save(held, tmp_path / "net.ckpt", _use_new_zipfile_serialization=new)
    assert same(tables(tmp_path / "net.ckpt")[0]["state_dict"], STATE)


def test_a_class_that_is_not_here_is_no_hindrance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is imported: the module that a file names may be anywhere, or do anything when imported."""
    gone = ModuleType("gone_trainer")
    gone.State = type("State", (), {"__module__": "gone_trainer"})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "gone_trainer", gone)
    state = gone.State()
    state.weights = STATE
    torch.save(state, tmp_path / "net.pt")
    monkeypatch.delitem(sys.modules, "gone_trainer")
    found, _ = tables(tmp_path / "net.pt")
    assert same(found["weights"], STATE)
    assert "gone_trainer" not in sys.modules


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv3d(3, 4, 1), nn.BatchNorm3d(4), nn.ReLU())
        self.again = self.stem
        self.head = nn.MultiheadAttention(4, 2)
        self.scale = nn.Parameter(torch.ones(1))
        self.register_buffer("kept", torch.ones(2))
        self.register_buffer("passing", torch.ones(2), persistent=False)
        self.register_parameter("none", None)


@pytest.mark.parametrize("new", [True, False])
def test_a_module_that_was_saved_whole_is_its_state_dict(tmp_path: Path, new: bool) -> None:
    net = Net()
    # The old form holds the source of the class beside the name, which is not read either.
    torch.save({"ema": net, "epoch": 1}, tmp_path / "net.pt", _use_new_zipfile_serialization=new)
    if new:
        assert same(tables(tmp_path / "net.pt")[0]["ema"], net.state_dict())
    else:
        with pytest.raises(ModelError, match=r"net\.pt: .*a whole module in the form before torch 1\.6"):
            tables(tmp_path / "net.pt")


class Malicious:
    """Unpickled with trust, this makes a folder."""

    def __init__(self, call: Any, *arguments: Any) -> None:
        self.call, self.arguments = call, arguments

    def __reduce__(self) -> tuple[object, ...]:
        return self.call, self.arguments


@pytest.mark.parametrize("new", [True, False])
def test_a_pickle_that_would_run_code_is_refused_and_not_run(tmp_path: Path, new: bool) -> None:
    trap, path = tmp_path / "trap", tmp_path / "evil.pth"
    torch.save({"state_dict": STATE, "x": Malicious(os.mkdir, str(trap))}, path, _use_new_zipfile_serialization=new)
    with pytest.raises(ModelError, match=r"evil\.pth: refused, as it names posix\.mkdir, .* would run code"):
        tables(path)
    assert not trap.exists()
    torch.load(path, weights_only=False)
    assert trap.exists(), "the trap itself does not work"


def own(path: str) -> None:
    Path(path).mkdir()


def test_a_function_of_ones_own_is_not_run_either(tmp_path: Path) -> None:
    trap, path = tmp_path / "trap", tmp_path / "odd.pth"
    torch.save({"state_dict": STATE, "x": Malicious(own, str(trap))}, path)
    assert same(tables(path)[0]["state_dict"], STATE)
    assert not trap.exists()
    torch.load(path, weights_only=False)
    assert trap.exists(), "the trap itself does not work"


@pytest.mark.parametrize("call", [eval, exec, print, __import__])
def test_what_has_no_place_beside_weights_is_refused(tmp_path: Path, call: Any) -> None:
    torch.save({"state_dict": STATE, "x": Malicious(call, "1")}, tmp_path / "evil.pth")
    with pytest.raises(ModelError, match=rf"refused, as it names builtins\.{call.__name__}"):
        tables(tmp_path / "evil.pth")


def test_torch_knows_no_more_names_than_before(tmp_path: Path) -> None:
    before = set(torch.serialization.get_safe_globals())
    torch.save({"state_dict": STATE, "args": argparse.Namespace()}, tmp_path / "net.pth")
    tables(tmp_path / "net.pth")
    assert set(torch.serialization.get_safe_globals()) == before


def test_a_checkpoint_in_parts_is_one(tmp_path: Path) -> None:
    """As accelerate and transformers write it: an index, and files of which each holds some of the tensors."""
    save_file({"weight": STATE["weight"]}, tmp_path / "model-00001-of-00002.safetensors")
    torch.save({"bias": STATE["bias"]}, tmp_path / "model-00002-of-00002.bin")
    index = tmp_path / "model.safetensors.index.json"
    parts = {"weight": "model-00001-of-00002.safetensors", "bias": "model-00002-of-00002.bin"}
    index.write_text(json.dumps({"metadata": {"total_size": 32}, "weight_map": parts}))
    assert same(tables(index)[0][""], STATE)


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({"weight": "one.bin", "bias": "one.bin"}, r"its part one\.bin differ in whether 'bias' is in it"),
        ({}, "is JSON, but no index of a checkpoint in parts"),
        ({"weight": 1}, "is JSON, but no index of a checkpoint in parts"),
        ({"weight": "two.bin"}, r"two\.bin: there is no such checkpoint file"),
        ({"weight": "../one.bin"}, r'names "\.\./one\.bin" as a part, which is no file beside it'),
        ({"weight": "index.json"}, r'names "index\.json" as a part'),
        ({"weight": "beside.bin"}, r"its part beside\.bin differ in whether 'bias' is in it"),
    ],
)
def test_an_index_that_does_not_keep_its_word_is_named(tmp_path: Path, parts: dict[str, Any], says: str) -> None:
    torch.save({"weight": torch.ones(1)}, tmp_path / "one.bin")
    torch.save(STATE, tmp_path / "beside.bin")
    (tmp_path / "index.json").write_text(json.dumps({"weight_map": parts}))
    with pytest.raises(ModelError, match=says):
        tables(tmp_path / "index.json")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "there is no such checkpoint file"),
        (b"", r"not a readable checkpoint: .* \(it is empty\)"),
        (b"weights, honestly", "not a readable checkpoint: neither of torch.save nor safetensors"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "is a pointer of Git LFS, not the file itself"),
        (b"<!DOCTYPE html><html>", "is a page of the web or XML"),
        (b"\x89HDF\r\n\x1a\n", "is an HDF5 file"),
        (b"\x1f\x8b\x08\x00", "is compressed; unpack it first"),
        (b"a" * 257 + b"ustar", "is a tar archive; unpack it first"),
        (pickle.dumps(STATE), "is a plain pickle, not of torch.save"),
        (b"PK\x03\x04", "not a readable checkpoint"),
        (b"{]", "is not JSON"),
        ((2).to_bytes(8, "little") + b"{}", "holds no tensors with names"),
        ((99).to_bytes(8, "little") + b"{}  ", "not a readable checkpoint"),
        ((4).to_bytes(8, "little") + b"{]  ", "not a readable safetensors file"),
    ],
)
@pytest.mark.parametrize("name", ["net.pth", "net.safetensors"])
def test_what_is_no_checkpoint_is_named(tmp_path: Path, name: str, content: bytes | None, says: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelError, match=rf"{name}: .*{says}") as told:
        tables(tmp_path / name)
    assert "\n" not in str(told.value)


def test_a_compiled_archive_and_a_zip_are_no_checkpoints(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch would rather have torch.export
        torch.jit.trace(nn.Linear(2, 1), torch.ones(1, 2)).save(tmp_path / "net.pt")
    with pytest.raises(ModelError, match=r"net\.pt: .*an archive of torch\.jit, which is code"):
        tables(tmp_path / "net.pt")
    np.savez(tmp_path / "net.npz", weight=np.ones(3))
    with pytest.raises(ModelError, match=r"net\.npz: .*a zip archive, but not of torch\.save"):
        tables(tmp_path / "net.npz")


def test_a_folder_says_what_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    torch.save(STATE, tmp_path / "net.pth")
    with pytest.raises(ModelError, match=r"is a folder; name the checkpoint file in it \(net\.pth\)"):
        tables(tmp_path)
    with pytest.raises(ModelError, match=r"is a folder; name the checkpoint file in it$"):
        tables(tmp_path / "empty")
    os.mkfifo(tmp_path / "pipe")  # which would be waited for without an end
    with pytest.raises(ModelError, match="there is no such checkpoint file"):
        tables(tmp_path / "pipe")


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_a_truncated_file_is_named(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"net.{suffix}"
    if suffix == "pth":
        torch.save(STATE, path)
    else:
        save_file(STATE, path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ModelError, match=rf"net\.{suffix}: not a readable"):
        tables(path)


@pytest.mark.parametrize("held", [{}, {"epoch": 3}, [1, 2], {"weight": "x"}, torch.ones(2), [torch.ones(2)], 5])
def test_a_file_without_named_tensors_is_named(tmp_path: Path, held: object) -> None:
    torch.save(held, tmp_path / "net.pth")
    with pytest.raises(ModelError, match=r"net\.pth: holds no tensors with names"):
        tables(tmp_path / "net.pth")


def test_a_dictionary_that_holds_itself_ends(tmp_path: Path) -> None:
    held: dict[str, Any] = {"state": STATE}
    held["self"] = held
    torch.save(held, tmp_path / "net.pth")
    assert same(tables(tmp_path / "net.pth")[0]["state"], STATE)


def test_a_tensor_that_this_torch_does_not_open_is_told_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Newer ones no longer open nested tensors, older ones not those to come."""

    def rebuild() -> None: ...

    rebuild.__module__, rebuild.__qualname__ = "torch._utils", "_rebuild_foreign_tensor"
    monkeypatch.setattr("torch._utils._rebuild_foreign_tensor", rebuild, raising=False)
    torch.save({"weight": Malicious(rebuild)}, tmp_path / "net.pth")
    with pytest.raises(ModelError, match=r"net\.pth: a tensor in it is of the kind 'foreign'.*; save the weights as"):
        tables(tmp_path / "net.pth")


@pytest.mark.parametrize("name", [b"a\0b\nC", b"a-b\nC", b"a\nC-D", b"\n", b".\n.", b"\xff\nC", b"a b\nC d"])
def test_names_that_are_none_are_one_sentence(tmp_path: Path, name: bytes) -> None:
    with zipfile.ZipFile(tmp_path / "net.pth", "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02c" + name + b"\n.")
        archive.writestr("archive/version", b"3\n")
    with pytest.raises(ModelError, match=r"net\.pth: ") as told:
        tables(tmp_path / "net.pth")
    assert "\n" not in str(told.value)


def test_another_form_of_pickle_is_told(tmp_path: Path) -> None:
    torch.save({"weight": torch.ones(1)}, tmp_path / "net.pth", pickle_protocol=4)
    with pytest.raises(ModelError, match=r"\(pickled in another form .*\); save the state_dict\(\) alone"):
        tables(tmp_path / "net.pth")
