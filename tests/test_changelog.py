"""The changelog is in order, and the check of it tells each way in which one is not."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
spec = importlib.util.spec_from_file_location("changelog", ROOT / ".ci" / "changelog.py")
assert spec is not None
assert spec.loader is not None
changelog = importlib.util.module_from_spec(spec)
spec.loader.exec_module(changelog)

GOOD = "# Changelog\n\n## Unreleased\n\n## 0.10.0 - 2030-02-28\n\n- b\n\n## 0.9.0 - 2030-01-31\n\n- a\n"


def test_the_changelog_is_in_order() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert changelog.faults((ROOT / "CHANGELOG.md").read_text(), version) == []


def test_ten_is_more_than_nine_and_a_release_may_have_nothing_unreleased() -> None:
    assert changelog.faults(GOOD, "0.10.0", "v0.10.0") == []


def test_the_next_version_is_told_of_by_what_is_unreleased() -> None:
    assert changelog.faults(GOOD.replace("Unreleased\n", "Unreleased\n\n### Added\n\n- c\n"), "0.11.0") == []


@pytest.mark.parametrize(
    ("text", "version", "tag", "told"),
    [
        (GOOD.replace("## Unreleased\n\n", ""), "0.10.0", None, "first section"),
        (GOOD.replace("0.10.0", "0.8.0"), "0.9.0", None, "must not stand above"),
        (GOOD.replace("0.10.0", "0.9.0"), "0.9.0", None, "must not stand above"),
        (GOOD.replace("2030-02-28", "2029-02-28"), "0.10.0", None, "must not stand above"),
        (GOOD.replace("2030-02-28", "2030-02-30"), "0.10.0", None, "must read"),
        (GOOD.replace("2030-02-28", "28.02.2030"), "0.10.0", None, "must read"),
        (GOOD.replace("2030-02-28", "20300228"), "0.10.0", None, "must read"),
        (GOOD.replace(" - 2030-02-28", ""), "0.10.0", None, "must read"),
        (GOOD, "0.11.0", None, "nothing is said of version"),
        (
            GOOD.replace("Unreleased\n", "Unreleased\n\n### Added\n"),
            "0.11.0",
            None,
            "nothing is said of version",
        ),
        (GOOD, "0.9.0", None, "older than the newest section"),
        (GOOD, "0.10.0", "v0.9.0", "does not name"),
        (GOOD.replace("Unreleased\n", "Unreleased\n\n- c\n"), "0.11.0", "v0.11.0", "needs a section"),
    ],
)
def test_what_is_out_of_order_is_told(text: str, version: str, tag: str | None, told: str) -> None:
    assert any(told in fault for fault in changelog.faults(text, version, tag))


def test_actions_are_pinned_to_commits_and_only_publishing_may_ask_for_an_identity() -> None:
    workflow = (ROOT / ".github" / "workflows" / "release.yml").read_text()
    uses = re.findall(r"uses: (\S+)", workflow)
    assert uses
    assert [action for action in uses if not re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}", action)] == []
    before, publish = workflow.split("  publish:\n")
    assert "id-token" not in before
    assert "run:" not in publish, "what runs code of ours holds no identity"
