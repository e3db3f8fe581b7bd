"""Whether two commits give the same numbers to the bit: for changes that are to change structure and nothing else.

    python benchmarks/same_results.py BEFORE [AFTER]        # commits; AFTER is the present one by default

Both are checked out afresh beside each other, and each runs its own code: the demo, the study of the tennis clips
where `../shared/data` lies beside this checkout, and three networks of the proof, trained and tested anew. What is
compared is what the two runs wrote, never a file that was stored before.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
RULES = ("motion", "background", "shape × motion")

_NETWORK = """
import importlib, json, sys
from pathlib import Path
import torch
from threadpoolctl import threadpool_limits

home = "validation.proof" if Path("validation/proof").is_dir() else "benchmarks.validity"
passes, study, training, world = (
    importlib.import_module(f"{home}.{name}") for name in ("passes", "study", "training", "world")
)
rule, output = sys.argv[1:]
torch.set_num_threads(1)
with threadpool_limits(1):
    model, _ = training.trained(training.Job(rule, 0, steps=400, rendered=1536), Path(output).parent)
    inventory = passes.take_inventory(model, rule, seed=0)
    rows = study.verdicts(model, rule, inventory, seed=0) + study.tested(inventory, seed=0)
Path(output).write_text(json.dumps(rows), encoding="utf-8")
"""


def main() -> None:
    """A line a study; exit code 1 where one differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", help="a commit")
    parser.add_argument("after", nargs="?", default="HEAD", help="another commit; the present one by default")
    parser.add_argument("--only", action="append", default=[], metavar="TEXT", help="studies with TEXT in their name")
    arguments = parser.parse_args()
    studies = {name: run for name, run in _studies().items() if all(part in name for part in arguments.only)}
    differing = []
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "shared").symlink_to(ROOT.parent / "shared")
        checkouts = [
            _checkout(commit, Path(folder) / side)
            for side, commit in (("before", arguments.before), ("after", arguments.after))
        ]
        try:
            for name, run in studies.items():
                first, second = (hashlib.sha256(run(checkout).read_bytes()).hexdigest() for checkout in checkouts)
                print(f"{'same' if first == second else 'DIFFERENT'}  {name}  {first[:12]}  {second[:12]}", flush=True)
                differing += [name] if first != second else []
        finally:
            for checkout in checkouts:
                _git("worktree", "remove", "--force", str(checkout))
    sys.exit(f"{len(differing)} of {len(studies)} differ" if differing else 0)


def _checkout(commit: str, folder: Path) -> Path:
    _git("worktree", "add", "--quiet", "--detach", str(folder), commit)
    return folder


def _git(*command: str) -> None:
    subprocess.run(["git", *command], cwd=ROOT, check=True)  # noqa: S603, S607 - git, on commits of this repository


def _studies() -> dict[str, Callable[[Path], Path]]:
    """Each study: what to run in a checkout, and the file with its numbers."""
    return {
        "demo": _demo,
        **({"tennis": _tennis} if (ROOT.parent / "shared" / "data").is_dir() else {}),
        **{f"network of the rule {rule}": _network(rule) for rule in RULES},
    }


def _demo(checkout: Path) -> Path:
    _python(checkout, "-c", "from videotcav.cli import main; main()", "demo", "--output", "of-demo")
    return _one(checkout.glob("of-demo/**/results.parquet"))


def _tennis(checkout: Path) -> Path:
    for script in ("recipe", "concepts"):
        _python(checkout, f"examples/tennis/{script}.py", "../shared/data")
    study = "examples/tennis/study.toml"
    _python(checkout, "-c", "from videotcav.cli import main; main()", "run", study, "--output", "of-tennis")
    return checkout / "of-tennis" / "results.parquet"


def _network(rule: str) -> Callable[[Path], Path]:
    def run(checkout: Path) -> Path:
        output = checkout / f"of-{rule}.json"
        _python(checkout, "-c", _NETWORK, rule, str(output))
        return output

    return run


def _one(found: Iterator[Path]) -> Path:
    (path,) = found
    return path


def _python(checkout: Path, *command: str) -> None:
    """Runs this Python on the checkout's own code."""
    places = os.pathsep.join(str(place) for place in (checkout / "src", checkout, checkout / "tests"))
    environment = {**os.environ, "PYTHONPATH": places}
    subprocess.run([sys.executable, *command], cwd=checkout, env=environment, check=True)  # noqa: S603 - as given here


if __name__ == "__main__":
    main()
