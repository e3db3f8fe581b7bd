"""YOLO networks as ONNX files, run by onnxruntime: the detector behind `--detector model.onnx`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from einops import rearrange
from numpy.typing import NDArray

from videotcav.concepts.ahead import ahead
from videotcav.concepts.detectors.coco_names import COCO_NAMES
from videotcav.concepts.detectors.detect import Detections, VideoFrames
from videotcav.concepts.detectors.letterbox import Letterbox, letterbox
from videotcav.concepts.detectors.onnx_file import (
    one_line,
    require_file,
    rt_detr,
    said_by,
    session_of,
    weights_sha256,
)
from videotcav.concepts.detectors.yolo_forms import (
    FORMS,
    Form,
    Output,
    class_count,
    decode,
    has_form,
    prototypes_of,
    recognise,
)
from videotcav.concepts.detectors.yolo_masks import masks_of
from videotcav.errors import DetectorError, closest

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
        require_file(self.path)
        self.sha256 = weights_sha256(self.path)
        self._session = session_of(self.path, threads)
        said = said_by(self._session, self.path)
        self._input = _only_input(self.path, self._session)
        self._type = _TYPES[self._input.type]
        self._batch, _, *sides = self._input.shape
        usual = said.sides or (_USUAL_SIDE, _USUAL_SIDE)
        self._height, self._width = (
            side if isinstance(side, int) else known for side, known in zip(sides, usual, strict=True)
        )
        if not 0 < min(self._height, self._width) <= max(self._height, self._width) <= _LONGEST_SIDE:
            raise DetectorError(
                f"{self.path}: takes pictures of {self._width}×{self._height} pixels, as no detector does"
            )
        outputs = self._outputs()
        self._prototypes = prototypes_of(outputs, height=self._height, width=self._width)
        weights = 0 if self._prototypes is None else outputs[self._prototypes].shape[1]
        self._extra = said.keypoint_columns + weights
        self._form, self._output = self._form_of(outputs, form, suppressed=said.suppressed)
        count = class_count(self._form, outputs[self._output].shape, self._extra)
        self.labels = class_names or said.names or _default_names(self.path, count)
        if count is not None and count != len(self.labels):
            raise DetectorError(
                f"{self.path}: tells {count} classes apart, but {len(self.labels)} names were given for them"
            )
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
        """One `Detections` a frame. The network runs while the next frame is prepared and the last one's boxes read."""
        found = []
        looked = ahead(map(self._look, frames.pixels), depth=2)
        for outputs, fitted in ahead(((self._run(pixels), fitted) for pixels, fitted in looked), depth=2):
            output = outputs[self._output]
            prototypes = None if self._prototypes is None else outputs[self._prototypes][0].astype(np.float32)
            if not (np.isfinite(output).all() and (prototypes is None or np.isfinite(prototypes).all())):
                raise DetectorError(
                    f"{self.path}: gives NaN or infinity for a frame of {frames.video.path}; its weights are damaged, "
                    "or too much for half precision: export it again, in float32"
                )
            found.append(self._read(output.astype(np.float32, copy=False), prototypes, fitted))
        return found

    def _run(self, pixels: NDArray[Any]) -> list[NDArray[Any]]:
        """All outputs for one picture; where the file wants several at once, it gets this one as often."""
        batch = self._batch if isinstance(self._batch, int) else 1
        outputs: list[NDArray[Any]] = self._session.run(None, {self._input.name: np.repeat(pixels, batch, axis=0)})
        if batch == 1:
            return outputs
        return [output[output[:, 0] == 0] if output.ndim == 2 else output[:1] for output in outputs]  # noqa: PLR2004 - rows begin with their picture's number

    def _look(self, frame: NDArray[np.uint8]) -> tuple[NDArray[Any], Letterbox]:
        yolox = self._form in {"yolox", "yolox-decoded"}
        pixels, fitted = letterbox(
            frame, height=self._height, width=self._width, placement="top-left" if yolox else "centred"
        )
        channels_first = rearrange(pixels[..., ::-1] if yolox else pixels, "h w c -> 1 c h w")
        scaled = channels_first.astype(self._type) if yolox else (channels_first / np.float32(255)).astype(self._type)
        return np.ascontiguousarray(scaled), fitted

    def _read(
        self, output: NDArray[np.float32], prototypes: NDArray[np.float32] | None, fitted: Letterbox
    ) -> Detections:
        found = decode(
            output,
            self._form,
            height=self._height,
            width=self._width,
            min_score=self._min_score,
            max_overlap=self._max_overlap,
            extra=self._extra,
        )
        if (unnamed := found.classes >= len(self.labels)).any():
            raise DetectorError(
                f"{self.path}: found something of class {found.classes[unnamed][0]}, counted from 0, but only "
                f"{len(self.labels)} names are known; give a file of all names"
            )
        boxes = fitted.to_source(found.boxes)
        whole = ((boxes[:, 2:] - boxes[:, :2]) > 0).all(axis=1) & (found.classes >= 0)
        labels = tuple(self.labels[number] for number in found.classes[whole])
        masks = None
        if prototypes is not None:
            weights = found.extra[whole][:, -len(prototypes) :]
            masks = masks_of(prototypes, weights, boxes[whole], fitted, height=self._height, width=self._width)
        return Detections(boxes[whole], found.scores[whole], labels, masks=masks)

    def _outputs(self) -> list[Output]:
        """The outputs as they come out for a grey picture: files often leave their shapes open."""
        grey = np.full((1, 3, self._height, self._width), 0.5, dtype=self._type)
        try:
            arrays = self._run(grey)
        except Exception as error:  # noqa: BLE001 - onnxruntime raises its own types, which it does not export
            raise DetectorError(f"{self.path}: does not run on a picture {grey.shape}: {one_line(error)}") from None
        names = [output.name for output in self._session.get_outputs()]
        return [Output(name, np.asarray(array)) for name, array in zip(names, arrays, strict=True)]

    def _form_of(self, outputs: list[Output], form: Form | None, *, suppressed: bool) -> tuple[Form, int]:
        if {"logits", "pred_boxes"} <= {output.name for output in outputs}:
            raise rt_detr(self.path)
        if form is not None:
            fitting = [number for number, output in enumerate(outputs) if has_form(form, output, extra=self._extra)]
            if form not in FORMS or not fitting:
                raise DetectorError(f"{self.path}: cannot be read as form '{form}'; {_listed(outputs)}")
            return form, fitting[0]
        recognised = recognise(
            outputs, height=self._height, width=self._width, extra=self._extra, suppressed=suppressed
        )
        if recognised is None:
            raise DetectorError(
                f"{self.path}: is not for certain one form of YOLO that is known here ({', '.join(FORMS)}); "
                f"{_listed(outputs)} for an input of {self._width}×{self._height}. YOLOv7 is exported with "
                "its option grid or end2end; RT-DETR and D-FINE are used as transformers:NAME",
                hint="export it again, or name its `form`",
            )
        return recognised


def load(name: str, *, form: str | None = None, class_names: tuple[str, ...] | None = None) -> Yolo:
    """The detector of an ONNX file: the entry point `yolo`."""
    if form is not None and form not in FORMS:
        raise DetectorError(f"there is no form '{form}'; closest: {closest(form, FORMS) or ', '.join(FORMS)}")
    return Yolo(name, form=form, class_names=class_names)


def _only_input(path: Path, session: onnxruntime.InferenceSession) -> Any:
    inputs = session.get_inputs()
    picture = inputs[0]
    channels = picture.shape[1:2] if len(picture.shape) == 4 else []  # noqa: PLR2004 - batch, channel, height, width
    if "orig_target_sizes" in {one.name for one in inputs}:
        raise rt_detr(path)
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
