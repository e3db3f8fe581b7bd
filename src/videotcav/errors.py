"""Everything that can go wrong, as one tree.

Every message is one sentence or a short list: what was wrong, where, and what to do. An error survives the way from
one process to another.

    VideotcavError
    ├── VideoError            a video file cannot be read: names the file and the reason
    │   └── VideosError       several at once, each with its reason
    ├── UnreadableText        a text file cannot be read, is too large, or is not what it should be
    ├── StudyFileError        mistakes in a study file, all of them in one message
    ├── ConceptError          a concept folder, a sidecar of boxes or a detector does not fit
    ├── ModelError            a model, a checkpoint or a device cannot be used
    │   ├── LayerNotFound     no such layer; the closest names are suggested
    │   ├── ClassNotFound     no such class; the closest names are suggested
    │   └── LayoutError       a layer's output cannot be folded into channel time height width
    ├── OutputError           a file cannot be written, or what is there is not to be replaced
    ├── NotEnoughData         fewer clips or draws than the method can stand on; says the number needed
    ├── NumericalError        NaN or infinity, with the clip and the layer where it appeared
    ├── AuditError            results that are to be audited have none of the forms that are read
    ├── RunFolderError        a run folder cannot be written or is not one
    ├── StoreError            a store of rows cannot be read or written
    ├── EngineError           the machines that should do the work cannot be reached, or were lost
    └── MissingExtra          an optional package is not installed; says which extra brings it
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import partial
from typing import TypeVar

T = TypeVar("T")


class VideotcavError(Exception):
    """Base of every error that is raised on purpose; its text is fit to be shown to a user.

    `hint` is what would help in the words of whoever called: the command line says its option.
    """

    def __init__(self, message: str = "", *, hint: str = "") -> None:
        self.hint = hint
        super().__init__(masked(message))

    def __reduce__(self) -> tuple[object, ...]:
        return partial(type(self), hint=self.hint), self.args


class VideoError(VideotcavError):
    """A video file cannot be used. `path` names it, `reason` says why."""

    def __init__(self, path: object, reason: str) -> None:
        self.path = str(path)
        self.reason = reason
        super().__init__(f"{path}: {reason}")

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.path, self.reason)


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

    def __init__(self, path: object, problems: Iterable[str]) -> None:
        self.path = str(path)
        self.problems = tuple(problems)
        listed = "\n".join(f"  {problem}" for problem in self.problems)
        mistakes = "mistake" if len(self.problems) == 1 else "mistakes"
        super().__init__(f"{path}: {len(self.problems)} {mistakes}\n{listed}")

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.path, self.problems)


class ConceptError(VideotcavError):
    """A concept folder, a sidecar of boxes, or a detector cannot be used."""


class UnreadableText(VideotcavError):
    """A text file cannot be read; `reason` says why, without the file's name."""

    def __init__(self, path: object, reason: str) -> None:
        self.path, self.reason = str(path), reason
        super().__init__(f"{path}: {reason}")

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.path, self.reason)


class ModelError(VideotcavError):
    """A model, a checkpoint or a device cannot be used."""


class LayerNotFound(ModelError):
    """The model has no layer of that name."""


class ClassNotFound(ModelError):
    """The model has no class of that name or index."""


class LayoutError(ModelError):
    """A layer's output cannot be folded into channel, time, height and width."""


class OutputError(VideotcavError):
    """A file cannot be written, or one that is there is not to be replaced."""


class NotEnoughData(VideotcavError):
    """There are fewer clips, sources or draws than the method can stand on."""


class HypothesisError(VideotcavError):
    """A hypothesis cannot be read, or asks for what is not there."""


class NumericalError(VideotcavError):
    """A NaN or an infinity appeared; the message names the clip and the layer."""


class AuditError(VideotcavError):
    """Results that are to be audited cannot be read."""


class RunFolderError(VideotcavError):
    """A run folder cannot be written, or what was given is not one."""


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


def require_distinct(what: str, names: Iterable[object]) -> None:
    """Nothing where all are different. Raises VideotcavError with the one that is named twice."""
    if twice := repeated(names):
        raise VideotcavError(f"{what} {twice[0]!r} is named twice; name it once")


def closest(name: str, known: Iterable[str], *, limit: int = 3) -> str:
    """The known names nearest to `name`, as `'a', 'b'`; an empty string when none is near."""
    near = difflib.get_close_matches(name, list(known), n=limit, cutoff=0.5)
    return ", ".join(f"'{match}'" for match in near)
