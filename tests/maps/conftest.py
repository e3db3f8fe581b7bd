"""Networks small enough for a known map, and a video to lay it over."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from videotcav.compat.torchvision import import_torchvision
from videotcav.models.from_torchvision import card_for
from videotcav.models.model import VideoModel
from videotcav.records import ClipSpec, ModelCard
from videotcav.video.clips import Clips, read_clips
from videotcav.video.write import write_video

CLASSES = ("swing", "slide", "rest")
SPEC = ClipSpec(frames=8, seconds_between_frames=0.1, height=32, width=32, resize=32)


class ChannelsLast(nn.Module):
    """Patches of 2 × 8 × 8 pixels become tokens `b t h w c`, as Video Swin's do: 4 × 4 × 4 of them."""

    def __init__(self) -> None:
        super().__init__()
        self.proj = nn.Conv3d(3, 6, kernel_size=(2, 8, 8), stride=(2, 8, 8), bias=False)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.proj(pixels).permute(0, 2, 3, 4, 1)


class TokenNet(nn.Module):
    """Tokens, their mean, a linear head: the gradient at every token is the class's row of weights / 64."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = ChannelsLast()
        self.head = nn.Linear(6, len(CLASSES))

    def forward(self, pixels: Tensor) -> Tensor:
        return self.head(self.tokens(pixels).mean(dim=(1, 2, 3)))


@pytest.fixture(scope="session")
def token_net() -> VideoModel:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        module = TokenNet()
    card = ModelCard(
        name="token net",
        clip_spec=SPEC,
        classes=CLASSES,
        layouts={"tokens": "b t h w c", "head": "b c"},
        default_layers=("tokens", "head"),
    )
    return VideoModel(module, card)


@pytest.fixture(scope="session")
def swin() -> VideoModel:
    """A Video Swin of three stages: grids of 4·8·8, 4·4·4 and 4·2·2 tokens."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        module = import_torchvision("torchvision.models.video").SwinTransformer3d(
            patch_size=[2, 4, 4],
            embed_dim=12,
            depths=[1, 2, 1],
            num_heads=[1, 2, 4],
            window_size=[2, 2, 2],
            num_classes=len(CLASSES),
        )
    return VideoModel(module, card_for("swin3d", module, clip_spec=SPEC, classes=CLASSES, weights="random"))


@pytest.fixture(scope="session")
def videos(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    """Three videos of 48 × 40 pixels in which a bright square moves over noise."""
    folder = tmp_path_factory.mktemp("videos")
    rng = np.random.default_rng(3)
    for number in range(3):
        frames = rng.integers(60, 90, size=(12, 40, 48, 3), dtype=np.uint8)
        for time, frame in enumerate(frames):
            frame[14:24, 2 * time + 4 * number :][:, :10] = 230
        write_video(folder / f"clip-{number}.mp4", frames, frames_per_second=10)
    return tuple(sorted(folder.iterdir()))


@pytest.fixture(scope="session")
def clips(videos: tuple[Path, ...]) -> Clips:
    return read_clips(videos, SPEC)
