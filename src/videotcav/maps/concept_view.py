"""Maps of a concept as they are looked at: over the clips, in a table, on a page, in a folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from pydantic import NonNegativeInt, PositiveInt
from torch import Tensor

from videotcav.errors import LayoutError, RunFolderError
from videotcav.explain.saliency.cam import upsample
from videotcav.explain.saliency.concept_map import Cluster, ClusterTest
from videotcav.maps.sheet import SheetRow, map_sheet
from videotcav.maps.shown import ShownMaps
from videotcav.maps.stored import read_arrays, write_arrays
from videotcav.records import Positive, Record
from videotcav.results.manifest import ModelledFacts, stamp, versions
from videotcav.video.clips import to_source
from videotcav.video.info import ClipOrigin
from videotcav.video.overlay import overlay_heatmap
from videotcav.video.read import read_frames


class ConceptMapSettings(Record):
    """How a concept's direction is trained and tested; `penalty` is in units of the random clips' spread."""

    pseudo_concepts: PositiveInt = 999
    random_sets: PositiveInt = 5
    penalty: Positive = 0.1
    threshold: Positive = 2.0
    batch_size: PositiveInt = 8
    seed: NonNegativeInt = 0


class ClusterFacts(Record):
    """What is known of a cluster besides where it is, see `Cluster`."""

    mass: float
    sign: int
    p: float


class ConceptMapsManifest(ModelledFacts):
    """Everything about a concept's maps that is no array; clusters by clip, and at the end those of the mean."""

    kind: Literal["concept maps"] = "concept maps"
    clips: tuple[ClipOrigin, ...]
    concept: str
    target: str
    layer: str
    size: tuple[int, int, int]
    settings: ConceptMapSettings
    clusters: tuple[tuple[ClusterFacts, ...], ...]


_STATED = ("model", "clips", "concept", "target", "layer", "size", "settings")


