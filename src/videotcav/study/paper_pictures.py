"""The frames of Figures 1, 4, 5 and 6: taken from the user's own videos, written as PNG, described in records."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from videotcav.concepts.detectors.detect import Detections
from videotcav.concepts.folder import ClipRecord
from videotcav.errors import VideoError
from videotcav.explain.saliency.faithfulness import energy_ratio
from videotcav.features.measure import ClipFile
from videotcav.maps import class_maps
from videotcav.maps.evaluation import Truths
from videotcav.models.model import VideoModel
from videotcav.records import Box, ConceptClip, ConceptSet, Kind, Progress
from videotcav.results.paper_facts import Mark, Still, Strip
from videotcav.video.clips import read_clip, to_source
from videotcav.video.overlay import overlay_heatmap
from videotcav.video.read import Frames, VideoFile, read_all

STILL_CLIPS = 6
MOVING_CLIPS = 2
FRAMES_A_CLIP = 5
CAM_FRAMES = 6


def exemplars(concepts: Sequence[ConceptSet], kind: Kind, media: Path) -> tuple[Strip, ...]:
    """Figures 5 and 6: a strip a concept of still crops, a strip a track of moving ones."""
    strips = []
    for concept in (each for each in concepts if each.kind == kind):
        if kind == "spatial":
            shown = _one_a_source(concept, STILL_CLIPS)
            stills = [_still(read_all(clip.path)[0][0], media, f"{concept.concept}-still-{clip.id}") for clip in shown]
            strips.append(Strip(title=concept.concept, stills=tuple(stills)))
            continue
        for number, clip in enumerate(_one_a_source(concept, MOVING_CLIPS), start=1):
            frames, seconds = read_all(clip.path)
            stills = [
                _still(
                    frames[at], media, f"{concept.concept}-moving-{clip.id}-{at}", f"{seconds[at] - seconds[0]:.2f} s"
                )
                for at in _spread(len(frames), FRAMES_A_CLIP)
            ]
            strips.append(Strip(title=f"{concept.concept}, track {number}", stills=tuple(stills)))
    return tuple(strips)


def detections(records: Iterable[tuple[Path, ClipRecord]], media: Path) -> tuple[Strip, ...]:
    """Figure 4: the source frame in which most concepts were found, its boxes beside it; none where there is none.

    `records` come with their concept folder. Videos that are not at hand any more are passed over.
    """
    found: dict[tuple[Path, int], dict[tuple[str, str], Mark]] = {}
    for folder, record in records:
        video = (folder / record.source_video).resolve()
        for frame, edges, score in zip(record.frames, record.boxes, record.scores, strict=False):
            left, top, right, bottom = edges
            box = Box(left=left, top=top, right=right, bottom=bottom)
            mark = Mark(label=record.label, box=box, score=score)
            found.setdefault((video, frame), {})[record.label, record.track] = mark

    def worth(item: tuple[tuple[Path, int], dict[tuple[str, str], Mark]]) -> tuple[int, int, float]:
        marks = item[1].values()
        return len({mark.label for mark in marks}), len(marks), sum(mark.score for mark in marks)

    for (video, frame), marks in sorted(found.items(), key=worth, reverse=True):
        if not video.is_file():
            continue
        try:
            picture = VideoFile(video).frames([frame])[0]
        except VideoError:
            continue
        still = _still(picture, media, f"detections-{video.stem}-{frame}")
        still = still.model_copy(update={"marks": tuple(marks.values())})
        return (Strip(title=f"{video.name}, frame {frame}", stills=(still,)),)
    return ()


@dataclass(frozen=True)
class _Judged:
    file: ClipFile
    probability: float
    energy: float


def cams(
    model: VideoModel,
    files: Sequence[ClipFile],
    *,
    class_name: str,
    layer: str,
    truths: Truths,
    media: Path,
    progress: Progress,
) -> tuple[Strip, ...]:
    """Figure 1: Grad-CAM over time, of the clip whose map lies most in the boxes and of the one whose lies least.

    Without boxes: of the clip that the model is surest of, and of the one that it misses most. Videos that cannot be
    read are passed over.
    """
    judged = []
    for file in progress(files, "Grad-CAM", total=len(files)):
        try:
            judged.append(_judge(model, file, class_name=class_name, layer=layer, truths=truths))
        except VideoError:
            continue
    known = [each for each in judged if np.isfinite(each.energy)]
    if known:
        hit, miss = max(known, key=lambda each: each.energy), min(known, key=lambda each: each.energy)
        labels = " or ".join(truths.labels) or "any box"
        titles = [
            f"{name}: {each.energy:.1f} × chance inside “{labels}”; p(“{class_name}”) = {each.probability:.2f}"
            for name, each in (("hit", hit), ("miss", miss))
        ]
    elif judged:
        hit, miss = (choose(judged, key=lambda each: each.probability) for choose in (max, min))
        titles = [
            f"{name}: p(“{class_name}”) = {each.probability:.2f}"
            for name, each in (("surest", hit), ("least sure", miss))
        ]
    else:
        return ()
    return tuple(
        _cam_strip(model, each.file, title, class_name=class_name, layer=layer, truths=truths, media=media)
        for each, title in zip((hit, miss), titles, strict=True)
    )


def _judge(model: VideoModel, file: ClipFile, *, class_name: str, layer: str, truths: Truths) -> _Judged:
    spec = model.card.clip_spec
    clip, pixels = read_clip(file.path, spec)
    index = model.class_index(class_name)
    maps, logits = class_maps(model, pixels[None], layer=layer, classes=[index])
    probability = float(model.probabilities(logits.double())[0, index])
    found = truths.detections(VideoFile(file.path), clip)
    inside = truths.of(clip, found, height=spec.height, width=spec.width).inside
    energy = float("nan") if inside is None else float(energy_ratio(maps[0].cpu(), torch.from_numpy(inside)[None])[0])
    return _Judged(file, probability, energy)


def _cam_strip(
    model: VideoModel, file: ClipFile, title: str, *, class_name: str, layer: str, truths: Truths, media: Path
) -> Strip:
    clip, pixels = read_clip(file.path, model.card.clip_spec)
    maps, _ = class_maps(model, pixels[None], layer=layer, classes=[model.class_index(class_name)])
    heat = maps[0, 0].cpu().numpy()
    heat = heat / heat.max() if heat.max() > 0 else heat
    video = VideoFile(file.path)
    drawn = overlay_heatmap(video.at(clip.timestamps), to_source(heat, clip))
    found = truths.detections(video, clip)
    stills = []
    for at in _spread(len(drawn), CAM_FRAMES):
        still = _still(drawn[at], media, f"cam-{file.path.stem}-{at}", f"{clip.timestamps[at]:.2f} s")
        marks = _marks(found[at], truths.labels) if found else ()
        stills.append(still.model_copy(update={"marks": marks}))
    return Strip(title=title, stills=tuple(stills))


def _marks(found: Detections, labels: Sequence[str]) -> tuple[Mark, ...]:
    return tuple(
        Mark(label=label, box=Box(left=left, top=top, right=right, bottom=bottom), score=float(score))
        for (left, top, right, bottom), label, score in zip(
            found.boxes.tolist(), found.labels, found.scores.tolist(), strict=True
        )
        if not labels or label in labels
    )


def _one_a_source(concept: ConceptSet, most: int) -> list[ConceptClip]:
    """The first clip of each source video, at most so many."""
    first = {clip.source: clip for clip in reversed(concept.clips)}
    return sorted(first.values(), key=lambda clip: clip.id)[:most]


def _spread(count: int, wanted: int) -> list[int]:
    """At most so many indices, evenly from the first to the last."""
    return sorted({round(float(place)) for place in np.linspace(0, count - 1, min(count, wanted))})


def _still(frame: Frames, media: Path, name: str, caption: str = "") -> Still:
    path = f"{''.join(letter if letter.isalnum() or letter in '-_.' else '-' for letter in name)}.png"
    Image.fromarray(frame).save(media / path)
    return Still(path=path, caption=caption)
