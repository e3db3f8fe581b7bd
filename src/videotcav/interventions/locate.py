"""Where the objects of clips are: looked up in a file of boxes and masks, or found by a detector."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from videotcav.concepts.detectors.boxes import BoxesFile, Regions
from videotcav.concepts.detectors.detect import AnyDetector, Detector, VideoFrames, load_detector, require_label
from videotcav.concepts.propose.recipe import Recipe
from videotcav.concepts.propose.track import ShotCuts, Track, known_tracks, single_frames, tracks_of
from videotcav.errors import BoxesNotFound, TrackNotFound
from videotcav.interventions.frames import Masks
from videotcav.interventions.tracks import BOX_ERROR, MASK_ERROR, ObjectMasks, beside, object_masks
from videotcav.records import ClipSpec, Progress, silent
from videotcav.video.info import ClipOrigin
from videotcav.video.read import VideoFile, on_file

_FRAMES_PER_BATCH = 16


@dataclass(frozen=True)
class Located:
    """Where a label's object is in each of some clips; `missing` maps the places of clips without it to the reason.

    `source` and `sha256` are the detector's; `others` are each clip's other objects, as far as masks in a file tell.
    """

    label: str
    objects: tuple[ObjectMasks | None, ...]
    missing: Mapping[int, str]
    source: str
    sha256: str
    others: tuple[Masks | None, ...] = ()

    @property
    def interpolated(self) -> float:
        """The share of the frames that show the object in which it was not seen itself; 0 where none shows it."""
        found = [each for each in self.objects if each is not None]
        return sum(each.interpolated * each.frames for each in found) / max(1, sum(each.frames for each in found))


def objects_of(
    clips: Sequence[ClipOrigin],
    spec: ClipSpec,
    detector: AnyDetector,
    label: str,
    *,
    recipe: Recipe | None = None,
    box_error: float = BOX_ERROR,
    mask_error: float = MASK_ERROR,
    progress: Progress = silent,
) -> Located:
    """Where the object of a label is in each clip: all of its tracks together.

    `detector` is what `load_detector` takes: a file of boxes and masks, an ONNX file, a function. A network looks at
    the frames of each clip and at those that its tracks need around them; what it sees in one frame alone counts too,
    as there every track begins. `recipe` says how surely something must be seen, and how long it may be missed.

    Raises NotFound where the detector has no such label, BoxesError where a file does not fit a video, and
    TrackNotFound where no clip has the object.
    """
    detector = load_detector(detector)
    require_label(detector, label)
    objects, others, missing = list[ObjectMasks | None](), list[Masks | None](), dict[int, str]()
    for number, clip in enumerate(progress(clips, "looking for objects", total=len(clips))):
        found = objects_of_labels(
            [clip],
            spec,
            detector,
            looked_for(detector, [label]),
            recipe=recipe,
            box_error=box_error,
            mask_error=mask_error,
        )
        (own,) = found[label].objects
        objects.append(own)
        others.append(beside([own], (each for of in found.values() for each in of.objects if each)) if own else None)
        missing.update((number, reason) for reason in found[label].missing.values())
    if not any(objects):
        reason = next(iter(missing.values()), "no clip was given")
        raise TrackNotFound(f"none of the {len(clips)} clips has an object '{label}'; the first: {reason}")
    return Located(label, tuple(objects), missing, detector.name, detector.sha256, tuple(others))


def looked_for(detector: Detector, labels: Iterable[str]) -> list[str]:
    """What is looked for where these labels are edited: in a file all of its labels, whose masks say what is theirs."""
    return sorted(detector.labels if isinstance(detector, BoxesFile) else set(labels))


def objects_of_labels(
    clips: Sequence[ClipOrigin],
    spec: ClipSpec,
    detector: AnyDetector,
    labels: Sequence[str],
    *,
    recipe: Recipe | None = None,
    box_error: float = BOX_ERROR,
    mask_error: float = MASK_ERROR,
    progress: Progress = silent,
) -> dict[str, Located]:
    """What `objects_of` gives of each label but for the `others`, from one look; also of a label that no clip has."""
    detector = load_detector(detector)
    for label in labels:
        require_label(detector, label)
    recipe = recipe or Recipe()
    objects: dict[str, list[ObjectMasks | None]] = {label: [] for label in labels}
    missing: dict[str, dict[int, str]] = {label: {} for label in labels}
    for number, clip in enumerate(progress(clips, "looking for objects", total=len(clips))):
        clip = on_file(clip)  # noqa: PLW2901 - boxes and tracks are of whole files
        file = VideoFile(clip.video.path)
        shown = file.ranks_at(clip.timestamps)
        unknown = ""
        try:
            tracks = _tracks(file, clip, shown, detector=detector, labels=labels, recipe=recipe)
        except BoxesNotFound as error:
            tracks, unknown = [], error.message
        others = ", ".join(f"'{name}'" for name in sorted({track.label for track in tracks}))
        for label, found in objects.items():
            own = [track for track in tracks if track.label == label]
            if not own:
                nothing = f"{clip.video.path.name} has no track of '{label}'"
                missing[label][number] = unknown or nothing + (f"; its tracks are of {others}" if others else "")
                found.append(None)
                continue
            try:
                found.append(object_masks(own, clip, shown, spec, box_error=box_error, mask_error=mask_error))
            except TrackNotFound as error:
                missing[label][number] = error.message
                found.append(None)
    return {
        label: Located(label, tuple(found), missing[label], detector.name, detector.sha256)
        for label, found in objects.items()
    }


def tracks_shown(clip: ClipOrigin, spec: ClipSpec, detector: Detector, labels: Collection[str]) -> list[Track]:
    """The tracks of these labels that a clip shows, in frames of its file; none where nobody told of its video.

    What was seen in one frame alone is no track, unless a file calls it one. Raises BoxesError where a file does not
    fit the video.
    """
    own = on_file(clip)
    file, found = VideoFile(own.video.path), list[Track]()
    with suppress(BoxesNotFound):
        shown = file.ranks_at(own.timestamps)
        for track in _tracks(file, own, shown, detector=detector, labels=labels, recipe=Recipe(), alone=False):
            with suppress(TrackNotFound):
                if track.label in labels and track_masks(track, clip, spec).any():
                    found.append(track)
    return found


def track_masks(track: Track, clip: ClipOrigin, spec: ClipSpec) -> Masks:
    """Where a clip shows a track, whose boxes and masks are grown by nothing. Raises TrackNotFound and BoxesError."""
    clip = on_file(clip)
    shown = VideoFile(clip.video.path).ranks_at(clip.timestamps)
    return object_masks([track], clip, shown, spec, box_error=0, mask_error=0).masks


def _tracks(
    file: VideoFile,
    clip: ClipOrigin,
    shown: Sequence[int],
    *,
    detector: Detector,
    labels: Collection[str],
    recipe: Recipe,
    alone: bool = True,
) -> list[Track]:
    """The tracks of these labels that the clip may show; with what was seen in one frame `alone`, each a track."""
    if detector.knows_instances:
        found = [each for frames in _frames(file, clip, range(len(file.times)), detector) for each in detector(frames)]
        return known_tracks(found, min_score=recipe.min_score)
    first = max(0, min(shown) - recipe.max_gap_frames)
    window = range(first, min(len(file.times), max(shown) + recipe.max_gap_frames + 1))
    shots = ShotCuts()
    found, cuts = [], []
    for frames in _frames(file, clip, window, detector):
        start = frames.first - first
        cuts += [at for at, frame in enumerate(frames.pixels, start=start) if shots.starts_at(frame, at)]
        found += detector(frames)
    tracks = tracks_of(found, recipe=recipe, labels=labels, cuts=cuts)
    if alone:
        tracks += single_frames(found, labels=labels, min_score=recipe.min_score)
    return [track.model_copy(update={"frames": tuple(frame + first for frame in track.frames)}) for track in tracks]


def _frames(file: VideoFile, clip: ClipOrigin, window: range, detector: Detector) -> Iterator[VideoFrames]:
    """The frames of a video batch by batch; black ones for a file, which does not look at them."""
    for first in range(window.start, window.stop, _FRAMES_PER_BATCH):
        batch = range(first, min(first + _FRAMES_PER_BATCH, window.stop))
        if isinstance(detector, BoxesFile | Regions):
            pixels = np.broadcast_to(np.uint8(0), (len(batch), clip.video.height, clip.video.width, 3))
        else:
            pixels = file.frames(batch)
        yield VideoFrames(pixels, clip.video, first)
