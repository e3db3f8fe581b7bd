"""What every benchmark shares: fair races, the meters beside the clock, and results that land as JSON.

    book = Book(__file__, "what is measured", arguments, promises)    # arguments: options(__doc__).parse_args()
    for title in book.wanted("16 clips", "64 clips"):
        book.race(title, {"ours": ours, "theirs": theirs}, meters=passes.meters, clips=16)
        book.note(title, slope_milliseconds=0.3)              # or findings alone, without a race

`promises` makes the script's rows of docs/targets.json from its cells, when one is complete; a script without
targets has none. `--from-results` makes them anew from the cells that are there.

A contestant is a callable; if it has a method `prepare`, that runs before its clock starts. `python harness.py` lists
how long every script took when its results were taken.
"""

from __future__ import annotations

import argparse
import datetime as dt
import gc
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).parents[1]))
from validation.provenance import commit, in_words, machine
from validation.targets import Promise, record

RESULTS = Path(__file__).parent / "results"
MEBIBYTE = 2**20
RACE_UNITS = {
    "wall_seconds": ("s", 1.0),
    "processor_seconds": ("cpu s", 1.0),
    "peak_rss_bytes": ("peak MiB", 1 / MEBIBYTE),
    "bytes_written": ("written MiB", 1 / MEBIBYTE),
}

Meters = Mapping[str, Callable[[], float]]
Contestants = Mapping[str, Callable[[], object]]
Cells = Mapping[str, Mapping[str, Any]]


def options(description: str | None) -> argparse.ArgumentParser:
    """A parser with what every benchmark takes."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5, help="of every contestant (default 5)")
    parser.add_argument("--threads", type=int, default=1, help="of torch and of numpy's algebra (default 1)")
    parser.add_argument("--only", action="append", default=[], metavar="TEXT", help="cells with TEXT in their title")
    parser.add_argument("--missing", action="store_true", help="only the cells that the results lack")
    parser.add_argument("--append", action="store_true", help="add to the samples that a cell has: long cells in parts")
    parser.add_argument("--from-results", action="store_true", help="take nothing: only the rows of docs/targets.json")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the JSON")
    return parser


def need(path: Path, what: str) -> Path:
    """The path; where nothing lies there, the script says what it lacks and ends without failing."""
    if not path.exists():
        print(f"left out: {what} is not here ({path.name})")
        sys.exit(0)
    return path


def taken(cell: Mapping[str, Any]) -> dict[str, Any]:
    """The commit and the machine of a cell, for its promises."""
    return {"commit": cell["commit"], "machine": in_words(cell["machine"])}


def ratios(cell: Mapping[str, Any], one: str, other: str) -> list[float]:
    """One contestant's wall seconds ÷ another's, round by round."""
    mine, theirs = (cell["contestants"][who]["wall_seconds"]["samples"] for who in (one, other))
    return [a / b for a, b in zip(mine, theirs, strict=True)]


def medians(cell: Mapping[str, Any], one: str, other: str) -> dict[str, Any]:
    """The medians of two contestants' wall seconds by each other, with the least and the most of any round."""
    rounds = ratios(cell, one, other)
    mine, theirs = (cell["contestants"][who]["wall_seconds"]["median"] for who in (one, other))
    return {"value": mine / theirs, "low": min(rounds), "high": max(rounds), "n": len(rounds)}


def middle(rounds: list[float]) -> dict[str, Any]:
    """The median of the ratios of rounds, with the least and the most."""
    return {"value": statistics.median(rounds), "low": min(rounds), "high": max(rounds), "n": len(rounds)}


def race(
    contestants: Contestants, *, repeats: int, first_round: int = 0, warm_up: bool = True, meters: Meters | None = None
) -> dict[str, dict[str, list[float]]]:
    """Samples of every contestant by quantity, one a round; one more round before them warms up.

    All contestants run once a round, in the given order and in the opposite one by turns, so that a machine that slows
    down slows all. `meters` are counters that only grow; what a run added to them is its sample.
    """
    gauges = {"bytes_written": _bytes_written, **(meters or {})}
    samples: dict[str, dict[str, list[float]]] = {name: {} for name in contestants}
    if warm_up:
        for contestant in contestants.values():
            _sample(contestant, gauges)
    for round_ in range(first_round, first_round + repeats):
        for name in contestants if round_ % 2 == 0 else reversed(tuple(contestants)):
            for quantity, value in _sample(contestants[name], gauges).items():
                samples[name].setdefault(quantity, []).append(value)
    return samples


