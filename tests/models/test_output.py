"""What a module gives, held against its card; every answer the same for a clip alone and among others."""

from __future__ import annotations

import dataclasses
import sys
import threading
import warnings
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from videotcav.errors import ClassNotFound, LayoutError, ModelError, VideotcavWarning
from videotcav.maps import class_maps
from videotcav.models.identity import identity
from videotcav.models.load import load_model
from videotcav.models.model import VideoModel, borrowed
from videotcav.models.passes import features, gradients, pixel_gradients, volumes
from videotcav.models.randomised import randomised
from videotcav.models.tap import tap
from videotcav.records import ClipSpec, ModelCard

SPEC = ClipSpec(frames=3, seconds_between_frames=0.1, height=4, width=4, resize=4)
CLIPS = torch.randn(4, 3, 3, 4, 4, generator=torch.Generator().manual_seed(0))


def card(**more: Any) -> ModelCard:
    given = {"name": "own", "clip_spec": SPEC, "classes": ("a", "b", "c")}
    return ModelCard(**(given | more))


class Head(nn.Module):
    """A linear head, and what is made of its output."""

    def __init__(self, outputs: int, then: Callable[[Tensor], Any] = lambda x: x) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.linear, self.then = nn.Linear(144, outputs), then

    def forward(self, x: Tensor) -> Any:
        return self.then(self.linear(x.flatten(1)))


def quietly(module: nn.Module, **more: Any) -> VideoModel:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VideotcavWarning)
        return load_model(module, **({"card": card()} | more))


# --- the output ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("then", [lambda x: x, lambda x: x.squeeze()])
def test_a_lone_logit_is_a_sigmoid_and_speaks_for_the_second_class(then: Callable[[Tensor], Tensor]) -> None:
    module = Head(1, then)
    with pytest.warns(VideotcavWarning, match="one output a clip"):
        model = load_model(module, card=card(classes=("rest", "swing")))
    z = module.linear(CLIPS.flatten(1))[:, 0]
    for clips, expected in ((CLIPS, z), (CLIPS[:1], z[:1])):
        assert torch.allclose(model.probabilities(model(clips))[:, 1], expected.sigmoid())
        assert torch.allclose(model.probabilities(model(clips)).sum(dim=1), torch.ones(len(clips)))
    found = gradients(model, CLIPS, ["linear"], [0, 1]).gradients
    assert torch.equal(found[0]["linear"], -found[1]["linear"])
    assert quietly(module, card=card(classes=("swing",))).card.classes == ("not swing", "swing")


@pytest.mark.parametrize(
    ("outputs", "then"),
    [(3, lambda x: x.softmax(dim=1)), (3, torch.sigmoid), (1, lambda x: x.sigmoid().squeeze(1))],
)
def test_probabilities_are_told_and_not_softmaxed_again(outputs: int, then: Callable[[Tensor], Tensor]) -> None:
    module = Head(outputs, then)
    with pytest.warns(VideotcavWarning, match="returns probabilities|one output a clip") as told:
        model = load_model(module, card=card(classes=("a", "b", "c")[: max(2, outputs)]))
    assert any("returns probabilities" in str(each.message) for each in told)
    given = module(CLIPS).reshape(4, -1)
    assert torch.allclose(model.probabilities(model(CLIPS))[:, -given.shape[1] :], given, atol=1e-6)
    assert torch.allclose(model(CLIPS)[:, -1], given[:, -1].log() - (1 - given[:, -1]).log(), atol=1e-4)


def test_certain_probabilities_stay_finite() -> None:
    model = quietly(Head(3, lambda x: (x * 1e4).softmax(dim=1)))
    assert model(CLIPS).isfinite().all()
    assert model.probabilities(model(CLIPS)).max() > 0.999


