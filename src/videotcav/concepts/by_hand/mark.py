"""What a person marks in a video → clips in a concept folder, as `propose` cuts them, and that person's decision."""

from __future__ import annotations

import datetime as dt
import hashlib
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import NonNegativeInt

from videotcav.concepts.by_hand.follow import around, follow
from videotcav.concepts.folder import METADATA, ClipRecord, as_json, held_folder, read_records, write_records
from videotcav.concepts.propose.clips import Maker, put_clips
from videotcav.concepts.propose.cutting import id_of, make
from videotcav.concepts.propose.recipe import Recipe
from videotcav.concepts.propose.track import Track
from videotcav.concepts.propose.tracklets import Tracklet
from videotcav.concepts.propose.watch import Job, Seen
from videotcav.concepts.propose.workshop import recipe_of
from videotcav.concepts.review.decisions import Candidate, checked_name
from videotcav.concepts.review.ledger import Ledger
from videotcav.errors import ArgumentError, ConceptError
from videotcav.records import Box, Record
from videotcav.video.find import videos_in
from videotcav.video.info import VideoInfo
from videotcav.video.read import VideoFile
from videotcav.video.segment import clip_name, clip_sha256, file_of
from videotcav.video.sources import named_source

BY_HAND = "by hand"
"""What stands in the place of the detector's name."""

MOST_BYTES = 512 * 2**20
"""Bytes of pixels that a marked part may have: a clip's frames are held in memory while its twins are made."""

_LEAST_FRAMES = 3  # fewer have no third order to be shuffled into
_NO_GATES = {"frames_per_clip": None, "min_sharpness": 0.0, "cut": "box"}  # a person draws no masks


class DrawnBox(Record):
    """A box that a person drew on a frame, in pixels."""

    frame: NonNegativeInt
    box: Box


class Marking(Record):
    """The part of a video from frame `first` to frame `last`, both shown, and boxes on frames of it.

    Without a box the whole picture is meant.
    """

    first: NonNegativeInt
    last: NonNegativeInt
    boxes: tuple[DrawnBox, ...] = ()


class MarkedPart(NamedTuple):
    """Where what was marked is: consecutive frames, a box and a likeness for each, and what is to be said of it."""

    frames: range
    boxes: tuple[Box, ...]
    scores: tuple[float, ...]
    sentence: str


class MarkedClip(Record):
    """What was added: the candidate, its clips, and what is to be said of it."""

    concept: str
    id: str
    clips: tuple[ClipRecord, ...]
    sentence: str


def mark_clip(
    video: Path | str,
    output: Path | str,
    *,
    concept: str,
    start_seconds: float,
    end_seconds: float,
    boxes: Mapping[float, tuple[float, float, float, float]] | None = None,
    reviewer: str,
) -> MarkedClip:
    """What was added to the concept folder `output`: a part of a video with its still version and its twins.

    `boxes` (left, top, right, bottom in pixels) stand under the second at which they were drawn, between start and end;
    the object is followed from there, and the clip is cut to where it was found. Without one the clip shows the whole
    picture. It is recorded as accepted by `reviewer`. Raises VideoError, ArgumentError, ConceptError.
    """
    file = VideoFile(video)
    first, last = file.ranks_at((start_seconds, end_seconds))
    drawn = [
        DrawnBox(frame=file.ranks_at([seconds])[0], box=Box(left=left, top=top, right=right, bottom=bottom))
        for seconds, (left, top, right, bottom) in (boxes or {}).items()
    ]
    marking = Marking(first=first, last=last, boxes=tuple(drawn))
    return add_marked(file, file.info(), output, marking, concept=concept, reviewer=reviewer)


def follow_marked(file: VideoFile, info: VideoInfo, marking: Marking) -> MarkedPart:
    """Where what was marked is in the video. Raises ArgumentError where that cannot be a clip, VideoError."""
    first, last = marking.first, marking.last
    if not first <= last < len(file.times):
        raise ArgumentError(f"frames {first} to {last} are no part of a video of {len(file.times)} frames")
    frames = range(first, last + 1)
    _require_length(frames, "what was marked")
    most = MOST_BYTES // (info.width * info.height * 3)
    if len(frames) > most:
        raise ArgumentError(
            f"{len(frames)} frames of {info.width}×{info.height} pixels are too many for one clip: mark at most {most}"
        )
    if not marking.boxes:
        whole = Box(left=0, top=0, right=info.width, bottom=info.height)
        return MarkedPart(frames, (whole,) * len(frames), (1.0,) * len(frames), "The clip shows the whole picture.")
    drawn = {each.frame - first: each.box for each in marking.boxes}
    if outside := [frame for frame in drawn if not 0 <= frame < len(frames)]:
        raise ArgumentError(
            f"the box on frame {outside[0] + first} lies outside of the marked part, frames {first} to {last}"
        )
    found = follow(file.frames(frames), drawn)
    seen = around(found, min(drawn))
    sightings = [sighting for i in seen if (sighting := found[i]) is not None]
    held = range(seen.start + first, seen.stop + first)
    times = file.times
    if held == frames:
        sentence = "The object is followed through all of it."
    else:
        sentence = (
            f"The object is followed from {times[held[0]]:.2f} s to {times[held[-1]]:.2f} s only and lost "
            f"{'before and after' if held[0] > first and held[-1] < last else 'before' if held[0] > first else 'after'}"
            " that: the clip is cut there, or draw another box where it is lost."
        )
    _require_length(held, "where the object is found")
    return MarkedPart(held, tuple(s.box for s in sightings), tuple(round(s.likeness, 4) for s in sightings), sentence)


