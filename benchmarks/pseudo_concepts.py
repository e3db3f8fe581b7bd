"""Seconds that a null of M pseudo-concepts takes, 20 random sets of 30 clips each: one small solve a CAV."""

from __future__ import annotations

import argparse
import statistics
import time

from _gaussian import World, heading
from videotcav.explain.design import null_shape
from videotcav.explain.settings import AnalysisSettings


def main() -> None:
    """Prints the seconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    heading(f"seconds of processor time for one layer's null, {repeats} repeats: median (least to most)")
    for pseudo_concepts in (1_000, 10_000):
        seconds = []
        for seed in range(repeats):
            settings = AnalysisSettings(pseudo_concepts=pseudo_concepts, seed=seed)
            layer = World(clips=30, pool=200, class_clips=30).layer(seed, concepts=1, settings=settings)
            start = time.process_time()
            layer.pseudo_concepts(null_shape(layer.design.concepts[0], layer.pool))
            seconds.append(time.process_time() - start)
        spread = f"{min(seconds):.1f} to {max(seconds):.1f}"
        median = statistics.median(seconds)
        print(f"{pseudo_concepts} pseudo-concepts, {20 * pseudo_concepts} CAVs: {median:.1f} ({spread})")


if __name__ == "__main__":
    main()
