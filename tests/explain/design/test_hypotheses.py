"""What a study declares: sentences read strictly, a family that is what they say, tests that keep their level."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
from scipy.stats import norm

from support.analysed import analyse
from videotcav.errors import NotEnoughData
from videotcav.explain.design.design import Design, null_shape
from videotcav.explain.design.hypotheses import (
    Hypothesis,
    family_size,
    named,
    need_problems,
    outcome,
    parse,
    parse_need,
    problems,
)
from videotcav.explain.design.settings import AnalysisSettings
from videotcav.explain.inference.multiplicity import holm
from videotcav.explain.inference.permutation import difference_null, equivalence_p
from videotcav.explain.questions.scorer import Scorer
from videotcav.records import Kind, Result, Verdict

FAST = AnalysisSettings(scores="classic", random_draws=4, pseudo_concepts=399, bootstrap_resamples=400)
SETS: dict[str, tuple[Kind, ...]] = {
    "racket": ("spatial", "spatiotemporal", "frozen"),
    "person": ("spatial",),
    "tennis court": ("spatial", "spatiotemporal"),
    "ghost": ("frozen",),
}


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("racket matters", {"claim": "matters", "concept": "racket"}),
        ("tennis court matters at features.2", {"claim": "matters", "concept": "tennis court", "layer": "features.2"}),
        ("racket/frozen matters", {"claim": "matters", "concept": "racket/frozen"}),
        ("racket: dynamic > frozen", {"claim": "greater", "concept": "racket", "against": "frozen"}),
        ("racket: moving > shuffled", {"claim": "greater", "concept": "racket", "against": "shuffled"}),
        ("racket: reversed > dynamic", {"claim": "less", "concept": "racket", "against": "reversed"}),
        (
            "racket > person at layer3 for playing tennis",
            {
                "claim": "greater",
                "concept": "racket",
                "against": "concept",
                "other": "person",
                "layer": "layer3",
                "class_name": "playing tennis",
            },
        ),
        ("nothing about person matters", {"claim": "negligible", "concept": "person", "equivalence_margin": 0.1}),
        ("person does not matter", {"claim": "negligible", "concept": "person", "equivalence_margin": 0.1}),
    ],
)
def test_a_sentence_is_read_as_it_says(text: str, parts: dict[str, Any]) -> None:
    assert parse(text, equivalence_margin=0.1) == Hypothesis(text=text, **parts)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("racket mattters", "none of the known forms: 'NAME pushes CLASS'"),
        ("racket matters a lot", "none of the known forms"),
        ("racket < person", "none of the known forms"),
        ("racket > person > ball", "none of the known forms"),
        ("racket: dynamic > frosen", "unknown kind 'frosen'; closest: 'frozen'"),
        ("racket: frozen > shuffled", "compares no moving clips with their twins"),
        ("racket: dynamic > dynamic", "compares no moving clips with their twins"),
    ],
)
def test_what_says_nothing_clear_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse(text)


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        (["raket matters"], "no concept 'raket'; closest: 'racket'"),
        (["racket > persn"], "no concept 'persn'; closest: 'person'"),
        (["person/frozen matters"], "'person' has no frozen clips; it has: spatial"),
        (["person: dynamic > frozen"], "'person' has no spatiotemporal and no frozen clips; it has: spatial"),
        (["racket/spatial: dynamic > frozen"], "without a kind before a colon, as 'racket'"),
        (["racket matters for swimg"], "no class 'swimg'; closest: 'swing'"),
        (["person > person/spatial"], "compares a set with itself"),
        (["nothing about ghost matters"], "only twins, which are named with their kind, as 'ghost/frozen'"),
        (["racket matters", "racket/spatiotemporal matters at a"], "asks again what 'racket matters' asks"),
        (["racket > person", "person > racket"], "asks again what 'racket > person' asks"),
        (["racket matters", "nothing about racket matters"], "asks again what 'racket matters' asks"),
    ],
)
def test_what_does_not_fit_the_study_is_told_with_the_nearest_names(texts: list[str], told: str) -> None:
    [(place, sentence)] = problems([parse(text) for text in texts], SETS, classes=["swing"])
    assert place == len(texts) - 1
    assert told in sentence


def test_at_two_layers_a_question_is_asked_twice_and_not_again() -> None:
    asked = [parse("racket matters at a"), parse("racket matters at b"), parse("racket > person at a")]
    assert list(problems(asked, SETS, classes=["swing"])) == []


def test_a_concept_stands_for_its_moving_clips_and_a_claim_of_nothing_for_all_but_twins() -> None:
    assert named("racket", SETS) == "racket/spatiotemporal"
    assert named("person", SETS) == "person/spatial"
    nothing = parse("nothing about racket matters")
    assert nothing.sets(SETS) == ("racket/spatial", "racket/spatiotemporal")
    asked = [nothing, parse("racket: dynamic > frozen at a"), parse("racket > person for swing")]
    assert family_size(asked, SETS, layers=3, classes=2) == 2 * 3 * 2 + 2 + 3


@pytest.mark.parametrize(
    ("claim", "verdicts", "expected"),
    [
        ("matters", ["no evidence", "negative"], "supported"),
        ("matters", ["no evidence", "not learned"], "not supported"),
        ("matters", ["underpowered", "not learned", "degenerate"], "cannot be judged"),
        ("greater", ["positive", "no evidence"], "supported"),
        ("greater", ["negative", "no evidence"], "contradicted"),
        ("greater", ["positive", "negative"], "mixed"),
        ("less", ["negative"], "supported"),
        ("less", ["positive"], "contradicted"),
        ("negligible", ["negligible", "negligible"], "supported"),
        ("negligible", ["negligible", "no evidence"], "not supported"),
        ("negligible", ["negligible", "positive"], "contradicted"),
        ("negligible", ["not learned"], "cannot be judged"),
    ],
)
def test_what_becomes_of_a_hypothesis(claim: Any, verdicts: list[Verdict], expected: str) -> None:
    assert outcome(Hypothesis(text="t", claim=claim, concept="c"), verdicts) == expected


# --- whole studies -----------------------------------------------------------------------------------------------


def planted(make: Any) -> Any:
    """racket moves the class when it moves; advert is known to the network and irrelevant to the class."""
    study = make(np.random.default_rng(0))
    for name, along in (("racket", 5.0), ("advert", 0.0)):
        base = study.base(20, distinct=1.0)
        study.add(name, "spatiotemporal", base + along * study.w)
        study.add(name, "frozen", base + 0.2 * study.rng.normal(size=base.shape))
    return study


def run(study: Any, *texts: str, settings: AnalysisSettings = FAST) -> list[Result]:
    return analyse(
        {"a": study.gram, "b": study.gram},
        concepts=study.concepts,
        random=study.random,
        classes=study.classes,
        settings=settings,
        hypotheses=[parse(text, equivalence_margin=0.3) for text in texts],
    )


DECLARED = ("racket matters", "racket: dynamic > frozen at b", "racket > advert", "nothing about advert matters")


@pytest.fixture(scope="module")
def results(gaussian_study: Any) -> list[Result]:
    return run(planted(gaussian_study), *DECLARED)


def test_each_declared_test_is_marked_with_its_sentence_and_all_else_is_exploratory(results: list[Result]) -> None:
    asked = {text: [row for row in results if row.hypothesis == text] for text in DECLARED}
    assert {text: len(rows) for text, rows in asked.items()} == dict(zip(DECLARED, (2, 1, 2, 2), strict=True))
    assert {row.statistic for rows in asked.values() for row in rows} == {"cosine"}
    assert all(row.exploratory is not bool(row.hypothesis) for row in results)


def test_the_planted_truth_comes_out_of_every_kind_of_hypothesis(results: list[Result]) -> None:
    verdicts = {text: {row.verdict for row in results if row.hypothesis == text} for text in DECLARED}
    assert verdicts == {
        "racket matters": {"positive"},
        "racket: dynamic > frozen at b": {"positive"},
        "racket > advert": {"positive"},
        "nothing about advert matters": {"negligible"},
    }


def test_the_correction_pays_for_the_declared_family_alone(results: list[Result]) -> None:
    family = [row for row in results if row.hypothesis]
    p = np.array([row.p if row.p_equivalence is None else row.p_equivalence for row in family])
    corrected = [
        row.p_corrected if row.p_equivalence_corrected is None else row.p_equivalence_corrected for row in family
    ]
    np.testing.assert_allclose(corrected, holm(p))
    everything = [row for row in results if row.statistic == "cosine"]
    whole = holm(np.array([row.p for row in everything]))
    for row, over_all in zip(everything, whole, strict=True):
        if row.exploratory:
            assert row.p_corrected == pytest.approx(over_all)


def test_without_hypotheses_the_family_is_everything_and_nothing_is_exploratory(gaussian_study: Any) -> None:
    plain = run(planted(gaussian_study))
    assert not any(row.exploratory or row.hypothesis or row.against == "concept" for row in plain)
    p = np.array([row.p for row in plain if row.statistic == "sensitivity"])
    np.testing.assert_allclose([row.p_corrected for row in plain if row.statistic == "sensitivity"], holm(p))


def test_hypotheses_change_no_estimate(gaussian_study: Any, results: list[Result]) -> None:
    facts = ("value", "low", "high", "p", "null_centre")
    plain = [[getattr(row, fact) for fact in facts] for row in run(planted(gaussian_study))]
    assert plain == [[getattr(row, fact) for fact in facts] for row in results if row.against != "concept"]


def test_a_difference_is_that_of_the_two_values_and_changes_sign_with_them(
    gaussian_study: Any, results: list[Result]
) -> None:
    def value(rows: list[Result], concept: str, against: str) -> Result:
        return next(r for r in rows if (r.concept, r.kind, r.against) == (concept, "spatiotemporal", against))

    there = value(results, "racket", "concept")
    assert there.value == pytest.approx(
        value(results, "racket", "random").value - value(results, "advert", "random").value
    )
    back = value(run(planted(gaussian_study), "advert > racket"), "advert", "concept")
    assert back.value == pytest.approx(-there.value)
    assert back.high - back.low == pytest.approx(there.high - there.low, rel=0.15)  # resampled anew


def test_what_was_not_shown_to_be_small_is_no_evidence_and_a_large_effect_contradicts(gaussian_study: Any) -> None:
    study = planted(gaussian_study)
    found = run(study, "nothing about racket matters", "advert/frozen does not matter")
    racket = [row for row in found if row.hypothesis == "nothing about racket matters"]
    assert {row.verdict for row in racket} == {"positive"}
    assert all(row.exploratory for row in racket)  # the difference was not declared
    assert all(row.p_equivalence_corrected > 0.05 for row in racket)
    tight = [parse("advert does not matter", equivalence_margin=0.01)]
    rows = analyse(
        {"a": study.gram},
        concepts=study.concepts,
        random=study.random,
        classes=study.classes,
        settings=FAST,
        hypotheses=tight,
    )
    assert {row.verdict for row in rows if row.hypothesis} == {"no evidence"}


def test_too_few_resamples_to_show_that_an_effect_is_small_are_refused(gaussian_study: Any) -> None:
    settings = FAST.model_copy(update={"alpha": 0.004, "pseudo_concepts": None, "correction": "bonferroni"})
    with pytest.raises(NotEnoughData, match=r"2 tests .* at least 499 bootstrap resamples .* not 400"):
        run(planted(gaussian_study), "advert does not matter", settings=settings)


def test_only_the_declared_family_needs_its_null_draws(gaussian_study: Any) -> None:
    """Twelve tests would need 239 pseudo-concepts; one declared test needs 19."""
    few = FAST.model_copy(update={"pseudo_concepts": 99})
    with pytest.raises(NotEnoughData, match="12 tests"):
        run(planted(gaussian_study), settings=few)
    rows = run(planted(gaussian_study), "racket matters at a", settings=few)
    assert [row.verdict for row in rows if row.hypothesis] == ["positive"]


# --- guards ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("guard", ["not learned", "degenerate", "underpowered"])
def test_a_guard_speaks_before_any_declared_verdict(gaussian_study: Any, guard: str) -> None:
    """Planted so that each guard must speak: a concept that is noise, gradients that are one and the same, and pairs
    of five videos, whose 16 flips cannot reach the corrected level.
    """
    assert guard in get_args(Verdict)
    study = gaussian_study(np.random.default_rng(3), gradient_noise=0.0 if guard == "degenerate" else 0.15)
    base = study.rng.normal(size=(20, study.dimensions))
    distinct = study.base(20, distinct=0.0 if guard == "not learned" else 2.0) if guard != "not learned" else base
    per_video = 4 if guard == "underpowered" else 1
    study.add("racket", "spatiotemporal", distinct, clips_per_video=per_video)
    study.add("racket", "frozen", distinct + 0.1 * study.rng.normal(size=base.shape), clips_per_video=per_video)
    study.add("person", "spatial", study.base(20, distinct=2.0))
    texts = {
        "not learned": [
            "racket matters",
            "racket > person",
            "racket: dynamic > frozen",
            "racket/frozen does not matter",
        ],
        "degenerate": [
            "racket matters",
            "racket > person",
            "racket: dynamic > frozen",
            "racket/frozen does not matter",
        ],
        "underpowered": ["racket: dynamic > frozen"],
    }[guard]
    rows = analyse(
        {"a": study.gram},
        concepts=study.concepts,
        random=study.random,
        classes=study.classes,
        settings=FAST,
        hypotheses=[parse(text, equivalence_margin=0.2) for text in texts],
        primary="sign_count",
    )
    assert {row.hypothesis: row.verdict for row in rows if row.hypothesis} == dict.fromkeys(texts, guard)


# --- level -------------------------------------------------------------------------------------------------------

STUDIES, CONCEPTS = 100, 6
LEVEL = AnalysisSettings(scores="classic", random_draws=6, pseudo_concepts=99, bootstrap_resamples=100)


def test_two_concepts_without_effect_are_told_apart_no_more_often_than_claimed(gaussian_study: Any) -> None:
    """300 pairs of disjoint concepts, drawn as the pool is: at 5 % the count stays below 5 % + 2.3 errors."""
    rejected, tests = np.zeros(3), 0
    for seed in range(STUDIES):
        study = gaussian_study(np.random.default_rng([12, seed]), pool=40, dimensions=30, class_clips=10)
        for concept in range(CONCEPTS):
            study.add(f"c{concept}", "spatial", study.rng.normal(size=(10, study.dimensions)))
        settings = LEVEL.model_copy(update={"seed": seed})
        layer = Scorer("l", study.gram, Design(tuple(study.concepts), study.random, study.classes, 1, settings))
        runs = layer.pseudo_concepts(null_shape(study.concepts[0], study.random)).values.mean(axis=2)[..., 0]
        values = [layer.value(concept).values[:, 0] for concept in study.concepts]
        for first, second in zip(values[::2], values[1::2], strict=True):
            nulls = [difference_null(each, np.roll(each, 1)) for each in runs]
            rejected += [null.p(d) <= 0.05 for null, d in zip(nulls, first - second, strict=True)]
            tests += 1
    assert (rejected / tests <= 0.05 + 2.3 * np.sqrt(0.05 * 0.95 / tests)).all()
    assert (rejected > 0).all()


def test_equivalence_by_hand() -> None:
    """With normal deviations p is that of the nearer one-sided z-test; outside the margins it is 1."""
    deviations = norm.ppf((np.arange(9999) + 0.5) / 9999)
    assert equivalence_p(0.5, deviations, margin=3.0) == pytest.approx(norm.sf(2.5), abs=2e-4)
    assert equivalence_p(-0.5, deviations, margin=3.0) == pytest.approx(norm.sf(2.5), abs=2e-4)
    assert equivalence_p(3.0, deviations, margin=3.0) == 1
    assert equivalence_p(0.0, np.zeros(99), margin=1.0) == pytest.approx(0.01)


def test_an_effect_as_large_as_the_margin_is_called_small_no_more_often_than_claimed(gaussian_study: Any) -> None:
    """At the edge, where the null is just true: the margin is the mean effect over all studies of the world."""
    effects, deviations = [], []
    for seed in range(STUDIES):
        rng = np.random.default_rng([13, seed])
        study = gaussian_study(rng, pool=40, dimensions=30, class_clips=20)
        study.add("c", "spatial", rng.normal(size=(15, study.dimensions)) + 1.0 * study.w)
        settings = LEVEL.model_copy(update={"seed": seed, "bootstrap_resamples": 400})
        layer = Scorer("l", study.gram, Design(tuple(study.concepts), study.random, study.classes, 1, settings))
        [concept] = study.concepts
        scored = layer.scored(concept, layer.negatives(concept))
        null = layer.pseudo_concepts(null_shape(concept, study.random)).mean("set draw classes -> classes")
        effects.append((scored.per_draw.mean("draw classes -> classes") - null).values[:, 0])
        deviations.append(layer.resampled(concept, scored.influences).values[..., 0])
    margins = np.mean(effects, axis=0)
    for index in (1, 2):  # sensitivity and cosine; a sign count saturates here
        p = [equivalence_p(e[index], d[index], margin=margins[index]) for e, d in zip(effects, deviations, strict=True)]
        assert np.mean(np.array(p) <= 0.05) <= 0.05 + 2.3 * np.sqrt(0.05 * 0.95 / STUDIES)


# --- what the class needs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "class_name", "target", "edit", "claim"),
    [
        ("swing needs racket", "swing", "racket", "remove", "less"),
        ("swing needs racket motion", "swing", "racket", "freeze", "less"),
        ("swing needs racket order", "swing", "racket", "shuffle", "less"),
        ("tennis swing needs tennis ball direction", "tennis swing", "tennis ball", "reverse", "less"),
        ("swing needs nothing of the background", "swing", "background", None, "negligible"),
        ("swing needs nothing of racket", "swing", "racket", None, "negligible"),
    ],
)
def test_a_need_names_the_edit_that_asks_for_it(
    text: str, class_name: str, target: str, edit: str | None, claim: str
) -> None:
    need = parse_need(text)
    assert need is not None
    assert (need.class_name, need.target, need.edit, need.claim) == (class_name, target, edit, claim)
    assert need.asks(edit or "blur", target, class_name)
    assert not need.asks(edit or "blur", target, "another")
    assert not need.asks(edit or "blur", "another", class_name)


def test_what_pushes_is_no_need() -> None:
    assert parse_need("racket pushes swing") is None


@pytest.mark.parametrize(
    ("texts", "edits", "sentence"),
    [
        (["swing needs racket"], [], "say where its objects are, in a section interventions"),
        (["swin needs racket"], [("remove", "racket")], "no class 'swin'; closest: 'swing'"),
        (["swing needs raket"], [("remove", "racket")], "edits no 'raket'; closest: 'racket'"),
        (["swing needs racket motion"], [("remove", "racket")], "'racket' is not edited by 'freeze'"),
        (["swing needs racket", "swing needs nothing of racket"], [("remove", "racket")], "asks again what"),
    ],
)
def test_a_need_that_no_edit_asks_is_told(texts: list[str], edits: list[tuple[str, str]], sentence: str) -> None:
    needs = [(place, need) for place, text in enumerate(texts) if (need := parse_need(text))]
    ((place, told),) = need_problems(needs, edits, classes=["swing", "idle"])
    assert place == len(texts) - 1
    assert sentence in told


@pytest.mark.parametrize(
    ("text", "verdicts", "expected"),
    [
        ("swing needs racket", ["negative"], "supported"),
        ("swing needs racket", ["positive"], "contradicted"),
        ("swing needs racket", ["negligible"], "not supported"),
        ("swing needs racket", ["not asked"], "cannot be judged"),
        ("swing needs nothing of court", ["negligible", "negligible"], "supported"),
        ("swing needs nothing of court", ["negligible", "undecided"], "not supported"),
        ("swing needs nothing of court", ["negligible", "negative"], "contradicted"),
    ],
)
def test_what_became_of_a_need(text: str, verdicts: list[str], expected: str) -> None:
    need = parse_need(text)
    assert need is not None
    assert outcome(need, verdicts) == expected
