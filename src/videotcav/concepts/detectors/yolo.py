"""YOLO networks as ONNX files, run by onnxruntime: the detector behind `--detector model.onnx`."""

from __future__ import annotations

import ast
import contextlib
import io
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from einops import rearrange
from numpy.typing import NDArray

from videotcav.concepts.detectors.coco_names import COCO_NAMES
from videotcav.concepts.detectors.detect import Detections, VideoFrames
from videotcav.concepts.detectors.letterbox import Letterbox, letterbox
from videotcav.concepts.detectors.yolo_forms import FORMS, Form, Output, class_count, decode, recognise
from videotcav.errors import DetectorError, DetectorNotFound, closest
from videotcav.outputs import file_sha256

_USUAL_SIDE = 640  # where the file leaves the input's size open
_LONGEST_SIDE = 2**14
_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


class Yolo:
    """A YOLO network. YOLOX sees BGR 0…255 from the top left corner, the others RGB 0…1, centred."""

    knows_instances = False

    def __init__(
        self,
        path: Path | str,
        *,
        form: Form | None = None,
        class_names: tuple[str, ...] | None = None,
        min_score: float = 0.1,
        max_overlap: float = 0.45,
        threads: int = 0,
    ) -> None:
        """`min_score` is low because weak detections help to follow a track; `threads` 0 means all cores."""
        self.path = Path(path)
        self.name = self.path.name
        self._session = _session(self.path, threads)
        self._input = _only_input(self.path, self._session)
        self._type = _TYPES[self._input.type]
        self._height, self._width = (side if isinstance(side, int) else _USUAL_SIDE for side in self._input.shape[2:])
        if not 0 < min(self._height, self._width) <= max(self._height, self._width) <= _LONGEST_SIDE:
            raise DetectorError(
                f"{self.path}: takes pictures of {self._width}×{self._height} pixels, as no detector does"
            )
        outputs = self._outputs()
        self._form, self._output = self._form_of(outputs, form)
        count = class_count(self._form, outputs[self._output].shape)
        self.labels = class_names or self._names_inside() or _default_names(self.path, count)
        if count is not None and count != len(self.labels):
            raise DetectorError(
                f"{self.path}: tells {count} classes apart, but {len(self.labels)} names were given for them"
            )
        self.sha256 = file_sha256(self.path)
        self.settings: dict[str, str | float] = {
            "form": self._form,
            "min_score": min_score,
            "max_overlap": max_overlap,
            "weights": self.sha256,
        }
        self._min_score, self._max_overlap, self._threads = min_score, max_overlap, threads

    def __reduce__(self) -> tuple[object, ...]:
        """In another process it is read again from its file: a session of onnxruntime cannot be sent."""
        again = partial(
            Yolo,
            form=self._form,
            class_names=self.labels,
            min_score=self._min_score,
            max_overlap=self._max_overlap,
            threads=self._threads,
        )
        return again, (self.path.resolve(),)

    def __call__(self, frames: VideoFrames) -> list[Detections]:
        """One `Detections` a frame."""
        found = []
        for frame in frames.pixels:
            pixels, fitted = self._look(frame)
            (output,) = self._session.run([self._session.get_outputs()[self._output].name], {self._input.name: pixels})
            if not np.isfinite(output).all():
                raise DetectorError(
                    f"{self.path}: gives NaN or infinity for a frame of {frames.video.path}; its weights are damaged, "
                    "or too much for half precision: export it again, in float32"
                )
            found.append(self._read(output.astype(np.float32, copy=False), fitted))
        return found

    def _look(self, frame: NDArray[np.uint8]) -> tuple[NDArray[Any], Letterbox]:
        yolox = self._form in {"yolox", "yolox-decoded"}
        pixels, fitted = letterbox(
            frame, height=self._height, width=self._width, placement="top-left" if yolox else "centred"
        )
        channels_first = rearrange(pixels[..., ::-1] if yolox else pixels, "h w c -> 1 c h w")
        scaled = channels_first.astype(self._type) if yolox else (channels_first / np.float32(255)).astype(self._type)
        return np.ascontiguousarray(scaled), fitted

    def _read(self, output: NDArray[np.float32], fitted: Letterbox) -> Detections:
        found = decode(
            output,
            self._form,
            height=self._height,
            width=self._width,
            min_score=self._min_score,
            max_overlap=self._max_overlap,
        )
        boxes = fitted.to_source(found.boxes)
        whole = ((boxes[:, 2:] - boxes[:, :2]) > 0).all(axis=1) & (found.classes >= 0)
        whole &= found.classes < len(self.labels)
        labels = tuple(self.labels[number] for number in found.classes[whole])
        return Detections(boxes[whole], found.scores[whole], labels)

    def _outputs(self) -> list[Output]:
        """The outputs as they come out for a grey picture: files often leave their shapes open."""
        grey = np.full((1, 3, self._height, self._width), 0.5, dtype=self._type)
        try:
            arrays = self._session.run(None, {self._input.name: grey})
        except Exception as error:  # noqa: BLE001 - onnxruntime raises its own types, which it does not export
            raise DetectorError(f"{self.path}: does not run on a picture {grey.shape}: {_one_line(error)}") from None
        names = [output.name for output in self._session.get_outputs()]
        return [Output(name, np.asarray(array)) for name, array in zip(names, arrays, strict=True)]

    def _form_of(self, outputs: list[Output], form: Form | None) -> tuple[Form, int]:
        if form is not None:
            dimensions = 2 if form == "end2end" else 3
            fitting = [number for number, output in enumerate(outputs) if len(output.shape) == dimensions]
            if form not in FORMS or not fitting:
                raise DetectorError(f"{self.path}: cannot be read as form '{form}'; {_listed(outputs)}")
            return form, fitting[0]
        recognised = recognise(outputs, height=self._height, width=self._width)
        if recognised is None:
            raise DetectorError(
                f"{self.path}: is not for certain one form of YOLO that is known here ({', '.join(FORMS)}); "
                f"{_listed(outputs)} for an input of {self._width}×{self._height}. YOLOv7 is exported with "
                "its option grid or end2end",
                hint="export it again, or name its `form`",
            )
        return recognised

    def _names_inside(self) -> tuple[str, ...] | None:
        """The class names that Ultralytics writes into the file: a Python dict from number to name."""
        text = self._session.get_modelmeta().custom_metadata_map.get("names")
        if text is None:
            return None
        try:
            names = ast.literal_eval(text)
            return tuple(str(names[number]) for number in range(len(names)))
        except (ValueError, SyntaxError, KeyError, TypeError, RecursionError, MemoryError):
            raise DetectorError(
                f"{self.path}: its class names cannot be read: {text[:80]}; give a file of names"
            ) from None


