"""From videos to a folder of candidate clips: START HERE to follow the route of this room.

decode (a thread ahead) ─→ detect ─→ track, choose, cut, write (a thread behind)

On an engine its workers cut as well: what is left here is to say what is a duplicate, and to write.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from videotcav.concepts.detectors.detect import Detector, require_label
from videotcav.concepts.detectors.read_boxes import read_boxes
from videotcav.concepts.propose.clips import make_clips
from videotcav.concepts.propose.cutting import Cutter
from videotcav.concepts.propose.drawn_boxes import write_overlay
from videotcav.concepts.propose.recipe import Recipe
from videotcav.concepts.propose.track import Track, tracks_of
from videotcav.concepts.propose.watch import Job, Seen, Watcher, in_order
from videotcav.concepts.propose.workshop import STATE, VideoOutcome, Workshop
from videotcav.errors import ArgumentError, ConceptError, VideoError, VideosError
from videotcav.outputs import refuse_overwriting
from videotcav.records import Progress, Record, silent
from videotcav.video.find import videos_there
from videotcav.video.info import VideoInfo
from videotcav.video.read import VideoFile
from videotcav.video.segment import clip_sha256, file_of
from videotcav.video.sources import named_source, tell_rows_of_others


class Proposal(Record):
    """What a run of `propose` did: the outcomes of its videos, and what it had to leave out."""

    folder: Path
    outcomes: tuple[VideoOutcome, ...]
    done_before: int
    skipped: dict[str, str]

    @property
    def added(self) -> int:
        """How many candidates became clips, not counting their twins."""
        return sum(outcome.kept for outcome in self.outcomes)

    @property
    def without_tracks(self) -> tuple[str, ...]:
        """The videos in which none of the labels was found."""
        return tuple(sorted({o.video for o in self.outcomes} - {o.video for o in self.outcomes if o.tracks}))

    def rejected(self, concept: str) -> dict[str, int]:
        """How many candidates of a concept were turned away, by reason, the most common first."""
        counts: Counter[str] = Counter()
        for outcome in self.outcomes:
            if outcome.concept == concept:
                counts.update(outcome.rejected)
        return dict(counts.most_common())


def propose(
    videos: Path | str | Sequence[Path | str],
    detector: Detector,
    out: Path | str,
    *,
    labels: Sequence[str] | Mapping[str, str],
    recipe: Recipe | None = None,
    sources: Mapping[str, str] | None = None,
    overlay: Path | str | None = None,
    skip_bad: bool = False,
    replace: bool = False,
    progress: Progress = silent,
    engine: Callable[[Cutter, Sequence[Job]], Iterable[Seen]] | None = None,
    state: str = STATE,
) -> Proposal:
    """What was added to the concept folder `out`: clips of every label, as the recipe says.

    `videos` are files, folders or patterns. `labels` are names of the detector, or map them to names of concepts;
    `"*"` stands for all other labels. `sources` maps file names (without ending) to what they were cut from, where
    several files come from one recording; by default each file is its own source, unless its name says otherwise as
    those of Kinetics and UCF101 do. `overlay` is a folder for videos
    that show the tracks, each held in memory whole while it is drawn; a file there that the tool did not write is
    replaced only with `replace`, and a video that is read never. `engine` is where videos are decoded, detected in and
    cut, in this process by default; clips are chosen here and in the order of the videos, as what is a duplicate
    depends on what came before. The folder has the same bytes either way. `state` is where it is kept what is done.

    Videos that the folder has already are not read again. Raises ConceptError, or VideosError that lists all
    unreadable videos (with `skip_bad` they are left out).
    """
    recipe = recipe or Recipe()
    wanted = _concepts(labels, detector)
    workshop = Workshop(Path(out), recipe, detector, state=state)
    infos, bad = _probe(videos_there(videos))
    if bad and (not skip_bad or not infos):
        raise VideosError(bad)
    tell_rows_of_others(sources or {}, (info.path for info in infos))
    jobs = _jobs(infos, workshop, _labels_of(wanted), sources or {})
    drawn = {job.name: Path(overlay) / f"{job.name}.mp4" for job in jobs} if overlay is not None else {}
    refuse_overwriting(drawn.values(), inputs=[file_of(info.path) for info in infos], replace=replace)
    watcher = Watcher(detector)
    watched = watcher(jobs) if engine is None else engine(Cutter(watcher, _labels_of(wanted), recipe), jobs)
    outcomes: list[VideoOutcome] = []

    def finish(seen: Seen) -> None:
        tracks = tracks_of(seen.found, recipe=recipe, labels=wanted, cuts=seen.cuts)
        _refuse_without_masks(tracks, recipe, f"{seen.job.info.path}: all that was found there ({detector.name})")
        for concept in seen.job.concepts:
            mine = _labels_of(wanted)[concept]
            chosen = [track for track in tracks if track.label in mine]
            outcomes.append(make_clips(seen, concept, chosen, labels=mine, recipe=recipe, workshop=workshop))
        if seen.job.name in drawn:
            write_overlay(seen.job.info, tracks, drawn[seen.job.name])

    with workshop, ThreadPoolExecutor(1, thread_name_prefix="finish") as behind:
        under_way: Future[None] | None = None
        for seen in progress(in_order(watched, jobs), "proposing", total=len(jobs)):
            if seen.damage is not None:
                if not skip_bad:
                    raise seen.damage
                bad[str(seen.job.info.path)] = seen.damage.reason
                continue
            if under_way is not None:
                under_way.result()  # one at a time and in order: what is a duplicate depends on what came before
            under_way = behind.submit(finish, seen)
        if under_way is not None:
            under_way.result()
    return Proposal(folder=Path(out), outcomes=tuple(outcomes), done_before=len(infos) - len(jobs), skipped=bad)


def propose_from_boxes(
    videos: Path | str | Sequence[Path | str],
    boxes: Path | str,
    out: Path | str,
    *,
    labels: Sequence[str] | Mapping[str, str],
    recipe: Recipe | None = None,
    sources: Mapping[str, str] | None = None,
    progress: Progress = silent,
) -> Proposal:
    """As `propose`, with boxes from a file instead of a network."""
    return propose(videos, read_boxes(boxes), out, labels=labels, recipe=recipe, sources=sources, progress=progress)


def _refuse_without_masks(tracks: Sequence[Track], recipe: Recipe, where: str) -> None:
    if recipe.cut == "mask" and tracks and all(track.masks is None for track in tracks):
        raise ConceptError(
            f"{where} is boxes without masks, so that nothing can be cut by mask",
            hint='name a network that outlines boxes as `masks`, or cut="box"',
        )


def _concepts(labels: Sequence[str] | Mapping[str, str], detector: Detector) -> dict[str, str]:
    """The concept of each of the detector's labels that is wanted."""
    wanted = dict(labels) if isinstance(labels, Mapping) else {label: label.replace(" ", "_") for label in labels}
    if not wanted:
        raise ArgumentError("no label was asked for; give at least one of the detector's")
    rest = wanted.pop("*", None)
    for label in wanted:
        require_label(detector, label)
    if rest is not None:
        wanted = {**dict.fromkeys(detector.labels, rest), **wanted}
    for concept in wanted.values():
        if not concept or concept.startswith(".") or "/" in concept or "\\" in concept or not concept.isprintable():
            raise ArgumentError(
                f"'{concept}' cannot name a folder; choose a concept name without slashes or a leading dot"
            )
    return wanted


