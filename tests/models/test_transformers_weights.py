"""Weights of transformers' classifiers: those of a folder and those of a trainer's file, whose head may differ."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from support.transformer_folders import HAS_VIDEOPRISM
from videotcav.errors import ModelError, VideotcavWarning
from videotcav.models.load import load_model

Folder = Callable[[str], Path]


@pytest.fixture(params=("videomae", "timesformer", "vivit", "vjepa2", *("videoprism",) * HAS_VIDEOPRISM))
def folder(request: pytest.FixtureRequest, transformer_folder: Folder) -> Path:
    return transformer_folder(request.param)


@pytest.fixture
def clips() -> Tensor:
    return torch.randn(2, 3, 4, 32, 32, generator=torch.Generator().manual_seed(4))


def test_a_checkpoint_of_the_same_architecture(transformer_folder: Folder, tmp_path: Path) -> None:
    folder = transformer_folder("videomae")
    name = f"transformers:{folder}"
    again = load_model(name, weights=folder / "model.safetensors")
    assert again.card.weights_sha256 == load_model(name).card.weights_sha256
    other = transformer_folder("vivit") / "model.safetensors"
    with pytest.raises(ModelError, match=r"vivit.*does not fit .*missing: .* more"):
        load_model(name, weights=other)


HEAD = ("classifier.weight", "classifier.bias")


@pytest.mark.parametrize("start", ["", "model.", "module."])
def test_a_trainers_checkpoint_gives_its_own_numbers(folder: Path, clips: Tensor, start: str, tmp_path: Path) -> None:
    """Its head may have another size, and some of its names be those of older releases, as the folder's file has."""
    name = f"transformers:{folder}"
    state = load_file(folder / "model.safetensors")
    cut = {key: tensor[:3] if key in HEAD else tensor for key, tensor in state.items()}
    torch.save({"state_dict": {start + key: tensor for key, tensor in cut.items()}, "epoch": 1}, tmp_path / "last.ckpt")
    tuned = load_model(name, weights=tmp_path / "last.ckpt")
    assert tuned.card.classes == ("class 0", "class 1", "class 2")
    assert tuned.card.weights == f"last.ckpt#state_dict{'.' * bool(start)}{start.rstrip('.')}"
    torch.testing.assert_close(tuned(clips), load_model(name)(clips)[:, :3], rtol=1e-5, atol=1e-5)
    (tmp_path / "classes.txt").write_text("serve\nsmash\nslice\n")
    named = load_model(name, weights=tmp_path / "last.ckpt")
    assert named.card.classes == ("serve", "smash", "slice")
    (tmp_path / "classes.txt").write_text("serve\nsmash\n")
    with pytest.raises(ModelError, match="2 classes are named but the model has 3 outputs"):
        load_model(name, weights=tmp_path / "last.ckpt")


def test_a_checkpoint_that_is_not_the_networks_is_refused_by_its_keys(folder: Path, tmp_path: Path) -> None:
    """The negative control of the test above."""
    name, path = f"transformers:{folder}", tmp_path / "last.ckpt"
    state = load_file(folder / "model.safetensors")
    first = next(key for key in state if key.endswith(("layernorm_after.weight", "norm1.weight")))
    says = rf"last\.ckpt: does not fit {re.escape(name)}: "
    for changed, kind in (
        ({key: tensor for key, tensor in state.items() if key != first}, "missing: '"),
        ({key: tensor for key, tensor in state.items() if key not in HEAD}, "missing: 'classifier"),
        (state | {"extra.weight": torch.ones(2)}, r"unexpected: 'extra\.weight'"),
        (state | {first: torch.ones(2)}, r"of another shape: '\S+' \(2,\) instead of \(24,\)"),
        (state | {"classifier.weight": torch.ones(3, 2)}, r"of another shape: .*'classifier\.weight' \(3, 2\) instead"),
    ):
        torch.save({"model": changed}, path)
        with pytest.raises(ModelError, match=says + kind):
            load_model(name, weights=path)


def test_two_sets_of_weights_with_older_names_are_asked_for(transformer_folder: Folder, tmp_path: Path) -> None:
    folder = transformer_folder("vivit")
    state = load_file(folder / "model.safetensors")
    torch.save({"model": state, "ema": {key: tensor + 1 for key, tensor in state.items()}}, tmp_path / "last.ckpt")
    with pytest.raises(ModelError, match="several sets of weights that fit: 'model', 'ema'"):
        load_model(f"transformers:{folder}", weights=tmp_path / "last.ckpt")
    chosen = load_model(f"transformers:{folder}", weights=f"{tmp_path / 'last.ckpt'}#model")
    assert chosen.card.weights_sha256 == load_model(f"transformers:{folder}").card.weights_sha256


def test_a_folder_whose_weights_are_not_quite_its_configs(
    transformer_folder: Folder, clips: Tensor, tmp_path: Path
) -> None:
    folder = tmp_path / "own"
    shutil.copytree(transformer_folder("videomae"), folder)
    state = load_file(folder / "model.safetensors")
    before = load_model(f"transformers:{folder}")(clips)
    cut = {key: tensor[:2] if key in HEAD else tensor for key, tensor in state.items()}
    save_file({**cut, "decoder.weight": torch.ones(2)}, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.warns(VideotcavWarning, match=r"no part of the classifier and left aside: 'decoder\.weight'$"):
        model = load_model(f"transformers:{folder}")
    assert model.card.classes == ("class 0", "class 1")
    torch.testing.assert_close(model(clips), before[:, :2], rtol=1e-5, atol=1e-5)
    for lacking in (key for key in state if key.endswith("layernorm_before.bias")):
        save_file({key: state[key] for key in state if key != lacking}, folder / "model.safetensors", {"format": "pt"})
        with pytest.raises(ModelError, match=rf"does not fit its config\.json: missing: '{lacking}'$"):
            load_model(f"transformers:{folder}")


def test_a_network_without_a_trained_classifier_is_refused(transformer_folder: Folder, tmp_path: Path) -> None:
    folder = tmp_path / "backbone"
    shutil.copytree(transformer_folder("videomae"), folder)
    state = load_file(folder / "model.safetensors")
    kept = {key: tensor for key, tensor in state.items() if not key.startswith("classifier")}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"lack 'classifier.bias', 'classifier.weight': a pre-trained network"):
        load_model(f"transformers:{folder}")
