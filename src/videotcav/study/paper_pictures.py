"""The frames of Figures 1, 4, 5 and 6: taken from the user's own videos, written as PNG, described in records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from videotcav.concepts.detectors.detect import Detections
from videotcav.concepts.folder import ClipRecord
from videotcav.errors import VideoError
from videotcav.explain.saliency.measures import energy_ratio
from videotcav.features.measure import ClipFile
from videotcav.maps import class_maps
from videotcav.maps.evaluation import Truths
from videotcav.models.model import VideoModel
from videotcav.records import Box, ConceptSet, Kind, Progress
from videotcav.results.paper_facts import Mark, Still, Strip
from videotcav.study.media import slug
from videotcav.video.clips import read_clip, to_source
from videotcav.video.info import ClipOrigin
from videotcav.video.overlay import overlay_heatmap
from videotcav.video.read import Frames, VideoFile, read_all

STILL_CLIPS, MOVING_CLIPS = 6, 2
CAM_FRAMES, MOVING_FRAMES = 6, 5


def exemplar_strips(concepts: Sequence[ConceptSet], kind: Kind, media: Path) -> Iterator[Strip]:
    """Figures 5 and 6: a strip a concept of still crops, a strip a track of moving ones, each of another source."""
    for concept in (each for each in concepts if each.kind == kind):
        of_sources = {clip.source: clip for clip in reversed(concept.clips)}
        clips = sorted(of_sources.values(), key=lambda clip: clip.id)
        if kind == "spatial":
            crops = [(clip.id, read_all(clip.path)[0][0]) for clip in clips[:STILL_CLIPS]]
            stills = [_still(crop, media, f"{concept.concept}-still-{name}") for name, crop in crops]
            yield Strip(title=concept.concept, stills=tuple(stills))
            continue
        for number, clip in enumerate(clips[:MOVING_CLIPS], start=1):
            frames, seconds = read_all(clip.path)
            name = f"{concept.concept}-moving-{clip.id}"
            stills = [still for _, still in _moments(frames, seconds - seconds[0], MOVING_FRAMES, media, name)]
            yield Strip(title=f"{concept.concept}, track {number}", stills=tuple(stills))


def detections(records: Iterable[tuple[Path, ClipRecord]], media: Path) -> Iterator[Strip]:
    """Figure 4: the source frame in which most concepts were found, its boxes beside it; none where there is none.

    `records` come with their concept folder. Videos that are not at hand any more are passed over.
    """
    found: dict[tuple[Path, int], dict[tuple[str, str], Mark]] = {}
    for folder, record in records:
        video = (folder / record.source_video).resolve()
        for frame, edges, score in zip(record.frames, record.boxes, record.scores, strict=False):
            marks = found.setdefault((video, frame), {})
            marks[record.label, record.track] = _mark(edges, record.label, score)

    def worth(place: tuple[Path, int]) -> tuple[int, int, float]:
        marks = found[place].values()
        return len({mark.label for mark in marks}), len(marks), sum(mark.score for mark in marks)

    for video, frame in sorted(found, key=worth, reverse=True):
        try:
            picture = VideoFile(video).frames([frame])[0]
        except VideoError:
            continue
        still = _still(picture, media, f"detections-{video.stem}-{frame}")
        still = still.model_copy(update={"marks": tuple(found[video, frame].values())})
        yield Strip(title=f"{video.name}, frame {frame}", stills=(still,))
        return


def cams(
    files: Sequence[ClipFile],
    *,
    model: VideoModel,
    class_name: str,
    layer: str,
    truths: Truths,
    media: Path,
    progress: Progress,
) -> Iterator[Strip]:
    """Figure 1: Grad-CAM over time, of the clip whose map lies most in the boxes and of the one whose lies least.

    Without boxes: of the clip that the model is surest of, and of the one that it misses most. Videos that cannot be
    read are passed over.
    """
    under_map = partial(_under_map, model=model, class_name=class_name, layer=layer, truths=truths)
    judged: list[tuple[float, float, ClipFile]] = []
    for file in progress(files, "Grad-CAM", total=len(files)):
        with suppress(VideoError):
            seen = under_map(file)
            judged.append((seen.energy, seen.probability, file))
    boxed = [each for each in judged if np.isfinite(each[0])]
    labels = " or ".join(truths.labels) or "any box"
    names, known, worth = (
        (("hit", "miss"), boxed, itemgetter(0)) if boxed else (("surest", "least sure"), judged, itemgetter(1))
    )
    for name, extreme in zip(names, (max, min) if known else (), strict=False):
        energy, probability, file = extreme(known, key=worth)
        inside = f"{energy:.1f} × chance inside “{labels}”; " if boxed else ""
        seen, video = under_map(file), VideoFile(file.path)
        heat = seen.heat / seen.heat.max() if seen.heat.max() > 0 else seen.heat
        drawn = overlay_heatmap(video.at(seen.clip.timestamps), to_source(heat, seen.clip))
        stem = f"cam-{slug(name)}-{slug(file.path.name)}"
        stills = [
            still.model_copy(update={"marks": _marks(seen.found[at]) if seen.found else ()})
            for at, still in _moments(drawn, seen.clip.timestamps, CAM_FRAMES, media, stem)
        ]
        yield Strip(title=f"{name}: {inside}p(“{class_name}”) = {probability:.2f}", stills=tuple(stills))


class _UnderMap(NamedTuple):
    """A clip with its map `time height width`, the boxes in its frames, and how far the map lies in them."""

    clip: ClipOrigin
    heat: NDArray[np.float32]
    found: list[Detections]
    energy: float
    probability: float


def _under_map(file: ClipFile, *, model: VideoModel, class_name: str, layer: str, truths: Truths) -> _UnderMap:
    spec, index = model.card.clip_spec, model.class_index(class_name)
    clip, pixels = read_clip(file.path, spec)
    maps, logits = class_maps(model, pixels[None], layer=layer, classes=[index])
    found = truths.detections(VideoFile(file.path), clip)
    inside = truths.inside(clip, found, spec)
    energy = float("nan") if inside is None else float(energy_ratio(maps[0].cpu(), torch.from_numpy(inside)[None])[0])
    probability = float(model.probabilities(logits.double())[0, index])
    return _UnderMap(clip, maps[0, 0].cpu().numpy(), found, energy, probability)


def _marks(found: Detections) -> tuple[Mark, ...]:
    boxes = zip(found.boxes.tolist(), found.labels, found.scores.tolist(), strict=True)
    return tuple(_mark(edges, label, float(score)) for edges, label, score in boxes)


def _mark(edges: Sequence[float], label: str, score: float) -> Mark:
    left, top, right, bottom = edges
    return Mark(label=label, box=Box(left=left, top=top, right=right, bottom=bottom), score=score)


def _moments(
    frames: Frames, seconds: Sequence[float] | NDArray[np.float64], most: int, media: Path, name: str
) -> Iterator[tuple[int, Still]]:
    """At most so many frames, evenly from the first to the last, each with its place and its second."""
    places = np.linspace(0, len(frames) - 1, min(len(frames), most))
    for at in sorted({round(float(place)) for place in places}):
        yield at, _still(frames[at], media, f"{name}-{at}", f"{seconds[at]:.2f} s")


def _still(frame: Frames, media: Path, name: str, caption: str = "") -> Still:
    path = f"{''.join(letter if letter.isalnum() or letter in '-_.' else '-' for letter in name)}.png"
    Image.fromarray(frame).save(media / path)
    return Still(path=path, caption=caption)