def add_marked(
    file: VideoFile,
    info: VideoInfo,
    output: Path | str,
    marking: Marking,
    *,
    concept: str,
    reviewer: str,
    sources: Mapping[str, str] | None = None,
) -> MarkedClip:
    """As `mark_clip`, of frames; `sources` is as for `propose`. The same part marked again adds nothing."""
    concept, reviewer, folder = checked_name(concept), checked_name(reviewer), Path(output)
    followed = follow_marked(file, info, marking)
    recipe = recipe_of(folder) or Recipe()
    recipe = recipe.model_copy(update=_NO_GATES | ({} if marking.boxes else {"mode": "in-place"}))
    track = Track(
        id=f"hand{hashlib.sha256(marking.model_dump_json().encode()).hexdigest()[:8]}",
        label=concept,
        frames=tuple(followed.frames),
        boxes=followed.boxes,
        scores=followed.scores,
    )
    tracklet = Tracklet(track, track.frames, track.boxes, track.scores)
    folder.mkdir(parents=True, exist_ok=True)
    with held_folder(folder):
        records = read_records(folder)
        if not records:
            require_table(folder)
        name = name_of(info.path, info.sha256, records)
        source = named_source(info.path, sources or {}) or source_of(info.path, info.sha256, records)
        job = Job(name, source, info, (concept,))
        clip_id = id_of(job, tracklet)
        made = [record for record in records if (record.concept, record.id) == (concept, clip_id)]
        if not made:
            at = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
            said = recipe.model_dump(mode="json") | {"by_hand": marking.model_dump(mode="json"), "detector": BY_HAND}
            with tempfile.TemporaryDirectory(prefix=".mark-", dir=folder) as temporary:
                coded = make(Seen(job, [], [], None, None), tracklet, recipe).code(Path(temporary)).coded
                put = put_clips(
                    coded,
                    tracklet,
                    clip_id=clip_id,
                    concept=concept,
                    job=job,
                    folder=folder,
                    temporary=Path(temporary),
                    maker=Maker(BY_HAND, "", as_json(said)),
                )
                made = [record.model_copy(update={"who": reviewer, "when": at}) for record in put]
            write_records(folder, [*records, *made])
    record_acceptance(folder, concept, clip_id, reviewer=reviewer)
    return MarkedClip(concept=concept, id=clip_id, clips=tuple(made), sentence=followed.sentence)


def _require_length(frames: range, what: str) -> None:
    if len(frames) < _LEAST_FRAMES:
        raise ArgumentError(
            f"{what} is {len(frames)} frame{'s' * (len(frames) != 1)} long: a moving clip needs {_LEAST_FRAMES} or more"
        )


def require_table(folder: Path) -> None:
    """Nothing where a new table may be written. Raises ConceptError where clips would not stand in it."""
    inside = [path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")]
    if any(videos_in(each, below=True) for each in inside):
        raise ConceptError(
            f"{folder}: its clips stand in no {METADATA}, beside which they would not be seen: mark into another folder"
        )


def name_of(path: Path, sha256: str, records: Sequence[ClipRecord]) -> str:
    """What the clips cut from a video begin with: the same for the same content, and for no other in the folder."""
    content = clip_sha256(path, sha256)
    own = [one for one in records if clip_sha256(Path(one.source_video), one.source_sha256) == content]
    name = clip_name(Path(own[0].source_video) if own else path)
    taken = any(clip_name(Path(one.source_video)) == name for one in records if one.source_sha256 != sha256)
    apart = f"{name}-{sha256[:8]}"
    has_it = bool(own) and not own[0].id.startswith(apart)
    return apart if taken and not has_it else name


def source_of(path: Path, sha256: str, records: Sequence[ClipRecord]) -> str:
    """The source that the folder has of this file's content, or a name that no other source has there."""
    for record in records:
        if record.source_sha256 == sha256:
            return record.source
    name = file_of(path).stem
    return name if name not in {record.source for record in records} else f"{name}-{sha256[:8]}"


def record_acceptance(folder: Path, concept: str, clip_id: str, *, reviewer: str) -> None:
    """What a person marked that person accepts; what they said of it since stays."""
    candidate = Candidate(concept, clip_id)
    with Ledger(folder) as ledger:
        if not any(row.reviewer == reviewer for row in ledger.decisions([candidate])):
            ledger.decide([candidate], reviewer=reviewer, verdict="accept", gesture=f"hand-{uuid.uuid4().hex}")
