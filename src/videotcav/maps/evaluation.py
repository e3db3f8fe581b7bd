"""Are the maps true? Videos in, a folder with every measure of every method out, top to bottom.

videos ─→ clips, boxes, events ─→ maps of all methods ─→ measures ─→ intervals over videos ─→ a page side by side
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from pydantic import AfterValidator, ConfigDict, ValidationError

from videotcav.concepts.detectors.detect import Detections, Detector, VideoFrames
from videotcav.errors import (
    ArgumentError,
    BoxesError,
    UnreadableText,
    VideoError,
    VideosError,
    VideotcavWarning,
    closest,
    require_distinct,
)
from videotcav.explain.saliency.cam import METHODS, normalise, temporal_profile
from videotcav.explain.saliency.measures import mean_over_videos
from videotcav.maps.judged import BASELINES, ClipToEvaluate, Evaluated, Evaluator, FaithfulnessSettings
from videotcav.maps.passes import last_spatial_layer
from videotcav.maps.sheet import SheetRow, map_sheet
from videotcav.models.model import VideoModel
from videotcav.models.passes import logits
from videotcav.records import ClipSpec, Progress, Record, silent
from videotcav.report.faithfulness import MEASURES, FaithfulnessRun, read_faithfulness, write_faithfulness_page
from videotcav.results.folder import MEDIA, new_run_folder
from videotcav.results.manifest import RESULTS, ModelFacts, stamp, versions, write_manifest
from videotcav.results.map_facts import BoxesFacts, Faithfulness, FaithfulnessManifest
from videotcav.texts import first_problem, read_bytes
from videotcav.video.clips import read_clip, to_source
from videotcav.video.find import find_videos
from videotcav.video.info import ClipOrigin
from videotcav.video.overlay import overlay_heatmap
from videotcav.video.read import Frames, VideoFile, on_file
from videotcav.video.segment import file_of, start_of

PER_CLIP = "measurements.parquet"
Span = tuple[float, float]
METHODS_COMPARED = (*METHODS, "integrated-gradients")
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
        if self.labels and self.boxes is None:
            raise ArgumentError(
                f"'{self.labels[0]}' says which boxes count, and no boxes are given: give them, or no label"
            )
        for label in self.labels:
            if self.boxes is not None and label not in self.boxes.labels:
                near = closest(label, self.boxes.labels) or ", ".join(self.boxes.labels[:5])
                raise BoxesError(f"{self.boxes.name}: there are no boxes of '{label}'; closest: {near}")

    def detections(self, file: VideoFile, clip: ClipOrigin) -> list[Detections]:
        """The boxes that count in each frame of the clip, in source pixels; none where there is no source of boxes."""
        if self.boxes is None:
            return []
        clip, file = on_file(clip), VideoFile(file_of(file.path))
        ranks = file.ranks_at(clip.timestamps)
        frames = zip(file.frames(ranks), ranks, strict=True)
        return [self._asked(self.boxes(VideoFrames(frame[None], clip.video, rank))[0]) for frame, rank in frames]

    def _asked(self, found: Detections) -> Detections:
        asked = [not self.labels or label in self.labels for label in found.labels]
        return Detections(found.boxes[asked], found.scores[asked], tuple(compress(found.labels, asked)))

    def inside(self, clip: ClipOrigin, found: Sequence[Detections], spec: ClipSpec) -> NDArray[np.bool_] | None:
        """Which of the clip's own pixels have their centre in a box, `time height width`."""
        if self.boxes is None:
            return None
        y = clip.top + (np.arange(spec.height) + 0.5) * clip.pixels_per_row
        x = clip.left + (np.arange(spec.width) + 0.5) * clip.pixels_per_column
        inside = np.zeros((len(found), spec.height, spec.width), dtype=np.bool_)
        for number, each in enumerate(found):
            for left, top, right, bottom in each.boxes.tolist():
                inside[number] |= ((y >= top) & (y < bottom))[:, None] & ((x >= left) & (x < right))[None]
        return inside

    def event(self, clip: ClipOrigin) -> Span | None:
        """The first and last second of the event in the clip's video."""
        event = self.events.get(file_of(clip.video.path).stem)
        return event and (event[0] - start_of(clip.video.path), event[1] - start_of(clip.video.path))

    def during(self, clip: ClipOrigin) -> NDArray[np.bool_] | None:
        """Which of the clip's frames lie in the event, `time`."""
        if (event := self.event(clip)) is None:
            return None
        seconds = np.asarray(clip.timestamps)
        return (seconds >= event[0] - 1e-6) & (seconds <= event[1] + 1e-6)


