"""Everything that can go wrong, as one tree: what a caller may want to catch by itself is a class of its own.

A message says what was wrong and where. Its `hint` says what to do, in the names of the Python interface between
backticks (`replace=True`, `propose()`); the command line words these as its options and commands. An error survives
the way from one process to another.

    VideotcavError
    ├── NotFound              what was named is not there: name another. Also each of the classes `…NotFound` below
    ├── ArgumentError         the call is wrong, not the data: an unknown choice, or two arguments that contradict
    ├── VideoError            a video file cannot be read: names the file and the reason
    │   ├── VideoNotFound     no such video
    │   └── VideosError       several at once, each with its reason
    ├── UnreadableText        a text, list or table cannot be read, is too large, or is not what it should be
    │   └── TextNotFound      no such text, list or table
    ├── StudyFileError        mistakes in a study file, all of them in one message
    ├── ConceptError          sets of clips do not fit one another, the random pool or the question
    │   ├── ConceptNotFound   no such concept, kind of clips or concept folder
    │   ├── NothingAccepted   candidates wait for a person's review
    │   ├── TrackNotFound     a clip has no track of what is to be edited
    │   ├── ReviewError       the reviewers' decisions cannot be read or kept
    │   ├── BoxesError        a file of boxes has not the form that it should have, or belongs to other videos
    │   │   └── BoxesNotFound     a file of boxes says nothing of a video
    │   └── DetectorError     a detector cannot be loaded, or gives what no detector gives
    │       └── DetectorNotFound  no such detector, and no such file of boxes
    ├── ModelError            a model, a checkpoint or a device cannot be used, or the model cannot be explained
    │   ├── ModelNotFound     no such model, weights or checkpoint file
    │   ├── LayerNotFound     no such layer; the closest names are suggested
    │   ├── ClassNotFound     no such class; the closest names are suggested
    │   └── LayoutError       a layer's output cannot be folded into channel time height width
    ├── OutputError           a file or folder cannot be written
    │   └── PathTaken         something is there already and is not to be replaced: name another path, or replace it
    ├── NotEnoughData         fewer clips or draws than the method can stand on; says the number needed
    ├── NotEnoughMemory       what was asked for needs more memory than there is: ask for less
    ├── HypothesisError       a hypothesis cannot be read, or asks for what is not there
    ├── NumericalError        NaN or infinity, with the clip and the layer where it appeared
    ├── AuditError            results that are to be audited have none of the forms that are read
    ├── RunFolderError        what should be a folder of results is none, or is damaged
    ├── StoreError            a store of rows cannot be read or written
    ├── EngineError           the machines that should do the work cannot be reached, or were lost
    └── MissingExtra          an optional package is not installed; says which extra brings it
"""

from __future__ import annotations

import difflib
import re
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import partial
from typing import TypeVar

T = TypeVar("T")


class VideotcavError(Exception):
    """Base of every error that is raised on purpose; its text is fit to be shown to a user.

    `message` says what was wrong and where, `hint` what to do.
    """

    def __init__(self, message: str = "", *, hint: str = "") -> None:
        self.message, self.hint = masked(message), hint
        super().__init__(self.message)

    def __str__(self) -> str:
        return "; ".join(filter(None, (self.message, self.hint)))

    def __reduce__(self) -> tuple[object, ...]:
        return partial(type(self), hint=self.hint), self.args


class NotFound(VideotcavError):
    """What was named is not there."""


class ArgumentError(VideotcavError, ValueError):
    """An argument has a value that there is not, or contradicts another."""


class VideoError(VideotcavError):
    """A video file cannot be used. `path` names it, `reason` says why."""

    def __init__(self, path: object, reason: str) -> None:
        self.path = str(path)
        self.reason = reason
        super().__init__(f"{path}: {reason}")

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.path, self.reason)


class VideoNotFound(VideoError, NotFound):
    """There is no such video file."""


class VideosError(VideoError):
    """Several video files cannot be used; `reasons` maps each path to its reason."""

    def __init__(self, reasons: Mapping[str, str]) -> None:
        self.reasons = dict(reasons)
        listed = "\n".join(f"  {path}: {reason}" for path, reason in self.reasons.items())
        files = "video" if len(self.reasons) == 1 else "videos"
        VideotcavError.__init__(self, f"{len(self.reasons)} {files} cannot be read:\n{listed}")
        self.path = next(iter(self.reasons), "")
        self.reason = "several videos cannot be read"

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.reasons,)


class StudyFileError(VideotcavError):
    """A study file has mistakes; `problems` lists each with its key and what to do."""

    def __init__(self, path: object, problems: Iterable[str], *, hint: str = "") -> None:
        self.path = str(path)
        self.problems = tuple(problems)
        listed = "\n".join(f"  {problem}" for problem in self.problems)
        mistakes = "mistake" if len(self.problems) == 1 else "mistakes"
        super().__init__(f"{path}: {len(self.problems)} {mistakes}\n{listed}", hint=hint)

    def __reduce__(self) -> tuple[object, ...]:
        return partial(type(self), hint=self.hint), (self.path, self.problems)


