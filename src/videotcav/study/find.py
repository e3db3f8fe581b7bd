"""More like this: unlabelled videos ranked by a concept's clips, the first of them as candidates for a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from videotcav.concepts.discover.candidates import Finder, tubelet_recipe
from videotcav.concepts.discover.factors import GridPlace
from videotcav.concepts.propose.crop import Mode
from videotcav.concepts.review.review import concept_folder_of, counted_clips, reviewed_clips
from videotcav.datasets.rows import ClipList
from videotcav.engine.local import Engine, here
from videotcav.engine.run_store import scratch_store
from videotcav.engine.store import Store, folder_name
from videotcav.errors import ArgumentError, NotEnoughData, PathTaken
from videotcav.explain.cavs.gram import Floats
from videotcav.features.measure import DEFAULT_MEMORY_BYTES, ClipFile, ClipReader, measure
from videotcav.features.volumes import stored_volumes
from videotcav.models.model import VideoModel
from videotcav.outputs import whole_file
from videotcav.records import Kind, Progress, Record, silent
from videotcav.study.known_sets import mean_rows
from videotcav.study.reading import StudyClips
from videotcav.study.tubelets import LEAST_SCORE, Tubelet, UnlabelledVideos

Likeness = Literal["displacement", "similarity"]
NEAREST, LEAST = 5, 3


class Ranked(Record):
    """A video, and how much it is like the concept: its place along the displacement, 0 being the mean of all videos
    and 1 the concept's own; or the mean cosine with its nearest clips of the concept.
    """

    video: Path
    score: float


def find(
    model: VideoModel,
    videos: Path | str | Sequence[Path | str] | ClipList,
    output: Path | str,
    *,
    like: Path | str,
    layer: str,
    by: Likeness = "displacement",
    clips: int = 20,
    mode: Mode = "window",
    context: float = 2.0,
    kinds: Sequence[Kind] = ("spatiotemporal", "frozen"),
    sources: Mapping[str, str] | None = None,
    store: Path | str | None = None,
    memory_bytes: int = DEFAULT_MEMORY_BYTES,
    batch_size: int | None = None,
    engine: Engine = here,
    progress: Progress = silent,
) -> tuple[Ranked, ...]:
    """All videos, those that are most like the concept first; the first `clips` of them lie in the new concept folder
    `output` for a person's review.

    What a clip shows at the layer is the mean of its row over time and places. A candidate is cut around the tubelet
    that lies furthest along the concept's displacement. Videos that clips of the concept were cut from,
    accepted or not, are left out, and those of their named sources.

    Args:
        model: from `load_model`; handed back unchanged.
        videos: files, folders or patterns, or a list of clips; of each the clip in its middle is read.
        output: a new folder; the concept is called as in `like`, which may be what reviewers call it.
        like: the folder of one concept, as `concepts/racket`: its accepted moving clips.
        layer: the name of a layer whose output has places.
        by: "displacement", mean of the concept's clips less mean of the videos; or "similarity", the mean cosine with
            the five nearest of the concept's clips, both less the mean of the videos.
        clips: how many candidates are cut.
        mode: how a tubelet is cut, see `Recipe`.
        context: how much wider than the tubelet a window is.
        kinds: the kinds of clips that are cut.
        sources: what files (by name without ending) were cut from, as for `propose`.
        store: where rows are kept for later; without one they are gone.
        memory_bytes: what rows may take beside the model.
        batch_size: clips of a pass.
        engine: where passes run.
        progress: shows how far it is.

    Raises:
        NothingAccepted: no clip of the concept counts.
        NotEnoughData: fewer than three clips of the concept, or videos.
        ArgumentError: a folder of several concepts, or two sources of one video.
        LayoutError: nobody said how the layer is laid out.
        PathTaken: the folder is there already.
    """
    if by not in get_args(Likeness):
        raise ArgumentError(f"videos are like a concept by {' or '.join(get_args(Likeness))}, not by '{by}'")
    output, like = Path(output), Path(like)
    if output.exists():
        raise PathTaken(f"{output}: is there already; name a new folder for what is found")
    layer = model.layer_name(layer)
    read = StudyClips(model.card.clip_spec)
    counted = counted_clips(like)
    if len(names := sorted({clip.concept for clip in counted})) > 1:
        raise ArgumentError(f"{like} has the concepts {', '.join(names)}; name the folder of one of them")
    concept = names[0]
    examples = tuple(ClipFile(path=clip.path, source=clip.source) for clip in counted)
    given = UnlabelledVideos.of(videos, sources, read, progress=progress)
    reader = ClipReader({None: examples}, read, progress=progress)
    reader.clips()
    root = concept_folder_of(like)
    judged = [] if root is None else reviewed_clips(root)
    known = [*counted, *(one.clip for one in judged if concept in {one.concept, one.clip.concept})]
    are_clips = np.array([given.digests[file.path] in reader.digests.values() for file in given.files])
    given = given.where(~(given.cut_into(known) | are_clips))
    if min(len(examples), len(given.files)) < LEAST:
        raise NotEnoughData(
            f"{like} has {len(examples)} clips that count, and there are {len(given.files)} other videos; at least "
            f"{LEAST} of each are needed"
        )
    every = ClipReader({None: (*given.files, *examples)}, read, progress=progress)
    with ExitStack() as stack:
        rows = Store(store) if store is not None else stack.enter_context(scratch_store(memory_bytes // 2))
        measured = measure(
            model,
            every,
            classes=(),
            layers=[layer],
            pooling="none",
            store=rows,
            memory_bytes=memory_bytes,
            batch_size=batch_size,
            engine=engine,
            kernel=False,
        )
        volumes = partial(stored_volumes, measured, rows, every, layer, memory_bytes=memory_bytes)
        means = mean_rows(volumes())
        scores, along = _likeness(means[: len(given.files)], means[len(given.files) :], by)
        order = np.argsort(-scores, kind="stable").tolist()
        peak, first = max(float(scores[order[0]]), 1e-12), order[:clips]
        tubelets = [
            _furthest(video, np.tensordot(along, each, axes=1), float(scores[video]) / peak)
            for video, each in zip(first, volumes(places=first), strict=True)
        ]
    key = folder_name(measured.passing.cache_key(layer, None))
    finder = Finder(f"find {model.name}", key, (concept,), {"layer": layer, "like": str(like), "by": by})
    with whole_file(output) as unfinished:
        given.cut(
            unfinished, {concept: tubelets}, finder, recipe=tubelet_recipe(mode=mode, context=context, kinds=kinds)
        )
    return tuple(Ranked(video=given.files[video].path, score=float(scores[video])) for video in order)


def _likeness(
    videos: Floats,
    examples: Floats,
    by: Likeness,
) -> tuple[Floats, Floats]:
    """How much each video is like the concept, and the displacement, (channel,)."""
    middle = videos.mean(axis=0)
    videos, examples = videos - middle, examples - middle
    along = examples.mean(axis=0)
    length = float(along @ along)
    if not length > 0:
        raise NotEnoughData("the concept's clips are like the videos on average, so that nothing is more like them")
    if by == "displacement":
        return videos @ along / length, along
    sizes = [np.linalg.norm(each, axis=1, keepdims=True) for each in (videos, examples)]
    cosines = (videos / np.maximum(sizes[0], 1e-12)) @ (examples / np.maximum(sizes[1], 1e-12)).T
    return np.sort(cosines, axis=1)[:, -NEAREST:].mean(axis=1), along


def _furthest(video: int, along: Floats, score: float) -> Tubelet:
    """The tubelet that lies furthest along; its strengths over time are at most the video's score."""
    place = GridPlace(*(int(each) for each in np.unravel_index(along.argmax(), along.shape)))
    over_time = along[:, place.height, place.width]
    strengths = np.clip(over_time / max(float(over_time.max()), 1e-12), 0, 1) * max(score, 0.0)
    return Tubelet(video, place, GridPlace(*along.shape), tuple(np.maximum(strengths, LEAST_SCORE).tolist()))
