"""Small untrained detectors in local folders, against the library's own pipeline."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from videotcav.compat.torchvision import import_torchvision
from videotcav.concepts.detectors.detect import VideoFrames, load_detector
from videotcav.errors import ConceptError
from videotcav.video.info import VideoInfo

import_torchvision()
transformers = pytest.importorskip("transformers", reason="transformers is not installed")


NAMES = {"id2label": {0: "square", 1: "circle"}, "label2id": {"square": 0, "circle": 1}}
SIZE = {"height": 64, "width": 96}


def yolos(path: Path) -> None:
    config = transformers.YolosConfig(
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=[64, 96],
        patch_size=16,
        num_detection_tokens=8,
        **NAMES,
    )
    transformers.YolosForObjectDetection(config).save_pretrained(path)
    transformers.YolosImageProcessor(size=SIZE).save_pretrained(path)


def rt_detr(path: Path, family: str) -> None:
    config = getattr(transformers, f"{family}Config")(
        backbone_config=transformers.RTDetrResNetConfig(
            embedding_size=8,
            hidden_sizes=[8, 16, 16, 16],
            depths=[1] * 4,
            layer_type="basic",
            out_features=["stage2", "stage3", "stage4"],
        ),
        d_model=32,
        encoder_hidden_dim=32,
        encoder_in_channels=[16] * 3,
        encoder_ffn_dim=32,
        encoder_attention_heads=2,
        decoder_layers=2,
        decoder_attention_heads=2,
        decoder_ffn_dim=32,
        decoder_in_channels=[32] * 3,
        num_queries=10,
        **NAMES,
    )
    getattr(transformers, f"{family}ForObjectDetection")(config).save_pretrained(path)
    transformers.RTDetrImageProcessor(size=SIZE).save_pretrained(path)


@pytest.fixture(scope="module", params=["Yolos", "RTDetrV2", "DFine"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp(request.param)
    if request.param == "Yolos":
        yolos(path)
    else:
        rt_detr(path, request.param)
    return path


def test_it_says_what_the_librarys_pipeline_says(folder: Path):
    pixels = np.random.default_rng(0).integers(0, 255, (2, 48, 80, 3)).astype(np.uint8)
    video = VideoInfo(path=Path("x"), sha256="0", width=80, height=48, duration_seconds=1, frames_per_second=2)
    detector = load_detector(f"transformers:{folder}")
    assert detector.labels == ("square", "circle")
    found = detector(VideoFrames(pixels, video, 0))
    pipeline = transformers.pipeline("object-detection", model=str(folder))
    for one, frame in zip(found, pixels, strict=True):
        expected = pipeline(Image.fromarray(frame), threshold=0.1)
        assert expected
        assert sorted(one.labels) == sorted(row["label"] for row in expected)
        assert sorted(one.scores.tolist()) == pytest.approx(sorted(row["score"] for row in expected), abs=1e-4)
        edges = sorted(tuple(int(edge) for edge in box) for box in one.boxes)
        assert edges == sorted(tuple(row["box"].values()) for row in expected)


def test_a_folder_without_a_model_is_one_sentence(tmp_path: Path):
    with pytest.raises(ConceptError, match="is no object detector that can be loaded"):
        load_detector(f"transformers:{tmp_path}")
