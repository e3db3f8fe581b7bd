"""Token grids ↔ channel time height width, by named layouts that nobody guesses.

A layout is an einops pattern over the axes b (clip), c (channel), t, h and w, as the layer gives them:

    b c t h w         3D CNNs
    b t h w c         Video Swin
    b (t h w) c       flattened tokens; needs the grid (time, height, width)
    b 1+(t h w) c     the same after one class token, which has no place on the grid and is left out
    b 1+(h w t) c     TimeSformer: the tokens of one place stand together, frame after frame
    (b t) 1+(h w) c   layers that see one frame at a time; `(b h w) t c` sees one place at a time
    b c               pooled features: a grid of one

An axis that a pattern does not name has length one.
"""

from __future__ import annotations

import re
from math import prod

from einops import EinopsError, rearrange, reduce
from torch import Tensor

from videotcav.errors import LayoutError
from videotcav.records import Pooling

Grid = tuple[int, int, int]

_AFTER_FIRST = "1+("
_POOLED = {
    "none": "b c t h w -> b (c t h w)",
    "space": "b c t h w -> b (c t)",
    "time": "b c t h w -> b (c h w)",
    "all": "b c t h w -> b c",
}


def fold(output: Tensor, layout: str, grid: Grid | None = None) -> Tensor:
    """The output as `b c t h w`.

    Args:
        output: what the layer gives for a batch of clips.
        layout: how it is laid out, see the top of this file.
        grid: time, height and width, where the layout has several axes in one.

    Raises:
        LayoutError: the layout is unknown or does not fit; names the layouts that would fit the shape.
    """
    pattern = layout.replace(_AFTER_FIRST, "(")
    axes = re.findall(r"\w+", pattern)
    if not {"b", "c"} <= set(axes) <= set("bcthw") or len(axes) != len(set(axes)):
        said = f"'{layout}' is no layout" if layout else "its layout is not known"
        raise LayoutError(f"{said}; {_advice(output, grid)}")
    grouped = set(re.findall(r"\w+", " ".join(re.findall(r"\((.*?)\)", pattern)))) & set("thw")
    if grouped and grid is None:
        raise LayoutError(f"layout '{layout}' needs the grid: how many steps of time, height and width the tokens span")
    sizes = {axis: size for axis, size in zip("thw", grid or (), strict=False) if axis in grouped}
    target = " ".join(axis if axis in axes else "1" for axis in "bcthw")
    tokens = output[:, 1:] if _AFTER_FIRST in layout and output.ndim > 1 else output
    try:
        return rearrange(tokens, f"{pattern} -> {target}", **sizes)
    except EinopsError:
        raise LayoutError(f"layout '{layout}' does not fit; {_advice(output, grid)}") from None


def pool(folded: Tensor, pooling: Pooling) -> Tensor:
    """The activation averaged over the pooled axes and flattened, `b c t h w` → `b d`."""
    return reduce(folded, _POOLED[pooling], "mean")


def pool_gradient(folded: Tensor, pooling: Pooling) -> Tensor:
    """The gradient with respect to the pooled activation, `b c t h w` → `b d`.

    A pooled activation is a mean; moving it by one moves every pooled position by one, so gradients add (method.md 1).
    """
    return reduce(folded, _POOLED[pooling], "sum")


def _advice(output: Tensor, grid: Grid | None) -> str:
    """Which layouts would fit the shape of this output."""
    shape = tuple(output.shape)
    fitting = {2: ["b c"], 5: ["b c t h w", "b t h w c"]}.get(len(shape), [])
    if len(shape) == 3:  # noqa: PLR2004 - clip, token, channel
        if grid is None:
            fitting = ["b (t h w) c", "b 1+(t h w) c"]
        elif shape[1] == prod(grid):
            fitting = ["b (t h w) c", "b (h w t) c"]
        elif shape[1] == prod(grid) + 1:
            fitting = ["b 1+(t h w) c", "b 1+(h w t) c"]
    with_grid = f" with the grid {grid}" if grid else ""
    if not fitting:
        return f"no known layout fits the shape {shape}{with_grid}"
    return f"the shape {shape}{with_grid} would fit " + " or ".join(f"'{layout}'" for layout in fitting)
