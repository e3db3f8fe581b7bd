"""Frames → detections: the one Protocol that every source of boxes speaks, and the door through which they come.

A package adds a detector of its own with an entry point in the group `videotcav.detectors`: a function
`load(name, *, form=None, class_names=None) -> Detector`. Those of videotcav itself come through the same door.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from videotcav.concepts.detectors.masks import Mask
from videotcav.errors import DetectorError, DetectorNotFound, MissingExtra, NotFound, closest
from videotcav.video.info import VideoInfo

UInt8Frames = NDArray[np.uint8]


class VideoFrames(NamedTuple):
    """Consecutive frames of one video, uint8 RGB `time height width 3`; `first` is the index of the first one."""

    pixels: UInt8Frames
    video: VideoInfo
    first: int


class Detection(NamedTuple):
    """One thing that was found, in source pixels."""

    left: float
    top: float
    right: float
    bottom: float
    score: float
    label: str
    track_id: str | None = None
    mask: Mask | None = None


@dataclass(frozen=True)
class Detections:
    """What was found in one frame. Boxes are `n 4` (left, top, right, bottom) in source pixels.

    `track_ids` is given only by sources that know the instances already, as an annotated file does; `masks` by those
    that know which pixels an object covers, None for one of which they do not.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: tuple[str, ...]
    track_ids: tuple[str, ...] | None = None
    masks: tuple[Mask | None, ...] | None = None

    def __post_init__(self) -> None:
        count = len(self.labels)
        if self.boxes.shape != (count, 4) or self.scores.shape != (count,):
            raise DetectorError(
                f"a detector gave boxes {self.boxes.shape} and scores {self.scores.shape} for {count} labels; "
                "it must give four edges and one score a label"
            )
        if self.masks is not None and len(self.masks) != count:
            raise DetectorError(f"a detector gave {len(self.masks)} masks for {count} labels; it must give one a label")
        if not (np.isfinite(self.boxes).all() and np.isfinite(self.scores).all()):
            raise DetectorError("a detector gave a box or a score that is NaN or infinite: its weights are damaged")

    def __len__(self) -> int:
        return len(self.labels)

    @classmethod
    def of(cls, rows: Sequence[tuple[Any, ...]]) -> Detections:
        """Detections from rows of (left, top, right, bottom, score, label), behind it track id and mask where known."""
        found = [Detection(*row) for row in rows]
        boxes = np.array([row[:4] for row in found], dtype=np.float32).reshape(-1, 4)
        scores = np.array([row.score for row in found], dtype=np.float32)
        known = tuple(row.track_id for row in found if row.track_id is not None)
        masks = tuple(row.mask for row in found) if any(row.mask is not None for row in found) else None
        return cls(boxes, scores, tuple(row.label for row in found), known or None, masks)


class Detector(Protocol):
    """A source of boxes: a network, or a file. `name` and `sha256` go into the provenance of every clip.

    One that knows instances gives `track_ids` with every detection; the others are tracked.
    """

    @property
    def name(self) -> str:
        """What a person calls it."""
        ...

    @property
    def sha256(self) -> str:
        """Of the file that it was read from."""
        ...

    @property
    def labels(self) -> tuple[str, ...]:
        """Everything it can find."""
        ...

    @property
    def settings(self) -> Mapping[str, str | float]:
        """What must stay the same while clips are added to a folder: its thresholds, the hash of its weights."""
        ...

    @property
    def knows_instances(self) -> bool:
        """Whether its detections come with `track_ids`."""
        ...

    def __call__(self, frames: VideoFrames) -> list[Detections]:
        """One `Detections` a frame."""
        ...


class DetectorSource(Protocol):
    """What an entry point names. `form` says how to read what the file leaves unsaid."""

    def __call__(self, name: str, *, form: str | None = None, class_names: tuple[str, ...] | None = None) -> Detector:
        """The detector of that name, usually a file."""
        ...


OwnFunction = Callable[[VideoFrames], list[Detections]]
"""One `Detections` a frame; what it can find stands in its attribute `labels`."""

AnyDetector = Detector | OwnFunction | Path | str
"""What `load_detector` takes."""


def require_label(detector: Detector, label: str) -> None:
    """Nothing where the detector can find it. Raises NotFound with the closest labels."""
    if label not in detector.labels:
        near = closest(label, detector.labels)
        hint = f"closest: {near}" if near else f"it knows: {', '.join(detector.labels)}"
        raise NotFound(f"{detector.name} has no label '{label}'; {hint}")


