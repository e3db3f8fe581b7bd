"""How much of each concept the class clips hold that a run shows, at the layer that follows the score best."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

import torch

from videotcav.engine.local import batched
from videotcav.errors import LayoutError, NotEnoughData
from videotcav.features.extract import clips_a_pass
from videotcav.features.measure import ClipFile
from videotcav.models.class_score import ClassScore
from videotcav.models.model import VideoModel
from videotcav.records import ConceptSet, Progress, Result, silent
from videotcav.results.concept_score import ConceptScore
from videotcav.results.manifest import Medium
from videotcav.study.concept_scores import ClipSet, SetPasser, scores_of_clip
from videotcav.study.edit_pictures import CLIPS_SHOWN
from videotcav.study.file import StudyFile, StudyText
from videotcav.study.inputs import Inputs
from videotcav.study.media import as_told
from videotcav.study.reading import StudyClips
from videotcav.video.clips import Clips

VIDEOS = 24
"""Videos of a concept and of the pool that a clip is held against: few, since each is passed once more."""


def class_shares(
    study: StudyText,
    inputs: Inputs,
    model: VideoModel,
    score: ClassScore,
    *,
    layer: str,
    media: Iterable[Medium],
    read: StudyClips,
    progress: Progress,
) -> list[ConceptScore]:
    """The rows of the class clips among the `media`, each with the moving clips of each concept, or the still ones
    where none move; none where nobody said how the layer is laid out. A concept of fewer than three videos has none.
    """
    wanted = {(medium.class_name, medium.clip) for medium in media if medium.clip}
    shown = [
        (name, one)
        for name, files in inputs.classes.items()
        for one in files
        if not one.view and (name, as_told(one.path, study.folder)) in wanted
    ]
    if not shown or not layer:
        return []
    passer = SetPasser(model, (layer,), "all", score, clips_a_pass(model), silent)
    reading = _Reading(read, inputs, passer)
    held = _held(inputs)
    rows: list[ConceptScore] = []
    try:
        seen = [passer.asked(reading.clips([one], name), model.class_index(name)) for name, one in shown]
        sets = {files: reading.read(files) for files in progress(_sets(held), "shares", total=len(_sets(held)))}
    except LayoutError:
        return []
    for (_, one), clip in zip(shown, seen, strict=True):
        for name, (own, pool) in held.items():
            with suppress(NotEnoughData):
                (row,) = scores_of_clip(passer, clip, name, sets[own], sets[pool], exact=False, seed=study.study.seed)
                rows.append(row.model_copy(update={"clip": as_told(one.path, study.folder)}))
    return rows


def share_passes(study: StudyFile, inputs: Inputs) -> int:
    """How many passes all of this takes at most."""
    shown = max(study.cam.clips if study.cam else 0, CLIPS_SHOWN if study.interventions else 0)
    if not shown:
        return 0
    clips = sum(min(shown, len({file.path for file in files})) for files in inputs.classes.values())
    return clips + sum(map(len, _sets(_held(inputs))))


_Files = tuple[ClipFile, ...]


def _held(inputs: Inputs) -> dict[str, tuple[_Files, _Files]]:
    """Of each set that clips are held against its name, its files and those of its pool."""
    return {
        each.name: (
            _a_few([ClipFile(path=clip.path, source=clip.source) for clip in each.clips]),
            _a_few(_pool(each, inputs)),
        )
        for each in chief_sets(inputs.concepts)
    }


def _sets(held: Mapping[str, tuple[_Files, _Files]]) -> list[_Files]:
    """All sets of files once: concepts share their pool."""
    return list(dict.fromkeys(files for pair in held.values() for files in pair))


def telling_layer(results: Sequence[Result], layers: Sequence[str]) -> str:
    """The layer whose readout follows the score best, or the last one where none is known to; "" without any."""
    known = {row.layer: row.fidelity for row in results if row.fidelity is not None}
    return max(known, key=lambda layer: known[layer], default=layers[-1] if layers else "")


def chief_sets(concepts: Sequence[ConceptSet]) -> list[ConceptSet]:
    """Of each concept its moving clips, or its still ones where none move."""
    by_name: dict[str, dict[str, ConceptSet]] = {}
    for each in concepts:
        by_name.setdefault(each.concept, {})[each.kind] = each
    chosen = (kinds.get("spatiotemporal") or kinds.get("spatial") for kinds in by_name.values())
    return [each for each in chosen if each is not None]


def _pool(concept: ConceptSet, inputs: Inputs) -> list[ClipFile]:
    """The random clips that the concept is compared with: of its kind and its matched part, where these are said."""
    matched = inputs.matched.get(concept.concept)
    own = [each for each in inputs.random if matched is None or each.path in matched]
    return [each for each in own if each.kind in (None, concept.kind)] or own


def _a_few(files: Sequence[ClipFile]) -> _Files:
    """The first clip of each of the first videos."""
    firsts: dict[str, ClipFile] = {}
    for file in files:
        firsts.setdefault(file.source, file)
    return tuple(firsts.values())[:VIDEOS]


class _Reading:
    """Reads clips as the study does, under the sources that it has for them."""

    def __init__(self, one: StudyClips, inputs: Inputs, passer: SetPasser) -> None:
        self.one, self.moments, self.passer = one, inputs.moments, passer

    def clips(self, files: Sequence[ClipFile], class_name: str | None) -> Clips:
        """The clips of a class, of none for concept and random clips."""
        read = [
            self.one.with_origin(each.path, class_name, view=each.view, event_seconds=self.moments.get(each.path))
            for each in files
        ]
        records = (
            origin.model_copy(update={"source": each.source}) for (origin, _), each in zip(read, files, strict=True)
        )
        return Clips(records=tuple(records), pixels=torch.stack([pixels for _, pixels in read]))

    def read(self, files: Sequence[ClipFile]) -> ClipSet:
        """What concept or random clips show, a few in memory at a time."""
        parts = batched(iter(files), self.passer.batch_size)
        return ClipSet.joined([self.passer.read(self.clips(part, None), "shares") for part in parts])
