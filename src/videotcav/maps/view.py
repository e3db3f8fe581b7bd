"""Maps as they are looked at: over the source video's own pixels and seconds, in a notebook, on a page, in a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from itertools import product
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch
from einops import rearrange
from matplotlib.figure import Figure
from numpy.typing import NDArray
from pydantic import NonNegativeInt, PositiveInt

from videotcav.errors import LayoutError, RunFolderError
from videotcav.explain.saliency.cam import Over, temporal_profile
from videotcav.maps.sheet import SheetRow, map_sheet
from videotcav.maps.shown import ShownMaps
from videotcav.maps.stored import read_arrays, write_arrays
from videotcav.records import Record
from videotcav.results.followed import Followed, above_maps
from videotcav.results.manifest import ModelledFacts, stamp, versions
from videotcav.results.words import listing
from videotcav.video.clips import to_source
from videotcav.video.info import ClipOrigin
from videotcav.video.overlay import overlay_heatmap
from videotcav.video.read import Frames, read_frames

Values = NDArray[np.float32]
PIXELS = "pixels"
"""What stands in the layer's place for a method that reads no layer."""


class PixelSettings(Record):
    """How the methods that read pixels go about it.

    `integrated-gradients` goes from `baseline`, a name of FILLS, in so many `steps`, `steps_at_once` of them held at a
    time (with what a backward pass needs). `rise` draws `masks` a clip, of `grid` cells in time, height and width, from
    `seed`, `batch_size` of them held at a time.
    """

    baseline: str = "blur"
    steps: PositiveInt = 16
    steps_at_once: PositiveInt = 4
    masks: PositiveInt = 512
    grid: tuple[PositiveInt, PositiveInt, PositiveInt] = (4, 7, 7)
    batch_size: PositiveInt = 16
    seed: NonNegativeInt = 0


class View(Record):
    """A method at a layer; `pixels` stands in the layer's place for a method that reads none."""

    method: str
    layer: str

    def __str__(self) -> str:
        return self.method if self.layer == PIXELS else f"{self.method} at {self.layer}"


class MapsManifest(ModelledFacts):
    """Everything about maps that is not a number in them, as `ClipMaps` has it."""

    kind: Literal["maps"] = "maps"
    clips: tuple[ClipOrigin, ...]
    views: tuple[View, ...]
    classes: tuple[tuple[str, ...], ...]
    probabilities: tuple[tuple[float, ...], ...]
    weights: Over
    settings: PixelSettings | None
    badges: tuple[Followed, ...] = ()


