"""LRCN and ConvLSTM of UCF50 as models of the package: `examples.ucf50.networks:lrcn` and `:convlstm`.

Their code and weights (MIT) lie outside the project, in the folder that the variable UCF50 names.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from torch import nn

from videotcav.records import ClipSpec, ModelCard

FRAMES = 20


def folder() -> Path:
    """Where net.py, the weights and the videos lie."""
    return Path(os.environ.get("UCF50", "../shared/data/networks/ucf50"))


def lrcn() -> tuple[nn.Module, ModelCard]:
    """Convolutions of each frame, then an LSTM over the frames."""
    grids = {"conv3": (FRAMES, 8, 8), "conv4": (FRAMES, 4, 4)}
    return _loaded("lrcn", ("conv3", "conv4"), "(b t) c h w", grids)


def convlstm() -> tuple[nn.Module, ModelCard]:
    """Four layers whose state is a picture, through time."""
    return _loaded("convlstm", ("blocks.1", "blocks.2"), "b t c h w", {})


def _loaded(
    name: str, layers: tuple[str, ...], layout: str, grids: dict[str, tuple[int, int, int]]
) -> tuple[nn.Module, ModelCard]:
    spec = importlib.util.spec_from_file_location("ucf50_net", folder() / "net.py")
    if spec is None or spec.loader is None:
        raise ImportError(f"{folder() / 'net.py'} is no module")
    net = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(net)
    shape = ClipSpec(
        frames=FRAMES,
        seconds_between_frames=4 / 30,
        height=128,
        width=128,
        resize=(128, 128),
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
    )
    card = ModelCard(
        name=name,
        clip_spec=shape,
        classes=net.CLASSES,
        layouts=dict.fromkeys(layers, layout),
        grids=grids,
        default_layers=layers,
        weights="UCF50, JohnPPinto at 07c4f36 (MIT)",
    )
    return net.load(name), card
