"""Hostile inputs by name: what the case "video: truncated 7" is, it is on every machine and in every run.

A case is a room (what is damaged), a mutation (how) and a number; its random numbers come from these three alone, so
that a new mutation changes no other case. Trying it ends in one of `OUTCOMES`; only `traceback`, `hang` and `wrong` are
finds.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from validation.campaign import real, runs, texts, videos, weights
from validation.campaign.damage import UNTOUCHED
from videotcav.errors import VideotcavError

SLOWEST_CASE_SECONDS = 60
OUTCOMES = ("same", "refused", "unknowable", "wrong", "traceback", "hang")
"""`same`: numbers, and the right ones. `refused`: a sentence. `unknowable`: a file that is whole in every respect which
its format can check, and says something else than it did. `wrong`: numbers that the file itself gave away as wrong."""

Attempt = Callable[[Path, np.random.Generator], str]
ROOMS: dict[str, dict[str, Attempt]] = {
    "video": videos.MUTATIONS,
    "real video": real.MUTATIONS,
    "study file": texts.STUDIES,
    "concept folder": texts.FOLDERS,
    "boxes": texts.BOXES,
    "checkpoint": weights.CHECKPOINTS,
    "onnx": weights.NETWORKS,
    "run folder": runs.FOLDERS,
    "stored rows": runs.STORES,
}


@dataclass(frozen=True)
class Case:
    """One hostile input."""

    room: str
    mutation: str
    number: int

    def __str__(self) -> str:
        return f"{self.room}: {self.mutation} {self.number}"


def lacking(room: str) -> str:
    """Why the cases of a room cannot be tried here; empty where they can."""
    return real.lacking() if room == "real video" else ""


def cases(numbers: Iterable[int], *, rooms: Iterable[str] = ROOMS) -> list[Case]:
    """Every mutation of the rooms with each of the numbers; the numbers 0 to 7 are more than a thousand."""
    return [Case(room, mutation, number) for number in numbers for room in rooms for mutation in ROOMS[room]]


def attempt(case: Case) -> dict[str, Any]:
    """What became of the case: its outcome, and the sentence or the traceback."""
    rng = np.random.default_rng([case.number, *f"{case.room}: {case.mutation}".encode()])
    with _folder() as folder:
        try:
            with _bounded(SLOWEST_CASE_SECONDS):
                outcome, said = ROOMS[case.room][case.mutation](folder, rng), ""
        except VideotcavError as error:
            outcome, said = "refused", str(error).replace(str(folder), "…")
            if not said.strip() or "Traceback" in said:
                outcome = "traceback"
            if case.mutation.endswith(UNTOUCHED):
                outcome = "wrong"
        except TimeoutError as error:
            outcome, said = "hang", str(error)
        except Exception:  # noqa: BLE001 - what is looked for
            outcome, said = "traceback", traceback.format_exc(limit=-6)
    return {**vars(case), "outcome": outcome, "said": said}


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
