"""What a run shows beside its results: the first clips of its concepts, and where the model looks in its classes."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from videotcav.maps import last_spatial_layer, write_maps
from videotcav.models.model import VideoModel
from videotcav.records import Progress
from videotcav.results.manifest import Medium
from videotcav.study.file import StudyFile
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


def overlays(
    study: StudyFile, inputs: Inputs, model: VideoModel, media: Path, *, progress: Progress
) -> Iterator[Medium]:
    """Videos of maps of the first clips of each class, beside the map of the class it is held against."""
    cam = study.cam
    if cam is None:
        return
    layer = cam.layer or last_spatial_layer(model)
    first_views = {name: [file for file in files if not file.view] for name, files in inputs.classes.items()}
    clips = [(name, file) for name, files in first_views.items() for file in files[: cam.clips]]
    for number, (name, file) in enumerate(progress(clips, "overlays", total=len(clips)), start=1):
        shown = (name, cam.against) if cam.against and cam.against != name else (name,)
        path = f"cam-{number}-{slug(name)}.mp4"
        maps = write_maps(
            media / path,
            model,
            file.path,
            layers=[layer],
            methods=[cam.method],
            classes=shown,
            event_seconds=inputs.moments.get(file.path),
            edges=study.edges,
        )
        yield Medium(
            role="cam",
            path=path,
            caption=f"{file.path.name}: where the model looks for " + " and for ".join(f"“{n}”" for n in shown),
            class_name=name,
            layer=layer,
            method=cam.method,
            source=file.source,
            value=maps.probabilities[0][0],
        )


def slug(name: str) -> str:
    """A name as a part of a file name."""
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-").lower() or "concept"
