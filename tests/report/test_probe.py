"""What a probe says: a sentence for every outcome, the dull ones included, made from rows by hand."""

from __future__ import annotations

from typing import Any

import pytest

from videotcav.report.probe import ProbeRun
from videotcav.report.probe_sentences import accuracy, effect, probe_trust, remark
from videotcav.results.manifest import ClassFacts, ModelFacts
from videotcav.results.probe_facts import EditFacts, ModelDifference, ProbedModel, ProbeEffect, ProbeManifest

STILL = EditFacts(name="still", about="the middle frame is held", without="motion", ranked=True)
GREY = EditFacts(name="grey", about="colours become their luma", without="colour", ranked=True)
BLUR = EditFacts(name="blur", about="every frame is blurred", without="detail", ranked=False)
SPACE = "\N{NO-BREAK SPACE}"


def row(edit: str = "still", class_name: str = "a", effect: float | None = -1.0, **more: Any) -> ProbeEffect:
    given: dict[str, Any] = {"model": "own", "sigma": 1.0, "clips": 20, "sources": 20, "verdict": "negative"}
    given |= {"accuracy_before": 0.91, "accuracy_after": 0.34, "probability_before": 0.9, "probability_after": 0.3}
    if effect is not None:
        given |= {"low": effect - 0.2, "high": effect + 0.2, "p": 0.01, "p_corrected": 0.02}
    return ProbeEffect(edit=edit, class_name=class_name, effect=effect, **(given | more))


def run(
    *rows: ProbeEffect, differences: tuple[ModelDifference, ...] = (), models: tuple[str, ...] = ("own",)
) -> ProbeRun:
    classes = tuple(dict.fromkeys(each.class_name for each in rows))
    manifest = ProbeManifest(
        videotcav="1",
        created="2026",
        versions={},
        models={
            label: ProbedModel(
                facts=ModelFacts(name=label, classes=classes),
                score="logit",
                classes={name: ClassFacts(clips=20, sources=20, accuracy=0.9) for name in classes},
            )
            for label in models
        },
        classes=classes,
        of_classes=classes,
        edits=(STILL, GREY, BLUR),
        clips=20 * len(classes),
        sources=20 * len(classes),
        alpha=0.05,
        correction="holm",
        negligible_below=0.1,
        equivalence_margin=0.3,
        seed=0,
        left_out={},
        remarks=(),
    )
    return ProbeRun(manifest, rows, (), differences)


def test_one_class_is_answered_by_the_ranked_edit_that_costs_most() -> None:
    found = run(row(effect=-0.5), row("grey", effect=-1.2), row("blur", effect=-3.0, ranked=False, verdict="shown"))
    assert found.sentences[0] == (
        f"“a” relies most on colour: accuracy falls from 91{SPACE}% to 34{SPACE}% when colours become their luma "
        "(−1.20 σ, −1.40 to −1.00)."
    )


def test_several_classes_have_one_answer_first() -> None:
    """Accuracies are of all clips, so that a class counts by their number."""
    few = row(class_name="b", effect=-0.3, verdict="undecided", clips=10, accuracy_before=1.0, accuracy_after=1.0)
    found = run(row(effect=-2.0), few, row("grey", effect=-0.1, verdict="negligible"))
    assert found.sentences[0] == (
        f"The model relies most on motion: accuracy falls from 94{SPACE}% to 56{SPACE}% when the middle frame is held, "
        "and the score of 1 of 2 classes falls (−1.15 σ on average)."
    )


def test_where_nothing_is_shown_that_is_said_with_what_is_undecided() -> None:
    found = run(row(effect=-0.6, verdict="undecided"), row("grey", effect=0.01, verdict="negligible"))
    assert found.sentences[0] == (
        "“a” is not shown to rely on anything that a ranked edit takes away: "
        "of 2 effects 1 negligible and 1 undecided; "
        f"undecided, accuracy falls from 91{SPACE}% to 34{SPACE}% when the middle frame is held "
        "(−0.60 σ, −0.80 to −0.40)."
    )


def test_too_few_videos_are_told_with_a_cure() -> None:
    found = run(row(verdict="undecided", reason="too few videos"), row(class_name="b", verdict="undecided"))
    assert "2 undecided (1 for too few videos: add some, or ask for fewer edits or classes)" in found.sentences[0]