def read_events(path: Path) -> dict[str, Span]:
    """Events from a JSON file `{"events": {"clip-003": [0.35, 0.62]}}`, seconds by the video's name."""
    try:
        return _Events.model_validate_json(read_bytes(path)).events
    except ValidationError as error:
        cure = 'it should be {"events": {"name of a video without .mp4": [first second, last second]}}'
        raise UnreadableText(path, f"is no file of events: {first_problem(error)}; {cure}") from None


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
    methods: Sequence[str] = METHODS_COMPARED,
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
        PathTaken: something is at `output` already.
    """
    require_distinct("method", methods)
    settings, truths = settings or FaithfulnessSettings(), truths or Truths()
    layer = layer or last_spatial_layer(model)
    model.layer(layer)
    index = None if target is None else model.class_index(target)
    paths, card = find_videos(videos), model.card
    _warn_of_events_elsewhere(truths, paths)
    judge = Evaluator(model, layer, tuple(methods), settings)
    rows: list[dict[str, Any]] = []
    chances: dict[str, list[float]] = {}
    shown: dict[str, tuple[str, float]] = {}
    left_out: dict[str, str] = {}
    with new_run_folder(Path(output)) as folder:
        for path in progress(paths, f"judging maps, {judge.passes_a_clip} passes a clip", total=len(paths)):
            try:
                clip, pixels = read_clip(path, card.clip_spec)
                found = truths.detections(VideoFile(path), clip)
            except VideoError as error:
                left_out[str(path)] = error.reason
                continue
            name = str(path)
            of = int(logits(model, pixels[None], clip_names=[name]).argmax()) if index is None else index
            truth = {"inside": truths.inside(clip, found, card.clip_spec), "during": truths.during(clip)}
            one = judge(ClipToEvaluate(name, pixels, of, **truth), number=len(shown))
            shown[name] = card.classes[of], one.probability
            about = {"clip": name, "class_name": card.classes[of], "probability": one.probability}
            for (method, measure), value in one.values.items():
                rows.append(about | {"method": method, "measure": measure, "value": value})
            for measure, chance in one.chance.items():
                chances.setdefault(measure, []).append(chance)
            if len(shown) <= examples:
                sheet = _example(one, clip, found, truths.event(clip), caption=f"“{card.classes[of]}”")
                picture = folder / MEDIA / f"example-{len(shown)}.png"
                sheet.savefig(picture, format="png", dpi=100, metadata={"Software": None})
        if left_out and (not skip_bad or not shown):
            raise VideosError(left_out)
        results = _summary(rows, chances, (*methods, *BASELINES), seed=settings.seed)
        pq.write_table(pa.Table.from_pylist(rows), folder / PER_CLIP)
        pq.write_table(pa.Table.from_pylist([result.model_dump() for result in results]), folder / RESULTS)
        manifest = FaithfulnessManifest(
            **stamp(command),
            versions=versions(),
            model=ModelFacts.of(card, device=model.device.type),
            layer=layer,
            target=target,
            methods=tuple(methods),
            clips=len(shown),
            classes=tuple(sorted({name for name, _ in shown.values()})),
            mean_probability=float(np.mean([probability for _, probability in shown.values()])),
            boxes=None if truths.boxes is None else BoxesFacts(source=truths.boxes.name, sha256=truths.boxes.sha256),
            labels=truths.labels,
            events=len(truths.events),
            settings=settings.model_dump(mode="json"),
            left_out=left_out,
        )
        write_manifest(folder, manifest)
        write_faithfulness_page(folder)
    return read_faithfulness(output)


def _warn_of_events_elsewhere(truths: Truths, paths: Sequence[Path]) -> None:
    judged = [file_of(path).stem for path in paths]
    if elsewhere := sorted(truths.events.keys() - set(judged)):
        near = closest(elsewhere[0], judged)
        hint = f"; closest: {near}" if near else ""
        message = f"events of {len(elsewhere)} videos that are not among those judged, such as '{elsewhere[0]}'{hint}"
        warnings.warn(message, VideotcavWarning, stacklevel=3)


def _summary(
    rows: Sequence[Mapping[str, Any]], chances: Mapping[str, Sequence[float]], methods: Sequence[str], *, seed: int
) -> tuple[Faithfulness, ...]:
    found = []
    for place, measure in enumerate(MEASURES):
        for method in methods:
            own = {row["clip"]: row["value"] for row in rows if (row["method"], row["measure"]) == (method, measure)}
            if own:
                # The same draws for every method, so that intervals of one measure can be compared.
                rng = np.random.default_rng([seed, place])
                mean = mean_over_videos(list(own.values()), list(own), rng=rng)._asdict()
                known = float(np.mean(chances[measure])) if measure in chances else None
                is_baseline = method in BASELINES
                found.append(Faithfulness(method=method, measure=measure, chance=known, baseline=is_baseline, **mean))
    return tuple(found)


def _example(
    one: Evaluated, clip: ClipOrigin, found: Sequence[Detections], event: Span | None, *, caption: str
) -> Figure:
    """A contact sheet of one clip under the map of every method, its boxes and its event drawn in."""
    frames = VideoFile(clip.video.path).at(clip.timestamps)
    strips: list[SheetRow] = []
    for method, cam in one.maps.items():
        drawn = overlay_heatmap(frames, to_source(normalise(cam)[0].numpy(), clip))
        above = method if strips else f"{caption}, probability {one.probability:.2f} · {method}"
        strips.append(SheetRow(above, _outlined(drawn, found), temporal_profile(cam)[0].numpy(), during=event))
    return map_sheet(strips, timestamps=clip.timestamps, note="one scale for all frames of a row")


def _outlined(frames: Frames, found: Sequence[Detections]) -> Frames:
    pictures = [Image.fromarray(frame) for frame in frames]
    for picture, each in zip(pictures, found, strict=bool(found)):
        for left, top, right, bottom in each.boxes.tolist():
            ImageDraw.Draw(picture).rectangle((left, top, right - 1, bottom - 1), outline="white")
    return np.stack([np.asarray(picture) for picture in pictures])
