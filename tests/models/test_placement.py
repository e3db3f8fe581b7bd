"""Passes on a device that is not the CPU: in a process of their own, as a made-up device stays known to torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).with_name("on_another_device.py")


def test_clips_go_where_the_model_is_and_numbers_come_home() -> None:
    told = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(TESTS)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "7 passed" in told.stdout, told.stdout[-3000:]