@dataclass(frozen=True, eq=False)
class ConceptMaps(ShownMaps):
    """Where each clip's sensitivity to a concept sits: `densities` is `clip time height width` on the layer's grid,
    which spans the `size` (time, height, width) of the clips' own pixels.

    `tests[i]` says where clip i's density is more than that of pseudo-concepts, `together` the same of their mean.
    """

    concept: str
    target: str
    layer: str
    densities: NDArray[np.float64]
    size: tuple[int, int, int]
    tests: tuple[ClusterTest, ...]
    together: ClusterTest
    settings: ConceptMapSettings

    def __repr__(self) -> str:
        beyond = sum(bool(test.significant().any()) for test in self.tests)
        return (
            f"ConceptMaps('{self.concept}' for '{self.target}' at {self.layer}: {len(self.clips)} clips, "
            f"more than chance somewhere in {beyond})"
        )

    def plot(self, index: int = 0, *, alpha: float = 0.05) -> Figure:
        """Clip `index` under its density where it raises the class, where it lowers it, and what is beyond chance.

        Raises VideoError where its video cannot be read, LayoutError where the layer has no places to show.
        """
        if self.densities.shape[2:] == (1, 1):
            raise LayoutError(
                f"layer '{self.layer}' has no height and width, and a picture would show nothing: take the numbers "
                "over time (densities, to_pandas())"
            )
        clip, density, test = self.clips[index], self.densities[index], self.tests[index]
        frames = read_frames(clip.video, clip.timestamps)
        peak = float(np.abs(density).max()) or 1.0
        whole = _enlarged(np.abs(density) / peak, self.size).sum()  # profiles are shares of one and the same whole
        strips = []
        for caption, shown in (
            (f"“{self.concept}” raises “{self.target}” at {self.layer}", density.clip(0)),
            ("… and lowers it", (-density).clip(0)),
            (f"beyond pseudo-concepts, either way (clusters of p ≤ {alpha:g})", abs(density) * test.significant(alpha)),
        ):
            heat = _enlarged(shown / peak, self.size)
            profile = (heat.sum(dim=(1, 2)) / whole.clamp_min(1e-12)).numpy()
            strips.append(SheetRow(caption, overlay_heatmap(frames, to_source(heat.numpy(), clip)), profile))
        return map_sheet(strips, timestamps=clip.timestamps, note="one scale for all frames and rows")

    def rows(self, *, alpha: float = 0.05) -> Iterator[dict[str, Any]]:
        """A row a clip; what is not there is None.

        `sensitivity` is the sum of the density, `beyond_chance` the share of positions in clusters of p ≤ `alpha`, and
        `peak_frame` the frame that holds most of |density|.
        """
        for clip, density, test in zip(self.clips, self.densities, self.tests, strict=True):
            when = _enlarged(np.abs(density), self.size).sum(dim=(1, 2))
            peak = int(when.argmax()) if when.any() else None
            yield {
                **clip.cells,
                "concept": self.concept,
                "layer": self.layer,
                "class_name": self.target,
                "sensitivity": float(density.sum()),
                "clusters": len(test.clusters),
                "smallest_p": min((cluster.p for cluster in test.clusters), default=None),
                "beyond_chance": float(test.significant(alpha).mean()),
                "peak_frame": peak,
                "peak_seconds": None if peak is None else clip.timestamps[peak],
            }

    @property
    def _heading(self) -> str:
        return f"Where does “{self.concept}” move “{self.target}”?"

    @property
    def _sentences(self) -> Sequence[str]:
        return (f"{self.model.name} at {self.layer}.",)

    def save(self, folder: Path | str) -> Path:
        """Writes everything to a new folder, which `ConceptMaps.read` reads back to the bit. Raises PathTaken."""
        tests = (*self.tests, self.together)
        clusters = tuple(
            tuple(ClusterFacts(mass=each.mass, sign=each.sign, p=each.p) for each in test.clusters) for test in tests
        )
        facts = {name: getattr(self, name) for name in _STATED}
        manifest = ConceptMapsManifest(**stamp(), versions=versions(), **facts, clusters=clusters)
        numbers = np.stack([_numbers(test) for test in tests])
        arrays: dict[str, NDArray[Any]] = {
            "densities": self.densities,
            "z": np.stack([test.z for test in tests]),
            "clusters": numbers,
        }
        return write_arrays(folder, manifest, arrays)

    @classmethod
    def read(cls, folder: Path | str) -> ConceptMaps:
        """What `save` wrote. Raises RunFolderError where the folder is another one, or damaged."""
        manifest, arrays = read_arrays(folder, ConceptMapsManifest)
        try:
            *tests, together = (
                ClusterTest(z, tuple(Cluster(numbers == n, **each.model_dump()) for n, each in enumerate(facts, 1)))
                for z, numbers, facts in zip(arrays["z"], arrays["clusters"], manifest.clusters, strict=True)
            )
            densities = arrays["densities"]
        except (KeyError, ValueError):
            densities, tests = np.empty(0), []
        if not len(densities) == len(tests) == len(manifest.clips):
            raise RunFolderError(f"{folder} is damaged: its maps are not those that its manifest tells of")
        known = {name: getattr(manifest, name) for name in _STATED}
        return cls(**known, densities=densities, tests=tuple(tests), together=together)


def _numbers(test: ClusterTest) -> NDArray[np.int32]:
    """The number of the cluster that each position is in, from 1; 0 for none. No two clusters share one."""
    numbers = np.zeros(test.z.shape, dtype=np.int32)
    for number, cluster in enumerate(test.clusters, start=1):
        numbers[cluster.where] = number
    return numbers


def _enlarged(volume: NDArray[np.float64], size: tuple[int, int, int]) -> Tensor:
    frames, height, width = size
    return upsample(torch.from_numpy(volume).float()[None], frames=frames, height=height, width=width)[0]
