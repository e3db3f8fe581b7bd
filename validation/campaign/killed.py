"""Whole runs of `videotcav run`, killed as by `kill -9` at moments of their own progress, and what is left of them.

    python -m campaign.killed FOLDER KILLS        prints what became of each, as one JSON document

A process that has imported everything forks one run after the other, each a session of its own. A moment is a call of
one of our functions: a run that is told number 7 000 kills itself there, alone or with all that it started. What a run
that is given again may still pass is counted from the files that lie there, without our own store's help.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import select
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch

from validation.campaign.videos import encoded, pictures
from videotcav.cli.main import main as command_line
from videotcav.compat.torchvision import import_torchvision
from videotcav.engine.store import Store
from videotcav.features import extract as shards  # compare: all that the command imports when it is given

NET = """
import torch
from torch import nn
from videotcav.records import ClipSpec, ModelCard

def build():
    net = nn.Sequential(nn.Conv3d(3, 4, (1, 3, 3)), nn.Tanh(), nn.Conv3d(4, 4, (2, 3, 3)), nn.Flatten(),
                        nn.Linear(64, 2))
    generator = torch.Generator().manual_seed(0)
    for parameter in net.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator)
    spec = ClipSpec(frames=2, seconds_between_frames=0.04, height=8, width=8, resize=8)
    return net, ModelCard(name="net", clip_spec=spec, classes=("swing", "rest"),
                          layouts={"0": "b c t h w", "2": "b c t h w"}, default_layers=("0", "2"))
"""
STUDY = """question = "Does the racket matter?"
seed = 3
[model]
name = "net_of_the_killed_runs:build"
[classes.swing]
videos = ["class"]
[concepts]
folder = "concepts"
[random]
folder = "random"
[tests]
minimum_clips = 5
"""
CLIPS = {"class": 9, "random": 24, "concepts/racket/spatiotemporal": 8, "concepts/racket/frozen": 8}
LAYERS = 2
MARK = "VIDEOTCAV_KILLED_CAMPAIGN"
RUN, ROWS = "run", ".run-rows"


def main() -> None:
    """Kills as many runs as it is told, and lets one come to its end now and then."""
    folder, kills = Path(sys.argv[1]), int(sys.argv[2])
    sys.argv = ["videotcav", "--quiet", "run", "study.toml", "-o", f"out/{RUN}"]
    _prepare(folder)
    whole = _forked(kill_at=0, alone=True)
    (folder / "out" / RUN).rename(folder / "whole")
    import_torchvision()
    for name in whole["modules"]:  # that later runs need not
        with suppress(ImportError):
            import_module(name)
    whole = _forked(kill_at=0, alone=True)
    (folder / "out" / RUN).rename(folder / "again")
    ends: list[dict[str, Any]] = []
    told = {"clips": sum(CLIPS.values()), "truth": _hashes(folder / "whole"), "ends": ends}
    rng = np.random.default_rng(0)
    for kill in range(kills):
        first, last = whole["storing"] if kill % 2 else (1, whole["calls"])  # every second one while rows come in
        end = _given(folder, kill_at=int(rng.integers(first, last)), alone=bool(rng.integers(2)))
        ends.append(end)
        if end["status"] and (kill % 3 == 2 or kill == kills - 1):  # after up to three kills in a row it may end
            ends.append(_given(folder, kill_at=0, alone=True))
    sys.stdout.write(json.dumps(told))


def _given(folder: Path, *, kill_at: int, alone: bool) -> dict[str, Any]:
    """The command once more; where it came to its end, all that is there then, which is put aside."""
    out = folder / "out"
    found: dict[str, Any] = {"was_complete": (out / RUN).is_dir(), "held": _held(out / ROWS)}
    found |= _forked(kill_at=kill_at, alone=alone)
    found["held_after"] = _held(out / ROWS)
    found.pop("modules", None)
    if found["status"] == 0:
        found["passed"] = json.loads((out / RUN / "manifest.json").read_text())["clips_passed"]
        found["hashes"] = _hashes(out / RUN)
        found["left"] = sorted(path.name for path in [*out.iterdir(), *(folder / "temporary").iterdir()])
        (out / RUN).rename(folder / f"kept-{len(list(folder.iterdir()))}")
    return found


def _prepare(folder: Path) -> None:
    os.chdir(folder)
    (folder / "net_of_the_killed_runs.py").write_text(NET)
    (folder / "study.toml").write_text(STUDY)
    (folder / "temporary").mkdir()
    rng = np.random.default_rng(8)
    for place, count in CLIPS.items():
        (folder / place).mkdir(parents=True)
        for number in range(count):
            encoded(folder / place / f"{number}.mp4", pictures(rng, frames=2, height=16, width=16))
    os.environ |= {MARK: str(folder), "TMPDIR": str(folder / "temporary"), "MPLBACKEND": "agg"}
    torch.set_num_threads(1)
    shards.CLIPS_A_SHARD = 4


def _forked(*, kill_at: int, alone: bool) -> dict[str, Any]:
    """A run in a process of its own: how it ended, how many calls it made, which of its processes outlive it."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.setsid()
        os.close(reading)
        _run(kill_at=kill_at, alone=alone, told=writing)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return {"status": status, "alone": alone, "strays": _strays(), **(json.loads(text) if text else {})}