def load(name: str, *, form: str | None = None, class_names: tuple[str, ...] | None = None) -> Yolo:
    """The detector of an ONNX file: the entry point `yolo`."""
    if form is not None and form not in FORMS:
        raise DetectorError(f"there is no form '{form}'; closest: {closest(form, FORMS) or ', '.join(FORMS)}")
    return Yolo(name, form=form, class_names=class_names)


def _session(path: Path, threads: int) -> onnxruntime.InferenceSession:
    if not path.is_file():
        raise DetectorNotFound(f"{path}: there is no such detector file")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # warnings about the graph help nobody here
    usable = onnxruntime.get_available_providers()
    providers = [name for name in ("CUDAExecutionProvider", "CPUExecutionProvider") if name in usable]
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # it prints what it also raises
            return onnxruntime.InferenceSession(str(path), options, providers=providers)
    except Exception as error:  # noqa: BLE001 - onnxruntime raises its own types, which it does not export
        raise DetectorError(f"{path}: is not an ONNX network that onnxruntime can load: {_one_line(error)}") from None


def _only_input(path: Path, session: onnxruntime.InferenceSession) -> Any:
    inputs = session.get_inputs()
    picture = inputs[0]
    channels = picture.shape[1:2] if len(picture.shape) == 4 else []  # noqa: PLR2004 - batch, channel, height, width
    if len(inputs) != 1 or picture.type not in _TYPES or channels not in ([3], ["channels"]):
        listed = "; ".join(f"{one.name} {one.type} {one.shape}" for one in inputs)
        raise DetectorError(f"{path}: a detector has one input, float 1×3×height×width; this one has {listed}")
    return picture


def _default_names(path: Path, count: int | None) -> tuple[str, ...]:
    if count is None or count == len(COCO_NAMES):
        return COCO_NAMES
    raise DetectorError(f"{path}: tells {count} classes apart and does not name them; give a file with one name a line")


def _listed(outputs: list[Output]) -> str:
    return "its outputs are " + "; ".join(f"{one.name} {'×'.join(map(str, one.shape))}" for one in outputs)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
