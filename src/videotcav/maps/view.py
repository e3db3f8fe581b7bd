"""Maps as they are looked at: over the source video's own pixels and seconds, in a notebook or on paper."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from videotcav.explain.saliency.cam import Over, normalise, temporal_profile
from videotcav.records import Clip
from videotcav.video.clips import to_source
from videotcav.video.overlay import overlay_heatmap
from videotcav.video.read import Frames, read_frames

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Values = NDArray[np.float32]


def empty_maps(maps: Values | Tensor, *, target: str, layer: str) -> Iterator[str]:
    """A sentence where maps `clip time height width` show nothing, as all that is against a class is cut off at 0."""
    empty = int((maps.reshape(len(maps), -1) == 0).all(1).sum())
    if empty:
        which = "the map" if len(maps) == 1 else f"{empty} of {len(maps)} maps"
        yield (
            f"{which} of “{target}” at layer '{layer}' {'is' if len(maps) == 1 else 'are'} zero everywhere: nothing at "
            "this layer speaks for the class. That is no place to look at; ask another layer or class."
        )


@dataclass(frozen=True, eq=False)  # arrays do not compare to one truth value
class ClipMaps:
    """The maps of one clip: `values` is `layer class time height width` over the clip's pixels, not normalised.

    `clip` says which seconds and which source pixels they lie over; `probabilities` are those of the classes.
    """

    clip: Clip
    layers: tuple[str, ...]
    classes: tuple[str, ...]
    method: str
    weights: Over
    values: Values
    probabilities: tuple[float, ...]

    def __repr__(self) -> str:
        shape = " × ".join(str(length) for length in self.values.shape[2:])
        layers, classes = ", ".join(self.layers), ", ".join(f"'{name}'" for name in self.classes)
        return f"ClipMaps({self.method} of {classes} at {layers}: {shape} (time height width))"

    @property
    def remarks(self) -> tuple[str, ...]:
        """What whoever looks at the maps must know, in sentences."""
        return tuple(
            remark
            for layer, of_layer in zip(self.layers, self.values, strict=True)
            for name, values in zip(self.classes, of_layer, strict=True)
            for remark in empty_maps(values[None], target=name, layer=layer)
        )

    def panels(self) -> list[tuple[str, Values]]:
        """A caption and a map `time height width` in 0…1 for each class and layer; see CAM_SCALE for the scale."""
        peaks = self.values.max(axis=(1, 2, 3, 4), keepdims=True)  # layers differ in size by powers of ten
        scaled = self.values / np.where(peaks > 0, peaks, 1)
        several = len(self.layers) > 1
        return [
            (
                f"“{name}”: probability {share:.2f}" + (f" · {layer}" if several else ""),
                scaled[row, column],
            )
            for column, (name, share) in enumerate(zip(self.classes, self.probabilities, strict=True))
            for row, layer in enumerate(self.layers)
        ]

    @property
    def scale_note(self) -> str:
        """What of the drawn maps shares one scale, in words."""
        classes = " and classes" if len(self.classes) > 1 else ""
        return f"one scale for all frames{classes}" + ("; each layer its own" if len(self.layers) > 1 else "")


@dataclass(frozen=True, eq=False)  # arrays do not compare to one truth value
class CamMaps:
    """Maps of some clips for one class: `maps` is `clip time height width` over the clips' own pixels.

    `clips[i]` says which seconds and which source pixels `maps[i]` lies over. Shows itself in Jupyter as the first
    clip's frames under their map, with the map's importance over the seconds below.
    """

    clips: tuple[Clip, ...]
    maps: NDArray[np.float32]
    target: str
    layer: str

    def __repr__(self) -> str:
        shape = " × ".join(str(length) for length in self.maps.shape[1:])
        return f"CamMaps({len(self.maps)} clips of {shape} (time height width), '{self.target}' at {self.layer})"

    def overlay(self, index: int = 0) -> Frames:
        """The frames of clip `index` as in the source video, under their map, uint8 `time height width channel`."""
        clip = self.clips[index]
        heat = normalise(torch.from_numpy(self.maps[index : index + 1]))[0]
        return overlay_heatmap(read_frames(clip.video, clip.timestamps), to_source(heat.numpy(), clip))

    def profile(self) -> NDArray[np.float32]:
        """When it matters: the share of each clip's map in each of its frames, `clip time`; sums to 1."""
        shares: NDArray[np.float32] = temporal_profile(torch.from_numpy(self.maps)).numpy()
        return shares

    def figure(self, index: int = 0) -> Figure:
        """The contact sheet of clip `index`: frames under their map, and the importance over its seconds."""
        from videotcav.maps.sheet import Strip, contact_sheet  # noqa: PLC0415 - matplotlib is slow to import

        strip = Strip(
            caption=f"“{self.target}” at {self.layer}", frames=self.overlay(index), profile=self.profile()[index]
        )
        return contact_sheet([strip], timestamps=self.clips[index].timestamps)

    def _repr_png_(self) -> bytes:
        picture = BytesIO()
        self.figure().savefig(picture, format="png")
        return picture.getvalue()