def load_detector(
    spec: AnyDetector, *, form: str | None = None, class_names: tuple[str, ...] | None = None
) -> Detector:
    """The detector that a person means by `yolo:model.onnx`, `transformers:folder`, `boxes:boxes.json` or a bare path.

    A bare path to an ONNX file is a YOLO network, to a folder with a `config.json` one of transformers; any other is
    boxes from a file. Its form may stand behind it:
    `labels/:yolo-outlines`, `boxes.csv:video=file,frame=index,left=x,top=y,width=w,height=h`. `module:function` is a
    function of one's own, `VideoFrames -> list[Detections]`, that can be imported; the function itself will do, and a
    Detector is given back. Raises DetectorError for what is none of these and MissingExtra where the source needs a
    package that is not installed.
    """
    if not isinstance(spec, str | Path):
        return _of_object(spec, form=form, class_names=class_names)
    sources = _sources()
    scheme, colon, name = str(spec).partition(":")
    if not colon or scheme not in sources:
        path = Path(spec)
        if not path.exists() and colon and _can_be_imported(scheme) and name.isidentifier():
            if form is not None:
                raise DetectorError(f"{spec}: knows its own form; leave `form` out")
            own: Detector = _from_code().named(scheme, name, class_names=class_names)
            return own
        if not path.exists() and form is None and Path(scheme).exists():
            path, form = Path(scheme), name
        if not path.exists():
            near = closest(scheme, sources) if colon else ""
            raise DetectorNotFound(
                f"{spec}: there is no such detector file"
                + (f"; closest source: {near}" if near else "")
                + f"; give a path or one of {', '.join(f'{source}:…' for source in sorted(sources))}"
            )
        scheme, name = _source_of(path, form), str(path)
    try:
        load: DetectorSource = sources[scheme].load()
    except ModuleNotFoundError as error:
        extra = "hub" if scheme == "transformers" else "detect"
        raise MissingExtra(error.name or scheme, extra=extra, purpose=f"the detector '{spec}'") from None
    return load(name, form=form, class_names=class_names)


def _source_of(path: Path, form: str | None) -> str:
    """The source that reads what is there, by what is in it where its ending does not say."""
    if path.is_dir():
        return "transformers" if form is None and (path / "config.json").is_file() else "boxes"
    try:
        with path.open("rb") as file:
            first = file.read(1)
        inside = zipfile.ZipFile(path).namelist() if zipfile.is_zipfile(path) else []
    except (OSError, zipfile.BadZipFile) as error:
        raise DetectorError(f"{path}: cannot be read: {error}") from None
    pickled = first == b"\x80" or any(name.endswith(".pkl") for name in inside)
    if pickled or path.suffix in {".pt", ".pth"}:
        raise DetectorError(
            f"{path}: is a PyTorch checkpoint; export it to ONNX first (YOLOv7: its export.py, with grid)"
        )
    # A network of ONNX begins with the number of its version, which no text does.
    return "yolo" if path.suffix == ".onnx" or first == b"\x08" else "boxes"


def _of_object(given: Detector | OwnFunction, *, form: str | None, class_names: tuple[str, ...] | None) -> Detector:
    is_own = not hasattr(given, "knows_instances")
    if form is not None or (class_names is not None and not is_own):
        raise DetectorError("a detector that is an object knows its own form and its names; leave both out")
    if not callable(given):
        raise DetectorError(f"a detector is a path, a function or a Detector, not {given!r:.60}")
    own: Detector = _from_code().of(given, class_names=class_names) if is_own else cast("Detector", given)
    return own


def spec_below(folder: Path, spec: Path | str) -> str:
    """What `load_detector` reads, with its path below the folder where it is there."""
    path, _, form = str(spec).partition(":")
    is_other = path in _sources() or (path.isidentifier() and form.isidentifier())  # a source, or module:function
    is_there = (folder / spec).exists() or (not is_other and (folder / path).exists())
    return str(folder / spec) if is_there else str(spec)


def _from_code() -> Any:
    return import_module("videotcav.concepts.detectors.from_code").CodeDetector  # which imports this module


def _sources() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group="videotcav.detectors")}


def _can_be_imported(module: str) -> bool:
    """Whether there is a Python module of that name. The packages around it are imported, the module is not."""
    try:
        return all(part.isidentifier() for part in module.split(".")) and find_spec(module) is not None
    except (ImportError, ValueError):
        return False
