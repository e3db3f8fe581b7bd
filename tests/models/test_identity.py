"""Classes by any name that means one, and models whose identity and copies forget nothing."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from support.own import CLIPS, SPEC, Head, card
from videotcav.errors import ClassNotFound, ModelError
from videotcav.maps import class_maps
from videotcav.models.checkpoint import fingerprint
from videotcav.models.identity import identity
from videotcav.models.load import load_model
from videotcav.models.model import VideoModel, borrowed
from videotcav.models.passes import gradients
from videotcav.models.randomised import randomised
from videotcav.records import ModelCard

# --- classes and copies --------------------------------------------------------------------------------------------


def test_classes_are_taken_in_every_form_that_names_one() -> None:
    model = VideoModel(Head(3), card())
    assert [model.class_index(each) for each in ("b", 1, "1", np.int64(1), torch.tensor(1))] == [1] * 5
    for wrong in (-1, np.int64(-1), 3, True, False, None, ["b"], 1.0, torch.tensor(1.0), torch.tensor([0, 1])):
        with pytest.raises(ClassNotFound):
            model.class_index(wrong)  # type: ignore[arg-type] # what people give
    with pytest.raises(ClassNotFound):
        class_maps(model, CLIPS, layer="linear", classes=[-1])


def test_no_field_of_a_model_is_forgotten_in_its_identity_or_its_copies() -> None:
    model = VideoModel(Head(3), card(), reshape_transform=lambda x: x, read_logits=lambda x: x)
    copied = randomised(model, rng=np.random.default_rng(0))
    other = {
        "module": Head(3, lambda x: x * 2).linear,
        "card": card(name="other"),
        "reshape_transform": lambda x: x + 1,
        "read_logits": lambda x: x + 1,
        "cautions": ("x",),
        "volatile": ("linear.x",),
    }
    assert set(other) == {field.name for field in dataclasses.fields(VideoModel)}
    for field, value in other.items():
        assert identity(dataclasses.replace(model, **{field: value})) != identity(model), field
        assert field in ("module", "card") or getattr(copied, field) is getattr(model, field)
    told_apart = {"weights", "weights_sha256"}
    assert copied.card.model_dump(exclude=told_apart) == model.card.model_dump(exclude=told_apart)
    assert copied.card.weights_sha256 == fingerprint(copied.module) != fingerprint(model.module)


def test_no_field_of_a_card_is_forgotten_in_a_models_identity() -> None:
    other: dict[str, Any] = {
        "name": "x",
        "clip_spec": SPEC.model_copy(update={"crop_rounding": "down"}),
        "classes": ("a", "b", "d"),
        "layouts": {"x": "b c"},
        "grids": {"x": (1, 1, 1)},
        "default_layers": ("linear",),
        "degenerate": ("linear",),
        "pixels": "b t c h w",
        "colour": "BGR",
        "pathways": ((0,), (0, 1)),
        "precision": "bf16",
        "logits": "x",
        "scores": "probabilities",
        "weights": "x",
        "weights_sha256": "x",
    }
    assert set(other) == set(ModelCard.model_fields)
    model = VideoModel(Head(3), card())
    for field, value in other.items():
        changed = VideoModel(model.module, model.card.model_copy(update={field: value}))
        assert identity(changed) != identity(model), field


class Scaled(Head):
    """What is computed hangs on an attribute, a buffer that is not saved, or a function, none of which is printed."""

    def __init__(self, value: Any = None, then: Any = None) -> None:
        super().__init__(3, then or (lambda x: x))
        self.value = value
        self.register_buffer("factor", torch.tensor(1.0), persistent=False)

    def forward(self, x: Tensor) -> Any:
        return super().forward(x) * self.factor


def changed(module: Scaled, change: Callable[[Scaled], Any]) -> Scaled:
    change(module)
    return module


def times(factor: float | Tensor) -> Callable[[Tensor], Tensor]:
    return lambda x: x * factor


@pytest.mark.parametrize(
    "module",
    [
        Scaled(value=2),
        Scaled(value=torch.tensor(2.0)),
        Scaled(value=[1, {"deep": (np.float64(0.1),)}]),
        changed(Scaled(), lambda module: module.factor.fill_(2)),
        Scaled(then=times(2.0)),
        Scaled(then=times(3.0)),
        Scaled(then=times(torch.tensor(3.0))),
        Scaled(then=partial(torch.mul, other=3)),
        Scaled(then=SimpleNamespace(value=3)),
        changed(Scaled(), lambda module: module.linear.register_forward_hook(lambda *_: None)),
        changed(Scaled(), lambda module: module.linear.register_full_backward_hook(lambda *_: None)),
        changed(Scaled(), lambda module: module.linear.bias.data.add_(1)),
    ],
)
def test_modules_that_compute_otherwise_are_other_models(module: Scaled) -> None:
    assert identity(VideoModel(module, card())) != identity(VideoModel(Scaled(), card()))
    assert identity(VideoModel(module, card())) == identity(VideoModel(module, card()))


class Counts(Head):
    """Writes down what it is passed, as a network may keep its attention."""

    def __init__(self) -> None:
        super().__init__(3)
        self.passed, self.backward, self.last, self.factor = 0, 0, [], 1.0

    def forward(self, x: Tensor) -> Tensor:
        self.passed += len(x)
        self.last.append(x.mean())
        scores = super().forward(x) * self.factor
        if scores.requires_grad:
            scores.register_hook(self.count)
        return scores

    def count(self, gradient: Tensor) -> None:
        self.backward += len(gradient)


def test_what_a_pass_writes_down_makes_no_other_model() -> None:
    model, calls, count = load_model(Counts(), card=card()), [], 0

    def counting(*_: object) -> None:
        nonlocal count
        count += 1
        calls.append(count)

    model.module.linear.register_forward_hook(counting)
    before = identity(model)
    gradients(model, CLIPS, ["linear"], [0])
    assert calls == [1, 2]  # a clip alone shows how the layer lies, then all
    assert model.module.backward == len(CLIPS)
    assert identity(model) == before
    model.module.factor = 2.0
    assert identity(model) != before


def test_functions_that_close_over_other_values_are_other_functions() -> None:
    one, two = (identity(VideoModel(Head(3), card(), reshape_transform=times(factor))) for factor in (1.0, 2.0))
    assert one != two


def test_an_identity_is_the_same_in_every_process(tmp_path: Path) -> None:
    """Or a store would never give anything back: nothing in it hangs on where an object lies or how text is hashed."""
    program = (
        "import sys, json; sys.path[:0] = json.loads(sys.argv[1])\n"
        "from support.own import Head, card\n"
        "from videotcav.models.identity import identity\n"
        "from videotcav.models.model import VideoModel\n"
        "def outer(k):\n    def inner(x):\n        return [y * k for y in x] + list(map(len, {'a', 'b', 'c'}))\n"
        "    return inner\n"
        "net = Head(3, outer(2)); net.kept = {'a', 'bc'}, object(), net\n"
        "net.register_forward_hook(outer(3))\n"
        "print(identity(VideoModel(net, card(), reshape_transform=outer(4))))\n"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", program, json.dumps(sys.path)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1


def test_modules_of_any_kind_of_tensors_have_a_fingerprint_or_a_sentence() -> None:
    class Extra(Head):
        def get_extra_state(self) -> Any:
            return {"scale": 2}

    assert fingerprint(Extra(3)) != fingerprint(Head(3))
    for module in (nn.LazyLinear(3), Head(3).to("meta")):
        with pytest.raises(ModelError, match=r"has no numbers in '.*' yet"):
            load_model(module, card=card())


def test_flags_come_back_also_after_an_error() -> None:
    module = Head(3)

    def fail() -> None:
        with borrowed(module):
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert module.training