def test_logits_that_happen_to_be_fractions_stay_logits() -> None:
    model = load_model(Head(3, lambda x: x.abs().clamp(0, 1)), card=card())
    assert model.card.scores == "logits"
    assert load_model(Head(3, lambda x: x.softmax(dim=1)), card=card(scores="logits")).card.scores == "logits"


@pytest.mark.parametrize(
    ("module", "classes", "says"),
    [
        (Head(3), ("a", "b"), r"\(2, 3\) for 2 clips, 3 scores a clip, but its card names 2 classes"),
        (Head(1), ("a", "b", "c"), r"1 scores a clip, but its card names 3 classes"),
        (
            Head(6, lambda x: x.unflatten(1, (2, 3))),
            ("a", "b"),
            r"\(2, 2, 3\) for 2 clips; needed: one row of 2",
        ),
        (Head(3, lambda x: torch.cat([x, x])), ("a", "b", "c"), "4 rows for 2 clips"),
        (Head(3, lambda x: {"cls": x, "aux": x}), ("a", "b", "c"), r"a dict with 'cls', 'aux': say where"),
        (Head(3, lambda _: "text"), ("a", "b", "c"), "returns a str: say where"),
    ],
)
def test_an_output_that_does_not_fit_the_card_is_one_sentence(
    module: nn.Module, classes: tuple[str, ...], says: str
) -> None:
    with pytest.raises(ModelError, match=says):
        load_model(module, card=card(classes=classes))


def test_a_head_that_squeezes_away_the_only_clip_is_no_trouble() -> None:
    model = load_model(Head(3, lambda x: x.squeeze()), card=card())
    assert torch.allclose(model(CLIPS[:1]), model(CLIPS)[:1])


@pytest.mark.parametrize(
    ("then", "where"),
    [(lambda x: {"cls": x}, "cls"), (lambda x: {"out": (None, x)}, "out.1"), (lambda x: {"logits": x}, "")],
)
def test_the_card_says_where_the_logits_are(then: Callable[[Tensor], Any], where: str) -> None:
    assert torch.equal(load_model(Head(3, then), card=card(logits=where))(CLIPS), Head(3)(CLIPS))
    read = load_model(Head(3, lambda x: lambda: x), card=card(), read_logits=lambda output: output())
    assert torch.equal(read(CLIPS), Head(3)(CLIPS))
    with pytest.raises(ModelError, match="says that its logits are at 'nowhere', but it returns a"):
        load_model(Head(3, then), card=card(logits="nowhere"))


BROKEN = {
    "raises": "def build():\n    raise ValueError('no weights')\n",
    "imports": "import json\nfrom json import nothing\n",
    "syntax": "def build(:\n",
    "fails": "from torch import nn\nfrom tests_card import CARD\nclass Net(nn.Module):\n"
    "    def forward(self, x):\n        return x.nothing\n\ndef build():\n    return Net(), CARD\n",
}


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("raises", r"fails: ValueError: no weights \(broken_raises\.py, line 2\)"),
        ("imports", r"cannot be imported: ImportError: .*\(broken_imports\.py, line 2\)"),
        ("syntax", r"cannot be imported: SyntaxError: .*\(broken_syntax\.py, line 1\)"),
        ("fails", r"cannot be passed clips of 3 × 3 × 4 × 4.*AttributeError.*\(broken_fails\.py, line 5\)"),
    ],
)
def test_errors_of_a_users_code_are_one_sentence_with_file_and_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, says: str
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / f"broken_{name}.py").write_text(BROKEN[name])
    (tmp_path / "tests_card.py").write_text(
        "from videotcav.records import ClipSpec, ModelCard\n"
        "SPEC = ClipSpec(frames=3, seconds_between_frames=0.1, height=4, width=4, resize=4)\n"
        "CARD = ModelCard(name='own', clip_spec=SPEC, classes=('a', 'b'))\n"
    )
    with pytest.raises(ModelError, match=says):
        load_model(f"broken_{name}:build")
    sys.modules.pop("tests_card", None)


