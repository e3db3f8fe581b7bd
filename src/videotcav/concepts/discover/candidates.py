"""Tubelets that were found → candidate clips, cut as `propose` cuts boxes; and what the folder states of the finding.

found/<layer>-<factor>/<kind>/<clip id>.mp4     as any concept folder
found/discovery.json                            which videos took part in finding, which did not, all that was found
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pydantic import Field

from videotcav.concepts.detectors.detect import Detections, VideoFrames
from videotcav.concepts.folder import read_as
from videotcav.concepts.propose.clips import make_clips
from videotcav.concepts.propose.crop import Mode
from videotcav.concepts.propose.recipe import Recipe
from videotcav.concepts.propose.track import Track
from videotcav.concepts.propose.watch import Job, Seen
from videotcav.concepts.propose.workshop import VideoOutcome, Workshop
from videotcav.outputs import write_text
from videotcav.records import Kind, Progress, Record, silent
from videotcav.video.info import VideoInfo
from videotcav.video.segment import clip_sha256

DISCOVERY = "discovery.json"


class TubeletTrack(NamedTuple):
    """A video's tubelet as a track: its box in source pixels and its strength in each frame."""

    video: VideoInfo
    track: Track


@dataclass(frozen=True)
class Finder:
    """What stands in the place of a detector in the provenance of clips; it was asked already, and never is again."""

    name: str
    sha256: str
    labels: tuple[str, ...]
    settings: Mapping[str, str | float]

    knows_instances = True

    def __call__(self, frames: VideoFrames) -> list[Detections]:
        """Nothing in any frame."""
        return [Detections.of([])] * len(frames.pixels)


class _NewFolder(Workshop):
    """Of a folder that appears whole or not at all: no outcome need outlast a killed run."""

    def finish(self, outcome: VideoOutcome) -> None:
        self.outcomes[outcome.video, outcome.concept] = outcome


class Explained(Record):
    """How much of what tells some videos from others a person's own sets explain: the share of the squared
    displacement of a layer's mean rows that lies in the span of the sets' (method.md 8.15), with its 95 % interval over
    source videos. As many sets drawn from their pool explain less than `by_chance` in 95 % of draws; None where the
    pool is too small for that.
    """

    share: float
    low: float
    high: float
    by_chance: float | None = None


class FoundSet(Record):
    """One factor: the concept it was called at first; how many times as strong its candidates of the finding videos are
    as the strongest tubelet of a finding video on average; by how many standard deviations the layer's readout of
    the class is shifted where they are from; and how much of what tells these videos from the others is `explained`.
    """

    concept: str
    layer: str
    strength: float
    shift: float | None = None
    explained: Explained | None = None

    @property
    def is_left(self) -> bool:
        """Whether the person's own sets explain less than half of it, by the upper end of the interval."""
        return self.explained is not None and self.explained.high < 0.5  # noqa: PLR2004 - half


class Discovery(Record):
    """What `discovery.json` states. `finding` and `held_out` are videos by their sha256, with the sources that were
    named; `rows` is the hash of all that the layers' rows depend on besides their clip. `known` are a person's own
    sets, and `explained` is what they explain of the class at each layer at which it is told from other videos. Where
    tubelets are tracks, `objects` is what told them and `no_track` the videos on neither side, which show none.
    """

    model: str
    model_sha256: str
    rows: str
    layers: tuple[str, ...]
    class_name: str
    seed: int
    found: tuple[FoundSet, ...]
    finding: dict[str, str]
    held_out: dict[str, str]
    known: tuple[str, ...] = ()
    explained: dict[str, Explained] = Field(default_factory=dict)
    objects: str = ""
    no_track: tuple[str, ...] = ()


def tubelet_recipe(*, mode: Mode, context: float, kinds: Sequence[Kind]) -> Recipe:
    """Tubelets as they are: what is strongest is never turned away, or sets would be chosen by something else too."""
    return Recipe(
        mode=mode,
        context=context,
        kinds=tuple(kinds),
        frames_per_clip=None,
        min_score=0,
        min_frames=1,
        min_side_pixels=0,
        min_observed=0,
        min_sharpness=0,
        min_hash_distance=0,
        max_clips_per_source=0,
    )


def write_candidates(
    folder: Path,
    found: Mapping[str, Sequence[TubeletTrack]],
    finder: Finder,
    *,
    recipe: Recipe,
    sources: Mapping[str, str],
    progress: Progress = silent,
) -> None:
    """Cuts the tubelets of each concept into a new folder; `sources` are those of clips, by the `clip_sha256`."""
    of_video: dict[str, list[tuple[VideoInfo, Track]]] = {}
    for concept, tubelets in found.items():
        for video, track in tubelets:
            own = of_video.setdefault(clip_sha256(video.path, video.sha256), [])
            own.append((video, track.model_copy(update={"label": concept})))
    with _NewFolder(folder, recipe, finder) as workshop:
        for sha256, own in progress(of_video.items(), "cutting", total=len(of_video)):
            info = own[0][0]
            job = Job(workshop.name_of(info.path, sha256), sources[sha256], info, tuple(found))
            seen = Seen(job, [], [], None, None).holding(frame for _, track in own for frame in track.frames)
            for _, track in own:
                make_clips(seen, track.label, [track], labels=(track.label,), recipe=recipe, workshop=workshop)


def write_discovery(folder: Path, discovery: Discovery) -> None:
    """Writes down what was found, in the folder of its candidates."""
    write_text(folder / DISCOVERY, discovery.model_dump_json(indent=1) + "\n")


def read_discovery(folder: Path) -> Discovery | None:
    """What was found into the folder; None where its clips came otherwise. Raises ConceptError where it is damaged."""
    path = folder / DISCOVERY
    return read_as(Discovery, path.read_bytes(), where=str(path)) if path.is_file() else None
