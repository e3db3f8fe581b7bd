"""Object detectors of the transformers library, as `transformers:PekingU/rtdetr_v2_r18vd` or a local folder."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from videotcav.compat.hub import LOADING_ERRORS, hub_errors, local_only
from videotcav.compat.torchvision import import_torchvision
from videotcav.concepts.detectors.detect import Detections, VideoFrames
from videotcav.errors import ArgumentError, DetectorError


class TransformersDetector:
    """A network with its own image processor; boxes come back in source pixels."""

    knows_instances = False

    def __init__(self, name: str, *, min_score: float = 0.1) -> None:
        import_torchvision()  # before transformers, which imports it and gives up where it fails
        transformers: Any = importlib.import_module("transformers")
        with quietly(transformers), loading(name, f"transformers:{name}: is no object detector") as how:
            self._model: Any = transformers.AutoModelForObjectDetection.from_pretrained(name, **how).eval()
            self._processor: Any = transformers.AutoImageProcessor.from_pretrained(name, **how)
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._model.to(self._device)
        self.name = f"transformers:{name}"
        self.labels: tuple[str, ...] = tuple(dict.fromkeys(self._model.config.id2label.values()))
        self.sha256 = weights_hash(self._model)
        self.settings: dict[str, str | float] = {"min_score": min_score, "weights": self.sha256}

    def __call__(self, frames: VideoFrames) -> list[Detections]:
        """One `Detections` a frame."""
        size = (frames.video.height, frames.video.width)
        inputs = self._processor(images=list(frames.pixels), return_tensors="pt").to(self._device)
        with torch.inference_mode():
            outputs = self._model(**inputs)
        found = self._processor.post_process_object_detection(
            outputs, threshold=float(self.settings["min_score"]), target_sizes=[size] * len(frames.pixels)
        )
        return [self._read(one, size) for one in found]

    def _read(self, one: dict[str, torch.Tensor], size: tuple[int, int]) -> Detections:
        limit = np.array([size[1], size[0]] * 2, dtype=np.float32)
        boxes = np.clip(one["boxes"].cpu().numpy().reshape(-1, 4), 0, limit).astype(np.float32)
        whole = ((boxes[:, 2:] - boxes[:, :2]) > 0).all(axis=1)
        names = self._model.config.id2label
        labels = tuple(names[int(number)] for number in one["labels"].cpu().numpy()[whole])
        return Detections(boxes[whole], one["scores"].cpu().numpy()[whole].astype(np.float32), labels)


def load(name: str, *, form: str | None = None, class_names: tuple[str, ...] | None = None) -> TransformersDetector:
    """The detector of that name: the entry point `transformers`."""
    if form is not None or class_names is not None:
        raise ArgumentError(
            f"transformers:{name}: knows its own form and class names", hint="leave `form` and `class_names` out"
        )
    return TransformersDetector(name)


@contextmanager
def loading(name: str, what: str) -> Iterator[dict[str, bool]]:
    """What loaders in the body are told beside the name. Raises DetectorError where they cannot load it."""
    try:
        with hub_errors():
            yield local_only(name)
    except LOADING_ERRORS as error:
        raise DetectorError(f"{what} that can be loaded: {' '.join(str(error).split())[:200]}") from None


@contextmanager
def quietly(library: Any) -> Iterator[None]:
    """Without the own progress bars of transformers, or of diffusers, in the body."""
    speaks = library.utils.logging.is_progress_bar_enabled()
    library.utils.logging.disable_progress_bar()
    try:
        yield
    finally:
        if speaks:
            library.utils.logging.enable_progress_bar()


def weights_hash(model: torch.nn.Module) -> str:
    """Of all weights, in the order of their names: a name on the hub says nothing of what it holds today."""
    digest = hashlib.sha256()
    for key, tensor in sorted(model.state_dict().items()):
        digest.update(key.encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
