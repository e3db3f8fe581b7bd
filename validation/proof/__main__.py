"""The whole proof in one command: trains what is not there, evaluates, writes the results, page and figures.

python -m validation.proof            everything
python -m validation.proof --cached   only the networks that are trained already
python -m validation.proof --page     rows of docs/targets.json and page from the results that are there
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import torch
from threadpoolctl import threadpool_limits

from validation.proof.evaluate import evaluated
from validation.proof.page import RESULT, read, write_page
from validation.proof.shares import IRRELEVANT, RELEVANT
from validation.proof.summary import summarise
from validation.proof.training import NETWORKS, jobs
from validation.proof.world import RULES
from validation.provenance import commit, machine

CACHE = Path(os.environ.get("VIDEOTCAV_VALIDITY_CACHE", Path.home() / ".cache" / "videotcav" / "validity"))


def main() -> None:
    """One line a model, then the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="models a rule")
    parser.add_argument("--cached", action="store_true", help="train nothing")
    parser.add_argument("--evaluated", action="store_true", help="evaluate nothing either")
    parser.add_argument("--page", action="store_true", help="only write the page again")
    parser.add_argument("--part", default="", help="share the work: 0/2 here and 1/2 there, then once without")
    arguments = parser.parse_args()
    if arguments.page:
        write_page(read())
        return
    torch.set_num_threads(1)
    # The network of 20 classes and the transformers are there, and not judged yet.
    few = [job for job in jobs(range(arguments.seeds)) if len(RULES[job.rule].classes) < 20]  # noqa: PLR2004
    chosen = [job for job in few if job.architecture == "cnn"]
    if arguments.cached:
        chosen = [job for job in chosen if (NETWORKS / f"{job.name}.json").exists()]
    if arguments.evaluated:
        chosen = [job for job in chosen if list(CACHE.glob(f"{job.key}-*.result.json"))]
    share, _, parts = (arguments.part or "0/1").partition("/")
    found = []
    with threadpool_limits(1):
        for job in chosen[int(share) :: int(parts)]:
            facts = evaluated(job, CACHE)
            found.append(facts)
            told = "learned" if facts["learned"] else "NOT LEARNED"
            seconds = facts["processor_seconds"]
            print(f"{job.rule}, seed {job.seed}: right {facts['accuracy']:.1%}, {told}, {seconds:.0f} s", flush=True)
    if arguments.part:
        return
    numbers = summarise(found)
    numbers |= {"relevant": RELEVANT, "irrelevant_up_to": IRRELEVANT, "machine": machine(), "commit": commit()}
    RESULT.write_text(json.dumps(numbers, indent=1) + "\n", encoding="utf-8")
    write_page(numbers)


if __name__ == "__main__":
    main()
