"""Numbers and names as a reader sees them."""

from __future__ import annotations

import math

from videotcav.records import Kind, Outcome, Statistic, Verdict

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
    "contrast": "contrast",
    "shift": "shift",
    "sign_count": "sign count",
    "sensitivity": "sensitivity",
    "cosine": "cosine",
    "relative": "relative sign count",
}

STATISTIC_PLURALS: dict[Statistic, str] = {
    "contrast": "contrasts",
    "shift": "shifts",
    "sign_count": "sign counts",
    "sensitivity": "sensitivities",
    "cosine": "cosines",
    "relative": "relative sign counts",
}

VERDICT_EXPLANATIONS: dict[Verdict, str] = {
    "positive": "pushes the model towards the class",
    "negative": "pushes the model away from the class",
    "negligible": "moves the class by less than the equivalence margin",
    "undecided": "neither shown to move the class nor shown to leave it alone",
    "fidelity too low": "this layer's readout does not follow the score, so no verdict is given",
    "no evidence": "nothing that this study can tell from chance",
    "not learned": "the layer does not recognise the concept on new videos, so no verdict is given",
    "degenerate": "every direction scores alike at this layer, so the score says nothing",
    "underpowered": "the study is too small to decide",
}

OUTCOME_MARKS: dict[Outcome, Verdict] = {
    "supported": "positive",
    "contradicted": "negative",
    "mixed": "no evidence",
    "not supported": "no evidence",
    "cannot be judged": "not learned",
}
"""The verdict whose mark an outcome wears."""

OUTCOME_WAYS: dict[Verdict, str] = {"positive": "towards the class", "negative": "away from the class"}
"""Which way a concept matters."""

_CORRECTIONS = {
    "holm": "Holm",
    "bonferroni": "Bonferroni",
    "bh": "Benjamini–Hochberg",
    "fdr": "Benjamini–Hochberg",
    "benjamini_hochberg": "Benjamini–Hochberg",
    "none": "",
}
_DECIMALS: dict[Statistic, int] = {"contrast": 2, "shift": 2, "sign_count": 2, "cosine": 3, "relative": 2}
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_SMALLEST_POWER = -4
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
    if value is None or statistic in _DECIMALS:
        return number(value, _DECIMALS.get(statistic, 2))
    return _digits(value, 3)


def signed(value: float, statistic: Statistic) -> str:
    """A value with its sign, also where it is above 0."""
    text = score(value, statistic)
    return text if text.startswith(_MINUS) or value == 0 else f"+{text}"


def span(low: float, high: float, statistic: Statistic) -> str:
    """Two ends of an interval, as `0.95 to 1.00`."""
    return f"{score(low, statistic)} to {score(high, statistic)}"


def p_value(p: float | None) -> str:
    """A p-value with two digits that matter: `0.20`, `0.031`, `0.0010`, `1`."""
    return "1" if p is not None and p >= 0.995 else "–" if p is None else _digits(p, 2)  # noqa: PLR2004 - rounds to 1


def _digits(value: float, digits: int) -> str:
    """A number with so many significant digits; a power of ten where zeros would outnumber them."""
    if value == 0 or not math.isfinite(value):
        return number(value, 0)
    mantissa, power = f"{value:.{digits - 1}e}".split("e")
    if int(power) < _SMALLEST_POWER:
        return f"{mantissa} × 10{str(int(power)).translate(_RAISED)}".replace("-", _MINUS)
    return number(value, max(0, digits - 1 - int(power)))


def correction(name: str) -> str:
    """A correction by its proper name; empty where there is none."""
    return _CORRECTIONS.get(name.lower().replace("-", "_"), name)


def percent(fraction: float | None) -> str:
    """A fraction as `44 %`."""
    return "–" if fraction is None or math.isnan(fraction) else f"{100 * fraction:.0f}\N{NO-BREAK SPACE}%"


def percents(low: float, high: float) -> str:
    """Two ends of an interval of fractions, as `88–98`."""
    return f"{100 * low:.0f}–{100 * high:.0f}"


def count(number_of: int, singular: str, plural: str = "") -> str:
    """`1 clip`, `3 clips`, `1 class`, `2 classes`."""
    return f"{number_of:,} {singular if number_of == 1 else plural or singular + 's'}"


def listing(names: list[str] | tuple[str, ...]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)
