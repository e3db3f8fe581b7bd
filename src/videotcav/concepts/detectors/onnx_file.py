"""An ONNX file of a detector: the hash of all that it consists of, its session, and what its metadata say."""

from __future__ import annotations

import ast
import contextlib
import hashlib
import io
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
from onnx.external_data_helper import ExternalDataInfo, _get_all_tensors, uses_external_data

from videotcav.errors import DetectorError, DetectorNotFound
from videotcav.outputs import file_sha256

_TASKS = ("detect", "segment", "pose")


def weights_sha256(path: Path) -> str:
    """Of the file, and where it keeps weights in others, of these too. Raises DetectorError for one that is missing."""
    own = file_sha256(path)
    others = _others(path)
    if not others:
        return own
    digest = hashlib.sha256(own.encode())
    for place in others:
        beside = path.parent / place
        if Path(place).is_absolute() or not beside.resolve().is_relative_to(path.parent.resolve()):
            raise DetectorError(f"{path}: keeps weights in {place}, outside its own folder; put both into one folder")
        if not beside.is_file():
            raise DetectorError(f"{path}: keeps weights in {place}, which is not beside it; copy it there")
        digest.update(f"\n{place}\n{file_sha256(beside)}".encode())
    return digest.hexdigest()


def _others(path: Path) -> list[str]:
    """The files that the graph refers to, as it names them."""
    try:
        graph = onnx.load(path, load_external_data=False)
    except Exception:  # noqa: BLE001 - protobuf raises types of its own
        return []  # the session says what the file is not
    return sorted({ExternalDataInfo(one).location for one in _get_all_tensors(graph) if uses_external_data(one)})


def session_of(path: Path, threads: int) -> onnxruntime.InferenceSession:
    """The file, ready to run. Raises DetectorError in one sentence."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # warnings about the graph help nobody here
    usable = onnxruntime.get_available_providers()
    providers = [name for name in ("CUDAExecutionProvider", "CPUExecutionProvider") if name in usable]
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # it prints what it also raises
            return onnxruntime.InferenceSession(str(path), options, providers=providers)
    except Exception as error:  # noqa: BLE001 - onnxruntime raises its own types, which it does not export
        said = one_line(error)
        if "EfficientNMS" in said or "TRT" in said:
            raise DetectorError(
                f"{path}: holds TensorRT's own suppression (EfficientNMS), which only TensorRT runs; export it again "
                "without it (YOLOv7: its option grid, or end2end with max-wh)"
            ) from None
        raise DetectorError(f"{path}: is not an ONNX network that onnxruntime can load: {said}") from None


def require_file(path: Path) -> None:
    """Nothing where the file is there. Raises DetectorNotFound."""
    if not path.is_file():
        raise DetectorNotFound(f"{path}: there is no such detector file")


@dataclass(frozen=True)
class Metadata:
    """What an export says of itself, in the words that Ultralytics documents; None or 0 where it does not say.

    `sides` are (height, width) of the input, `keypoint_columns` those of a pose. `suppressed`: the boxes are final.
    """

    names: tuple[str, ...] | None = None
    sides: tuple[int, int] | None = None
    keypoint_columns: int = 0
    suppressed: bool = False


def said_by(session: onnxruntime.InferenceSession, path: Path) -> Metadata:
    """What the metadata say. Raises DetectorError for what is no detector of upright boxes."""
    told: Mapping[str, str] = session.get_modelmeta().custom_metadata_map
    task = told.get("task", "detect")
    if task == "obb":
        raise DetectorError(
            f"{path}: finds oriented boxes, and clips are cut along upright ones; use a model of the task detect or "
            "segment, or write upright boxes to a file and give that"
        )
    if task not in _TASKS:
        raise DetectorError(f"{path}: is a network for the task '{task}'; a detector's is one of {', '.join(_TASKS)}")
    if "rt-detr" in (about := told.get("description", "").lower()) or "rtdetr" in about:
        raise rt_detr(path)
    points, sides, made = (_literal(told.get(key)) for key in ("kpt_shape", "imgsz", "args"))
    pose = task == "pose"
    if pose and not _whole_numbers(points):
        raise DetectorError(
            f"{path}: finds poses, but does not say of how many points (kpt_shape); use a model of the task detect"
        )
    stated = _whole_numbers(sides) and len(sides) == 2  # noqa: PLR2004 - height and width
    return Metadata(
        names=_names(told.get("names"), path),
        sides=(sides[0], sides[1]) if stated else None,
        keypoint_columns=math.prod(points) if pose else 0,
        suppressed=told.get("end2end") == "True" or (isinstance(made, dict) and made.get("nms") is True),
    )


def rt_detr(path: Path) -> DetectorError:
    """The way that works for RT-DETR."""
    return DetectorError(
        f"{path}: is an RT-DETR, not a YOLO; use transformers:PekingU/rtdetr_v2_r18vd, or a local folder "
        "of transformers with your weights"
    )


def one_line(error: Exception) -> str:
    """What was raised, without line breaks, shortened."""
    return " ".join(str(error).split())[:200]


def _names(text: str | None, path: Path) -> tuple[str, ...] | None:
    """Class names by number, as JSON or as Python writes a dict or list; None where there are none."""
    if text is None:
        return None
    match _literal(text):
        case [*names] if names:
            return tuple(map(str, names))
        case dict(named) if named and {str(key) for key in named} == set(map(str, range(len(named)))):
            by_number = {int(key): str(name) for key, name in named.items()}
            return tuple(by_number[number] for number in range(len(named)))
    raise DetectorError(f"{path}: its class names cannot be read: {text[:80]}; give a file of names")


def _literal(text: str | None) -> Any:
    for read in (json.loads, ast.literal_eval):
        with contextlib.suppress(ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            return read(text or "")
    return None


def _whole_numbers(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(type(one) is int and one > 0 for one in value)