@dataclass(frozen=True, eq=False)
class ClipMaps(ShownMaps):
    """Maps of clips: `values` is `clip view class time height width` over the clips' pixels, not normalised.

    A view is a method at a layer. `clips[i]` says which seconds and which source pixels the maps lie over, `classes[i]`
    whose maps they are, with their `probabilities[i]`. `weights` is whether a channel's weight holds for the clip or
    for each time step, `settings` how methods that read pixels went about it. `badges` say whether the classes' scores
    follow the maps, where that was asked. `maps[i]` and iteration give the maps of one clip, a slice those of some.
    """

    views: tuple[View, ...]
    classes: tuple[tuple[str, ...], ...]
    probabilities: tuple[tuple[float, ...], ...]
    values: Values
    weights: Over = "clip"
    settings: PixelSettings | None = None
    badges: tuple[Followed, ...] = ()

    def __getitem__(self, index: int | slice) -> Self:
        if not isinstance(index, slice):
            place = range(len(self))[index]  # negative ones too; beyond the end is an IndexError
            index = slice(place, place + 1)
        parts = {name: getattr(self, name)[index] for name in ("clips", "classes", "probabilities", "values")}
        return replace(self, **parts)

    def __iter__(self) -> Iterator[Self]:
        return (self[index] for index in range(len(self)))

    def __repr__(self) -> str:
        shape = " × ".join(str(length) for length in self.values.shape[3:])
        classes = ", ".join(f"'{name}'" for name in dict.fromkeys(name for names in self.classes for name in names))
        of = f"{len(self)} clips, " if len(self) > 1 else ""
        return (
            f"{type(self).__name__}({of}{', '.join(map(str, self.views))}, of {classes}: {shape} (time height width))"
        )

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers that were asked, each once."""
        return tuple(dict.fromkeys(view.layer for view in self.views))

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods that were asked, each once."""
        return tuple(dict.fromkeys(view.method for view in self.views))

    @property
    def remarks(self) -> tuple[str, ...]:
        """What whoever looks at the maps must know, in sentences: maps show nothing where all that is against a class
        is cut off at 0.
        """
        found = []
        for number, view in enumerate(self.views):
            empty: dict[str, list[bool]] = {}
            for names, values in zip(self.classes, self.values[:, number], strict=True):
                for name, value in zip(names, values, strict=True):
                    empty.setdefault(name, []).append(not value.any())
            found += [_nothing(name, view, sum(each), len(each)) for name, each in empty.items() if any(each)]
        return tuple(found)

    def badge(self, class_name: str, view: View) -> Followed | None:
        """Whether the class's score follows the maps of that view; None where that was not asked."""
        asked = (class_name, view.method, view.layer)
        return next((each for each in self.badges if (each.class_name, each.method, each.layer) == asked), None)

    @property
    def followed(self) -> tuple[str, ...]:
        """What the badges say, in sentences."""
        of_class: dict[str, list[Followed]] = {}
        for badge in self.badges:
            of_class.setdefault(badge.class_name, []).append(badge)
        return tuple(above_maps(badges) for badges in of_class.values())

    # --- when and where ------------------------------------------------------------------------------------------

    def profiles(self) -> Values:
        """When it matters: the share of each map in each of its frames, `clip view class time`; sums to 1."""
        flat = torch.from_numpy(rearrange(self.values, "b v k t h w -> (b v k) t h w"))
        shares: Values = temporal_profile(flat).numpy().reshape(self.values.shape[:4])
        return shares

    def panels(self, index: int = 0) -> Iterator[tuple[str, Frames, Values]]:
        """For each class and view of clip `index`: a caption, the source's frames under the map, and the map's profile.

        All maps of a clip of one view share one scale, see `scale_note`.
        """
        clip, values, profiles = self.clips[index], self.values[index], self.profiles()[index]
        frames = read_frames(clip.video, clip.timestamps)
        peaks = values.max(axis=(1, 2, 3, 4), keepdims=True)  # layers differ in size by powers of ten
        scaled = values / np.where(peaks > 0, peaks, 1)
        named = enumerate(zip(self.classes[index], self.probabilities[index], strict=True))
        for (column, (name, share)), (row, view) in product(named, enumerate(self.views)):
            caption = f"“{name}”: probability {share:.2f} · {view}"
            if (badge := self.badge(name, view)) is not None:
                caption += f" · {badge.verdict}"
            yield caption, overlay_heatmap(frames, to_source(scaled[row, column], clip)), profiles[row, column]

    @property
    def scale_note(self) -> str:
        """What of the drawn maps shares one scale, in words."""
        classes = " and classes" if len(self.classes[0]) > 1 else ""
        several = [what for what, names in (("method", self.methods), ("layer", self.layers)) if len(names) > 1]
        return f"one scale for all frames{classes}" + (f"; each {listing(several)} its own" if several else "")

    def plot(self, index: int = 0) -> Figure:
        """The contact sheet of clip `index`: frames under each map, and its importance over the seconds below.

        Raises LayoutError where a map has no places to show, VideoError where the video cannot be read.
        """
        for view, values in zip(self.views, self.values[index], strict=True):
            if values.any() and (values == values[..., :1, :1]).all():
                raise LayoutError(
                    f"maps of {view} are alike all over each frame, and a picture would show nothing: take the numbers "
                    "over time (profiles(), to_pandas()), or a layer with height and width"
                )
        strips = [SheetRow(caption, frames, profile) for caption, frames, profile in self.panels(index)]
        return map_sheet(strips, timestamps=self.clips[index].timestamps, note=self.scale_note)

    # --- numbers, page, folder -----------------------------------------------------------------------------------

    def rows(self) -> Iterator[dict[str, Any]]:
        """A row a clip, method, layer and class; what a map that is 0 everywhere does not have is None.

        `followed` says whether the class's score follows such maps, where that was asked. `total` is the sum of the map
        and `highest` its largest value, both in units of the method and layer; `peak_frame` is the clip's frame that
        holds most of the map, `peak_share` how much of it, `peak_seconds` when.
        """
        profiles = self.profiles()
        for number, clip in enumerate(self.clips):
            named = enumerate(zip(self.classes[number], self.probabilities[number], strict=True))
            for (row, view), (column, (name, share)) in product(enumerate(self.views), list(named)):
                cam, profile = self.values[number, row, column], profiles[number, row, column]
                peak = int(profile.argmax()) if cam.any() else None
                badge = self.badge(name, view)
                yield {
                    **clip.cells,
                    "method": view.method,
                    "layer": view.layer,
                    "class_name": name,
                    "probability": share,
                    "total": float(cam.sum(dtype=np.float64)),
                    "highest": float(cam.max()),
                    "peak_frame": peak,
                    "peak_seconds": None if peak is None else clip.timestamps[peak],
                    "peak_share": None if peak is None else float(profile[peak]),
                    "followed": None if badge is None else badge.verdict,
                }

    @property
    def _heading(self) -> str:
        return f"Where and when does {self.model.name} look?"

    @property
    def _sentences(self) -> Sequence[str]:
        return (*self.followed, *self.remarks)

    def save(self, folder: Path | str) -> Path:
        """Writes everything to a new folder, which `ClipMaps.read` reads back to the bit. Raises PathTaken."""
        facts = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "values"}
        return write_arrays(folder, MapsManifest(**stamp(), versions=versions(), **facts), {"values": self.values})

    @classmethod
    def read(cls, folder: Path | str) -> Self:
        """What `save` wrote. Raises RunFolderError where the folder is another one, or damaged."""
        manifest, arrays = read_arrays(folder, MapsManifest)
        facts = {each.name: getattr(manifest, each.name) for each in fields(cls) if each.name != "values"}
        values, classes = arrays.get("values", np.empty(0)), manifest.classes
        shape = (len(manifest.clips), len(manifest.views), len(classes[0]) if classes else 0)
        if values.ndim != 6 or values.shape[:3] != shape or len(classes) != shape[0]:  # noqa: PLR2004 - clip … width
            raise RunFolderError(f"{folder} is damaged: its maps are not those that its manifest tells of")
        return cls(**facts, values=values)


