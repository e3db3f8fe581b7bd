"""What is said of maps: each verdict in its own words, and the maps that are followed where those shown are not."""

from __future__ import annotations

from typing import Any

import pytest

from videotcav.results.followed import Followed, above_maps, offered


def badge(method: str = "grad-cam", **changes: Any) -> Followed:
    found = {
        "method": method,
        "layer": "features.4",
        "class_name": "swing",
        "verdict": "not followed",
        "clips": 24,
        "right": 20,
        "sources": 18,
        "sigma": 2.0,
        "sigma_of": "the random pool’s videos",
        "negligible_below": 0.1,
        "strongest": 0.31,
        "random": 0.24,
        "random_weights": 0.28,
        "p_random": 0.6,
        "p_random_weights": 0.02,
    }
    return Followed(**{**found, **changes})


def followed(method: str, strongest: float, layer: str = "features.2") -> Followed:
    return badge(method, layer=layer, verdict="followed", strongest=strongest, p_random=0.003)


def test_the_sentence_holds_every_number() -> None:
    said = badge().sentence
    for part in (
        "“swing” does not follow maps of grad-cam at features.4",
        "takes 0.31 σ from it where the map is strongest",
        "0.24 σ at random places",
        "0.28 σ where the map of the network with random weights",
        "p 0.60",
        "20 of 24 clips",
        "of 18 videos",
        "over the random pool’s videos",
    ):
        assert part in said
    assert "“swing” follows maps of hirescam at features.2" in followed("hirescam", 0.9).sentence
    assert badge("rise", layer="pixels").map == "rise"


def test_p_is_the_larger_of_two() -> None:
    assert badge().p == 0.6
    assert followed("hirescam", 0.9).p == 0.02
    assert badge(p_random=None, p_random_weights=None).p is None


def test_the_maps_that_are_offered_are_those_whose_strongest_part_costs_most_beyond_the_others() -> None:
    tried = [badge(), followed("layercam", 0.9), followed("hirescam", 1.1), badge("grad-cam++", strongest=3.0)]
    assert offered(tried) == tried[2]
    assert offered([*tried, followed("rise", 1.4).model_copy(update={"random_weights": 1.3})]) == tried[2]
    assert offered(tried[:1]) is None
    assert above_maps(tried).endswith("It follows those of hirescam at features.2: show these.")


@pytest.mark.parametrize(
    ("badges", "end"),
    [
        ([badge()], "over the random pool’s videos)."),
        ([badge(), badge("hirescam"), badge("layercam")], "Nor does it follow any of 2 other maps that were tried."),
        ([followed("grad-cam", 0.9), badge("hirescam")], "over the random pool’s videos)."),
        (
            [badge(verdict="not told", reason="the model gets clips of 3 source videos right, and 5 are needed")],
            "maps of grad-cam at features.4: the model gets clips of 3 source videos right, and 5 are needed.",
        ),
    ],
)
def test_nothing_is_offered_that_was_not_earned(badges: list[Followed], end: str) -> None:
    said = above_maps(badges)
    assert said.endswith(end)
    assert "show these" not in said
