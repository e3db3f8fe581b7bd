"""Where models come from: sources, Python paths, and modules as they are."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from videotcav.errors import ModelError
from videotcav.models import load
from videotcav.models.load import known_models, load_model
from videotcav.records import ClipSpec, ModelCard

CARD = ModelCard(
    name="my net",
    clip_spec=ClipSpec(frames=2, seconds_between_frames=0.5, height=4, width=4, resize=4),
    classes=("a", "b"),
)

MODULE = """
from torch import nn
from videotcav.records import ClipSpec, ModelCard

def bare():
    return nn.Sequential(nn.Flatten(), nn.Linear(96, 2))

def carded():
    spec = ClipSpec(frames=2, seconds_between_frames=0.5, height=4, width=4, resize=4)
    return nn.Sequential(nn.Flatten(), nn.Linear(96, 2)), ModelCard(name="mine", clip_spec=spec, classes=("a", "b"))

def swapped():
    return tuple(reversed(carded()))

def wrong():
    return "a network"
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_networks.py").write_text(MODULE)
    (tmp_path / "my_broken.py").write_text("import a_package_nobody_has\n")
    monkeypatch.syspath_prepend(tmp_path)


def test_a_module_is_taken_as_it_is() -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(96, 2))
    model = load_model(module, card=CARD)
    assert model.module is module
    assert module.training
    assert model.card.classes == ("a", "b")
    assert len(model.card.weights_sha256) == 64


def test_a_function_is_found_by_its_python_path(package: None) -> None:
    assert load_model("my_networks:carded").card.classes == ("a", "b")
    assert load_model("my_networks:bare", card=CARD).card.name == "my net"


def test_a_checkpoint_is_loaded_into_any_module(package: None, tmp_path: Path) -> None:
    state = {"1.weight": torch.full((2, 96), 7.0), "1.bias": torch.zeros(2)}
    torch.save(state, tmp_path / "mine.pth")
    model = load_model("my_networks:carded", weights=tmp_path / "mine.pth")
    assert model(torch.ones(1, 3, 2, 4, 4)).tolist() == [[672, 672]]
    assert model.card.weights == "mine.pth"
    torch.save({"1.weight": torch.zeros(2, 2), "1.bias": torch.zeros(2)}, tmp_path / "other.pth")
    with pytest.raises(ModelError, match=r"other\.pth: does not fit my net: of another shape: '1.weight' \(2, 2\)"):
        load_model("my_networks:bare", weights=tmp_path / "other.pth", card=CARD)


def test_a_checkpoint_with_the_same_classes_in_another_order_is_refused(package: None, tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    weights = {"1.weight": torch.zeros(2, 96), "1.bias": torch.zeros(2)}
    for classes in ('["b", "a"]', '["a", "b"]'):
        save_file(weights, path, metadata={"classes": classes})
        if classes.startswith('["b'):
            with pytest.raises(ModelError, match="in another order, beginning with 'b' where the card has 'a'"):
                load_model("my_networks:carded", weights=path)
        else:
            assert load_model("my_networks:carded", weights=path).card.classes == ("a", "b")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (
            "swin3d_t",
            r"'swin3d_t' is no model: name it as source:model \(.*torchvision:….*\) or package.module:function",
        ),
        ("torchvison:swin3d_t", "neither a source of models .*closest: 'torchvision'.* nor a Python module"),
        ("my_networks:bear", "the Python module 'my_networks' has no 'bear'"),
        ("my_networks:swapped", r"'my_networks:swapped' returns tuple \(ModelCard, Sequential\), not a module or a"),
        ("my_networks:wrong", r"'my_networks:wrong' returns str, not a module or a \(module, ModelCard\)"),
        ("my_networks:bare", r"'my_networks:bare' comes without a card.*clip_spec=ClipSpec"),
        (
            "my_broken:net",
            r"'my_broken:net' cannot be imported: it needs the package 'a_package_nobody_has' \(my_broken\.py, line",
        ),
    ],
)
def test_a_name_that_leads_nowhere_says_why(package: None, name: str, says: str) -> None:
    with pytest.raises(ModelError, match=says):
        load_model(name)


def test_a_module_without_a_card_is_refused() -> None:
    with pytest.raises(ModelError, match="a Sequential comes without a card"):
        load_model(nn.Sequential(nn.Flatten(), nn.Linear(96, 2)))


def test_a_device_that_is_not_there_is_named() -> None:
    with pytest.raises(ModelError, match="the device 'nonsense' cannot be used"):
        load_model(nn.Sequential(nn.Flatten(), nn.Linear(96, 2)), card=CARD, device="nonsense")


def a_source(name: str, *, weights: str | None) -> tuple[nn.Module, ModelCard]:
    return nn.Sequential(nn.Flatten(), nn.Linear(96, 2)), CARD.model_copy(
        update={"name": f"plug:{name}", "weights": weights or "none"}
    )


def test_an_installed_source_comes_through_the_same_door(monkeypatch: pytest.MonkeyPatch) -> None:
    plug = EntryPoint(name="plug", value="plugs:a_source", group=load.GROUP)
    monkeypatch.setattr(EntryPoint, "load", lambda _: a_source)
    monkeypatch.setattr(load, "sources", lambda: {"plug": plug})
    model = load_model("plug:tiny", weights="best")
    assert (model.card.name, model.card.weights) == ("plug:tiny", "best")


def test_the_built_in_sources_are_entry_points() -> None:
    assert load.sources()["torchvision"].value == "videotcav.models.from_torchvision:load"


def test_what_is_listed_is_what_loads() -> None:
    listed = {known.name: known for known in known_models()}
    assert {name.partition(":")[0] for name in listed} == {"planted", "torchvision", "transformers"}
    for name in ("planted:swin", "torchvision:r3d_18", "torchvision:mvit_v2_s"):
        card, known = load_model(name).card, listed[name]
        spec = card.clip_spec
        assert (known.frames, known.size, known.classes) == (spec.frames, (spec.height, spec.width), len(card.classes))
        assert known.seconds_between_frames == pytest.approx(spec.seconds_between_frames)
        assert known.licence
        assert known.weights
