"""How often the 95 % interval holds the truth: the mean of the statistic over studies made anew.

Beside it the plain bootstrap, which trains CAVs again on resampled clips.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from _gaussian import World
from harness import Book, Cells, options, taken
from validation.proof.shares import ends, rate
from validation.targets import Promise, between
from videotcav.explain.design.settings import AnalysisSettings
from videotcav.explain.questions.pool import pool_estimates
from videotcav.explain.questions.scorer import Scorer
from videotcav.records import STATISTICS

WORLDS = {
    "no effect": World(),
    "a weak effect": World(effect=0.7),
    "a strong effect": World(effect=1.5),
    "saturated": World(effect=4.0),
    "1000 dimensions": World(effect=1.5, dimensions=1000),
    "20 dimensions": World(effect=1.5, dimensions=20),
    "2 clips a video": World(effect=0.7, clips_per_video=2, between_videos=0.6),
}


def coverage(world: World, *, studies: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth, coverage of the intervals, and of the plain bootstrap's, one number a statistic."""
    settings = AnalysisSettings(random_draws=10, pseudo_concepts=19, bootstrap_resamples=1000)
    truth = np.mean(
        [
            layer.value(layer.design.concepts[0]).values[:, 0]
            for layer in (world.layer(10_000 + seed, concepts=1, settings=settings) for seed in range(5 * studies))
        ],
        axis=0,
    )
    held, plain = np.zeros(len(STATISTICS)), np.zeros(len(STATISTICS))
    for seed in range(studies):
        layer = world.layer(seed, concepts=1, settings=settings.model_copy(update={"seed": seed}))
        [concept] = layer.design.concepts
        estimates = pool_estimates(layer, concept, layer.accuracy(concept))
        held += [each.low <= true <= each.high for each, true in zip(estimates, truth, strict=True)]
        low, high = np.quantile(
            plain_bootstrap(layer, resamples=200, rng=np.random.default_rng(seed)), [0.025, 0.975], 1
        )
        plain += (low <= truth) & (truth <= high)
    return truth, held / studies, plain / studies


def plain_bootstrap(layer: Scorer, *, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """The statistics of CAVs trained on resampled videos, (3, resample), also over class clips and random sets."""
    [concept] = layer.design.concepts
    index = concept.clips.source_index
    sources = index.max() + 1
    per_video = len(index) // sources
    order = np.argsort(index, kind="stable").reshape(sources, per_video)
    rows = concept.clips.rows[order[rng.integers(sources, size=(resamples, sources))].reshape(resamples, -1)]
    clips = layer.statistics(rows, layer.negatives(concept), np.eye(len(layer.gram.cross))).values
    draws = rng.integers(clips.shape[2], size=(resamples, clips.shape[2]))
    class_clips = rng.integers(clips.shape[3], size=(resamples, clips.shape[3]))
    each = np.arange(resamples)[:, None]
    means: np.ndarray = clips[:, each, draws].mean(axis=2)[:, each, class_clips].mean(axis=2)
    return means


def promises(cells: Cells) -> Iterator[Promise]:
    """95 % intervals cover in 93 to 97 % of studies."""
    for title, cell in cells.items():
        found = cell["findings"]
        for name, covered in zip(STATISTICS, found["covered"], strict=True):
            share = rate(round(covered * found["studies"]), found["studies"])
            yield Promise(
                area="statistics",
                what=f"Gaussian coverage of 95 % intervals, {name}, {title}",
                unit="%",
                target=between(0.93, 0.97),
                **ends(share),
                **taken(cell),
            )


def main() -> None:
    """Prints the shares and writes them down."""
    parser = options(__doc__)
    parser.add_argument("--studies", type=int, default=200)
    arguments = parser.parse_args()
    what = f"coverage of 95 % intervals over studies of 20 clips: {', '.join(STATISTICS)}"
    book = Book(__file__, what, arguments, promises)
    for title in book.wanted(*WORLDS):
        truth, held, plain = (row.round(4).tolist() for row in coverage(WORLDS[title], studies=arguments.studies))
        book.note(title, studies=arguments.studies, truth=truth, covered=held, covered_by_plain_bootstrap=plain)


if __name__ == "__main__":
    main()
