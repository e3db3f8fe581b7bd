"""A thousand hostile inputs through the public entry points: what became of each.

The cases and their oracles are made by `tests/campaign`; case 417 is the same case everywhere. They run in processes
of bounded memory, so that a crash is the end of one case. `--cases` says how many.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from harness import Book, options

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

MEMORY_BYTES = 8 * 2**30
FINDS = ("wrong", "traceback", "hang", "crash")


def main() -> None:
    """Runs the cases and writes the counts, room by room and mutation by mutation."""
    parser = options(__doc__)
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--from", dest="first", type=int, help="run here from this case on (its own use)")
    arguments = parser.parse_args()
    if arguments.first is not None:
        _here(arguments.first, arguments.cases)
        return
    book = Book(__file__, "hostile inputs through the public entry points", arguments)
    for title in book.wanted(f"{arguments.cases} cases"):
        became = _all(arguments.cases)
        rooms: dict[str, Counter[str]] = defaultdict(Counter)
        mutations: dict[str, Counter[str]] = defaultdict(Counter)
        for one in became:
            rooms[one["room"]][one["outcome"]] += 1
            mutations[f"{one['room']}: {one['mutation']}"][one["outcome"]] += 1
        book.note(
            title,
            cases=len(became),
            outcomes=dict(Counter(one["outcome"] for one in became)),
            rooms={room: dict(counts) for room, counts in rooms.items()},
            mutations={name: dict(counts) for name, counts in sorted(mutations.items())},
            finds=[one for one in became if one["outcome"] in FINDS],
        )


def _all(cases: int) -> list[dict[str, Any]]:
    """Every case's end. A process that dies is replaced by one that begins behind the case that it died over."""
    became: list[dict[str, Any]] = []
    while len(became) < cases:
        command = [sys.executable, __file__, "--from", str(len(became)), "--cases", str(cases)]
        child = subprocess.run(command, stdout=subprocess.PIPE, check=False, text=True)  # noqa: S603 - this very script
        became += [json.loads(line) for line in child.stdout.splitlines() if line.startswith("{")]
        if child.returncode and len(became) < cases:
            from campaign.corpus import case  # noqa: PLC0415 - lies in tests

            lost = case(len(became))
            said = f"the process ended with {child.returncode}"
            became.append({**vars(lost), "outcome": "crash", "said": said})
    return became


def _here(first: int, cases: int) -> None:
    import resource  # noqa: PLC0415 - Unix only

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    from campaign.corpus import attempt, case  # noqa: PLC0415 - lies in tests

    for number in range(first, cases):
        print(json.dumps(attempt(case(number))), flush=True)


if __name__ == "__main__":
    main()
