"""Do maps point at what decides the class? Grad-CAM and relatives on held-out films, with exact boxes and events."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from validation.proof.concepts import pixels
from validation.proof.training import Job, held_out
from validation.proof.world import FRAMES, RULES, SIDE, Film
from videotcav.explain.saliency.cam import METHODS, upsample
from videotcav.explain.saliency.measures import energy_ratio, pointing_in_space, pointing_in_time
from videotcav.models.model import VideoModel
from videotcav.models.passes import volumes
from videotcav.planted.scenes import boxes

LAYERS = ("second", "third")
FILMS = 32
EVENT = 1.0
"""Frames on either side of the peak that count as the event."""


def pointing(model: VideoModel, job: Job) -> list[dict[str, Any]]:
    """Means over the films that the model gets right, by layer and method: energy ratio, pointing in space and in time
    (where the object moves), and what chance gives for the two.
    """
    films = [film for film in held_out(job, FILMS) if film.scene.motion != "rest"]
    clip_pixels = pixels(films)
    names = model.card.classes
    given = model(clip_pixels).argmax(dim=1)
    inside = torch.stack([_inside(film) for film in films])
    peaks = torch.tensor([film.scene.event_time * (FRAMES - 1) for film in films])
    during = (torch.arange(FRAMES) - peaks[:, None]).abs() <= EVENT
    rows = []

    true = torch.tensor([names.index(str(RULES[job.rule].label(film.scene))) for film in films])
    right = torch.nonzero(given == true)[:, 0]
    found: dict[tuple[str, str, str], list[float]] = {}
    for index in range(len(names)):
        members = right[true[right] == index]
        if not len(members):
            continue
        passed = volumes(model, clip_pixels[members], LAYERS, (index,))
        for layer in LAYERS:
            activation, gradient = passed.activations[layer], passed.gradients[index][layer]
            for method in METHODS.values():
                cam = upsample(method.map(activation, gradient), frames=FRAMES, height=SIDE, width=SIDE)
                measured = {
                    "energy ratio": energy_ratio(cam, inside[members]),
                    "pointing in space": pointing_in_space(cam, inside[members]),
                    "pointing in time": pointing_in_time(cam, during[members]),
                }
                for measure, values in measured.items():
                    found.setdefault((layer, method.name, measure), []).extend(values.tolist())
    chance = {
        "energy ratio": 1.0,
        "pointing in space": float(inside.float().mean()),
        "pointing in time": float(during.float().mean()),
    }
    for (layer, method_name, measure), judged in found.items():
        kept = np.array(judged)[~np.isnan(judged)]
        rows.append(
            {
                "layer": layer,
                "method": method_name,
                "measure": measure,
                "sum": float(kept.sum()),
                "clips": len(kept),
                "undefined": len(judged) - len(kept),
                "chance": chance[measure],
            }
        )
    return rows


def _inside(film: Film) -> torch.Tensor:
    """Where the object is, (time, height, width)."""
    mask = torch.zeros(FRAMES, SIDE, SIDE, dtype=torch.bool)
    for frame, box in enumerate(boxes(film.scene, height=SIDE, width=SIDE, frames=FRAMES)["actor"]):
        if box is not None:
            mask[frame, int(box.top) : int(box.bottom), int(box.left) : int(box.right)] = True
    return mask
