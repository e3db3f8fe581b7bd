"""The facts of one network after the other, each kept where it is there; results with machine and commit."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from threadpoolctl import threadpool_limits

from validation.proof.training import Job
from validation.provenance import commit, machine


def of_each(asked: Iterable[Job], of_network: Callable[[Job], dict[str, Any]]) -> list[dict[str, Any]]:
    """What is found of each network on one thread; a line is printed for each."""
    torch.set_num_threads(1)
    found = []
    with threadpool_limits(1):
        for job in asked:
            found.append(of_network(job))
            print(job.name, flush=True)
    return found


def kept(path: Path, make: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
    """The facts in a file, made where it is not there."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(make()), encoding="utf-8")
    read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return read


def timed(make: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
    """The facts, with the processor's seconds that they took."""
    started = time.process_time()
    return {**make(), "processor_seconds": round(time.process_time() - started, 1)}


def write(result: Path, found: Mapping[str, Any]) -> None:
    """The results, with the machine and the commit."""
    facts = {**found, "machine": machine(), "commit": commit()}
    result.write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
