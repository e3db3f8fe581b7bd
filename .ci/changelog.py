"""The changelog against the project's version, and against the tag of a release where one is given.

python .ci/changelog.py [TAG]
"""

from __future__ import annotations

import re
import sys
import tomllib
from datetime import date
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parents[1]
UNRELEASED = "Unreleased"
RELEASE = re.compile(r"(?P<version>\d+\.\d+\.\d+) - (?P<date>\S+)")


def faults(text: str, version: str, tag: str | None = None) -> list[str]:
    """What is wrong with a changelog, in sentences; `version` is the project's, `tag` that of a release being made."""
    titles = re.findall(r"^## (.+?) *$", text, re.MULTILINE)
    found = [] if titles[:1] == [UNRELEASED] else [f"the first section must be '## {UNRELEASED}'"]
    releases: list[tuple[tuple[int, ...], str]] = []
    for title in titles[1:] if not found else titles:
        match = RELEASE.fullmatch(title)
        if match is None or not _is_day(match["date"]):
            found.append(f"'## {title}' must read '## 1.2.3 - 2030-12-31'")
        else:
            releases.append((_numbers(match["version"]), match["date"]))
    for (newer, its_day), (older, day) in pairwise(releases):
        if newer <= older or its_day < day:
            found.append(f"{_dotted(newer)} of {its_day} must not stand above {_dotted(older)} of {day}")
    newest = releases[0][0] if releases else ()
    if _numbers(version) < newest:
        found.append(f"pyproject.toml says {version}, which is older than the newest section, {_dotted(newest)}")
    if _numbers(version) > newest and not _body(text, UNRELEASED).strip():
        found.append(f"nothing is said of version {version}: no section of its own, no line under {UNRELEASED}")
    if tag is not None:
        if tag != f"v{version}":
            found.append(f"the tag {tag} does not name pyproject.toml's version, {version}")
        if _numbers(version) != newest:
            found.append(f"a release of {version} needs a section '## {version} - DATE' on top")
    return found


def _is_day(word: str) -> bool:
    try:
        return date.fromisoformat(word).isoformat() == word
    except ValueError:
        return False


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def _dotted(numbers: tuple[int, ...]) -> str:
    return ".".join(map(str, numbers))


def _body(text: str, title: str) -> str:
    """What stands in a section, without the titles of its parts."""
    _, _, rest = text.partition(f"## {title}\n")
    return re.sub(r"^#.*$", "", re.split(r"^## ", rest, maxsplit=1, flags=re.MULTILINE)[0], flags=re.MULTILINE)


def main() -> int:
    """0, or 1 where something is wrong."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    found = faults((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), version, *sys.argv[1:2])
    for fault in found:
        print(f"CHANGELOG.md: {fault}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
