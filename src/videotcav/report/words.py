"""Numbers and names as a reader sees them."""

from __future__ import annotations

import math

from videotcav.records import Kind, Statistic, Verdict

KIND_WORDS: dict[Kind, str] = {
    "spatial": "still crop",
    "spatiotemporal": "moving",
    "frozen": "frozen twin",
    "shuffled": "shuffled twin",
    "reversed": "reversed twin",
}

KIND_EXPLANATIONS: dict[Kind, str] = {
    "spatial": "one crop of the object, repeated in time",
    "spatiotemporal": "the object followed and cropped frame by frame",
    "frozen": "the same track, one frame held",
    "shuffled": "the same track, its frames in random order",
    "reversed": "the same track, played backwards",
}

STATISTIC_WORDS: dict[Statistic, str] = {
    "sign_count": "sign count",
    "sensitivity": "sensitivity",
    "cosine": "cosine",
}

VERDICT_EXPLANATIONS: dict[Verdict, str] = {
    "positive": "pushes the model towards the class",
    "negative": "pushes the model away from the class",
    "no evidence": "nothing that this study can tell from chance",
    "not learned": "the layer does not recognise the concept on new videos, so no verdict is given",
    "degenerate": "every direction scores alike at this layer, so the score says nothing",
    "underpowered": "the study is too small to decide",
}

CORRECTION_WORDS = {
    "holm": "Holm",
    "bonferroni": "Bonferroni",
    "bh": "Benjamini–Hochberg",
    "benjamini-hochberg": "Benjamini–Hochberg",
    "benjamini_hochberg": "Benjamini–Hochberg",
    "fdr": "Benjamini–Hochberg",
    "max_t": "max-T",
    "max-t": "max-T",
    "none": "",
}

_DECIMALS: dict[Statistic, int] = {"sign_count": 2, "cosine": 3}
_MINUS = "\N{MINUS SIGN}"


def number(value: float | None, decimals: int = 2) -> str:
    """A number with so many decimals and a real minus sign; a dash where there is none."""
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else f"{_MINUS}∞"
    text = f"{value:.{decimals}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    return text.replace("-", _MINUS)


def score(value: float | None, statistic: Statistic) -> str:
    """A value of a statistic: two decimals for fractions, three for cosines, three digits for sensitivities."""
    if statistic in _DECIMALS or value is None or not math.isfinite(value):
        return number(value, _DECIMALS.get(statistic, 2))
    if value == 0:
        return "0"
    magnitude = math.floor(math.log10(abs(value)))
    if magnitude < -4:  # noqa: PLR2004 - smaller ones have more zeros than digits
        return f"{value:.1e}".replace("-", _MINUS)
    return number(value, max(0, 2 - magnitude))


def span(low: float, high: float, statistic: Statistic) -> str:
    """Two ends of an interval, as `0.95 to 1.00`."""
    return f"{score(low, statistic)} to {score(high, statistic)}"


def p_value(p: float | None) -> str:
    """A p-value with two digits that matter: `0.20`, `0.031`, `0.0010`, `1`."""
    if p is None or math.isnan(p):
        return "–"
    if p >= 0.995:  # noqa: PLR2004 - rounds to 1
        return "1"
    if p == 0:
        return "0"
    return number(p, max(2, 1 - math.floor(math.log10(p))))


def percent(fraction: float | None) -> str:
    """A fraction as `44 %`."""
    return "–" if fraction is None or math.isnan(fraction) else f"{100 * fraction:.0f}\N{NO-BREAK SPACE}%"


def count(number_of: int, singular: str, plural: str = "") -> str:
    """`1 clip`, `3 clips`, `1 class`, `2 classes`."""
    return f"{number_of:,} {singular if number_of == 1 else plural or singular + 's'}"


def listing(names: list[str] | tuple[str, ...]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)