class CamMaps(ClipMaps):
    """Maps of one class at one layer, as `grad_cam` gives them: `maps` is `clip time height width`."""

    @property
    def maps(self) -> Values:
        """The maps, `clip time height width`."""
        return self.values[:, 0, 0]

    @property
    def target(self) -> str:
        """The class."""
        return self.classes[0][0]

    @property
    def layer(self) -> str:
        """The layer."""
        return self.views[0].layer


def joined(parts: Sequence[ClipMaps]) -> ClipMaps:
    """The maps of all parts, whose views are the same."""
    clips, classes, probabilities = (
        tuple(each for part in parts for each in getattr(part, name)) for name in ("clips", "classes", "probabilities")
    )
    values = np.concatenate([part.values for part in parts])
    return replace(parts[0], clips=clips, classes=classes, probabilities=probabilities, values=values)


def _nothing(name: str, view: View, empty: int, clips: int) -> str:
    which, are = ("the map", "is") if clips == 1 else (f"{empty} of {clips} maps", "are")
    where = "in the pixels" if view.layer == PIXELS else f"at layer '{view.layer}'"
    return (
        f"{which} of “{name}” {where} {are} zero everywhere ({view.method}): nothing there speaks for the class. That "
        "is no place to look at; ask another layer or class."
    )
