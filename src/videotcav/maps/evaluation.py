"""Are the maps true? Videos in, a folder with every measure of every method out, top to bottom.

videos ─→ clips, boxes, events ─→ maps of all methods ─→ measures ─→ intervals over videos ─→ a page side by side
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from pydantic import AfterValidator, ConfigDict, ValidationError

from videotcav.concepts.detectors.detect import Detections, Detector
from videotcav.concepts.detectors.detect import Frames as DetectorFrames
from videotcav.errors import (
    ConceptError,
    VideoError,
    VideosError,
    VideotcavError,
    VideotcavWarning,
    closest,
    require_distinct,
)
from videotcav.explain.saliency.cam import METHODS, temporal_profile
from videotcav.explain.saliency.faithfulness import estimate
from videotcav.maps.compute import last_spatial_layer
from videotcav.maps.judged import (
    BASELINES,
    MEASURES,
    ClipToJudge,
    FaithfulnessSettings,
    Judged,
    Truth,
    judge,
    passes_a_clip,
)
from videotcav.maps.sheet import Strip, contact_sheet
from videotcav.models.model import VideoModel
from videotcav.models.passes import logits
from videotcav.records import Clip, Faithfulness, Progress, Record, silent
from videotcav.report.faithfulness import FaithfulnessRun, read_faithfulness, write_faithfulness_page
from videotcav.results.folder import MEDIA, new_run_folder
from videotcav.results.manifest import (
    RESULTS,
    BoxesFacts,
    FaithfulnessManifest,
    ModelFacts,
    stamp,
    versions,
    write_manifest,
)
from videotcav.texts import first_problem, read_bytes
from videotcav.video.clips import read_clip, to_source
from videotcav.video.find import find_videos
from videotcav.video.overlay import overlay_heatmap
from videotcav.video.read import Frames, VideoFile

PER_CLIP = "measurements.parquet"
Span = tuple[float, float]
DEFAULT_METHODS = (*METHODS, "integrated-gradients")
"""All but `rise`, which costs hundreds of passes a clip."""


@dataclass(frozen=True)
class Truths:
    """What is known of the videos: a source of boxes (`labels` of them; all when empty), and seconds of events.

    `events` maps a video's name without its ending to the first and last second of what makes it its class.
    """

    boxes: Detector | None = None
    labels: tuple[str, ...] = ()
    events: Mapping[str, Span] = field(default_factory=dict)

    def __post_init__(self) -> None:
        unknown = [label for label in self.labels if self.boxes is not None and label not in self.boxes.labels]
        if unknown and self.boxes is not None:
            near = closest(unknown[0], self.boxes.labels) or ", ".join(self.boxes.labels[:5])
            raise ConceptError(f"{self.boxes.name}: there are no boxes of '{unknown[0]}'; closest: {near}")

    def detections(self, file: VideoFile, clip: Clip) -> list[Detections]:
        """The boxes in each frame of the clip, in source pixels; none where there is no source of boxes."""
        if self.boxes is None:
            return []
        ranks = file.ranks_at(clip.timestamps)
        frames = file.frames(ranks)
        return [
            self.boxes(DetectorFrames(frame[None], clip.video, rank))[0]
            for frame, rank in zip(frames, ranks, strict=True)
        ]

    def of(self, clip: Clip, found: Sequence[Detections], *, height: int, width: int) -> Truth:
        """The truth over the clip's own pixels and frames."""
        inside = None
        if self.boxes is not None:
            inside = np.stack([_inside(clip, each, self.labels, height=height, width=width) for each in found])
        span = self.events.get(clip.video.path.stem)
        during = None
        if span is not None:
            seconds = np.asarray(clip.timestamps)
            during = (seconds >= span[0] - 1e-6) & (seconds <= span[1] + 1e-6)
        return Truth(inside=inside, during=during)


def read_events(path: Path) -> dict[str, Span]:
    """Events from a JSON file `{"events": {"clip-003": [0.35, 0.62]}}`, seconds by the video's name."""
    try:
        return _Events.model_validate_json(read_bytes(path)).events
    except ValidationError as error:
        cure = 'it should be {"events": {"name of a video without .mp4": [first second, last second]}}'
        raise VideotcavError(f"{path}: is no file of events: {first_problem(error)}; {cure}") from None


def _ascending(span: Span) -> Span:
    if not 0 <= span[0] <= span[1]:
        raise ValueError(f"an event has a first second (0 or later) and a last, got {span[0]:g} to {span[1]:g}")
    return span