def test_a_module_says_who_built_it_and_its_weights_are_hashed() -> None:
    model = load_model(Head(3), card=card())
    assert model.card.weights == "as given"
    other = Head(3)
    nn.init.zeros_(other.linear.bias)
    assert load_model(other, card=card()).card.weights_sha256 != model.card.weights_sha256


# --- rows are clips ------------------------------------------------------------------------------------------------


class Steps(nn.Module):
    """A layer whose output is laid out in some way, the same numbers in all of them, behind it a linear head."""

    def __init__(self, layout: str) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.features, self.layer, self.head, self.layout = nn.Linear(48, 5), nn.Tanh(), nn.Linear(15, 3), layout

    def forward(self, x: Tensor) -> Tensor:
        rows = self.features(x.permute(0, 2, 1, 3, 4).flatten(2))  # b t c
        b, t = rows.shape[:2]
        if self.layout == "t b c":
            rows = self.layer(rows.transpose(0, 1)).transpose(0, 1)
        elif self.layout == "(b t) c":
            rows = self.layer(rows.flatten(0, 1)).unflatten(0, (b, t))
        elif self.layout == "(t b) c":
            rows = self.layer(rows.transpose(0, 1).flatten(0, 1)).unflatten(0, (t, b)).transpose(0, 1)
        else:
            rows = self.layer(rows)
        return self.head((rows.square() + rows).flatten(1))


@pytest.mark.parametrize("layout", ["b t c", "t b c", "(b t) c", "(t b) c"])
@pytest.mark.parametrize("pooling", ["none", "time"])
def test_each_clip_has_the_same_rows_alone_and_among_any_others(layout: str, pooling: Any) -> None:
    model = VideoModel(Steps(layout), card(layouts={"layer": layout}, grids={"layer": (3, 1, 1)}))
    plain = VideoModel(Steps("b t c"), card(layouts={"layer": "b t c"}))
    whole = gradients(model, CLIPS, ["layer"], [1], pooling=pooling)
    right = gradients(plain, CLIPS, ["layer"], [1], pooling="time" if pooling == "time" else "none")
    for size in (1, 2, 3, 4):  # 3 clips beside 3 steps
        some = gradients(model, CLIPS[:size], ["layer"], [1], pooling=pooling)
        torch.testing.assert_close(some.activations["layer"], whole.activations["layer"][:size])
        torch.testing.assert_close(some.gradients[1]["layer"], whole.gradients[1]["layer"][:size])
        read = features(model, CLIPS[:size], ["layer"], pooling=pooling)["layer"]
        torch.testing.assert_close(read, some.activations["layer"])
        torch.testing.assert_close(volumes(model, CLIPS[:size], ["layer"], [1]).logits, whole.logits[:size])
    # The same numbers in another order: all inner products are alike.
    for mine, theirs in ((whole.activations, right.activations), (whole.gradients[1], right.gradients[1])):
        torch.testing.assert_close(mine["layer"] @ mine["layer"].T, theirs["layer"] @ theirs["layer"].T)


@pytest.mark.parametrize("clips", [3, 4])
def test_rows_that_are_not_clips_are_one_sentence(clips: int) -> None:
    unsaid = VideoModel(Steps("t b c"), card())
    with pytest.raises(LayoutError, match=r"gives 3 rows for one clip \(shape \(3, 1, 5\)\)"):
        features(unsaid, CLIPS[:clips], ["layer"])
    wrong = VideoModel(Steps("(b t) c"), card(layouts={"layer": "b c"}))
    with pytest.raises(LayoutError, match=rf"{3 * clips} rows for {clips} clips by its layout 'b c'"):
        features(wrong, CLIPS[:clips], ["layer"], pooling="all")


# --- changes in place ----------------------------------------------------------------------------------------------


