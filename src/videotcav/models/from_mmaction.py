"""Checkpoints of mmaction2's Video Swin under torchvision's names: the same tensors, called otherwise.

Both compute the same: windows, shifts, relative positions and the order in which a merging joins its four neighbours
agree, so that nothing but names has to change.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

_BLOCK = r"backbone\.layers\.(\d+)\.blocks\.(\d+)"
_RENAMED: tuple[tuple[str, Callable[[re.Match[str]], str]], ...] = (
    (r"backbone\.patch_embed\.(.+)", lambda found: f"patch_embed.{found[1]}"),
    (rf"{_BLOCK}\.mlp\.fc1\.(.+)", lambda found: f"features.{2 * int(found[1])}.{found[2]}.mlp.0.{found[3]}"),
    (rf"{_BLOCK}\.mlp\.fc2\.(.+)", lambda found: f"features.{2 * int(found[1])}.{found[2]}.mlp.3.{found[3]}"),
    (rf"{_BLOCK}\.((?:norm1|norm2|attn)\..+)", lambda found: f"features.{2 * int(found[1])}.{found[2]}.{found[3]}"),
    (r"backbone\.layers\.(\d+)\.downsample\.(.+)", lambda found: f"features.{2 * int(found[1]) + 1}.{found[2]}"),
    (r"backbone\.norm\d*\.(.+)", lambda found: f"norm.{found[1]}"),  # norm3 in mmaction2, norm in its forerunner
    (r"cls_head\.fc_cls\.(.+)", lambda found: f"head.{found[1]}"),
)
"""mmaction2's keys and torchvision's: stages and the mergings behind them alternate in `features`."""

_DROPPED = ("data_preprocessor.",)  # mean and deviation of the pixels, which the clip spec holds
_MARK = "backbone.layers.0.blocks.0.attn.relative_position_bias_table"
"""A key that no other network has, behind whatever a trainer puts in front of all."""


def renamed(tables: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The same tables with the keys of mmaction2's Video Swin under torchvision's; unknown keys stay as they are."""
    return {place: _renamed(table) for place, table in tables.items()}


def _renamed(table: Mapping[str, Any]) -> dict[str, Any]:
    start = next((key.removesuffix(_MARK) for key in table if key.endswith(_MARK)), None)
    if start is None:
        return dict(table)
    return {
        start + _key(key.removeprefix(start)): tensor
        for key, tensor in table.items()
        if not key.removeprefix(start).startswith(_DROPPED)
    }


def _key(key: str) -> str:
    for pattern, name in _RENAMED:
        if found := re.fullmatch(pattern, key):
            return name(found)
    return key
