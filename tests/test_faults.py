"""Runs that are ended or starved from outside: whole, or not there, with one sentence why."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from support.manifests import write_seed
from videotcav.engine.run_store import scratch
from videotcav.engine.store import Store
from videotcav.results.folder import new_run_folder

RUN = """
import os, resource, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a suite that a shell started with & has it ignored
from pathlib import Path
from videotcav.cli.main import app, main
from videotcav.results.folder import new_run_folder

@app.command()
def fill(folder: Path) -> None:
    with new_run_folder(folder) as run:
        (run / "manifest.json").write_text('{"half": "written"}')
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


def test_a_full_disk_leaves_no_half_of_a_shard(tmp_path: Path) -> None:
    """The rows of a pass that do not fit: one sentence, and what was stored before stays of use."""
    script = """
import resource, signal, sys
import numpy as np
from videotcav.engine.store import Store
from videotcav.errors import StoreError

store = Store(sys.argv[1])
store.put({"rows": "few"}, ["clip"], np.ones((1, 8), np.float32))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2**16, 2**16))
try:
    store.put({"rows": "many"}, ["clip"], np.ones((1, 2**16), np.float32))
except StoreError as error:
    print(error)
print("clip" in Store(sys.argv[1]).shelf({"rows": "few"}))
"""
    ended = subprocess.run([sys.executable, "-c", script, tmp_path], check=True, capture_output=True, text=True)
    sentence, kept = ended.stdout.splitlines()
    assert sentence.startswith(f"the store {tmp_path} cannot be used: File too large")
    assert kept == "True"
    assert list(tmp_path.rglob("*.tmp")) == []


def test_a_clock_that_goes_backwards_changes_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written "tomorrow" is swept, replaced and read like everything else."""
    tomorrow = time.time() + 86_400
    (tmp_path / ".one-partial-killed" / "media").mkdir(parents=True)
    with new_run_folder(tmp_path / "one") as folder:
        write_seed(folder, 1)
    for path in tmp_path.rglob("*"):
        os.utime(path, (tomorrow, tomorrow))
    monkeypatch.setattr(time, "time", lambda: tomorrow - 2 * 86_400)
    with new_run_folder(tmp_path / "one", replace=True) as folder:
        write_seed(folder, 2)
    assert '"seed": 2' in (tmp_path / "one" / "manifest.json").read_text()
    with scratch(tmp_path / "rows") as store:
        store.put({"rows": "few"}, ["clip"], np.ones((1, 8), np.float32))
        monkeypatch.setattr(time, "time", lambda: tomorrow - 3 * 86_400)
        assert "clip" in Store(tmp_path / "rows").shelf({"rows": "few"})
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


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