class _Events(Record):
    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    events: dict[str, Annotated[Span, AfterValidator(_ascending)]]


def measure_faithfulness(
    videos: Sequence[Path | str],
    output: Path | str,
    *,
    model: VideoModel,
    target: str | None = None,
    layer: str | None = None,
    methods: Sequence[str] = DEFAULT_METHODS,
    truths: Truths | None = None,
    settings: FaithfulnessSettings | None = None,
    examples: int = 2,
    skip_bad: bool = False,
    command: str = "",
    progress: Progress = silent,
) -> FaithfulnessRun:
    """Every measure of every method over the videos, also as a folder with a page that compares them.

    Args:
        videos: paths, folders and patterns.
        output: the folder, which must not exist; it appears complete or not at all.
        model: the model; handed back unchanged.
        target: the class whose maps are judged; each clip's predicted one when left out.
        layer: whose activations the methods read; the last spatial one when left out.
        methods: names of methods.
        truths: boxes and events, where they are known; without them three measures are left out.
        settings: how the measures are taken.
        examples: clips to be shown under the map of every method.
        skip_bad: leave unreadable videos out and record it.
        command: what the manifest says it was asked for with.
        progress: shows how far it is.

    Raises:
        VideosError: videos cannot be read; all of them are listed.
        RunFolderError: something is at `output` already.
    """
    require_distinct("method", methods)
    settings, truths = settings or FaithfulnessSettings(), truths or Truths()
    layer = layer or last_spatial_layer(model)
    model.layer(layer)
    index = None if target is None else model.class_index(target)
    reader = _Reader(find_videos(videos), model, index, truths)
    if elsewhere := sorted(truths.events.keys() - {path.stem for path in reader.paths}):
        near = closest(elsewhere[0], [path.stem for path in reader.paths])
        hint = f"; closest: {near}" if near else ""
        message = f"events of {len(elsewhere)} videos that are not among those judged, such as '{elsewhere[0]}'{hint}"
        warnings.warn(message, VideotcavWarning, stacklevel=2)
    per_clip: list[dict[str, Any]] = []
    chances: dict[str, list[float]] = {}
    with new_run_folder(Path(output)) as folder:
        judged = judge(model, reader, layer=layer, methods=methods, settings=settings)
        passes = passes_a_clip(methods, settings, frames=model.card.clip_spec.frames)
        what = f"judging maps, {passes} passes a clip"
        for number, one in enumerate(progress(judged, what, total=len(reader.paths))):
            per_clip += _rows(one, model)
            for measure, chance in one.chance.items():
                chances.setdefault(measure, []).append(chance)
            if number < examples:
                _draw_example(folder / MEDIA / f"example-{number + 1}.png", one, reader)
        if reader.left_out and (not skip_bad or not per_clip):
            raise VideosError(reader.left_out)
        results = _summary(per_clip, (*methods, *BASELINES), chances, settings)
        pq.write_table(pa.Table.from_pylist(per_clip), folder / PER_CLIP)
        pq.write_table(pa.Table.from_pylist([result.model_dump() for result in results]), folder / RESULTS)
        asked: dict[str, Any] = {"layer": layer, "target": target, "methods": methods, "settings": settings}
        write_manifest(folder, _manifest(reader, per_clip, command=command, **asked))
        write_faithfulness_page(folder)
    return read_faithfulness(output)


@dataclass
class _Reader:
    """Clips with what is known of them, one by one; keeps book of files that cannot be read."""

    paths: Sequence[Path]
    model: VideoModel
    class_index: int | None
    truths: Truths
    left_out: dict[str, str] = field(default_factory=dict)
    last: tuple[Clip, list[Detections]] = field(init=False)

    def __iter__(self) -> Iterator[ClipToJudge]:
        spec = self.model.card.clip_spec
        for path in self.paths:
            try:
                clip, pixels = read_clip(path, spec)
                found = self.truths.detections(VideoFile(path), clip)
            except VideoError as error:
                self.left_out[str(path)] = error.reason
                continue
            self.last = clip, found
            index = self.class_index
            if index is None:
                index = int(logits(self.model, pixels[None], clip_names=[str(path)]).argmax())
            truth = self.truths.of(clip, found, height=spec.height, width=spec.width)
            yield ClipToJudge(name=str(path), pixels=pixels, class_index=index, truth=truth)