class InPlace(nn.Module):
    """An in-place or idle layer whose input goes on under its own name, and may be changed later."""

    def __init__(self, layer: nn.Module, *, changed: bool) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.first, self.layer, self.head, self.changed = nn.Linear(144, 6), layer, nn.Linear(6, 3), changed

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x.flatten(1))
        h = self.layer(x)
        if self.changed:
            h += 1
        return self.head(h * 2 + x.square())


@pytest.mark.parametrize("layer", [nn.ReLU(inplace=True), nn.Identity(), nn.Dropout(), nn.Flatten()])
@pytest.mark.parametrize("changed", [False, True])
def test_all_paths_of_a_layer_that_gives_back_its_input_count(layer: nn.Module, *, changed: bool) -> None:
    model = VideoModel(InPlace(layer, changed=changed).eval(), card())
    expected = model(CLIPS)
    passed = gradients(model, CLIPS, ["layer"], [2])
    torch.testing.assert_close(passed.logits, expected)
    below = model.module.first(CLIPS.flatten(1))
    at = (below.relu() if isinstance(layer, nn.ReLU) else below).detach().requires_grad_()
    moved = at + 1 if changed else at
    by_hand = torch.autograd.grad(model.module.head(moved * 2 + moved.square())[:, 2].sum(), at)[0]
    torch.testing.assert_close(passed.activations["layer"], at.detach())
    torch.testing.assert_close(passed.gradients[2]["layer"], by_hand)
    for size in (1, 3):
        with tap(model, ["first", "layer"]) as tapped:
            found = tapped.gradients(tapped(CLIPS[:size])[:, 2])
        torch.testing.assert_close(found["layer"], by_hand[:size])


