"""What all tests share: where the real data lies, one thread a test, and what is left out where an extra is missing."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from support.browser import browser, visit
from support.example_run import example_run, run_folder, write_run

torch.set_num_threads(1)

__all__ = ["browser", "example_run", "run_folder", "visit", "write_run"]  # fixtures of several rooms

# Whole files that are about an extra. Nothing else may need one: a test of one route asks for its package itself.
OF_EXTRAS = {
    "detect": (
        ("onnx", "onnxruntime", "scenedetect", "supervision"),
        (
            "concepts/detectors/test_onnx_exports.py",
            "concepts/detectors/test_yolo.py",
            "concepts/propose/test_track.py",
            "concepts/propose/test_videos.py",
            "test_campaign.py",
        ),
    ),
    "generate": (("accelerate", "diffusers", "transformers"), ("concepts/generate/test_generate.py",)),
    "hub": (("transformers",), ("models/test_from_transformers.py", "models/test_transformers_weights.py")),
    "review": (("fastapi", "starlette", "uvicorn"), ("review_app",)),
}
MISSING = {extra: files for extra, (packages, files) in OF_EXTRAS.items() if not all(map(find_spec, packages))}
collect_ignore = [file for files in MISSING.values() for file in files]


def pytest_report_header() -> list[str]:
    return [f"left out without videotcav[{extra}]: {', '.join(files)}" for extra, files in MISSING.items()]


SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real videos and detectors beside the checkout."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the real data folder ../shared/data is not beside this checkout")
    return SHARED_DATA
