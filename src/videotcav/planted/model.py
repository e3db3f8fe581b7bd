"""`planted:swin`: a small Video Swin that tells motions apart, with its weights in the package."""

from __future__ import annotations

import hashlib
from pathlib import Path

import safetensors
from safetensors.torch import load_file
from torch import nn

from videotcav.compat.torchvision import import_torchvision
from videotcav.errors import ModelError, ModelNotFound
from videotcav.planted.factors import MOTIONS
from videotcav.records import ClipSpec, KnownModel, ModelCard

WEIGHTS = Path(__file__).parent / "weights" / "swin.safetensors"

FRAMES_PER_SECOND = 15
"""Of the scenes' video files. The model takes every second frame, so its frames fall on real ones."""

FRAMES_PER_VIDEO = 15

SECONDS_BETWEEN_FRAMES = 2 / FRAMES_PER_SECOND
CLIP_SPEC = ClipSpec(
    frames=8,
    seconds_between_frames=SECONDS_BETWEEN_FRAMES,
    height=64,
    width=64,
    resize=64,
    mean=(0.5, 0.5, 0.5),
    std=(0.25, 0.25, 0.25),
)


def build(*, classes: int = len(MOTIONS)) -> nn.Module:
    """The network with fresh weights: torchvision's Video Swin in three stages, (b c t h w) to logits (b class)."""
    swin = import_torchvision("torchvision.models.video.swin_transformer")
    module: nn.Module = swin.SwinTransformer3d(
        patch_size=[2, 4, 4],
        embed_dim=32,
        depths=[2, 2, 2],
        num_heads=[2, 4, 8],
        window_size=[4, 4, 4],
        stochastic_depth_prob=0.0,
        num_classes=classes,
    )
    return module


def catalogue() -> tuple[KnownModel, ...]:
    """The one bundled model."""
    return (
        KnownModel(
            name="planted:swin",
            frames=CLIP_SPEC.frames,
            seconds_between_frames=SECONDS_BETWEEN_FRAMES,
            size=(CLIP_SPEC.height, CLIP_SPEC.width),
            classes=len(MOTIONS),
            weights=("bundled",),
            licence="Apache-2.0",
            origin="in the package",
        ),
    )


def load(name: str, *, weights: str | None = None) -> tuple[nn.Module, ModelCard]:
    """The model `swin` in evaluation mode, and its card; `weights` names another safetensors file for it.

    This is the source `planted:` of models. Raises `ModelError` for another name or for weights that do not fit.
    """
    if name != "swin":
        raise ModelNotFound(f"there is no bundled model '{name}'; the only one is 'swin', as planted:swin")
    path = WEIGHTS if weights is None else Path(weights)
    module = build()
    try:
        state = load_file(path)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        module.load_state_dict(state)
    except (OSError, safetensors.SafetensorError) as error:
        raise ModelError(
            f"{path} is not a readable safetensors file ({error}); leave `weights` out for the bundled ones"
        ) from None
    except RuntimeError:
        raise ModelError(f"{path} holds weights of another network; leave `weights` out for the bundled ones") from None
    card = ModelCard(
        name="planted:swin",
        clip_spec=CLIP_SPEC,
        classes=MOTIONS,
        layouts={
            "patch_embed.proj": "b c t h w",
            "patch_embed*": "b t h w c",
            "pos_drop": "b t h w c",
            "features*": "b t h w c",
            "norm": "b t h w c",
            "avgpool": "b c t h w",
            "head": "b c",
        },
        default_layers=("features.0", "features.2", "features.4"),
        weights="bundled" if weights is None else str(path),
        weights_sha256=sha256,
    )
    return module.eval(), card
