"""Every answer the same for a clip alone and among others, whatever a layer changes in place."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from support.own import CLIPS, Head, card
from videotcav.errors import LayoutError
from videotcav.models.load import load_model
from videotcav.models.model import VideoModel
from videotcav.models.passes import features, gradients, pixel_gradients, volumes
from videotcav.models.tap import tap

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
