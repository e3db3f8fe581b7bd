"""Prompts: what is filled is a source, and what nothing fills is refused in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from videotcav.concepts.generate.prompts import Prompt, read_prompts
from videotcav.errors import UnreadableText

GOOD = """
negative = "text"
[slots]
scene = ["in a park", "on a court"]
[concepts.racket]
prompts = ["a {who} swings a racket {scene}", "a racket lies {scene}"]
slots = {who = ["man", "woman", "child"]}
[pool]
prompts = ["a dog runs {scene}"]
"""


def read(tmp_path: Path, text: str) -> tuple[list[Prompt], list[Prompt], str]:
    (tmp_path / "prompts.toml").write_text(text)
    return read_prompts(tmp_path / "prompts.toml")


def test_every_filling_of_every_template_is_one_prompt_and_one_source(tmp_path: Path) -> None:
    found, pool, negative = read(tmp_path, GOOD)
    assert len(found) == 3 * 2 + 2
    assert found[0] == Prompt(concept="racket", text="a man swings a racket in a park")
    assert [each.text for each in pool] == ["a dog runs in a park", "a dog runs on a court"]
    assert {each.concept for each in pool} == {"random"}
    assert len({each.source for each in [*found, *pool]}) == 10
    assert negative == "text"


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("{who}", "{whom}", "nothing fills the slot 'whom' of “a {whom} swings a racket {scene}”; closest: 'who'"),
        ("{who}", "{}", "a slot that is no plain name"),
        ("{who}", "{who.name}", "a slot that is no plain name"),
        ("{who}", "{who", "is no template"),
        ('"woman"', '"man"', "“a man swings a racket in a park” is there twice"),
        ("a dog runs", "a racket lies", "pool: “a racket lies in a park” is a prompt of a concept too"),
        ("concepts.racket", "concepts.random", "cannot name a concept"),
        ("concepts.racket", 'concepts."../racket"', "cannot name a concept"),
        ("[concepts.racket]", "[concept.racket]", "concept"),
        ('["a dog runs {scene}"]', "[]", "pool"),
    ],
)
def test_what_does_not_fit_is_one_sentence(tmp_path: Path, before: str, after: str, said: str) -> None:
    assert before in GOOD
    with pytest.raises(UnreadableText, match=r"prompts\.toml: ") as refused:
        read(tmp_path, GOOD.replace(before, after))
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
