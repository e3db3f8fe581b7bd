"""How often a concept is said to differ from its pool: in clean studies, and where it carries the class's own factor.

Planted scenes, cut out as `concepts propose` does (paper mode). A concept is 20 videos with one value of a factor,
against 120 of any. Clean: all other factors are as in the pool. Confounded: 80 % of its videos have one value of the
class's own factor. Labels are tested as a study does, over the columns of all factors but the concept's own. Of pixels,
padding, size and duration of the crops it is counted where the mean differs beyond chance (|z| > 1.96).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from harness import Book, Cells, options, taken
from validation.proof.shares import ends, rate
from validation.proof.world import MOTIONS, SHAPES, TIED, Film, sample
from validation.targets import Promise, at_least, at_most
from videotcav.concepts.propose.crop import moving
from videotcav.concepts.review.matching import Labelled
from videotcav.planted.factors import DISTRACTORS
from videotcav.planted.scenes import boxes, render
from videotcav.study.appearance import appearance
from videotcav.study.differences import label_differences

FACTORS: Mapping[str, tuple[str, ...]] = {
    "shape": SHAPES,
    "motion": MOTIONS,
    "background": TIED,
    "distractor": DISTRACTORS,
}
PAIRS = (("shape", "motion"), ("motion", "background"), ("background", "shape"))
"""What the concept is, and what the class goes by."""

VIDEOS, POOL, CARRIED, BEYOND = 20, 120, 0.8, 1.96
SIDE, FRAMES = 64, 8
MEASURES = ("brightness", "contrast", "sharpness", "saturation", "motion energy", "padding", "crop size", "duration")


def film(rng: np.random.Generator) -> Film:
    """A film with one value of each factor, all alike."""
    drawn: dict[str, Any] = {factor: str(rng.choice(values)) for factor, values in FACTORS.items()}
    return sample(rng, **drawn)


def measured(one: Film) -> dict[str, str] | None:
    """The labels of a film and the measures of its crop, as a table has them; None where the object is never seen."""
    found = boxes(one.scene, height=SIDE, width=SIDE, frames=FRAMES)["actor"]
    seen = [at for at, box in enumerate(found) if box is not None]
    inside = [box for box in found if box is not None]
    if len(inside) < 2:  # noqa: PLR2004 - one frame does not move
        return None
    frames = render(one.scene, height=SIDE, width=SIDE, frames=FRAMES)[seen]
    crop = moving(frames, inside, mode="paper", fill=(0, 0, 0))
    area = crop.shape[1] * crop.shape[2]
    pairs = [at for first in range(len(crop) - 1) for at in (first, first + 1)]
    numbers = {
        **dict(zip(MEASURES, appearance(crop[pairs]), strict=False)),
        "padding": 1 - float(np.mean([box.width * box.height for box in inside])) / area,
        "crop size": float(crop.shape[1]),
        "duration": float(len(crop)),
    }
    return {name: str(getattr(one.scene, name)) for name in FACTORS} | {k: f"{v:.9f}" for k, v in numbers.items()}


def studies(
    bank: list[dict[str, str]], *, concept: str, factor: str, carried: float | None, count: int, seed: int
) -> tuple[int, dict[str, int]]:
    """Of so many studies: how many are cautioned by their labels, and in how many each measure differs."""
    rng = np.random.default_rng(seed)
    cautioned, differing = 0, dict.fromkeys(MEASURES, 0)
    for number in range(count):
        order = rng.permutation(len(bank))
        value, own = (str(rng.choice(FACTORS[name])) for name in (concept, factor))
        wanted = [at for at in order if bank[at][concept] == value]
        if carried is not None:
            those = iter([at for at in wanted if bank[at][factor] == own])
            others = iter([at for at in wanted if bank[at][factor] != own])
            wanted = [next(those) if rng.random() < carried else next(others) for _ in range(VIDEOS)]
        chosen = wanted[:VIDEOS]
        pool = [at for at in order if at not in set(chosen)][:POOL]
        sets = [[Labelled(str(at), str(at), bank[at]) for at in side] for side in (chosen, pool)]
        labels = [name for name in FACTORS if name != concept]
        asked = {"concept": sets[0]}, {"concept": sets[1]}
        cautioned += any(each.is_told for each in label_differences(*asked, {"concept": labels}, seed=number))
        for each in label_differences(*asked, {"concept": MEASURES}, seed=number):
            differing[each.column] += abs(each.z) > BEYOND
    return cautioned, differing


def promises(cells: Cells) -> Iterator[Promise]:
    """Cautions by labels; how often a measure differs stands in the results alone."""
    for title, cell in cells.items():
        share = rate(cell["findings"]["cautioned"], cell["findings"]["studies"])
        yield Promise(
            area="concepts",
            what=f"studies cautioned by a label, {title}",
            unit="%",
            target=at_most(0.1) if title.endswith("clean") else at_least(0.95),
            **ends(share),
            **taken(cell),
        )


def main() -> None:
    """Prints the shares and writes them down."""
    parser = options(__doc__)
    parser.add_argument("--studies", type=int, default=200)
    parser.add_argument("--films", type=int, default=1600, help="of which studies are drawn")
    arguments = parser.parse_args()
    book = Book(__file__, "how often a difference of concept and pool is told", arguments, promises)
    cells = {
        f"{concept} with a class that goes by {factor}, {said}": (concept, factor, carried)
        for concept, factor in PAIRS
        for said, carried in (("clean", None), (f"{CARRIED:.0%} confounded", CARRIED))
    }
    titles = list(book.wanted(*cells))
    rng = np.random.default_rng(0)
    bank = [found for _ in range(arguments.films if titles else 0) if (found := measured(film(rng)))]
    for number, title in enumerate(titles):
        concept, factor, carried = cells[title]
        cautioned, differing = studies(
            bank, concept=concept, factor=factor, carried=carried, count=arguments.studies, seed=number
        )
        book.note(title, studies=arguments.studies, films=len(bank), cautioned=cautioned, differing=differing)


if __name__ == "__main__":
    main()
