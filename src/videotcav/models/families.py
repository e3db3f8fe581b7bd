"""What is known of each family of torchvision's video models: input, layouts, and the layers worth looking at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from videotcav.models.layout import Grid

_CHANNELS_FIRST = "b c t h w"
_CHANNELS_LAST = "b t h w c"
_TOKENS_AFTER_CLASS = "b 1+(t h w) c"


@dataclass(frozen=True)
class TorchvisionFamily:
    """What one class of torchvision's models has in common.

    `frames` and `frames_per_second` are those with which torchvision evaluated the published weights.
    """

    frames: int
    frames_per_second: float
    head: str
    layouts: dict[str, str]
    stages: Callable[[Any], tuple[str, ...]]
    degenerate: tuple[str, ...]
    grids: Callable[[Any], dict[str, Grid]] = field(default=lambda _: {})


def _swin_stages(module: Any) -> tuple[str, ...]:
    # Stages and the mergings between them alternate.
    return tuple(f"features.{index}" for index in range(0, len(module.features), 2))


def _mvit_grids(module: Any) -> dict[str, Grid]:
    """Time, height and width of the tokens that each block gives: pooled queries make the grid smaller."""
    encoding = module.pos_encoding
    grid: Grid = (encoding.temporal_size, *encoding.spatial_size)
    grids = {"pos_encoding": grid}
    for index, block in enumerate(module.blocks):
        if block.attn.pool_q is not None:
            conv = block.attn.pool_q.pool
            steps = zip(grid, conv.kernel_size, conv.padding, conv.stride, strict=True)
            time, height, width = (1 + (size + 2 * pad - kernel) // stride for size, kernel, pad, stride in steps)
            grid = (time, height, width)
        grids[f"blocks.{index}"] = grid
    return {**grids, "norm": grid}


def _mvit_stages(module: Any) -> tuple[str, ...]:
    # Not the last stage: the head reads the class token alone, so behind the last attention the grid does not matter.
    grids = _mvit_grids(module)
    blocks = range(len(module.blocks) - 1)
    return tuple(f"blocks.{index}" for index in blocks if grids[f"blocks.{index}"] != grids[f"blocks.{index + 1}"])


FAMILIES = {
    "SwinTransformer3d": TorchvisionFamily(
        frames=32,
        frames_per_second=15,
        head="head.weight",
        layouts={
            "patch_embed.proj": _CHANNELS_FIRST,
            "patch_embed*": _CHANNELS_LAST,
            "pos_drop": _CHANNELS_LAST,
            "features*": _CHANNELS_LAST,
            "norm": _CHANNELS_LAST,
            "avgpool": _CHANNELS_FIRST,
            "head": "b c",
        },
        stages=_swin_stages,
        degenerate=("norm", "avgpool", "head"),
    ),
    "MViT": TorchvisionFamily(
        frames=16,
        frames_per_second=7.5,
        head="head.1.weight",
        layouts={
            "conv_proj": _CHANNELS_FIRST,
            "pos_encoding": _TOKENS_AFTER_CLASS,
            "blocks.[0-9]": _TOKENS_AFTER_CLASS,
            "blocks.[0-9][0-9]": _TOKENS_AFTER_CLASS,
            "norm": _TOKENS_AFTER_CLASS,
            "head*": "b c",
        },
        stages=_mvit_stages,
        degenerate=("norm", "head*"),
        grids=_mvit_grids,
    ),
    "S3D": TorchvisionFamily(
        frames=128,
        frames_per_second=15,
        head="classifier.1.weight",
        layouts={"*": _CHANNELS_FIRST},
        # Before each of the larger poolings, and the end of the last stage but one block.
        stages=lambda _: ("features.3", "features.6", "features.12", "features.14"),
        degenerate=("features", "features.15", "features.15.branch?", "avgpool", "classifier*"),
    ),
    "VideoResNet": TorchvisionFamily(
        frames=16,
        frames_per_second=15,
        head="fc.weight",
        layouts={"fc": "b c", "*": _CHANNELS_FIRST},
        # Between layer4 and the logits there is only a mean and a linear layer.
        stages=lambda _: ("layer1", "layer2", "layer3"),
        degenerate=("layer4", "layer4.1", "layer4.1.relu", "avgpool", "fc"),
    ),
}