def summary(values: list[float]) -> dict[str, Any]:
    """Median, quartiles and all samples."""
    low, high = np.quantile(values, (0.25, 0.75)).tolist()
    return {"median": statistics.median(values), "quartiles": [low, high], "samples": values}


class Book:
    """The results of one script: one cell a comparison, each with the machine that it was taken on.

    A cell is written as soon as it is taken, beside those of earlier runs, so that a script can be stopped and its
    cells taken one by one (`--only`, `--missing`).
    """

    def __init__(
        self,
        script: str,
        what: str,
        arguments: argparse.Namespace,
        promises: Callable[[Cells], Iterable[Promise]] | None = None,
        *,
        packages: tuple[str, ...] = (),
    ) -> None:
        self.arguments = arguments
        self._promises = promises
        self.path: Path = arguments.results / f"{Path(script).stem}.json"
        self._packages = packages
        self._started = time.perf_counter()
        self._facts: dict[str, Any] = {"what": what, "cells": {}}
        if self.path.is_file():
            self._facts["cells"] = json.loads(self.path.read_text(encoding="utf-8"))["cells"]
        if arguments.from_results:
            self._record()
            sys.exit(0)
        threadpool_limits(arguments.threads)
        torch.set_num_threads(arguments.threads)
        here = machine(packages)
        print(f"{what}\n{here['processor']}, {here['cores']} cores, {here['threads']} threads, load {here['load']:.1f}")
        print(", ".join(f"{package} {number}" for package, number in here["versions"].items()), flush=True)

    def wanted(self, *titles: str) -> Iterator[str]:
        """Those of the titles that this run is asked for; when a cell is complete, the script's rows are recorded."""
        for title in titles:
            asked = not self.arguments.only or any(text in title for text in self.arguments.only)
            if asked and not (self.arguments.missing and title in self._facts["cells"]):
                self._started = time.perf_counter()
                yield title
                self._record()

    def race(
        self,
        title: str,
        contestants: Contestants,
        *,
        meters: Meters | None = None,
        warm_up: bool = True,
        **conditions: object,
    ) -> dict[str, dict[str, Any]]:
        """The summary of every contestant by quantity; printed and written down under the title."""
        earlier = self._earlier(title, contestants, conditions) if self.arguments.append else {}
        taken = len(next(iter(earlier.values()))["wall_seconds"]) if earlier else 0
        samples = race(contestants, repeats=self.arguments.repeats, first_round=taken, warm_up=warm_up, meters=meters)
        found = {
            name: {what: summary(earlier.get(name, {}).get(what, []) + values) for what, values in each.items()}
            for name, each in samples.items()
        }
        self._write(title, conditions=conditions, contestants=found)
        print(f"\n{title}" + "".join(f", {name} {value}" for name, value in conditions.items()))
        print_race(found)
        return found

    def note(self, title: str, **findings: object) -> None:
        """Puts findings into the cell, beside those of its race if it has one, and prints them."""
        self._write(title, findings=findings)
        print("\n".join((f"{title}:", *(f"  {name} {_short(value)}" for name, value in findings.items()))), flush=True)

    def _earlier(
        self, title: str, contestants: Contestants, conditions: Mapping[str, object]
    ) -> dict[str, dict[str, list[float]]]:
        """The samples that the cell has, if it was taken of the same contestants under the same conditions."""
        cell = self._facts["cells"].get(title, {})
        rows = cell.get("contestants", {})
        if list(rows) != list(contestants) or cell["conditions"] != json.loads(json.dumps(conditions)):
            return {}
        self._started -= cell["took_seconds"]
        return {name: {what: summed["samples"] for what, summed in row.items()} for name, row in rows.items()}

    def _write(self, title: str, **parts: object) -> None:
        cell = self._facts["cells"].setdefault(title, {})
        now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        took = round(time.perf_counter() - self._started, 1)
        where = {"commit": commit(), "machine": machine(self._packages)}
        cell |= {"taken": now, "took_seconds": took, **where, **parts}
        self.path.parent.mkdir(exist_ok=True)
        draft = self.path.with_suffix(".draft")
        draft.write_text(json.dumps(self._facts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        draft.replace(self.path)

    def _record(self) -> None:
        """The script's rows of docs/targets.json, where these are the results that the docs are made of."""
        if self._promises is not None and self.path.parent == RESULTS:
            record(f"benchmarks/{self.path.stem}.py", self._promises(self._facts["cells"]))


@dataclass
class Passes:
    """How many clips went forward and backward through a model since counting began."""

    forward: int = 0
    backward: int = 0

    @property
    def meters(self) -> Meters:
        """For `race`."""
        return {"clips_forwarded": lambda: self.forward, "clips_backward": lambda: self.backward}


@contextmanager
def counted(model: torch.nn.Module) -> Iterator[Passes]:
    """Counts the clips that pass a model, whoever passes them, while the `with` lasts."""
    passes = Passes()

    def back(gradient: torch.Tensor) -> None:
        passes.backward += len(gradient)

    def enter(_module: object, inputs: tuple[torch.Tensor, ...]) -> None:
        passes.forward += len(inputs[0])  # a pass that ends early counts too

    def leave(_module: object, _inputs: object, output: torch.Tensor) -> None:
        if output.requires_grad:
            output.register_hook(back)  # type: ignore[no-untyped-call] # torch gives no types

    handles = [model.register_forward_pre_hook(enter), model.register_forward_hook(leave)]
    try:
        yield passes
    finally:
        for handle in handles:
            handle.remove()


def print_race(found: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None:
    """A line a contestant, the first one being the measure of the others; below it every sample."""
    first = next(iter(found.values()))["wall_seconds"]["median"]
    width = max(map(len, found))
    for name, row in found.items():
        seconds = row["wall_seconds"]
        low, high = seconds["quartiles"]
        cells = [f"{seconds['median']:9.3f} s ({low:.3f} to {high:.3f})", f"{seconds['median'] / first:7.2f} ×"]
        for quantity, summed in row.items():
            unit, scale = RACE_UNITS.get(quantity, (quantity.replace("_", " "), 1.0))
            if quantity != "wall_seconds":
                cells.append(f"{summed['median'] * scale:.4g} {unit}")
        print(f"  {name:<{width}} " + "   ".join(cells))
        print(f"  {'':<{width}} samples " + " ".join(f"{value:.3f}" for value in seconds["samples"]), flush=True)


def _sample(contestant: Callable[[], object], gauges: Meters) -> dict[str, float]:
    """What one run took and added to the gauges."""
    prepare = getattr(contestant, "prepare", None)
    if prepare is not None:
        prepare()
    gc.collect()
    _forget_peak_rss()
    before = {quantity: gauge() for quantity, gauge in gauges.items()}
    wall, processor = time.perf_counter(), time.process_time()
    result = contestant()
    taken = {"wall_seconds": time.perf_counter() - wall, "processor_seconds": time.process_time() - processor}
    added = {quantity: gauge() - before[quantity] for quantity, gauge in gauges.items()}
    del result  # was held until here, so that its memory counts
    return taken | {"peak_rss_bytes": float(_peak_rss())} | added


def _forget_peak_rss() -> None:
    """The peak starts anew from what is resident now (Linux)."""
    clear = Path("/proc/self/clear_refs")
    if clear.exists():
        clear.write_text("5", encoding="ascii")


def _peak_rss() -> int:
    """Bytes; 0 where the system does not say."""
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="utf-8").splitlines() if status.is_file() else []
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)


def _bytes_written() -> float:
    """By this process, to whatever it writes to."""
    io = Path("/proc/self/io")
    lines = io.read_text(encoding="ascii").splitlines() if io.is_file() else []
    return next((float(line.split()[1]) for line in lines if line.startswith("wchar")), 0.0)


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _durations() -> None:
    """Prints how long each script took when its results were taken."""
    whole = 0.0
    for path in sorted(RESULTS.glob("*.json")):
        cells = json.loads(path.read_text(encoding="utf-8")).get("cells")
        if not isinstance(cells, dict):  # of a proof, not of this harness
            continue
        took = sum(cell["took_seconds"] for cell in cells.values())
        whole += took
        print(f"{path.stem:<24} {took / 60:6.1f} min, {len(cells)} cells")
    print(f"{'all':<24} {whole / 60:6.1f} min when these results were taken; stop at will, finished scripts stay done")


if __name__ == "__main__":
    _durations()
