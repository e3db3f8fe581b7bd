"""Every clip of a study with its scores, one row each: all that a reader needs to compute any p of a contrast anew."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from videotcav.explain.cavs.gram import Floats
from videotcav.explain.design.design import Design
from videotcav.explain.questions.contrast import Readouts
from videotcav.features.measure import ClipFile, Measured
from videotcav.models.class_score import ClassScore
from videotcav.models.model import VideoModel
from videotcav.study.inputs import Inputs
from videotcav.study.media import as_told


@dataclass(frozen=True)
class ClipTable:
    """The rows of `clips.parquet`, see docs/statistics.md; files are told as seen from `folder`.

    `edited` are the scores of each class's clips after edits, by the edits' names; NaN where they were not made.
    """

    inputs: Inputs
    design: Design
    measured: Measured
    model: VideoModel
    score: ClassScore
    folder: Path
    edited: Mapping[str, Mapping[str, Floats]] = field(default_factory=dict)

    def rows(self) -> list[dict[str, Any]]:
        """Concept clips, random clips, then the clips of each class."""
        return [*self._of_sets(), *(row for name in self.inputs.classes for row in self._of_class(name))]

    def _of_sets(self) -> Iterator[dict[str, Any]]:
        scores = self.measured.scores(self.model, self.score)
        readouts = Readouts.of(scores, self.measured.grams, self.design.classes)
        given = self.measured.predicted(self.model)
        concepts = self.inputs.concepts
        belonging = [(each.concept, str(each.kind), clip.id) for each in concepts for clip in each.clips]
        belonging += [("random", file.kind or "random", "") for file in self.inputs.random]
        for place, (file, (name, kind, track)) in enumerate(zip(self.inputs.set_files, belonging, strict=True)):
            numbers = {
                (f"shift:{layer}:{class_name}" if layer else f"score:{class_name}"): value
                for (layer, class_name), value in zip(readouts.columns, readouts.values[place].tolist(), strict=True)
            }
            yield {**self._facts(file, name, kind), "track": track, "predicted": given[place], **numbers}

    def _of_class(self, name: str) -> Iterator[dict[str, Any]]:
        """The class's own clips have scores, but no place on a layer's readout: it was taken at them."""
        logits = torch.from_numpy(self.measured.logits[name])
        given = self.measured.predicted(self.model, name)
        classes = self.inputs.classes
        numbers = {
            f"score:{each}": self.score(logits, self.model.class_index(each)).double().tolist() for each in classes
        }
        for place, file in enumerate(classes[name]):
            found = {column: values[place] for column, values in numbers.items()}
            found |= {f"edit:{edit}": _or_none(scores[place]) for edit, scores in self.edited.get(name, {}).items()}
            yield {**self._facts(file, name, "class"), "track": "", "predicted": given[place], **found}

    def _facts(self, file: ClipFile, name: str, kind: str) -> dict[str, Any]:
        source = self.inputs.videos.get(file.path, file.source)
        held = [each for each, paths in self.inputs.matched.items() if file.path in paths]
        matched = {"matched": ", ".join(held)} if self.inputs.matched else {}
        return {
            "file": as_told(file.path, self.folder),
            "view": file.view,
            "set": name,
            "kind": kind,
            "source": source,
            "group": file.source,
            **matched,
        }


def _or_none(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
