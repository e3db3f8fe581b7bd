"""A card as code makes the same card, and a folded listing leaves nothing out without counting it."""

from __future__ import annotations

import pytest

import videotcav as vt
from videotcav.errors import ArgumentError
from videotcav.models.listing import card_code, down_to
from videotcav.models.model import LayerInfo
from videotcav.records import ClipSpec, ModelCard

OWN = ModelCard(
    name='a "quoted" name',
    clip_spec=ClipSpec(frames=4, seconds_between_frames=0.1, height=8, width=8, resize=(8, 9), resampling="bicubic"),
    classes=("it's", "Ü", "two\nlines"),
    layouts={"blocks.*": "b 1+(t h w) c"},
    grids={"blocks.*": (2, 3, 4)},
    default_layers=("blocks.3",),
    degenerate=("head",),
    pixels="b t c h w",
    pathways=((0, 2), (0, 1, 2, 3)),
    logits="out.1",
    scores="multi-label logits",
)


def evaluated(code: str) -> object:
    return eval(code, {"ModelCard": vt.ModelCard, "ClipSpec": vt.ClipSpec})  # noqa: S307 - our own text, as one pastes it


@pytest.mark.parametrize("name", [None, "planted:swin", "torchvision:mvit_v2_s"])
def test_the_code_of_a_card_makes_the_card_again(name: str | None) -> None:
    card = OWN if name is None else vt.load_model(name).card
    loaded = {"precision": "fp32", "weights": "random", "weights_sha256": ""}
    assert evaluated(card_code(card)) == card.model_copy(update=loaded)
    assert max(map(len, card_code(card).splitlines())) <= 110


def layer(name: str) -> LayerInfo:
    return LayerInfo(name=name, kind="", shape=(1,), layout="", degenerate=False)


NAMES = ("stem", "stem.conv", "stem.conv.pool", "blocks.0", "blocks.0.a", "blocks.1", "blocks.1.a", "blocks.10", "head")


@pytest.mark.parametrize(
    ("depth", "shown"),
    [
        (1, {"stem": 2, "blocks.0": 1, "blocks.1": 1, "blocks.10": 0, "head": 0}),
        (
            2,
            {
                "stem": 0,
                "stem.conv": 1,
                "blocks.0": 0,
                "blocks.0.a": 0,
                "blocks.1": 0,
                "blocks.1.a": 0,
                "blocks.10": 0,
                "head": 0,
            },
        ),
        (3, dict.fromkeys(NAMES, 0)),
        (None, dict.fromkeys(NAMES, 0)),
    ],
)
def test_what_lies_deeper_is_counted_where_it_lies(depth: int | None, shown: dict[str, int]) -> None:
    """`blocks` gives nothing out and is not listed: its blocks stand on the first level."""
    assert {row.name: row.folded for row in down_to(map(layer, NAMES), depth)} == shown


def test_a_depth_of_none_is_refused() -> None:
    with pytest.raises(ArgumentError, match="from 1, got 0"):
        vt.layers("planted:swin", depth=0)
