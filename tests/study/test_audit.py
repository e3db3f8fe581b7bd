"""Planted mistakes are told, and sound results pass in silence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.shell import videotcav
from videotcav.errors import AuditError
from videotcav.study.audit import audit


@pytest.fixture
def flags(tmp_path: Path) -> Any:
    """The flags and sentences of results, as they stand in a file."""

    def of(text: str | dict[str, Any]) -> list[tuple[str, str]]:
        path = tmp_path / "results.json"
        path.write_text(text if isinstance(text, str) else json.dumps(text))
        return [(finding.flag, finding.sentence) for finding in audit(path)]

    return of


def captum(pairs: list[tuple[float, float]]) -> dict[str, Any]:
    return {f"0-{n}": {"layer4": {"sign_count": list(pair), "magnitude": [1.0, -2.0]}} for n, pair in enumerate(pairs)}


def test_captums_two_samples_are_one(flags: Any) -> None:
    """A concept against a random set gives s and 1 − s, whatever the data."""
    shares = np.random.default_rng(0).integers(1, 30, size=8) / 30
    [(flag, sentence)] = flags(captum([(s, 1 - s) for s in shares]))
    assert flag == "mirrored"
    assert "all 8 sets at layer4" in sentence


def test_two_samples_that_do_not_mirror_each_other_pass(flags: Any) -> None:
    assert flags(captum([(0.8, 0.3), (0.7, 0.6), (0.9, 0.2)])) == []
    assert flags(captum([(0.8, 0.2), (0.7, 0.3)])) == []  # two are no pattern


def test_a_layer_of_zeros_and_ones_is_degenerate(flags: Any) -> None:
    [(flag, sentence)] = flags(captum([(1.0, 1.0), (0.0, 1.0), (1.0, 0.0)]))
    assert flag == "degenerate"
    assert "layer4: all 6 sign counts are 0 or 1" in sentence


@pytest.mark.parametrize("clips", [7, 30, 41])
@pytest.mark.parametrize("digits", [1, 2, 3])
def test_every_true_share_passes_and_the_rest_does_not(flags: Any, clips: int, digits: int) -> None:
    """By enumeration: all numbers of so many digits that some count of clips rounds to, and no others."""
    possible = {f"{count / clips:.{digits}f}" for count in range(clips + 1)}
    possible |= {f"{np.nextafter(count / clips, 2):.{digits}f}" for count in range(clips + 1)}
    for step in range(10**digits + 1):
        stated = f"{step / 10**digits:.{digits}f}"
        found = flags(f'{{"results": [{{"name": "c", "clips": {clips}, "mean": {stated}}}]}}')
        ties = any(abs(step / 10**digits - count / clips) == 0.5 * 10**-digits for count in range(clips + 1))
        assert bool(found) is (stated not in possible) or ties


def test_the_digits_that_a_paper_gives_count(flags: Any) -> None:
    """0.5 may be 13 of 25; 0.50 may not."""
    form = '{"results": [{"name": "racket", "layer": "l", "clips": 25, "mean": %s}]}'
    assert flags(form % "0.5") == []
    [(flag, sentence)] = flags(form % "0.50")
    assert flag == "impossible"
    assert sentence == "racket at l: 0.50 is no share of 25 clips; the nearest are 12/25 = 0.48 and 13/25 = 0.52"


def test_a_mean_is_that_of_its_scores(flags: Any) -> None:
    form = '{"results": [{"name": "c", "clips": 10, "scores": [0.9, 0.8, 0.8], "mean": %s}]}'
    assert flags(form % "0.83") == []
    assert [flag for flag, _ in flags(form % "0.95")] == ["impossible"]


def test_a_t_test_over_runs_is_told(flags: Any) -> None:
    result = {"name": "c", "scores": [0.9, 0.8, 0.7], "random_scores": [0.5, 0.4, 0.6], "test": "t", "p": 0.01}
    [(flag, sentence)] = flags({"results": [result]})
    assert flag == "dependent runs"
    assert "share one concept set" in sentence
    assert [flag for flag, _ in flags({"results": [{"name": "c", "scores": [0.9], "test": "t"}]})] == [
        "dependent runs",
        "too few runs",
    ]


def test_draws_that_the_correction_cannot_live_on(flags: Any) -> None:
    """Nine tests at 5 % need 179 draws: 9 / 180 = 0.05."""

    def one(draws: int, p: float = 0.02) -> list[str]:
        result = {"name": "c", "test": "permutation", "null_draws": draws, "p": p}
        return [flag for flag, _ in flags({"correction": "holm", "tests": 9, "results": [result]})]

    assert one(178) == ["too few draws"]
    assert one(179) == []
    assert one(199, p=0.001) == ["impossible"]


def test_what_is_out_of_range_is_told(flags: Any) -> None:
    found = flags('{"results": [{"name": "c", "scores": [1.2, 0.5], "p": 0}, {"name": "d", "mean": NaN}]}')
    assert [flag for flag, _ in found] == ["out of range"] * 3


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "is not JSON"),
        ('{"a": 1}', "no experimental set of captum's"),
        ('{"a": {"l": {"other": [1]}}}', "holds no sign_count"),
        ('{"results": [{"layer": "l"}]}', "results.0.name"),
        ('{"results": []}', "results"),
    ],
)
def test_what_is_no_file_of_results_is_refused(flags: Any, text: str, reason: str) -> None:
    with pytest.raises(AuditError, match=reason):
        flags(text)


@pytest.mark.parametrize(("share", "code"), [(0.2, 3), (0.5, 0)])
def test_the_exit_code_says_whether_something_was_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], share: float, code: int
) -> None:
    path = tmp_path / "results.json"
    path.write_text(json.dumps(captum([(0.8, share), (0.7, 0.3), (0.6, 0.4)])))
    assert videotcav(monkeypatch, "audit", path) == code
    assert capsys.readouterr().out.startswith("mirrored: ") or not code
