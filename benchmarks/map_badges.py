"""How often is a map called followed? On networks that learned a rule, and where nothing could be followed.

    python benchmarks/map_badges.py [--clips 24] [--missing]

Each network of the proof (`validation/proof/networks`) is a cell; four methods at its three default layers have a badge
each, over fresh films of one class. Beside the network's own maps stand three controls, in which no map has anything to
do with what was learned:

- `random-weight maps`: the network's score, and maps of the network with its weights in random places (others than
  those that the badge compares with);
- `shuffled network`: a network with its weights in random places, its own score and its own maps;
- `fresh network`: one with untrained weights, likewise (of the CNNs; the Video Swins start from trained weights).

A network that learned nothing is asked for the class that it gives most clips to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from harness import Book, Cells, options, taken
from validation.proof.concepts import pixels
from validation.proof.shares import ends, rate
from validation.proof.training import LAYERS, NETWORKS, Job, build, jobs, trained
from validation.proof.world import RULES, sample
from validation.targets import Promise, at_most
from videotcav.maps.checked import TRIED_METHODS, ClipToCheck, MapCheck
from videotcav.maps.view import View
from videotcav.models.model import VideoModel
from videotcav.models.randomised import randomised
from videotcav.results.followed import Followed

METHODS = (*TRIED_METHODS, "grad-cam++")
CONTROLS = ("random-weight maps", "shuffled network", "fresh network")


@dataclass(frozen=True, eq=False)
class OfAnother(MapCheck):
    """Checks the maps of another network as if they were the model's."""

    drawn_of: VideoModel | None = None

    def _maps(self, model: VideoModel, clip: ClipToCheck, index: int, views: Sequence[View]) -> tuple[Tensor, Tensor]:
        maps, said = super()._maps(model, clip, index, views)
        if model is self.model and self.drawn_of is not None:
            maps, _ = super()._maps(self.drawn_of, clip, index, views)
        return maps, said


def badges(job: Job, count: int) -> dict[str, tuple[Followed, ...]]:
    """The badges of the network's own maps (`own`), and of the controls."""
    model, _ = trained(job, NETWORKS)
    views = [View(method=method, layer=layer) for layer in LAYERS[job.architecture] for method in METHODS]
    name = model.card.classes[0]
    rng = np.random.default_rng([job.seed, 5])
    shown = pixels([sample(rng, RULES[job.rule], name) for _ in range(count)])
    clips = [ClipToCheck(str(number), str(number), each) for number, each in enumerate(shown)]

    def most_given(network: VideoModel) -> str:
        return network.card.classes[int(network(shown).argmax(dim=1).mode().values)]

    shuffled = randomised(model, rng=np.random.default_rng([job.seed, 1]))
    found = {
        "own": MapCheck(model)(clips, name, views),
        "random-weight maps": OfAnother(model, drawn_of=shuffled)(clips, name, views),
        "shuffled network": MapCheck(shuffled)(clips, most_given(shuffled), views),
    }
    if job.architecture == "cnn":
        with torch.random.fork_rng():
            torch.manual_seed(job.seed)
            fresh = replace(model, module=build(len(model.card.classes)).eval())
        found["fresh network"] = MapCheck(fresh)(clips, most_given(fresh), views)
    return found


def promises(cells: Cells) -> Iterator[Promise]:
    """Shares of badges that are told and say followed; those of controls are promised."""
    found = [cell["findings"] for cell in cells.values()]
    last = taken(max(cells.values(), key=lambda cell: cell["taken"]))

    def share(what: str, verdicts: Iterable[str], **target: Any) -> Promise:
        told = [verdict for verdict in verdicts if verdict != "not told"]
        share = ends(rate(told.count("followed"), len(told)))
        return Promise(area="maps", what=f"badge: {what}", unit="%", **target, **share, **last)

    for control in CONTROLS:
        every = (verdict for of in found for verdict in of.get(control, {}).values())
        yield share(f"{control}, followed", every, target=at_most(0.05))
    for name in dict.fromkeys(name for of in found for name in of["own"]):
        yield share(f"{name}, followed", (of["own"][name] for of in found if name in of["own"]))
    for of_whom in ("own", *CONTROLS):
        of_each = [set(of[of_whom].values()) - {"not told"} for of in found if of_whom in of]
        best = ["followed" if "followed" in verdicts else "not followed" for verdicts in of_each if verdicts]
        yield share(f"networks with one of 12 maps followed, {of_whom.replace('own', 'own maps')}", best)


def main() -> None:
    """Take all cells and write them down."""
    parser = options(__doc__)
    parser.add_argument("--clips", type=int, default=24)
    arguments = parser.parse_args()
    book = Book(__file__, "How often is a map called followed?", arguments, promises)
    every = {job.name: job for job in jobs() if (NETWORKS / f"{job.name}.json").exists()}
    for title in book.wanted(*every):
        found = badges(every[title], arguments.clips)
        book.note(title, **{of: {each.map: each.verdict for each in some} for of, some in found.items()})


if __name__ == "__main__":
    main()
