"""A user's own function as a detector, an object or `module:function`: frames in, one `Detections` a frame out."""

from __future__ import annotations

import hashlib
import importlib
import inspect
from functools import partial
from pathlib import Path

from videotcav.concepts.detectors.detect import Detections, OwnFunction, VideoFrames
from videotcav.errors import DetectorError, DetectorNotFound, closest
from videotcav.outputs import file_sha256

_Failed = (Exception, SystemExit)  # a script that reads its arguments as it is imported ends the interpreter


class CodeDetector:
    """A function `VideoFrames -> list[Detections]`. `sha256` is of the file that it stands in, not of what it imports.

    What it can find stands in its attribute `labels`, or is given as `class_names`.
    """

    knows_instances = False

    def __init__(
        self,
        detect: OwnFunction,
        name: str,
        sha256: str,
        class_names: tuple[str, ...] | None = None,
    ) -> None:
        self.name, self.sha256, self._detect = name, sha256, detect
        self.settings: dict[str, str | float] = {"code": sha256}
        labels = class_names or getattr(detect, "labels", ())
        if isinstance(labels, str) or not labels or not all(isinstance(label, str) for label in labels):
            function = name.rpartition(":")[2]
            raise DetectorError(
                f"{self.name}: does not say what it can find; write {function}.labels = ('person', …) below the "
                "function, or give a file of names"
            )
        self.labels = tuple(labels)
        self._place: tuple[str, str] | None = None

    @classmethod
    def named(cls, module: str, function: str, *, class_names: tuple[str, ...] | None = None) -> CodeDetector:
        """A function by its module and name. In another process it is imported again."""
        detect, source = _function(module, function)
        found = cls(detect, f"{module}:{function}", file_sha256(source), class_names)
        found._place = (module, function)
        return found

    @classmethod
    def of(cls, detect: OwnFunction, *, class_names: tuple[str, ...] | None = None) -> CodeDetector:
        """A function as an object, also of a notebook, where its own text is hashed."""
        code = inspect.unwrap(getattr(detect, "func", detect))  # of a partial its function
        code = code if inspect.isroutine(code) else type(code)
        name = f"{code.__module__}:{code.__qualname__}"
        try:
            source = Path(inspect.getsourcefile(code) or "")
            sha256 = file_sha256(source) if source.is_file() else _hash_of(inspect.getsource(code))
        except (OSError, TypeError):
            raise DetectorError(f"{name}: has no Python code, whose hash its clips would state") from None
        return cls(detect, name, sha256, class_names)

    def __reduce__(self) -> tuple[object, ...]:
        """As it was made; its labels are no longer left to the function."""
        if self._place is not None:
            return partial(CodeDetector.named, class_names=self.labels), self._place
        return CodeDetector, (self._detect, self.name, self.sha256, self.labels)

    def __call__(self, frames: VideoFrames) -> list[Detections]:
        """One `Detections` a frame; raises DetectorError where the function fails or gives anything else."""
        try:
            found = self._detect(frames)
        except _Failed as error:
            raise DetectorError(f"{self.name}: fails on {frames.video.path}: {_said(error)}") from error
        if not isinstance(found, list) or not all(isinstance(one, Detections) for one in found):
            raise DetectorError(f"{self.name}: returns no list of Detections, but {type(found).__name__}")
        if len(found) != len(frames.pixels):
            raise DetectorError(
                f"{self.name}: returns {len(found)} Detections for {len(frames.pixels)} frames; one a frame is needed"
            )
        unknown = {label for one in found for label in one.labels} - set(self.labels)
        if unknown:
            raise DetectorError(f"{self.name}: found '{min(unknown)}', which is not among its labels")
        return [Detections(one.boxes, one.scores, one.labels, masks=one.masks) for one in found]


def _function(module: str, function: str) -> tuple[OwnFunction, Path]:
    """The function and the file of its module."""
    try:
        imported = importlib.import_module(module)
    except _Failed as error:
        raise DetectorError(f"{module}:{function}: cannot be imported: {_said(error)}") from error
    detect = getattr(imported, function, None)
    if not callable(detect):
        near = closest(function, (known for known in vars(imported) if not known.startswith("_")))
        raise DetectorNotFound(
            f"the Python module '{module}' has no function '{function}'{'; closest: ' * bool(near)}{near}"
        )
    source = inspect.getsourcefile(imported)
    if source is None or not Path(source).is_file():
        raise DetectorError(f"{module}:{function}: has no file of Python code, whose hash its clips would state")
    return detect, Path(source)


def _hash_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