def _labels_of(wanted: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """The labels that make up each concept."""
    concepts = sorted(set(wanted.values()))
    return {concept: tuple(sorted(label for label in wanted if wanted[label] == concept)) for concept in concepts}


def _probe(paths: Iterable[Path]) -> tuple[list[VideoInfo], dict[str, str]]:
    infos, bad = [], {}
    for path in paths:
        try:
            infos.append(VideoFile(path).info())
        except VideoError as error:
            bad[str(path)] = error.reason
    return infos, bad


def _jobs(
    infos: Iterable[VideoInfo], workshop: Workshop, labels: Mapping[str, tuple[str, ...]], sources: Mapping[str, str]
) -> list[Job]:
    """What is still to do, in order; a video that is there twice is done once. Segments of a file are of one source."""
    jobs: list[Job] = []
    seen: set[str] = set()
    names: dict[str, str] = {}

    def named(path: Path, content: str) -> str:
        name = workshop.name_of(path, content)
        if names.setdefault(name, content) != content:
            name = f"{name}-{content[:8]}"
        return name

    for info in infos:
        content = clip_sha256(info.path, info.sha256)
        if content in seen:
            continue
        seen.add(content)
        recording = named(file_of(info.path), info.sha256)
        name = recording if content == info.sha256 else named(info.path, content)
        missing = tuple(concept for concept in labels if not workshop.knows(content, concept, labels[concept]))
        if missing:
            jobs.append(Job(name, named_source(info.path, sources) or recording, info, missing))
    return jobs
