"""Hostile inputs by number: what case 417 is, it is on every machine and in every run.

A case is made from a room (what is damaged), a mutation (how) and a seed. Trying it ends in one of `OUTCOMES`; only
`traceback`, `hang` and `wrong` are finds.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from campaign import texts, videos, weights
from videotcav.errors import VideotcavError

SLOWEST_CASE_SECONDS = 60
OUTCOMES = ("same", "refused", "unknowable", "wrong", "traceback", "hang")
"""`same`: numbers, and the right ones. `refused`: a sentence. `unknowable`: a file that is whole in every respect which
its format can check, and says something else than it did. `wrong`: numbers that the file itself gave away as wrong."""

Attempt = Callable[[Path, np.random.Generator], str]
ROOMS: dict[str, dict[str, Attempt]] = {
    "video": videos.MUTATIONS,
    "study file": texts.STUDIES,
    "concept folder": texts.FOLDERS,
    "boxes": texts.BOXES,
    "checkpoint": weights.CHECKPOINTS,
    "onnx": weights.NETWORKS,
}
SHARES = {"video": 10, "study file": 5, "concept folder": 4, "boxes": 3, "checkpoint": 4, "onnx": 2}


@dataclass(frozen=True)
class Case:
    """One hostile input."""

    number: int
    room: str
    mutation: str


def case(number: int) -> Case:
    """The case of that number: rooms by their shares, the mutations of a room in turn."""
    turns = [room for turn in range(max(SHARES.values())) for room, share in SHARES.items() if turn < share]
    room = turns[number % len(turns)]
    earlier = number // len(turns) * SHARES[room] + turns[: number % len(turns)].count(room)
    names = list(ROOMS[room])
    return Case(number, room, names[earlier % len(names)])


def attempt(case: Case) -> dict[str, Any]:
    """What became of the case: its outcome, and the sentence or the traceback."""
    rng = np.random.default_rng([2024, case.number])
    facts = {"number": case.number, "room": case.room, "mutation": case.mutation}
    with _folder() as folder:
        try:
            with _bounded(SLOWEST_CASE_SECONDS):
                outcome, said = ROOMS[case.room][case.mutation](folder, rng), ""
        except VideotcavError as error:
            outcome, said = "refused", str(error).replace(str(folder), "…")
            if not said.strip() or "Traceback" in said:
                outcome = "traceback"
        except TimeoutError as error:
            outcome, said = "hang", str(error)
        except Exception:  # noqa: BLE001 - what is looked for
            outcome, said = "traceback", traceback.format_exc(limit=-3)
    return {**facts, "outcome": outcome, "said": said}


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="hostile-"))
    try:
        yield folder
    finally:
        for place, names, _ in os.walk(folder):
            for name in names:
                if not (Path(place) / name).is_symlink():
                    (Path(place) / name).chmod(0o700)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _bounded(seconds: int) -> Iterator[None]:
    def late(*_: object) -> None:
        raise TimeoutError(f"took longer than {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