class ConceptError(VideotcavError):
    """Sets of clips do not fit one another, the random pool, or the question."""


class ConceptNotFound(ConceptError, NotFound):
    """There is no such concept, no such kind of its clips, or no such concept folder."""


class NothingAccepted(ConceptError):
    """There are candidate clips, and nobody accepted one."""


class TrackNotFound(ConceptError, NotFound):
    """A clip has no track of what is to be edited."""


class ReviewError(ConceptError):
    """What reviewers decided cannot be read or kept."""


class BoxesError(ConceptError):
    """A file of boxes has not the form that it should have, or belongs to other videos."""


class BoxesNotFound(BoxesError, NotFound):
    """A file of boxes says nothing of a video."""


class DetectorError(ConceptError):
    """A detector cannot be loaded, or gives what no detector gives."""


class DetectorNotFound(DetectorError, NotFound):
    """There is no such detector, and no such file of boxes."""


class UnreadableText(VideotcavError):
    """A text file cannot be read; `reason` says why, without the file's name."""

    def __init__(self, path: object, reason: str) -> None:
        self.path, self.reason = str(path), reason
        super().__init__(f"{path}: {reason}")

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.path, self.reason)


class TextNotFound(UnreadableText, NotFound):
    """There is no such text, list or table."""


class ModelError(VideotcavError):
    """A model, a checkpoint or a device cannot be used, or the model cannot be explained."""


class ModelNotFound(ModelError, NotFound):
    """There is no such model, weights or checkpoint file."""


class LayerNotFound(ModelError, NotFound):
    """The model has no layer of that name."""


class ClassNotFound(ModelError, NotFound):
    """The model has no class of that name or index."""


class LayoutError(ModelError):
    """A layer's output cannot be folded into channel, time, height and width."""


class OutputError(VideotcavError):
    """A file or a folder cannot be written."""


class PathTaken(OutputError):
    """Something is there already and is not to be replaced."""


class NotEnoughData(VideotcavError):
    """There are fewer clips, sources or draws than the method can stand on."""


class NotEnoughMemory(VideotcavError, MemoryError):
    """What was asked for needs more memory than there is."""


class HypothesisError(VideotcavError, ValueError):
    """A hypothesis cannot be read, or asks for what is not there."""


class NumericalError(VideotcavError):
    """A NaN or an infinity appeared; the message names the clip and the layer."""


class AuditError(VideotcavError):
    """Results that are to be audited cannot be read."""


class RunFolderError(VideotcavError):
    """What should be a folder of results is none, or is damaged."""


class StoreError(VideotcavError):
    """A store of rows cannot be read or written."""


class EngineError(VideotcavError):
    """The machines that should do the work cannot be reached, are too small, or were lost."""


class MissingExtra(VideotcavError):
    """An optional package is not installed."""

    def __init__(self, package: str, *, extra: str, purpose: str) -> None:
        self.package, self.extra, self.purpose = package, extra, purpose
        super().__init__(f'{purpose} needs {package}: pip install "videotcav[{extra}]"')

    def __reduce__(self) -> tuple[object, ...]:
        return partial(type(self), extra=self.extra, purpose=self.purpose), (self.package,)


class VideotcavWarning(UserWarning):
    """Something was set right without help; its text is fit to be shown to a user."""


def masked(text: str) -> str:
    """The text without the user, the password and the query of any address in it."""
    text = re.sub(r"(\w[\w+.-]*://)[^\s/@]+@", r"\1***@", text)
    return re.sub(r"(\w[\w+.-]*://[^\s?#]*)[?#][^\s'\")]*", r"\1?***", text)


def repeated(values: Iterable[T]) -> list[T]:
    """The values that are there more than once, each once."""
    return [value for value, count in Counter(values).items() if count > 1]


def require_posix() -> None:
    """Nothing on Linux and macOS. Raises VideotcavError on Windows, which cannot lock a folder."""
    if sys.platform == "win32":
        raise VideotcavError("videotcav does not run on Windows", hint="run it on Linux, in WSL for example")


def require_distinct(what: str, names: Iterable[object]) -> None:
    """Nothing where all are different. Raises ArgumentError with the one that is named twice."""
    if twice := repeated(names):
        raise ArgumentError(f"{what} {twice[0]!r} is named twice; name it once")


def closest(name: str, known: Iterable[str], *, limit: int = 3) -> str:
    """The known names nearest to `name`, as `'a', 'b'`; an empty string when none is near."""
    near = difflib.get_close_matches(name, list(known), n=limit, cutoff=0.5)
    return ", ".join(f"'{match}'" for match in near)
