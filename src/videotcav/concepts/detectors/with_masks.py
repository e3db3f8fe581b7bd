"""Masks for the boxes of any detector: SAM 2 and EdgeTAM of the transformers library, which a box prompts.

Their published weights are Apache-2.0 (facebook/sam2.1-hiera-tiny, yonigozlan/EdgeTAM-hf).
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import torch

from videotcav.compat.torchvision import import_torchvision
from videotcav.concepts.detectors.detect import Detections, Detector, VideoFrames
from videotcav.concepts.detectors.from_transformers import loading, quietly, weights_hash
from videotcav.concepts.detectors.masks import Mask
from videotcav.errors import DetectorError, MissingExtra

_PROMPTED = ("Sam2Model", "EdgeTamModel")


class WithMasks:
    """A detector with masks in the place of none: each box is given to a network that outlines what is in it.

    `name` is a model of the hub or a local folder. A box in which the network outlines nothing keeps no mask.
    """

    def __init__(self, detector: Detector, name: str) -> None:
        try:
            import_torchvision()  # before transformers, which imports it and gives up where it fails
            transformers: Any = importlib.import_module("transformers")
        except ModuleNotFoundError as error:
            raise MissingExtra(error.name or "transformers", extra="hub", purpose=f"masks of {name}") from None
        with quietly(transformers), loading(name, f"{name}: is no SAM 2 or EdgeTAM") as how:
            self._model: Any = transformers.AutoModelForMaskGeneration.from_pretrained(name, **how).eval()
            self._processor: Any = transformers.Sam2Processor.from_pretrained(name, **how)
        if (kind := type(self._model).__name__) not in _PROMPTED:
            raise DetectorError(f"{name}: is a {kind}; masks of boxes come from SAM 2 or EdgeTAM")
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._model.to(self._device)
        self._detector = detector
        self.name = f"{detector.name}, masks of {name}"
        self.sha256 = detector.sha256
        self.labels = detector.labels
        self.knows_instances = detector.knows_instances
        self.settings = {**detector.settings, "masks": name, "masks_weights": weights_hash(self._model)}

    def __call__(self, frames: VideoFrames) -> list[Detections]:
        """What the detector finds, with a mask for each box."""
        found = self._detector(frames)
        return [self._outlined(one, frame) for one, frame in zip(found, frames.pixels, strict=True)]

    def _outlined(self, found: Detections, frame: np.ndarray[Any, np.dtype[np.uint8]]) -> Detections:
        if not len(found):
            return found
        inputs = self._processor(images=frame, input_boxes=[found.boxes.tolist()], return_tensors="pt").to(self._device)
        with torch.inference_mode():
            outputs = self._model(**inputs, multimask_output=False)
        (masks,) = self._processor.post_process_masks(outputs.pred_masks.cpu(), inputs["original_sizes"].cpu())
        pixels = masks[:, 0].numpy().astype(np.bool_)
        return Detections(
            found.boxes,
            found.scores,
            found.labels,
            found.track_ids,
            tuple(Mask.of(one) if one.any() else None for one in pixels),
        )
