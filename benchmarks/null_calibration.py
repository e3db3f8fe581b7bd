"""How often each test rejects when nothing is true: 5 % is right.

Concepts are draws from the distribution of the random clips. The more random sets, the more often the published
t-test rejects; set-level randomisation does not.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.stats import beta

from _gaussian import World
from harness import Book, Cells, options, taken
from validation.proof.shares import ends, rate
from validation.targets import Promise, at_most, both
from videotcav.explain.design.design import null_shape
from videotcav.explain.design.settings import AnalysisSettings
from videotcav.explain.inference.permutation import classic_one_sample, classic_two_sample, set_null

CONCEPTS = 5
ALPHA = 0.05
WORLDS = {
    "20 clips, pool of 80, 10 random sets": (World(), 10),
    "20 clips, pool of 80, 30 random sets": (World(), 30),
    "20 clips, pool of 80, 100 random sets": (World(), 100),
    "20 clips, pool of 80, 500 random sets": (World(), 500),
    "20 clips, pool of 200, 10 random sets": (World(pool=200), 10),
    "20 clips, pool of 40, 10 random sets": (World(pool=40), 10),
    "2 clips a video, 10 random sets": (World(clips_per_video=2, between_videos=0.6), 10),
}


def rejections(world: World, *, studies: int, draws: int) -> np.ndarray:
    """Shares of p ≤ 0.05 of sign counts: set-level, two-sample t, one-sample t."""
    p = []
    for seed in range(studies):
        settings = AnalysisSettings(random_draws=draws, pseudo_concepts=199, seed=seed)
        layer = world.layer(seed, concepts=CONCEPTS, settings=settings)
        runs = layer.pseudo_concepts(null_shape(layer.design.concepts[0], layer.pool))["sign_count"][..., 0]
        null = set_null(runs.mean(axis=1))
        for concept in layer.design.concepts:
            scores = layer.statistics(concept.clips.rows[None], layer.negatives(concept), layer.class_shares)[
                "sign_count"
            ][0, :, 0]
            random = runs[np.arange(draws) % len(runs), 0]
            p.append([null.p(scores.mean()), classic_two_sample(scores, random).p, classic_one_sample(scores).p])
    rejected: np.ndarray = (np.array(p) <= ALPHA).mean(axis=0)
    return rejected


def promises(cells: Cells) -> Iterator[Promise]:
    """Set-level randomisation keeps its level; how often the published tests reject is reported."""
    names = {"set_level": "set-level randomisation", "two_sample_t": "two-sample t", "one_sample_t": "one-sample t"}
    for title, cell in cells.items():
        found = cell["findings"]
        for key, name in names.items():
            share = rate(round(found[key] * found["tests"]), found["tests"])
            yield Promise(
                area="statistics",
                what=f"Gaussian false positives at a nominal 5 %, {name}, {title}",
                unit="%",
                target=both(at_most(0.05), at_most(0.07, on="high")) if key == "set_level" else None,
                **ends(share),
                **taken(cell),
            )


def main() -> None:
    """Prints the shares and writes them down."""
    parser = options(__doc__)
    parser.add_argument("--studies", type=int, default=200, help=f"{CONCEPTS} tests each")
    arguments = parser.parse_args()
    tests = arguments.studies * CONCEPTS
    book = Book(__file__, f"false positives at a nominal {ALPHA:.0%}, sign count", arguments, promises)
    for title in book.wanted(*WORLDS):
        world, draws = WORLDS[title]
        by_set, two, one = rejections(world, studies=arguments.studies, draws=draws).tolist()
        upper = float(beta.ppf(0.975, by_set * tests + 1, tests - by_set * tests))
        book.note(title, tests=tests, set_level=by_set, set_level_at_most=upper, two_sample_t=two, one_sample_t=one)


if __name__ == "__main__":
    main()
