"""Runs that are ended or starved from outside: whole, or not there, with one sentence why."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

RUN = """
import os, resource, signal, sys
from pathlib import Path
from videotcav.cli.main import app, main
from videotcav.runfolder import new_run_folder, write_manifest

@app.command()
def fill(folder: Path) -> None:
    with new_run_folder(folder) as run:
        write_manifest(run, {"half": "written"})
        FAULT
        (run / "rest").write_bytes(bytes(2**20))

sys.argv = ["videotcav", "fill", sys.argv[1]]
main()
"""
FAULTS = {
    "os.kill(os.getpid(), signal.SIGTERM)": (143, "nothing was left half-written"),
    "os.kill(os.getpid(), signal.SIGINT)": (130, "nothing was left half-written"),
    "resource.setrlimit(resource.RLIMIT_FSIZE, (2**16, 2**16))": (
        1,
        "cannot be finished (File too large",
    ),  # a full disk
    "raise MemoryError": (1, "needs more memory"),
    "(run / 'manifest.json').unlink(); (run / 'manifest.json').read_text()": (1, "cannot be finished (No such file"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_run_is_whole_or_absent_with_a_sentence(fault: str, tmp_path: Path) -> None:
    code, says = FAULTS[fault]
    ended = subprocess.run(
        [sys.executable, "-c", RUN.replace("FAULT", fault), tmp_path / "run"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == code, ended.stderr
    assert says in ended.stderr
    assert "Traceback" not in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_may_not_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "sealed").mkdir(mode=0o500)
    target = tmp_path / "sealed" / "run"
    if os.access(tmp_path / "sealed", os.W_OK):  # this user may write everywhere: a file stands in the way instead
        (tmp_path / "sealed" / "file").touch()
        target = tmp_path / "sealed" / "file" / "run"
    ended = subprocess.run(
        [sys.executable, "-c", RUN.replace("FAULT", "pass"), target], check=False, capture_output=True, text=True
    )
    assert ended.returncode == 1
    assert "cannot be made" in ended.stderr