class Changes(nn.Module):
    """Changes what its graph needs (`x = relu(x); x += y`), and its own input."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.first, self.head = nn.Linear(144, 6), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x.sub_(0.3)
        y = self.first(x.view(len(x), -1))
        z = y.relu()
        z += y
        return self.head(z)


def test_what_a_network_changes_in_place_is_neither_an_error_nor_the_callers() -> None:
    model, before = VideoModel(Changes(), card()), CLIPS.clone()
    passed = gradients(model, CLIPS, ["first"], [0])
    weights = model.module.head.weight[0]
    torch.testing.assert_close(passed.gradients[0]["first"], weights * (1 + (passed.activations["first"] > 0)))
    first, second = (pixel_gradients(model, CLIPS, [0]) for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(CLIPS, before)


def test_pixels_in_any_order_are_contiguous() -> None:
    class Views(Head):
        def forward(self, x: Tensor) -> Any:
            return self.linear(x.view(len(x), -1))

    assert load_model(Views(3), card=card(pixels="b t h w c"))(CLIPS).shape == (4, 3)


# --- the caller's world --------------------------------------------------------------------------------------------


def test_a_callers_autocast_does_not_reach_passes_in_full_precision() -> None:
    model = load_model(Head(3), card=card())
    alone = gradients(model, CLIPS, ["linear"], [0])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = gradients(model, CLIPS, ["linear"], [0])
        assert torch.equal(model(CLIPS), alone.logits)
    assert torch.equal(inside.activations["linear"], alone.activations["linear"])


@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad])
def test_a_callers_modes_do_not_reach_gradients(mode: Callable[[], Any]) -> None:
    model = load_model(Head(3), card=card())
    alone = gradients(model, CLIPS, ["linear"], [0])
    with mode():
        inside = gradients(model, CLIPS, ["linear"], [0])
    assert torch.equal(inside.gradients[0]["linear"], alone.gradients[0]["linear"])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_modules_of_any_precision_take_clips(dtype: torch.dtype) -> None:
    found = features(load_model(Head(3).to(dtype), card=card()), CLIPS, ["linear"])["linear"]
    torch.testing.assert_close(found, Head(3).linear(CLIPS.flatten(1)).detach(), rtol=0.02, atol=0.02)


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_networks_of_other_channels_can_be_looked_into(channels: int) -> None:
    spec = SPEC.model_copy(update={"mean": (0.5,) * channels, "std": (0.5,) * channels})
    net = nn.Sequential(nn.Flatten(), nn.Linear(48 * channels, 3))
    model = load_model(net, card=card(clip_spec=spec))
    assert [layer.name for layer in model.layers()] == ["0", "1"]
    with pytest.raises(ModelError, match=r"cannot be passed a clip of the shape \(1, 3, 3, 4, 4\)"):
        VideoModel(net, card()).layers()


def test_scripted_modules_and_named_tuples_are_passed() -> None:
    Pair = namedtuple("Pair", "out more")  # noqa: PYI024 - as users write it

    class Named(nn.Module):
        def forward(self, x: Tensor) -> Any:
            return Pair(x * 2, None)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.head = Named(), nn.Linear(144, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.layer(x.flatten(1)).out)

    model = load_model(Net(), card=card())
    found = gradients(model, CLIPS, ["layer"], [1]).gradients[1]["layer"]
    torch.testing.assert_close(found, model.module.head.weight[1].expand(4, -1).detach())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch advises against it; people have such files
        scripted = torch.jit.script(nn.Sequential(nn.Flatten(), nn.Linear(144, 3)))
    assert load_model(scripted, card=card())(CLIPS).shape == (4, 3)


@pytest.mark.parametrize("reentrant", [True, False])
def test_checkpointed_parts_give_right_gradients_or_a_sentence(*, reentrant: bool) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(5)
            self.layer, self.head = nn.Linear(144, 6), nn.Linear(6, 3)

        def forward(self, x: Tensor) -> Tensor:
            rows = self.layer(x.flatten(1))
            return checkpoint(lambda x: self.head(x.tanh()), rows, use_reentrant=reentrant)

    model = VideoModel(Net(), card())
    if reentrant:
        with pytest.raises(ModelError, match="reentrant checkpointing"):
            gradients(model, CLIPS, ["layer"], [0])
        return
    passed = gradients(model, CLIPS, ["layer"], [0])
    by_hand = model.module.head.weight[0] * (1 - passed.activations["layer"].tanh().square())
    torch.testing.assert_close(passed.gradients[0]["layer"], by_hand.detach())


def test_threads_that_borrow_one_module_leave_its_flags_as_they_were() -> None:
    module = Head(3)
    model = VideoModel(module.train(), card())
    expected = gradients(model, CLIPS, ["linear"], [0]).gradients[0]["linear"]
    found: list[Tensor] = []

    def work() -> None:
        found.extend(gradients(model, CLIPS, ["linear"], [0]).gradients[0]["linear"] for _ in range(5))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 20
    assert all(torch.equal(each, expected) for each in found)
    assert module.training
    assert all(parameter.requires_grad for parameter in module.parameters())
    assert not any(part._forward_hooks for part in module.modules())


def test_a_batch_norm_without_memory_is_told() -> None:
    net = nn.Sequential(nn.BatchNorm3d(3, track_running_stats=False), nn.Flatten(), nn.Linear(144, 3))
    with pytest.warns(VideotcavWarning, match=r"'0'.*hang on the clips that are passed with it"):
        load_model(net, card=card())


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
    }
    assert set(other) == {field.name for field in dataclasses.fields(VideoModel)}
    for field, value in other.items():
        assert identity(dataclasses.replace(model, **{field: value})) != identity(model), field
        assert field == "module" or getattr(copied, field) is getattr(model, field)


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


def test_functions_that_close_over_other_values_are_other_functions() -> None:
    def by(factor: float) -> Callable[[Tensor], Tensor]:
        return lambda x: x * factor

    one, two = (identity(VideoModel(Head(3), card(), reshape_transform=by(factor))) for factor in (1.0, 2.0))
    assert one != two


def test_flags_come_back_also_after_an_error() -> None:
    module = Head(3)

    def fail() -> None:
        with borrowed(module):
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert module.training
