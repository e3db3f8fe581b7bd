"""How often each test rejects when nothing is true: 5 % is right.

Concepts are draws from the distribution of the random clips. The more random sets, the more often the published
t-test rejects; set-level randomisation does not.
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy.stats import beta

from _gaussian import World, heading
from videotcav.explain.design import null_shape
from videotcav.explain.settings import AnalysisSettings
from videotcav.explain.tests import classic_one_sample, classic_two_sample, set_null

CONCEPTS = 5
ALPHA = 0.05
WORLDS = {
    "20 clips, pool of 80": World(),
    "20 clips, pool of 200": World(pool=200),
    "20 clips, pool of 40": World(pool=40),
    "2 clips a video": World(clips_per_video=2, between_videos=0.6),
}


def rejections(world: World, *, studies: int, draws: int) -> np.ndarray:
    """Shares of p ≤ 0.05 of sign counts: set-level, two-sample t, one-sample t."""
    p = []
    for seed in range(studies):
        settings = AnalysisSettings(random_draws=draws, pseudo_concepts=199, seed=seed)
        layer = world.layer(seed, concepts=CONCEPTS, settings=settings)
        runs = layer.pseudo_concepts(null_shape(layer.design.concepts[0], layer.pool))[0, ..., 0]
        null = set_null(runs.mean(axis=1))
        for concept in layer.design.concepts:
            scores = layer.statistics(concept.clips.rows[None], layer.negatives(concept), layer.class_shares)[
                0, 0, :, 0
            ]
            random = runs[np.arange(draws) % len(runs), 0]
            p.append([null.p(scores.mean()), classic_two_sample(scores, random).p, classic_one_sample(scores).p])
    return (np.array(p) <= ALPHA).mean(axis=0)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=200, help="5 tests each")
    studies = parser.parse_args().studies
    tests = studies * CONCEPTS
    heading(f"false positives at 5 %, {tests} tests each, sign count")
    for name, world in WORLDS.items():
        for draws in (10, 30) if world == World() else (10,):
            by_set, two, one = rejections(world, studies=studies, draws=draws)
            upper = beta.ppf(0.975, by_set * tests + 1, tests - by_set * tests)
            print(
                f"{name}, {draws} random sets: set-level {by_set:.1%} (at most {upper:.1%}), "
                f"two-sample t {two:.1%}, one-sample t {one:.1%}"
            )


if __name__ == "__main__":
    main()