def test_trust_counts_videos_what_is_known_unedited_and_what_is_undecided() -> None:
    rows = row(), row("grey", verdict="undecided", reason="too few videos"), row("blur", ranked=False, verdict="shown")
    found = run(*rows, row(class_name="b", verdict="undecided"))
    assert [*probe_trust(found.manifest, found.main)][:3] == [
        "40 clips of 40 videos, each with one thing changed at a time.",
        f"Unedited, own recognises 90{SPACE}% of the clips of each class.",
        "2 of 3 effects are undecided, 1 of them for too few videos.",
    ]
    sure = run(row())
    assert not any("undecided" in each for each in probe_trust(sure.manifest, sure.main))


def test_where_all_is_negligible_or_not_asked_nothing_more_is_said() -> None:
    nothing = row("grey", effect=None, verdict="not asked", reason="changes nothing", clips=0, unchanged=20)
    found = run(row(effect=0.0, verdict="negligible"), nothing)
    assert found.sentences[0] == (
        "“a” is not shown to rely on anything that a ranked edit takes away: of 2 effects 1 negligible and 1 not asked."
    )
    found.plot()


def test_what_raises_the_score_is_told_too() -> None:
    found = run(row(), row("grey", effect=0.7, verdict="positive"))
    assert found.sentences[0].endswith("; its score rises when colours become their luma (+0.70 σ, 0.50 to 0.90).")


@pytest.mark.parametrize(("difference", "said"), [(0.8, "less"), (-0.8, "more")])
def test_models_beside_each_other(difference: float, said: str) -> None:
    apart = ModelDifference(
        model="new", other="own", edit="still", class_name="a", difference=difference, low=difference - 0.1,
        high=difference + 0.1, p=0.001, p_corrected=0.002, clips=20, sources=20,
    )  # fmt: skip
    found = run(row(), row(model="new"), differences=(apart,), models=("own", "new"))
    assert any(each.startswith(f"new relies {said} on motion than own for “a”") for each in found.sentences)
    same = apart.model_copy(update={"p_corrected": 0.4})
    found = run(row(), row(model="new"), differences=(same,), models=("own", "new"))
    assert "No difference between the models is shown on these clips." in found.sentences


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [(0.91, 0.34, "falls from 91 % to 34 %"), (0.3, 0.6, "rises from 30 % to 60 %"), (0.5, 0.502, "stays at 50 %")],
)
def test_accuracy_in_words(before: float, after: float, said: str) -> None:
    assert accuracy(before, after).replace(SPACE, " ") == f"accuracy {said}"


def test_a_row_says_what_is_missing_of_it() -> None:
    assert remark(row()) == ""
    assert remark(row(unchanged=3)) == "changes nothing in 3 clips"
    assert remark(row(effect=None, verdict="not asked", reason="changes nothing", unchanged=20)) == "it changes no clip"
    assert remark(row(not_told=2, why="nearly all of the picture moves")) == (
        "not told of 2 clips: nearly all of the picture moves"
    )
    assert remark(row(sham=-0.2, with_sham=5, second_fill=-0.6, inpainted=0.1)).replace(SPACE, " ") == (
        "its sham −0.20 σ, in 5 clips; with another fill −0.60 σ; 10 % inpainted"
    )


def test_an_effect_says_on_which_clips_it_was_measured_where_the_edit_cannot_be_made_of_all() -> None:
    assert effect(row(clips=16, not_told=4)).endswith(", on the 16 of 20 clips that it changes")
    assert "clips" not in effect(row(clips=16))


def test_the_profile_has_a_row_an_edit_the_ranked_ones_first_and_a_dot_a_class() -> None:
    rows = [row(edit, name, -0.1 * place) for place, edit in enumerate(("still", "grey")) for name in "abc"]
    axes = run(*rows, row("blur", "a", ranked=False, verdict="shown")).plot().axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["still", "grey", "blur"]
    dots = [line for line in axes.lines if line.get_marker() in "os^" and len(line.get_xdata()) == 1]
    assert len(dots) == 7
    assert len({line.get_color() for line in dots}) == 4  # three classes, and grey for what is only shown


def test_many_classes_are_dots_without_a_legend() -> None:
    found = run(*(row(class_name=f"class {number}", effect=-0.01 * number) for number in range(40)))
    figure = found.plot()
    assert not figure.legends
    assert figure.get_figheight() < 12
    assert found.sentences[-2] == "The table has all 40 classes."
