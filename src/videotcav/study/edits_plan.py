"""Before any pass: what the edits of a study's class clips will take, and how many clips they can be asked of."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence

from videotcav.records import Progress, Record, silent
from videotcav.results.words import count
from videotcav.study.edits import Editor
from videotcav.study.inputs import Inputs


class EditsPlan(Record):
    """The passes of edited clips at most, and of each edit and class a line: on how many clips it can be asked. The
    clips were edited in so many `seconds`, one after the other; None where they were not.
    """

    passes: int = 0
    lines: tuple[str, ...] = ()
    seconds: float | None = None


def edits_plan(editor: Editor | None, inputs: Inputs, *, progress: Progress = silent) -> EditsPlan:
    """What edits will take; none where the study asks for none. Clips are read and edited, nothing is passed.

    Only a file of boxes is asked where the objects are: a detector looks at them in the run.
    Raises TrackNotFound where no class clip holds an object.
    """
    if editor is None:
        return EditsPlan()
    clips = [*editor.clips(inputs)]
    passes = len(clips) * (1 + len(editor.edit.names))
    if editor.section.boxes is None:
        return EditsPlan(passes=passes)
    held, found = False, Counter[tuple[str, str]]()
    started = time.perf_counter()
    for clip in progress(clips, "editing", total=len(clips)):
        _, _, made = editor.made(clip)
        for edit in editor.edit.edits:
            if made[edit.name].changed:
                there = [edit.name, *(sham for sham in edit.shams[:1] if made[sham].frames is not None)]
                found.update((clip.class_name, each) for each in there)
            held = held or made[edit.name].frames is not None
    taken = time.perf_counter() - started
    editor.refuse_nothing(clips, held=held)
    return EditsPlan(passes=passes, lines=tuple(_lines(editor, inputs, found)), seconds=taken)


def _lines(editor: Editor, inputs: Inputs, found: Counter[tuple[str, str]]) -> Sequence[str]:
    said = []
    for class_name, files in inputs.classes.items():
        for edit in editor.edit.edits:
            changed = found[class_name, edit.name]
            beside = f", {found[class_name, edit.shams[0]]} of them beside a sham" if edit.shams else ""
            said.append(f"{edit.name} changes {changed} of {count(len(files), 'clip')} of {class_name}{beside}")
    return said
