"""What may be concluded. Never decided by p alone: effect, interval, p and accuracy stand beside each other."""

from __future__ import annotations

from videotcav.records import Verdict


def is_significant(p: float, alpha: float) -> bool:
    """Whether p is at most alpha; m · (1 / (1 + M)) may miss alpha by a rounding."""
    return p <= alpha * (1 + 1e-9)


def verdict(
    *,
    effect: float,
    low: float,
    high: float,
    p_corrected: float,
    alpha: float,
    smallest_effect: float,
    largest_effect: float,
    learned: bool,
    degenerate: bool,
    negligible: bool = False,
) -> Verdict:
    """The verdict about one row; the first of these that holds.

    `effect` is the value's distance from the null's centre, `low` to `high` its interval, on the same scale.

    - *not learned*: the concept's own CAV cannot recognise it on held-out videos (its accuracy interval reaches
      chance), so whatever the class does along that CAV says nothing about the concept.
    - *degenerate*: the gradients of all class clips point the same way, so a sign count is 0 or 1 for every
      vector; given to sign counts only, because magnitudes can still be compared with the null.
    - *negligible*: a hypothesis declares that the effect is smaller than the smallest effect of interest, and the test
      of equivalence, after its correction, says so. An effect may be negligible and yet not zero.
    - *positive*, *negative*: the corrected p is at most alpha and the whole interval lies on the effect's side of
      the null's centre.
    - *underpowered*: no value that the statistic can take would have been significant (`smallest_effect`, which
      must be exceeded, is not below `largest_effect`): too few null draws, too few pairs, or a null as wide as
      the scale.
    - *no evidence*: otherwise; an effect up to `smallest_effect` could not have been seen.
    """
    significant = is_significant(p_corrected, alpha)
    rules: tuple[tuple[bool, Verdict], ...] = (
        (not learned, "not learned"),
        (degenerate, "degenerate"),
        (negligible, "negligible"),
        (significant and effect > 0 and low > 0, "positive"),
        (significant and effect < 0 and high < 0, "negative"),
        (not significant and smallest_effect >= largest_effect, "underpowered"),
    )
    return next((name for holds, name in rules if holds), "no evidence")
