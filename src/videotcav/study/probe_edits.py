"""The edits of a probe: of whole clips, and where it is known where objects are, of these and of the background."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from videotcav.concepts.detectors.detect import AnyDetector, load_detector, require_label
from videotcav.errors import ArgumentError, TrackNotFound, closest, require_distinct
from videotcav.interventions.frames import Frames
from videotcav.interventions.whole import WHOLE, Changed, Watched, whole_edit
from videotcav.records import ClipSpec
from videotcav.results.edit_effect import BACKGROUND
from videotcav.results.probe_facts import EditFacts
from videotcav.results.words import count, listing
from videotcav.study.object_edits import ObjectEditor, TargetEdit
from videotcav.study.probe_passes import Passed
from videotcav.video.info import ClipOrigin

OBJECT = "object"
"""What the target of an edit is called that is made to all objects that are found."""

_TARGETS = {OBJECT: ("freeze", "shuffle", "reverse", "remove", "blur"), BACKGROUND: ("freeze", "remove", "blur")}

_EDITS = {OBJECT: "edits of objects", BACKGROUND: "edits of the background"}

OF_OBJECTS = {
    edit.name: edit for target, edits in _TARGETS.items() for edit in (TargetEdit(name, target) for name in edits)
}
"""Edits by name that need to know where objects are."""


@dataclass(frozen=True)
class ProbeEdits:
    """Makes all edits of a probe. `whole` are the names of those of whole clips, `objects` makes the others."""

    whole: tuple[str, ...]
    objects: ObjectEditor | None
    seed: int

    @property
    def names(self) -> tuple[str, ...]:
        """Of all edits, with second fills and shams."""
        return (*self.whole, *(self.objects.names if self.objects else ()))

    @property
    def targets(self) -> dict[str, TargetEdit]:
        """The edits of objects and of the background, by name."""
        return {edit.name: edit for edit in (self.objects.edits if self.objects else ())}

    @property
    def facts(self) -> tuple[EditFacts, ...]:
        """All edits in words, the ranked ones first; those of objects and of the background are ranked."""
        told = [
            EditFacts(name=each.name, about=each.about, without=each.without, ranked=each.ranked)
            for each in map(whole_edit, self.whole)
        ]
        told += [
            EditFacts(name=name, about=each.of.about, without=each.of.without, ranked=True)
            for name, each in self.targets.items()
        ]
        return tuple(sorted(told, key=lambda each: not each.ranked))

    def __call__(self, origin: ClipOrigin, frames: Frames, spec: ClipSpec) -> Mapping[str, Changed]:
        """A clip after each edit."""
        watched = Watched(frames, self.seed)
        made: dict[str, Changed] = {name: whole_edit(name)(watched) for name in self.whole}
        return made | (self.objects(origin, frames, spec) if self.objects else {})

    def remarks(self, passed: Passed, classes: Sequence[str]) -> Iterator[str]:
        """In how many clips of each class nothing was found to edit. Raises TrackNotFound where that is so of all."""
        if self.objects is None:
            return
        answers = next(iter(passed.answers.values()))
        clips = [(row, clip) for row, clip in enumerate(passed.clips) if clip.class_name in classes]
        lacking = {
            target: Counter(clip.class_name for row, clip in clips if np.isnan(answers.changed[edit.name][row]))
            for target, edit in {edit.target: edit for edit in self.objects.edits}.items()
        }
        if all(each.total() == len(clips) for each in lacking.values()):
            spec = answers.model.card.clip_spec
            why = self.objects.why_missing(clips[0][1].read(spec)[0], spec)
            raise TrackNotFound(f"none of the {len(clips)} clips has an object to edit; the first: {why}")
        of_class = Counter(clip.class_name for _, clip in clips)
        labels = self.objects.targets.get(OBJECT, ())
        are_some = set(labels) < set(self.objects.detector.labels)
        what = {OBJECT: f"No {' or '.join(map(repr, labels))}" if are_some else "No object", BACKGROUND: "No object"}
        told: dict[str, list[str]] = {}
        for target, each in lacking.items():
            where = [f"{each[name]} of {count(of_class[name], 'clip')} of {name}" for name in classes if each[name]]
            if where:
                told.setdefault(f"{what[target]} was found in {listing(where)}", []).append(_EDITS[target])
        yield from (f"{found}: {' and '.join(edits)} leave them out." for found, edits in told.items())


def probe_edits(
    names: Sequence[str] | None,
    objects: AnyDetector | None,
    labels: Sequence[str],
    *,
    seed: int,
) -> ProbeEdits:
    """The edits of these names; all that can be made where no name is given.

    Raises ArgumentError for an edit that is not known, or that needs objects where nothing says where these are.
    """
    known = {**WHOLE, **(OF_OBJECTS if objects is not None else {})}
    chosen = tuple(known) if names is None else tuple(names)
    require_distinct("edit", chosen)
    if not chosen:
        raise ArgumentError(f"name one edit at least: {', '.join(known)}")
    for name in chosen:
        if name in OF_OBJECTS and objects is None:
            raise ArgumentError(f"'{name}' needs to know where objects are: give a file of boxes or a detector")
        if name not in known:
            near = closest(name, known) or ", ".join(f"'{each}'" for each in known)
            raise ArgumentError(f"no edit '{name}' of {'whole ' if objects is None else ''}clips; closest: {near}")
    whole = tuple(name for name in chosen if name in WHOLE)
    of_objects = tuple(OF_OBJECTS[name] for name in chosen if name in OF_OBJECTS)
    return ProbeEdits(whole, _object_editor(of_objects, objects, labels, seed=seed), seed)


def _object_editor(
    edits: tuple[TargetEdit, ...], objects: AnyDetector | None, labels: Sequence[str], *, seed: int
) -> ObjectEditor | None:
    """What makes the edits that need to know where objects are."""
    if labels and all(edit.target == BACKGROUND for edit in edits):
        raise ArgumentError("labels say which objects are edited: say where these are too, and ask for an edit of them")
    if objects is None:
        return None
    if not edits:
        raise ArgumentError(f"objects are given, and no edit of them is asked for: name one of {', '.join(OF_OBJECTS)}")
    detector = load_detector(objects)
    require_distinct("label", labels)
    for label in labels:
        require_label(detector, label)
    return ObjectEditor(detector, edits, {edit.target: tuple(labels or detector.labels) for edit in edits}, seed=seed)
