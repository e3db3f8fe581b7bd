"""What a module gives, held against its card."""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from support.own import CLIPS, Head, card, quietly
from videotcav.errors import ModelError, VideotcavWarning
from videotcav.models.checkpoint import fingerprint
from videotcav.models.load import load_model
from videotcav.models.passes import gradients

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
    with pytest.raises(ModelError, match="whose softmax is 1 for every clip"):
        load_model(module, card=card(classes=("swing",), scores="logits"))


@pytest.mark.parametrize(
    ("outputs", "then"),
    [
        (3, lambda x: x.softmax(dim=1)),
        (3, torch.sigmoid),
        (1, lambda x: x.sigmoid().squeeze(1)),
        (6, lambda x: x.unflatten(1, (2, 3)).sigmoid().mean(dim=1)),  # over frames
        (6, lambda x: x.unflatten(1, (2, 3)).softmax(dim=2).amax(dim=1)),
        (4, lambda x: x.sigmoid().mean(dim=1, keepdim=True)),
        (1, lambda x: torch.cat([1 - x.sigmoid(), x.sigmoid()], dim=1)),
    ],
)
def test_probabilities_are_told_and_not_softmaxed_again(outputs: int, then: Callable[[Tensor], Tensor]) -> None:
    module = Head(outputs, then)
    with pytest.warns(VideotcavWarning, match="returns probabilities|one output a clip") as told:
        model = load_model(module, card=card(classes=("a", "b", "c")[: max(2, module(CLIPS).reshape(4, -1).shape[1])]))
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


def test_logits_of_many_labels_have_a_sigmoid_each() -> None:
    model = load_model(Head(3), card=card(scores="multi-label logits"))
    torch.testing.assert_close(model.probabilities(model(CLIPS)), Head(3)(CLIPS).sigmoid().detach())


def test_a_card_that_was_another_modules_says_nothing_of_this_ones_weights() -> None:
    one, other = load_model(Head(3), card=card()), Head(3)
    nn.init.zeros_(other.linear.bias)
    assert load_model(other, card=one.card).card.weights_sha256 == fingerprint(other)


