"""Rows of the store as volumes again: what a layer gave for each clip, with its axes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from videotcav.engine.local import batched
from videotcav.engine.store import RowsLost, Store
from videotcav.errors import StoreError
from videotcav.features.extract import Passing
from videotcav.models.passes import rows_are_clips
from videotcav.models.tap import tap


def stored_volumes(
    passing: Passing, store: Store, keys: Sequence[str], layer: str, *, one: Tensor, memory_bytes: int
) -> Iterator[npt.NDArray[np.float32]]:
    """What the layer gave for the clips of these keys, one after the other, `channel time height width`.

    The rows were stored without pooling and as the layer gave them; the pixels `one` (`channel time height width`) of
    any clip show that shape. As many are read at once as an eighth of `memory_bytes` holds.

    Raises LayoutError where nobody said how the layer is laid out, and StoreError where rows are lost meanwhile.
    """
    model = passing.model
    with tap(model, [layer]) as tapped, torch.no_grad():
        output = tapped.read(one[None])[layer]
    # As rows are flattened where features are extracted: as the layer gives them where a row is a clip, else folded.
    is_whole = layer in rows_are_clips(model, [layer], one[None])
    shape = (output if is_whole else model.fold(layer, output, clips=1)).shape[1:]
    shelf = store.shelf(passing.cache_key(layer, None))
    at_once = max(1, memory_bytes // 8 // (12 * shape.numel()))
    for some in batched(iter(keys), at_once):
        try:
            rows = torch.from_numpy(shelf.rows(list(some)).whole()).reshape(-1, *shape)
        except RowsLost as error:
            raise StoreError(f"the store {store.place} lost rows while they were read: {error}; run it again") from None
        yield from (model.fold(layer, rows, clips=len(rows)) if is_whole else rows).numpy()
