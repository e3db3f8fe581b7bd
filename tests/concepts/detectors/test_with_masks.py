"""Masks for boxes, by small untrained networks in local folders, against the library itself."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from videotcav.compat.torchvision import import_torchvision
from videotcav.concepts.detectors.detect import Detections, VideoFrames
from videotcav.concepts.detectors.with_masks import WithMasks
from videotcav.errors import DetectorError
from videotcav.video.info import VideoInfo

import_torchvision()
transformers = pytest.importorskip("transformers", reason="transformers is not installed")

ROWS = [(4.0, 4.0, 30.0, 40.0, 0.9, "square", "7"), (20.0, 10.0, 60.0, 44.0, 0.8, "square", "9")]


class TwoBoxes:
    """A detector that knows its instances and finds both in the first frame alone."""

    name, sha256, labels, knows_instances = "two boxes", "0" * 64, ("square",), True
    settings: Mapping[str, str | float] = {"threshold": 0.5}

    def __call__(self, frames: VideoFrames) -> list[Detections]:
        return [Detections.of(ROWS if number == 0 else []) for number in range(len(frames.pixels))]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("sam2")
    hiera = {
        "hidden_size": 8,
        "image_size": [64, 64],
        "num_attention_heads": 1,
        "blocks_per_stage": [1, 1, 2, 1],
        "embed_dim_per_stage": [8, 16, 32, 64],
        "num_attention_heads_per_stage": [1, 1, 1, 1],
        "window_size_per_stage": [8, 4, 8, 4],
        "window_positional_embedding_background_size": [4, 4],
        "global_attention_blocks": [3],
    }
    vision = transformers.Sam2VisionConfig(
        backbone_config=transformers.Sam2HieraDetConfig(**hiera),
        backbone_channel_list=[64, 32, 16, 8],
        backbone_feature_sizes=[[16, 16], [8, 8], [4, 4]],
        fpn_hidden_size=32,
    )
    prompts = transformers.Sam2PromptEncoderConfig(hidden_size=32, image_size=64, mask_input_channels=4)
    decoder = transformers.Sam2MaskDecoderConfig(
        hidden_size=32, mlp_dim=32, num_attention_heads=2, iou_head_hidden_dim=32
    )
    config = transformers.Sam2Config(vision_config=vision, prompt_encoder_config=prompts, mask_decoder_config=decoder)
    transformers.Sam2Model(config).save_pretrained(path)
    processor = transformers.Sam2ImageProcessor(size={"height": 64, "width": 64}, mask_size={"height": 16, "width": 16})
    transformers.Sam2Processor(processor, target_size=64).save_pretrained(path)
    return path


def frames() -> VideoFrames:
    pixels = np.random.default_rng(0).integers(0, 255, (2, 48, 80, 3)).astype(np.uint8)
    info = VideoInfo(path=Path("x"), sha256="0", width=80, height=48, duration_seconds=1, frames_per_second=2)
    return VideoFrames(pixels, info, 0)


def test_each_box_gets_the_mask_that_the_library_gives_it_alone(folder: Path) -> None:
    detector = WithMasks(TwoBoxes(), str(folder))
    found, nothing = detector(frames())
    assert (found.labels, found.track_ids, len(nothing)) == (("square", "square"), ("7", "9"), 0)
    np.testing.assert_array_equal(found.boxes, [row[:4] for row in ROWS])
    model = transformers.Sam2Model.from_pretrained(folder).eval()
    processor = transformers.Sam2Processor.from_pretrained(folder)
    assert found.masks is not None
    for row, mask in zip(ROWS, found.masks, strict=True):
        inputs = processor(images=frames().pixels[0], input_boxes=[[list(row[:4])]], return_tensors="pt")
        with torch.inference_mode():
            outputs = model(**inputs, multimask_output=False)
        (expected,) = processor.post_process_masks(outputs.pred_masks, inputs["original_sizes"])
        assert expected.any()
        assert mask is not None
        np.testing.assert_array_equal(mask.pixels, expected[0, 0].numpy())


def test_weights_are_part_of_the_provenance_and_what_is_no_sam_is_refused(folder: Path, tmp_path: Path) -> None:
    plain = TwoBoxes()
    settings = dict(WithMasks(plain, str(folder)).settings)
    assert settings.items() > dict(plain.settings).items()
    assert (settings["masks"], len(str(settings["masks_weights"]))) == (str(folder), 64)
    with pytest.raises(DetectorError, match="is no SAM 2 or EdgeTAM that can be loaded"):
        WithMasks(plain, str(tmp_path))


@pytest.mark.skipif(find_spec("timm") is not None, reason="is about an environment without timm")
def test_a_network_that_needs_another_library_says_which(tmp_path: Path) -> None:
    transformers.EdgeTamConfig().save_pretrained(tmp_path)
    torch.save({}, tmp_path / "pytorch_model.bin")
    with pytest.raises(DetectorError, match=r"is no SAM 2 or EdgeTAM that can be loaded: .*requires the timm library"):
        WithMasks(TwoBoxes(), str(tmp_path))
