"""Networks small enough to be taken apart by hand."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from support.transformer_folders import CLASSES, write_transformer
from videotcav.compat.torchvision import import_torchvision
from videotcav.models.from_torchvision import card_for
from videotcav.models.model import VideoModel
from videotcav.records import ClipSpec, ModelCard


def clip_spec(*, frames: int, side: int) -> ClipSpec:
    return ClipSpec(frames=frames, seconds_between_frames=0.1, height=side, width=side, resize=side)


def small_swin(**changes: object) -> VideoModel:
    """A Video Swin of three stages on 8 × 32 × 32 pixels: grids of 4·8·8, 4·4·4 and 4·2·2 tokens."""
    arguments = {
        "patch_size": [2, 4, 4],
        "embed_dim": 12,
        "depths": [1, 2, 1],
        "num_heads": [1, 2, 4],
        "window_size": [2, 2, 2],
        "num_classes": len(CLASSES),
    } | changes
    with torch.random.fork_rng():
        torch.manual_seed(1)
        module = import_torchvision("torchvision.models.video").SwinTransformer3d(**arguments)
    spec = clip_spec(frames=8, side=32)
    return VideoModel(module, card_for("swin3d", module, clip_spec=spec, classes=CLASSES, weights="random"))


def small_mvit() -> VideoModel:
    """A Multiscale Vision Transformer of three blocks on 4 × 16 × 16 pixels: 4·4·4 tokens, then 4·2·2."""
    mvit = import_torchvision("torchvision.models.video.mvit")

    def block(channels: tuple[int, int], stride: int) -> object:
        return mvit.MSBlockConfig(
            num_heads=2,
            input_channels=channels[0],
            output_channels=channels[1],
            kernel_q=[3, 3, 3],
            kernel_kv=[3, 3, 3],
            stride_q=[1, stride, stride],
            stride_kv=[1, 2, 2],
        )

    with torch.random.fork_rng():
        torch.manual_seed(2)
        module = mvit.MViT(
            spatial_size=(16, 16),
            temporal_size=4,
            block_setting=[block((8, 8), 1), block((8, 16), 2), block((16, 16), 1)],
            residual_pool=True,
            residual_with_cls_embed=False,
            rel_pos_embed=True,
            proj_after_attn=True,
            num_classes=len(CLASSES),
            patch_embed_kernel=(1, 4, 4),
            patch_embed_stride=(1, 4, 4),
            patch_embed_padding=(0, 0, 0),
        )
    spec = clip_spec(frames=4, side=16)
    return VideoModel(module, card_for("mvit_v2_s", module, clip_spec=spec, classes=CLASSES, weights="random"))


class InPlaceNet(nn.Module):
    """Convolutions followed by in-place operations: what corrupts a careless tap."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm3d(4)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv3d(4, 4, 3, padding=1)
        self.relu2 = nn.ReLU(inplace=True)
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(4, len(CLASSES))

    def forward(self, pixels: Tensor) -> Tensor:
        x = self.relu1(self.norm(self.conv1(pixels)))
        out = self.conv2(x)
        out += x
        out = self.relu2(out)
        out *= 0.5
        return self.head(self.drop(out).square().mean(dim=(2, 3, 4)))


@pytest.fixture(scope="session")
def transformer_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of one of transformers' families, written once."""
    return cache(lambda family: write_transformer(family, tmp_path_factory.mktemp(family)))


@pytest.fixture
def swin() -> VideoModel:
    return small_swin()


@pytest.fixture
def local_swin() -> VideoModel:
    """A Swin whose attention sees one token at a time, so that nothing moves from its place."""
    return small_swin(window_size=[1, 1, 1])


@pytest.fixture
def mvit() -> VideoModel:
    return small_mvit()


@pytest.fixture
def in_place_net() -> VideoModel:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        module = InPlaceNet()
        module.norm.running_mean.uniform_(-0.2, 0.2)
    card = ModelCard(
        name="in-place net",
        clip_spec=clip_spec(frames=4, side=6),
        classes=CLASSES,
        layouts={"head": "b c", "*": "b c t h w"},
    )
    return VideoModel(module, card)


@pytest.fixture
def pixels() -> Tensor:
    """Two clips for the Swin."""
    return torch.randn(2, 3, 8, 32, 32, generator=torch.Generator().manual_seed(4))


@pytest.fixture
def small_pixels() -> Tensor:
    """Two clips for the in-place net."""
    return torch.randn(2, 3, 4, 6, 6, generator=torch.Generator().manual_seed(5))
