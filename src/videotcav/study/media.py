"""What a run shows beside its results: the first clips of its concepts, and where the model looks in its classes."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from videotcav.features.measure import ClipFile
from videotcav.maps import last_spatial_layer, write_maps
from videotcav.models.model import VideoModel
from videotcav.records import Progress, silent
from videotcav.results.manifest import Medium
from videotcav.study.file import CamSection, StudyText
from videotcav.study.inputs import Inputs

EXEMPLARS = 4


def exemplars(inputs: Inputs, media: Path) -> Iterator[Medium]:
    """The first clips of each concept set, copied beside the results; those of twins show the same tracks."""
    for concept in inputs.concepts:
        for number, clip in enumerate(concept.clips[:EXEMPLARS], start=1):
            path = f"{slug(concept.concept)}-{concept.kind}-{number}{clip.path.suffix}"
            shutil.copyfile(clip.path, media / path)
            yield Medium(
                role="exemplar",
                path=path,
                caption=f"{concept.concept}, {concept.kind}, from {inputs.videos.get(clip.path, clip.source)}",
                concept=concept.concept,
                kind=concept.kind,
                source=clip.source,
            )


class _Shown(Protocol):
    """What says which clips of a class are shown anyway."""

    def of(self, class_name: str) -> list[Path]: ...


def overlays(
    file: StudyText, inputs: Inputs, model: VideoModel, media: Path, *, beside: _Shown | None, progress: Progress
) -> Iterator[Medium]:
    """Videos of maps of clips of each class, beside the map of the class it is held against: of the clips that are
    shown with their edits, then of the first ones.
    """
    study = file.study
    cam = study.cam
    if cam is None:
        return
    layer = cam.layer or last_spatial_layer(model)
    clips = _mapped(cam, inputs, beside)
    for number, (name, one) in enumerate(progress(clips, "overlays", total=len(clips)), start=1):
        shown = (name, cam.against) if cam.against and cam.against != name else (name,)
        path = f"cam-{number}-{slug(name)}.mp4"
        maps = write_maps(
            media / path,
            model,
            one.path,
            layers=[layer],
            methods=[cam.method],
            classes=shown,
            event_seconds=inputs.moments.get(one.path),
            edges=study.edges,
        )
        yield Medium(
            role="cam",
            path=path,
            caption=f"{one.path.name}: where the model looks for " + " and for ".join(f"“{n}”" for n in shown),
            class_name=name,
            layer=layer,
            method=cam.method,
            source=one.source,
            clip=as_told(one.path, file.folder),
            value=maps.probabilities[0][0],
        )


def overlay_seconds(file: StudyText, inputs: Inputs, model: VideoModel) -> float:
    """What all of these take, by the first two of them."""
    if file.study.cam is None:
        return 0.0
    clips = len(_mapped(file.study.cam, inputs, None))
    with TemporaryDirectory() as folder:
        started = time.perf_counter()
        made = list(islice(overlays(file, inputs, model, Path(folder), beside=None, progress=silent), 2))
        return (time.perf_counter() - started) * clips / max(1, len(made))


def _mapped(cam: CamSection, inputs: Inputs, beside: _Shown | None) -> list[tuple[str, ClipFile]]:
    """The clips whose maps are shown, with their class."""
    return [
        (name, one)
        for name, files in inputs.classes.items()
        for one in _these_first(files, beside.of(name) if beside else [])[: cam.clips]
    ]


def _these_first(files: Sequence[ClipFile], first: Sequence[Path]) -> list[ClipFile]:
    """The first views of the files, those at these paths before the others."""
    order = {path: place for place, path in enumerate(first)}
    return sorted((file for file in files if not file.view), key=lambda file: order.get(file.path, len(order)))


def as_told(path: Path, folder: Path) -> str:
    """A clip as a run names it: as seen from the folder of the study file, where it lies below that."""
    return str(path.relative_to(folder) if path.is_relative_to(folder) else path)


def slug(name: str) -> str:
    """A name as a part of a file name."""
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-").lower() or "concept"
