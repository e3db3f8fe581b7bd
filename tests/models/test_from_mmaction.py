"""mmaction2's keys of a Video Swin, written down from its SwinTransformer3D and I3DHead, and back again."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from videotcav.errors import ModelError
from videotcav.models.from_mmaction import renamed
from videotcav.models.from_torchvision import load
from videotcav.models.model import VideoModel


def as_mmaction_says(state: dict[str, Tensor], *, last_norm: str) -> dict[str, Tensor]:
    """Torchvision's keys under mmaction2's names, stage by stage, as its modules nest them."""
    found = {}
    for key, tensor in state.items():
        first, *rest = key.split(".")
        if first == "features" and int(rest[0]) % 2 == 0:
            stage, block, part = int(rest[0]) // 2, rest[1], rest[2:]
            if part[0] == "mlp":
                part = ["mlp", {"0": "fc1", "3": "fc2"}[part[1]], part[2]]
            name = f"backbone.layers.{stage}.blocks.{block}.{'.'.join(part)}"
        elif first == "features":
            name = f"backbone.layers.{int(rest[0]) // 2}.downsample.{'.'.join(rest[1:])}"
        else:
            new = {"patch_embed": "backbone.patch_embed", "norm": f"backbone.{last_norm}", "head": "cls_head.fc_cls"}
            name = ".".join([new[first], *rest])
        found[name] = tensor
    return found


@pytest.mark.parametrize("last_norm", ["norm3", "norm"])  # mmaction2's, and the paper's own repository's
def test_a_round_trip_gives_back_every_tensor(swin: VideoModel, last_norm: str) -> None:
    state = swin.module.state_dict()
    theirs = as_mmaction_says(state, last_norm=last_norm)
    for key in (  # as they stand in a published file
        "backbone.patch_embed.norm.weight",
        "backbone.layers.1.blocks.1.attn.relative_position_index",
        "backbone.layers.1.blocks.0.mlp.fc2.bias",
        "backbone.layers.0.downsample.reduction.weight",
        f"backbone.{last_norm}.bias",
        "cls_head.fc_cls.weight",
    ):
        assert key in theirs
    theirs["data_preprocessor.mean"] = torch.zeros(3)
    for start in ("", "model."):  # as a trainer wraps it
        held = {start + key: tensor for key, tensor in theirs.items()}
        tables = renamed({"state_dict": held, "": state})
        ours = tables["state_dict"]
        assert ours.keys() == {start + key for key in state}
        assert all(torch.equal(ours[start + key], state[key]) for key in state)
        assert tables[""] == state


def test_such_a_checkpoint_loads_as_the_tiny_video_swin(tmp_path: Path) -> None:
    module, _ = load("swin3d_t", weights=None)
    theirs = as_mmaction_says(module.state_dict(), last_norm="norm3")
    theirs["cls_head.fc_cls.bias"] = torch.arange(400.0)
    torch.save({"meta": {"epoch": 30}, "state_dict": theirs}, tmp_path / "swin.pth")
    loaded, card = load("swin3d_t", weights=str(tmp_path / "swin.pth"))
    assert torch.equal(loaded.state_dict()["head.bias"], torch.arange(400.0))
    assert torch.equal(
        loaded.state_dict()["features.4.5.mlp.3.weight"], module.state_dict()["features.4.5.mlp.3.weight"]
    )
    assert card.default_layers == ("features.0", "features.2", "features.4", "features.6")
    save_file(theirs, tmp_path / "swin.safetensors")
    with pytest.raises(ModelError, match=r"does not fit torchvision:swin3d_b: .*looks like torchvision:swin3d_t"):
        load("swin3d_b", weights=str(tmp_path / "swin.safetensors"))
