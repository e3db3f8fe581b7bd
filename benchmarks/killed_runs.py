"""Whole runs killed by SIGKILL at random moments of their progress, and what the same command makes of what they left.

The runs and their moments are made by `validation/campaign/killed.py`. `--kills` says how many.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from harness import Book, Cells, options, taken
from validation.targets import Promise, at_most

ROOT = Path(__file__).parents[1]
NEVER = {
    "other_bytes": "results or media with other bytes than those of a run that nobody killed",
    "clips_passed_again": "clips passed again although their rows lay there",
    "other_codes": "another exit code than 0, or 1 where all was done already",
    "strays": "processes that outlived their run by 20 s",
    "left_behind": "folders or files left beside the run",
}


def promises(cells: Cells) -> Iterator[Promise]:
    """Nothing is lost, doubled, changed or left behind."""
    for cell in cells.values():
        found = cell["findings"]
        for name, what in NEVER.items():
            yield Promise(
                area="reliability",
                what=f"killed runs: {what}",
                target=at_most(0),
                value=found[name],
                n=found["kills"] if name == "strays" else found["ended"],
                **taken(cell),
            )


def main() -> None:
    """Kills the runs and writes down what was lost, doubled, changed or left behind."""
    parser = options(__doc__)
    parser.add_argument("--kills", type=int, default=40)
    arguments = parser.parse_args()
    book = Book(__file__, "whole runs killed by SIGKILL", arguments, promises)
    for title in book.wanted("kills"):
        told = _killed(arguments.kills)
        killed = [run for run in told["ends"] if run["status"]]
        finished = [run for run in told["ends"] if not run["status"]]
        book.note(
            title,
            kills=len(killed),
            with_all_they_started=sum(not run["alone"] for run in killed),
            clips=told["clips"],
            clips_held=dict(Counter(_share(run["held_after"], told["clips"]) for run in killed)),
            ended=len(finished),
            other_bytes=sum(run["hashes"] != told["truth"] for run in finished),
            complete_already=sum(run["was_complete"] for run in finished),
            other_codes=sum(run["code"] != run["was_complete"] for run in finished),
            clips_passed_again=sum(
                abs(run["passed"] - (told["clips"] - run["held"])) for run in finished if not run["was_complete"]
            ),
            strays=sum(run["strays"] for run in told["ends"]),
            left_behind=sum(run["left"] != ["run"] for run in finished),
        )


def _share(held: int, clips: int) -> str:
    return "all" if held == clips else "some" if held else "none"


def _killed(kills: int) -> dict[str, Any]:
    with TemporaryDirectory(prefix="killed-") as folder:
        command = [sys.executable, "-m", "validation.campaign.killed", folder, str(kills)]
        paths = os.pathsep.join([str(ROOT), *sys.path])
        child = subprocess.run(  # noqa: S603 - our own module
            command, stdout=subprocess.PIPE, check=True, text=True, env={**os.environ, "PYTHONPATH": paths}
        )
        return dict(json.loads(child.stdout))


if __name__ == "__main__":
    main()
