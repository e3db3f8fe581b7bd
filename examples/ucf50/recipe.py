"""The list of clips of the networks' entry: windows of three videos, each told as a source of its own.

    python examples/ucf50/recipe.py ../shared/data/networks/ucf50

Writes `clips.csv` beside this script. There is one video a class: what is said over windows is said of these videos.
"""

from __future__ import annotations

import argparse
import csv
from collections import Counter
from pathlib import Path

LIST = Path(__file__).parent / "clips.csv"


def main() -> None:
    """Writes the list."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with clips.csv (path, label, start, end, source) and videos")
    with (parser.parse_args().data / "clips.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    seen: Counter[str] = Counter()
    with LIST.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("path", "label", "start", "end", "source"))
        for row in rows:
            seen[row["source"]] += 1
            window = f"{row['source']}-{seen[row['source']]:02}"
            writer.writerow((row["path"], row["label"], row["start"], row["end"], window))
    print(f"{len(rows)} windows in {LIST.name}")


if __name__ == "__main__":
    main()
