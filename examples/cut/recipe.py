"""Films of the study of cuts: real footage with events of ours, each at a known frame between 15 and 34 of 50.

    python examples/cut/recipe.py ../shared/data/tennis

Writes `films/` beside this script: class, concepts, random, `events.csv` and `sources.csv`. No film is part of the
project.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
from validation.moments.scenes import Film, make_films

FILMS = Path(__file__).parent / "films"


def main() -> None:
    """Writes the films anew."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("footage", type=Path, help="folder of clips with labels.csv (file, scene)")
    footage = parser.parse_args().footage
    with tempfile.TemporaryDirectory(prefix="videotcav-cut-") as folder:
        films = make_films(footage, Path(folder))
        placed = {
            "class": films.of_class,
            "random": films.pool,
            **{f"concepts/{name}/spatiotemporal": found for name, found in films.concepts.items()},
        }
        shutil.rmtree(FILMS, ignore_errors=True)
        rows = [row for place, found in placed.items() for film in found if (row := _put(place, film))]
    for name, column, at in (("sources", "source", 1), ("events", "seconds", 2)):
        with (FILMS / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("file", column), *((row[0], row[at]) for row in rows if row[at] is not None)])
    print(f"{len(rows)} films in {FILMS.name}/")


def _put(place: str, film: Film) -> tuple[str, str, float | None]:
    path = FILMS / place / film.path.name
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(film.path, path)
    return f"{place}/{film.path.name}", film.scene, film.seconds


if __name__ == "__main__":
    main()
