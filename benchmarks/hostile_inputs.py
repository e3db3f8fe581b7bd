"""More than a thousand hostile inputs through the public entry points: what became of each.

The cases and their oracles are made by `validation/campaign`; a case is the same everywhere. They run in processes of
bounded memory, so that a crash is the end of one case. `--numbers` says how many of every mutation; `--case` tries one
again.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from harness import Book, Cells, options, taken
from validation.campaign.corpus import ROOMS, Case, attempt, cases, lacking
from validation.targets import Promise, at_most

MEMORY_BYTES = 8 * 2**30
FINDS = ("wrong", "traceback", "hang", "crash")


def promises(cells: Cells) -> Iterator[Promise]:
    """No finds."""
    for cell in cells.values():
        found = cell["findings"]
        for outcome in FINDS:
            yield Promise(
                area="reliability",
                what=f"hostile inputs with the outcome {outcome}",
                target=at_most(0),
                value=found["outcomes"].get(outcome, 0),
                n=found["cases"],
                **taken(cell),
            )


def main() -> None:
    """Runs the cases and writes the counts, room by room and mutation by mutation."""
    parser = options(__doc__)
    parser.add_argument("--numbers", type=int, default=8, help="cases of every mutation (default 8)")
    parser.add_argument("--case", nargs=3, metavar=("ROOM", "MUTATION", "NUMBER"), help="try this one and say its end")
    parser.add_argument("--from", dest="first", type=int, help="run here from this case on (its own use)")
    arguments = parser.parse_args()
    if arguments.case is not None:
        room, mutation, number = arguments.case
        _here([Case(room, mutation, int(number))])
        return
    made = _cases(arguments.numbers)
    if arguments.first is not None:
        _here(made[arguments.first :])
        return
    book = Book(__file__, "hostile inputs through the public entry points", arguments, promises)
    for title in book.wanted("cases"):
        became = _all(made, numbers=arguments.numbers)
        rooms: dict[str, Counter[str]] = defaultdict(Counter)
        mutations: dict[str, Counter[str]] = defaultdict(Counter)
        for one in became:
            rooms[one["room"]][one["outcome"]] += 1
            mutations[f"{one['room']}: {one['mutation']}"][one["outcome"]] += 1
        book.note(
            title,
            cases=len(became),
            left_out={room: lacking(room) for room in ROOMS if lacking(room)},
            outcomes=dict(Counter(one["outcome"] for one in became)),
            rooms={room: dict(counts) for room, counts in rooms.items()},
            mutations={name: dict(counts) for name, counts in sorted(mutations.items())},
            finds=[one for one in became if one["outcome"] in FINDS],
        )


def _cases(numbers: int) -> list[Case]:
    return cases(range(numbers), rooms=[room for room in ROOMS if not lacking(room)])


def _all(made: Sequence[Case], *, numbers: int) -> list[dict[str, Any]]:
    """Every case's end. A process that dies is replaced by one that begins behind the case that it died over."""
    became: list[dict[str, Any]] = []
    while len(became) < len(made):
        command = [sys.executable, __file__, "--from", str(len(became)), "--numbers", str(numbers)]
        child = subprocess.run(command, stdout=subprocess.PIPE, check=False, text=True)  # noqa: S603 - this very script
        became += [json.loads(line) for line in child.stdout.splitlines() if line.startswith("{")]
        if child.returncode and len(became) < len(made):
            said = f"the process ended with {child.returncode}"
            became.append({**vars(made[len(became)]), "outcome": "crash", "said": said})
    return became


def _here(made: Iterable[Case]) -> None:
    import resource  # noqa: PLC0415 - Unix only

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    for case in made:
        print(json.dumps(attempt(case)), flush=True)


if __name__ == "__main__":
    main()