def _inside(clip: Clip, found: Detections, labels: Sequence[str], *, height: int, width: int) -> NDArray[np.bool_]:
    """Which of the clip's pixels have their centre in a box, `height width`."""
    y = clip.top + (np.arange(height) + 0.5) * clip.pixels_per_row
    x = clip.left + (np.arange(width) + 0.5) * clip.pixels_per_column
    inside = np.zeros((height, width), dtype=np.bool_)
    for (left, top, right, bottom), label in zip(found.boxes.tolist(), found.labels, strict=True):
        if not labels or label in labels:
            inside |= ((y >= top) & (y < bottom))[:, None] & ((x >= left) & (x < right))[None]
    return inside


def _rows(one: Judged, model: VideoModel) -> list[dict[str, Any]]:
    return [
        {
            "clip": one.clip.name,
            "class_name": model.card.classes[one.clip.class_index],
            "probability": one.probability,
            "method": method,
            "measure": measure,
            "value": value,
        }
        for (method, measure), value in one.values.items()
    ]


def _summary(
    per_clip: Sequence[Mapping[str, Any]],
    methods: Sequence[str],
    chances: Mapping[str, Sequence[float]],
    settings: FaithfulnessSettings,
) -> tuple[Faithfulness, ...]:
    found = []
    for measure in MEASURES:
        for method in methods:
            rows = [row for row in per_clip if row["method"] == method and row["measure"] == measure]
            if not rows:
                continue
            # The same draws for every method, so that intervals of one measure can be compared.
            rng = np.random.default_rng([settings.seed, MEASURES.index(measure)])
            mean = estimate([row["value"] for row in rows], [row["clip"] for row in rows], rng=rng)
            known = chances.get(measure)
            found.append(
                Faithfulness(
                    method=method,
                    measure=measure,
                    chance=float(np.mean(known)) if known else None,
                    baseline=method in BASELINES,
                    **vars(mean),
                )
            )
    return tuple(found)


def _draw_example(path: Path, one: Judged, reader: _Reader) -> None:
    """A contact sheet of one clip under the map of every method, its boxes and its event drawn in."""
    (clip, found), truths = reader.last, reader.truths
    frames = VideoFile(clip.video.path).at(clip.timestamps)
    name = reader.model.card.classes[one.clip.class_index]
    strips: list[Strip] = []
    for method, cam in one.maps.items():
        heat = cam / cam.max() if cam.max() > 0 else cam
        drawn = _outlined(overlay_heatmap(frames, to_source(heat, clip)), found, truths.labels)
        profile = temporal_profile(torch.from_numpy(cam)[None])[0].numpy()
        caption = method if strips else f"“{name}”, probability {one.probability:.2f} · {method}"
        strips.append(Strip(caption, drawn, profile, during=truths.events.get(clip.video.path.stem)))
    note = "one scale for all frames of a row"
    sheet = contact_sheet(strips, timestamps=clip.timestamps, note=note)
    sheet.savefig(path, format="png", dpi=100, metadata={"Software": None})


def _outlined(frames: Frames, found: Sequence[Detections], labels: Sequence[str]) -> Frames:
    if not found:
        return frames
    pictures = [Image.fromarray(frame) for frame in frames]
    for picture, each in zip(pictures, found, strict=True):
        for (left, top, right, bottom), label in zip(each.boxes.tolist(), each.labels, strict=True):
            if not labels or label in labels:
                ImageDraw.Draw(picture).rectangle((left, top, right - 1, bottom - 1), outline="white")
    return np.stack([np.asarray(picture) for picture in pictures])


def _manifest(
    reader: _Reader,
    per_clip: Sequence[Mapping[str, Any]],
    *,
    layer: str,
    target: str | None,
    methods: Sequence[str],
    settings: FaithfulnessSettings,
    command: str,
) -> FaithfulnessManifest:
    truths = reader.truths
    clips = {row["clip"]: row for row in per_clip}
    card = reader.model.card
    return FaithfulnessManifest(
        **stamp(command),
        versions=versions(),
        model=ModelFacts(
            name=card.name,
            weights=card.weights,
            weights_sha256=card.weights_sha256,
            clip_spec=card.clip_spec.model_dump(mode="json"),
        ),
        layer=layer,
        target=target,
        methods=tuple(methods),
        clips=len(clips),
        classes=tuple(sorted({row["class_name"] for row in clips.values()})),
        mean_probability=float(np.mean([row["probability"] for row in clips.values()])),
        boxes=None if truths.boxes is None else BoxesFacts(source=truths.boxes.name, sha256=truths.boxes.sha256),
        labels=truths.labels,
        events=len(truths.events),
        settings=settings.model_dump(mode="json"),
        left_out=dict(reader.left_out),
    )
