"""Rows of the store as volumes again: what a layer gave for each clip, with its axes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from einops import einsum, reduce
from torch.nn.functional import adaptive_avg_pool3d

from videotcav.engine.local import batched
from videotcav.engine.store import RowsLost, Store
from videotcav.errors import StoreError
from videotcav.features.measure import ClipReader, Measured
from videotcav.models.passes import rows_are_clips
from videotcav.models.tap import tap


def stored_volumes(
    measured: Measured,
    store: Store,
    clips: ClipReader,
    layer: str,
    *,
    memory_bytes: int,
    places: Sequence[int] | None = None,
) -> Iterator[npt.NDArray[np.float32]]:
    """What the layer gave for the set clips that were measured, or for those at some `places`, one after the other,
    `channel time height width`.

    The rows were stored without pooling and as the layer gave them; the first clip shows that shape. As many are read
    at once as an eighth of `memory_bytes` holds.

    Raises LayoutError where nobody said how the layer is laid out, and StoreError where rows are lost meanwhile.
    """
    passing, known = measured.passing, clips.clips()[None]
    model, one = passing.model, clips.loader()(known[0], None)
    keys = [known[place].key for place in (range(len(known)) if places is None else places)]
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


def rows_of_objects(volume: npt.NDArray[np.float32], masks: Sequence[npt.NDArray[np.bool_]]) -> npt.NDArray[np.float32]:
    """What a layer gave where each object of a clip is: `channel 1 1 object`, a volume whose places are objects.

    A row is the mean of the volume, `channel time height width`, over its grid's cells, each weighed by the share of
    its pixels and frames that the object covers. `masks` are `time height width` of the clip, none without a pixel.
    """
    shares = adaptive_avg_pool3d(torch.from_numpy(np.stack(masks)).float(), volume.shape[1:]).numpy()
    weights = shares / reduce(shares, "object t h w -> object 1 1 1", "sum")
    rows: npt.NDArray[np.float32] = einsum(volume, weights, "c t h w, object t h w -> c object")
    return rows[:, None, None]
