"""Seconds that a null of M pseudo-concepts takes, 20 random sets of 30 clips each: one small solve a CAV."""

from __future__ import annotations

from collections.abc import Iterator

from _gaussian import World
from harness import Book, Cells, options, taken
from validation.targets import Promise, at_most
from videotcav.explain.design.design import null_shape
from videotcav.explain.design.settings import AnalysisSettings


class Null:
    """A contestant: the null of a number of pseudo-concepts, on a layer that remembers nothing yet."""

    def __init__(self, pseudo_concepts: int) -> None:
        self.settings = AnalysisSettings(pseudo_concepts=pseudo_concepts, seed=0)

    def prepare(self) -> None:
        """A fresh layer."""
        self.layer = World(clips=30, pool=200, class_clips=30).layer(0, concepts=1, settings=self.settings)

    def __call__(self) -> object:
        """The null."""
        return self.layer.pseudo_concepts(null_shape(self.layer.design.concepts[0], self.layer.pool))


def promises(cells: Cells) -> Iterator[Promise]:
    """A millisecond a CAV at most."""
    for title, cell in cells.items():
        yield Promise(
            area="speed",
            what=f"a CAV of the null, {title}",
            unit="ms",
            target=at_most(1.0),
            value=cell["findings"]["milliseconds_a_cav"],
            n=len(next(iter(cell["contestants"].values()))["wall_seconds"]["samples"]),
            **taken(cell),
        )


def main() -> None:
    """Prints the seconds and writes them down."""
    book = Book(__file__, "seconds of one layer's null", options(__doc__).parse_args(), promises)
    for title in book.wanted("20 random sets of 30 clips each"):
        sizes = (1_000, 10_000)
        found = book.race(title, {f"{size} pseudo-concepts": Null(size) for size in sizes})
        less, more = (row["wall_seconds"]["median"] for row in found.values())
        book.note(title, milliseconds_a_cav=1000 * (more - less) / (20 * (sizes[1] - sizes[0])))


if __name__ == "__main__":
    main()
