"""What all tests share: where the real data lies, and one thread a test."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from support.example_run import example_run, run_folder, write_run

torch.set_num_threads(1)

__all__ = ["example_run", "run_folder", "write_run"]  # fixtures of several rooms

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real videos and detectors beside the checkout."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the real data folder ../shared/data is not beside this checkout")
    return SHARED_DATA