def test_looking_at_a_module_keeps_no_tensors_of_its_graph() -> None:
    """As much would not fit beside a large network: what a tanh keeps for its backward pass is freed at once."""
    kept = []

    class Watched(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            held = x.clone()
            ctx.save_for_backward(held)
            kept.append(weakref.ref(held))
            return x.clone()

    def then(x: Tensor) -> Any:
        watched = Watched.apply(x)
        assert kept[-1]() is None
        return watched

    load_model(Head(3, then), card=card())
    assert len(kept) == 3  # two clips together, then one of them alone, twice


def test_functions_that_allow_no_hooks_are_looked_at_all_the_same() -> None:
    with pytest.warns(VideotcavWarning, match="returns probabilities"):
        load_model(Head(3, torch.vmap(lambda row: row.softmax(dim=0))), card=card())


@pytest.mark.parametrize(
    ("module", "classes", "says"),
    [
        (Head(3), ("a", "b"), r"\(3, 3\) for 3 clips, 3 scores a clip, but its card names 2 classes"),
        (Head(1), ("a", "b", "c"), r"1 score a clip, but its card names 3 classes"),
        (
            Head(6, lambda x: x.unflatten(1, (2, 3))),
            ("a", "b"),
            r"\(3, 2, 3\) for 3 clips; needed: one row of 2",
        ),
        (Head(3, lambda x: torch.cat([x, x])), ("a", "b", "c"), "4 rows for 2 clips"),
        (Head(3, lambda x: {"cls": x, "aux": x}), ("a", "b", "c"), r"a dict with 'cls', 'aux': say where"),
        (Head(3, lambda _: "text"), ("a", "b", "c"), "returns a str: say where"),
        (Head(3, lambda x: x[:0]), ("a", "b", "c"), "so 0 rows for 2 clips"),
        (Head(3, lambda x: x.argmax(dim=1)), ("a", "b"), r"gives torch\.int64 where scores are needed"),
        (Head(2, lambda x: x.T), ("a", "b"), r"\(2, 3\) for 3 clips, so 2 rows for 3 clips"),  # as many as classes
        (Head(2, lambda x: x.mean(dim=0)), ("a", "b"), "so 2 rows for 3 clips"),
        (Head(1, lambda x: x.softmax(dim=1)), ("a", "b"), "ends in Softmax, from which no probability"),
        (Head(1, nn.functional.logsigmoid), ("a", "b"), "ends in LogSigmoid, from which no probability"),
        (Head(3, lambda x: x.detach().sigmoid()), ("a", "b", "c"), "from 0 to 1 without a graph"),
        (
            Head(3, lambda x: x.view(2, -1) if len(x) > 1 else 1 / 0),
            ("a", "b", "c"),
            "but none alone: ZeroDivisionError",
        ),
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
    [
        (lambda x: {"cls": x}, "cls"),
        (lambda x: {"out": (None, x)}, "out.1"),
        (lambda x: {"logits": x}, ""),
        (lambda x: x[:, None], ""),  # of the one query by which a head reads its clip
        (lambda x: x[:, :, None, None, None], ""),  # of a head of convolutions and a pooling, not flattened
        (lambda x: {"a": {"head.cls": x}}, "a.head.cls"),
        (lambda x: {0: x}, "0"),
        (lambda x: SimpleNamespace(scores=lambda: x), "scores()"),
        (lambda x: lambda: x, "()"),
    ],
)
def test_the_card_says_where_the_logits_are(then: Callable[[Tensor], Any], where: str) -> None:
    assert torch.equal(load_model(Head(3, then), card=card(logits=where))(CLIPS), Head(3)(CLIPS))
    read = load_model(Head(3, lambda x: lambda: x), card=card(), read_logits=lambda output: output())
    assert torch.equal(read(CLIPS), Head(3)(CLIPS))
    with pytest.raises(ModelError, match="says that its logits are at 'nowhere', but it returns a"):
        load_model(Head(3, then), card=card(logits="nowhere"))
    with pytest.raises(ModelError, match="returns a SimpleNamespace with scores: say where"):
        load_model(Head(3, lambda x: SimpleNamespace(scores=x)), card=card())


def test_a_module_says_who_built_it_and_its_weights_are_hashed() -> None:
    model = load_model(Head(3), card=card())
    assert model.card.weights == "as given"
    other = Head(3)
    nn.init.zeros_(other.linear.bias)
    assert load_model(other, card=card()).card.weights_sha256 != model.card.weights_sha256


class Mixes(Head):
    """Takes the mean of all clips off each, as nothing does that could be seen by its type."""

    def forward(self, x: Tensor) -> Any:
        return self.linear(x.flatten(1) - x.flatten(1).mean(dim=0))


class Normalises(Head):
    """A batch norm that is called as a function, in training mode."""

    def forward(self, x: Tensor) -> Any:
        return self.linear(nn.functional.batch_norm(x, None, None, training=True).flatten(1))


@pytest.mark.parametrize(
    ("module", "says"),
    [
        (
            nn.Sequential(nn.BatchNorm3d(3, track_running_stats=False), nn.Flatten(), nn.Linear(144, 3)),
            r"alone, as a batch norm .*\('0'\): a clip's answers hang on the clips that are passed with it",
        ),
        (Mixes(3), "alone: a clip's answers hang on the clips that are passed with it"),
        (Normalises(3), "alone: a clip's answers hang on the clips that are passed with it"),
        (Head(3, lambda x: nn.functional.dropout(x, 0.5)), "gives other numbers each time it is passed the same clip"),
    ],
)
def test_answers_that_are_not_a_clips_own_are_told(module: nn.Module, says: str) -> None:
    with pytest.warns(VideotcavWarning, match=says):
        model = load_model(module.eval(), card=card())
    assert len(model.remarks) == 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_rounding_is_no_reason_to_warn(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv3d(3, 16, 3), nn.BatchNorm3d(16), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_model(net.to(dtype), card=card()).remarks == ()


def test_loading_leaves_the_callers_random_numbers_alone() -> None:
    module = Head(3, lambda x: nn.functional.dropout(x, 0.5))
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    quietly(module)
    assert torch.equal(torch.rand(1), expected)