def _run(*, kill_at: int, alone: bool, told: int) -> None:
    os.set_inheritable(told, False)
    calls, storing = 0, []

    def count(frame: FrameType, event: str, _: object) -> None:  # a trace is told of calls alone, a profile of more
        nonlocal calls
        if event == "call" and frame.f_globals.get("__name__", "").startswith("videotcav."):
            calls += 1
            if frame.f_code is Store.put.__code__:
                storing.append(calls)
            if calls == kill_at:
                os.kill(os.getpid(), signal.SIGKILL) if alone else os.killpg(0, signal.SIGKILL)

    output = os.open("said.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    code: object = 0
    threading.settrace(count)  # of the threads to come, in which clips are read and rows written
    sys.settrace(count)
    try:
        command_line()
    except SystemExit as ended:
        code = ended.code
    sys.settrace(None)
    threading.settrace(None)
    facts = {"calls": calls, "storing": [*storing[:1], *storing[-1:]], "code": code, "modules": list(sys.modules)}
    os.write(told, json.dumps(facts).encode())
    atexit._run_exitfuncs()  # as an interpreter does that ends
    os._exit(0)


def _strays() -> int:
    """How many processes that a run started are alive 20 s after it; most end at once, as nobody asks them any more."""
    return sum(not select.select([handle], [], [], 20)[0] for handle in _handles())


def _handles() -> Iterator[int]:
    mark = f"{MARK}={os.environ[MARK]}".encode()
    for place in Path("/proc").iterdir():
        if not place.name.isdigit() or int(place.name) == os.getpid():
            continue
        try:
            if mark in (place / "environ").read_bytes().split(b"\0"):
                yield os.pidfd_open(int(place.name))
        except OSError:
            continue  # it is gone, or another's


def _held(rows: Path) -> int:
    """How many clips lie there with all of their rows, by the headers of the files alone."""
    shelves: dict[bool, list[set[str]]] = {True: [], False: []}
    for recipe in rows.glob("*/recipe.json"):
        facts = json.loads(recipe.read_text())
        of_class = facts["rows"] == "gradients" or bool(facts.get("graph"))
        shelves[of_class].append({clip for shard in recipe.parent.glob("*.safetensors") for clip in _clips(shard)})
    return sum(_in_all(each, LAYERS + 1) for each in shelves.values())


def _in_all(shelves: list[set[str]], wanted: int) -> int:
    return len(set.intersection(*shelves)) if len(shelves) == wanted else 0


def _clips(shard: Path) -> list[str]:
    data = shard.read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return list(json.loads(header["__metadata__"]["videotcav"])["clips"])


def _hashes(run: Path) -> dict[str, str]:
    """The bytes of all that a run must give again: its numbers and its media."""
    files = [run / "results.parquet", *sorted((run / "media").iterdir())]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


if __name__ == "__main__":
    main()
