"""Folders as transformers writes them: a small network of a family with random weights, and its processor."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from videotcav.compat.torchvision import import_torchvision

CLASSES = ("swing", "slide", "bounce", "spin", "rest")
_INSTALLED = find_spec("transformers")
HAS_VIDEOPRISM = (
    _INSTALLED is not None and Path(str(_INSTALLED.origin)).with_name("models").joinpath("videoprism").is_dir()
)
"""Whether this transformers is new enough for it."""
_FRAMES, _SIDE, _PATCH = 4, 32, 8


def write_transformer(family: str, folder: Path, classes: Sequence[str] = CLASSES) -> Path:
    """A folder with the family's config, random weights and processor."""
    import_torchvision()
    transformers = importlib.import_module("transformers")  # only once torchvision is there
    shared: dict[str, Any] = {
        "hidden_size": 24,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "num_labels": len(classes),
        "id2label": dict(enumerate(classes)),
        "label2id": {name: index for index, name in enumerate(classes)},
        "initializer_range": 0.2,  # far enough from linear that gradients differ from clip to clip
    }
    picture = {"image_size": _SIDE, "num_frames": _FRAMES, "intermediate_size": 32}
    arguments = {
        "videomae": {**picture, "patch_size": _PATCH, "tubelet_size": 2, "use_mean_pooling": True},
        "videomae-first": {**picture, "patch_size": _PATCH, "tubelet_size": 2, "use_mean_pooling": False},
        "timesformer": {**picture, "patch_size": _PATCH},
        "timesformer-joint": {**picture, "patch_size": _PATCH, "attention_type": "joint_space_time"},
        "vivit": {**picture, "tubelet_size": [2, _PATCH, _PATCH]},
        "vjepa2": {
            "crop_size": _SIDE,
            "frames_per_clip": _FRAMES,
            "patch_size": _PATCH,
            "tubelet_size": 2,
            "mlp_ratio": 2.0,
            "num_pooler_layers": 1,
            "pred_hidden_size": 12,
            "pred_num_attention_heads": 2,
            "pred_num_hidden_layers": 1,
        },
        "videoprism": {
            **picture,
            "tubelet_size": [1, _PATCH, _PATCH],
            "num_spatial_layers": 3,
            "num_temporal_layers": 2,
        },
    }[family]
    kind = family.partition("-")[0]
    kind = "videoprism_vision_model" if kind == "videoprism" else kind
    config = transformers.AutoConfig.for_model(kind, **shared, **arguments)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = transformers.AutoModelForVideoClassification.from_config(config)
        for parameter in model.parameters():  # tokens and places that start as zeros
            if not parameter.any():
                torch.nn.init.normal_(parameter, std=0.3)
    transformers.utils.logging.disable_progress_bar()
    model.save_pretrained(folder)
    processor = {
        "videomae": "VideoMAEImageProcessor",
        "timesformer": "VideoMAEImageProcessor",  # as the published ones have it
        "vivit": "VivitImageProcessor",
        "vjepa2": "VJEPA2VideoProcessor",
        "videoprism_vision_model": "LlavaOnevisionVideoProcessor",  # as transformers' table of them has it
    }[kind]
    square = {"height": _SIDE, "width": _SIDE}
    settings: dict[str, Any] = {"size": {"shortest_edge": 36}, "crop_size": square, "image_mean": [0.4, 0.5, 0.6]}
    if kind == "videoprism_vision_model":  # as VideoPrismProcessor has them, and a rate, which it leaves open
        settings = {"size": square, "do_normalize": False, "fps": 8.0}
    getattr(transformers, processor)(**settings, image_std=[0.2, 0.25, 0.3]).save_pretrained(folder)
    return folder
