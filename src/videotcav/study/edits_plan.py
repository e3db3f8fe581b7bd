"""Before a run: what the edits of a study's class clips will take, and how many clips they can be asked of."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from videotcav.records import Progress, Record, silent
from videotcav.results.words import count
from videotcav.study.edit_pictures import worth_showing
from videotcav.study.edits import Editor
from videotcav.study.inputs import Inputs
from videotcav.study.probe_inputs import ClipToProbe


class EditsPlan(Record):
    """The passes of edited clips at most, and of each edit and class a line: on how many clips it can be asked. To edit
    the clips takes so many `seconds` of a processor; None where they were not edited. Pictures of some take
    `picture_seconds` by the clock.
    """

    passes: int = 0
    lines: tuple[str, ...] = ()
    seconds: float | None = None
    picture_seconds: float = 0.0


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
    found, takes = Counter[tuple[str, str]](), dict[ClipToProbe, list[str]]()
    started = time.process_time()  # of all threads: OpenCV has its own
    for clip in progress(clips, "editing", total=len(clips)):
        _, _, made = editor.made(clip)
        takes[clip] = [edit.name for edit in editor.edit.edits if made[edit.name].frames is not None]
        for edit in editor.edit.edits:
            if made[edit.name].changed:
                there = [edit.name, *(sham for sham in edit.shams[:1] if made[sham].frames is not None)]
                found.update((clip.class_name, each) for each in there)
    taken = time.process_time() - started
    editor.refuse_nothing(clips, held=any(takes.values()))
    shown = worth_showing(takes, editor.paths)
    with TemporaryDirectory() as folder:
        started = time.perf_counter()
        for _ in editor.pictures(shown[:1]).media(Path(folder), seen_from=Path(folder)):
            pass
        one = time.perf_counter() - started
    lines = tuple(_lines(editor, inputs, found))
    return EditsPlan(passes=passes, lines=lines, seconds=taken, picture_seconds=one * len(shown))


def _lines(editor: Editor, inputs: Inputs, found: Counter[tuple[str, str]]) -> Sequence[str]:
    said = []
    for class_name, files in inputs.classes.items():
        for edit in editor.edit.edits:
            changed = found[class_name, edit.name]
            beside = f", {found[class_name, edit.shams[0]]} of them beside a sham" if edit.shams else ""
            said.append(f"{edit.name} changes {changed} of {count(len(files), 'clip')} of {class_name}{beside}")
    return said
