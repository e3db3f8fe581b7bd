"""Where and when a model looks: Grad-CAM maps of a clip, and the overlay videos that show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from videotcav.errors import LayoutError
from videotcav.explain.cam import grad_cam, normalise, upsample
from videotcav.models.model import VideoModel
from videotcav.models.passes import logits, volumes
from videotcav.records import Clip
from videotcav.video.clips import read_clip, to_source
from videotcav.video.overlay import labelled, overlay_heatmap
from videotcav.video.read import Frames, read_frames
from videotcav.video.write import write_video


def last_spatial_layer(model: VideoModel) -> str:
    """The deepest of the model's default layers whose output still has time, height and width."""
    for layer in reversed(model.card.default_layers):
        if "h w" in model.layout_of(layer):
            return layer
    raise LayoutError(f"{model.card.name} names no default layer with time, height and width; name one: --layer")


def class_maps(model: VideoModel, pixels: Tensor, *, layer: str, classes: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Grad-CAM of each class, and the logits, from one forward pass.

    Args:
        model: the model; handed back unchanged.
        pixels: `clip channel time height width`, preprocessed.
        layer: whose activations are weighted.
        classes: indices of the classes.

    Returns:
        Maps `class clip time height width` at the pixels' resolution, not normalised; logits `clip class`.
    """
    frames, height, width = pixels.shape[2:]
    passed = volumes(model, pixels, [layer], classes)
    maps = [grad_cam(passed.activations[layer], passed.gradients[index][layer]) for index in classes]
    return torch.stack([upsample(m, frames=frames, height=height, width=width) for m in maps]), passed.logits


@dataclass(frozen=True)
class CamMaps:
    """Grad-CAM of some clips for one class: `maps` is `clip time height width` over the clips' own pixels.

    `clips[i]` says which seconds and which source pixels `maps[i]` lies over. Shows itself in Jupyter as the first
    clip's frames under their map.
    """

    clips: tuple[Clip, ...]
    maps: NDArray[np.float32]
    target: str
    layer: str

    def __repr__(self) -> str:
        shape = " × ".join(str(length) for length in self.maps.shape[1:])
        return f"CamMaps({len(self.maps)} clips of {shape} (time height width), '{self.target}' at {self.layer})"

    def overlay(self, index: int = 0) -> Frames:
        """The frames of clip `index` as in the source video, under their map, uint8 `time height width channel`."""
        clip = self.clips[index]
        heat = normalise(torch.from_numpy(self.maps[index : index + 1]))[0]
        return overlay_heatmap(read_frames(clip.video, clip.timestamps), to_source(heat, clip))

    def _repr_png_(self, *, shown: int = 8) -> bytes:
        frames = self.overlay()
        chosen = np.linspace(0, len(frames) - 1, min(shown, len(frames))).round().astype(int)
        picture = BytesIO()
        Image.fromarray(np.concatenate(list(frames[chosen]), axis=1)).save(picture, format="png")
        return picture.getvalue()


def write_cam_video(
    path: Path, model: VideoModel, video: Path, *, layer: str, classes: Sequence[str] = ()
) -> dict[str, float]:
    """Writes a clip of `video` with the map of each class laid over it, side by side; says their probabilities.

    Without `classes` it is the predicted one. All maps share one scale, that of the strongest value among them, so
    that a weak map looks weak.
    """
    indices = [model.class_index(name) for name in classes]
    clip, pixels = read_clip(video, model.card.clip_spec)
    clips = pixels[None]
    shown = indices or [int(logits(model, clips).argmax())]
    maps, scores = class_maps(model, clips, layer=layer, classes=shown)
    heat = normalise(rearrange(maps, "k 1 t h w -> 1 (k t) h w"))
    heat = rearrange(heat, "1 (k t) h w -> k t h w", k=len(shown))
    frames = read_frames(clip.video, clip.timestamps)
    overlays = [overlay_heatmap(frames, to_source(class_heat, clip)) for class_heat in heat]
    probability = {model.card.classes[index]: float(scores[0].softmax(dim=0)[index]) for index in shown}
    captions = [f"“{name}”: probability {share:.2f}" for name, share in probability.items()]
    picture = labelled(overlays, captions, timestamps=clip.timestamps)
    write_video(path, picture, frames_per_second=1 / model.card.clip_spec.seconds_between_frames)
    return probability
