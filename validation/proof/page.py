"""docs/validity-classic.md and its figures, from the numbers in results/validity.json alone."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

from validation.proof.details import LAYERS, details, number, percent
from validation.proof.promises import CLASSIC, SCRIPT, promises
from validation.provenance import ROOT
from validation.targets import met_in_words, record, rows, target_in_words, value_in_words

mpl.use("Agg")
import matplotlib.pyplot as plt

RESULT = ROOT / "benchmarks" / "results" / "validity.json"
DOCS = ROOT / "docs"
REASONS = Path(__file__).with_name("reasons.md")
BLUE, ORANGE, GREY, GREEN = "#0072b2", "#d55e00", "#777777", "#009e73"  # told apart by the colour-blind, and in grey

Facts = Mapping[str, Any]


def write_page(found: Facts) -> None:
    """The rows of docs/targets.json, the page that is filled from them, and its two figures."""
    record(SCRIPT, promises(found))
    DOCS.joinpath("images").mkdir(exist_ok=True)
    _draw_false_positives(found, DOCS / "images" / "validity-false-positives.png")
    _draw_power(found, DOCS / "images" / "validity-power.png")
    DOCS.joinpath("validity-classic.md").write_text(page(found), encoding="utf-8")


def page(found: Facts) -> str:
    """The page as Markdown."""
    reasons = REASONS.read_text(encoding="utf-8") if REASONS.exists() else ""
    parts = [_head(found), _table(found), reasons, details(found), _again(found)]
    return "\n".join(parts)


def _head(found: Facts) -> str:
    models = found["models"]
    learned = [model for model in models if model["learned"]]
    left = [f"{model['rule']} (seed {model['seed']})" for model in models if not model["learned"]]
    rules = {model["rule"] for model in models}
    seeds = {rule: sum(model["rule"] == rule for model in models) for rule in rules}
    left_out = f"; left out: {', '.join(left)}" if left else ", none left out"
    return f"""# The classic scores on networks whose rule is known

**Here you see what sign counts and cosines, the earlier default, and published recipes say on networks of
[the proof](validity.md).**
They ask whether a concept is distinct from the pool; what they miss here is why *contrast* decides. It is written by
`python -m validation.proof` from `benchmarks/results/validity.json`.

**{len(models)} networks** ({_from_to(seeds.values())} seeds for each of {len(rules)} rules);
**{len(learned)} learned their rule**{left_out}. The criterion was fixed before any result was seen: accuracy on
400 held-out films at least half-way from chance to 1, and forcing what decides a class on natural films raises its
logit by half a standard deviation or more, for every class.

**The world.** The [planted scenes](planted.md) at 8 frames of 32 × 32 pixels. Rules: the motion (slide, jump, pulse,
rest), the shape, the background, shape × motion, films against the same films reversed in time, and the motion with
each class's own background behind it with probability ρ = 0.5, 0.7, 0.9, 1. All other factors are drawn without regard
to the class, also a distractor that rolls by, and a tint, a patch or stripes over 30 % of the films.
**The networks** are 3D CNNs of {models[0]["parameters"]:,} parameters. A Video Swin of 180 000 was tried first: on the
motion rule it was at chance after 1 000 steps and 105 s, where the CNN was right on 80 % of held-out films.
**A study** has 20 clips a concept, 120 random and 30 class clips, 10 random sets, ridge CAVs, 499 pseudo-concepts,
three layers (two convolutions, 8 192 and 4 096 numbers a clip, and their mean over space and time, 64 numbers). The
statistic is the package's primary one, `cosine`, where nothing else is said.
**The truth** is the mean change of the logit over 32 natural films on which the concept is forced (or over 32 of its
own films whose motion is taken away), in standard deviations of the logit over natural films. From
{found["relevant"]} on a concept is *relevant*, up to {found["irrelevant_up_to"]} *irrelevant*; those between are in
neither count.
"""


def _from_to(counts: Collection[int]) -> str:
    fewest, most = min(counts), max(counts)
    return str(most) if fewest == most else f"{fewest} to {most}"


def _table(found: Facts) -> str:
    """The promises, and beside them what other nulls and recipes say of the same tests."""
    names = ("library", "two-sample t", "one-sample t", "captum's recipe")
    nulls, areas = found["true_nulls"], found["auroc"]
    beside: dict[str, Sequence[str]] = {
        "false positives under true nulls": [
            "",
            *(percent(nulls[f"{name}|sign_count|all layers"]) for name in names[1:]),
        ],
        "relevant against irrelevant, against the pool, AUROC": [
            "",
            *(number(areas[f"{name}|all layers"]["auroc"]) for name in names[1:]),
        ],
    }
    for key, start in (("irrelevant", "irrelevant, "), ("relevant_rejected", "relevant, against the ")):
        for row in found[key]:
            if row["layer"] == "all layers":
                what = start + (row["sort"] if key == "irrelevant" else f"{row['against']}, before correction")
                beside[what] = [percent(row[name]) for name in names]
    lines = [f"| what | target | measured | n | | {' | '.join(['library null', *names[1:]])} |", "| --- " * 9 + "|"]
    for row in rows(SCRIPT):
        shown = (row.what, target_in_words(row), value_in_words(row), f"{row.n:,}", met_in_words(row))
        lines.append(f"| {' | '.join([*shown, *beside.get(row.what.removeprefix(CLASSIC), [''] * len(names))])} |")
    return "\n".join(
        [
            "## Targets and results",
            "",
            *lines,
            "",
            "These are the rows of `docs/targets.json` that the proof writes. In brackets 95 % Clopper–Pearson",
            "intervals, as if tests were independent; tests of one network share clips, so they are wider in truth.",
            "The three recipes on the right are published *tests*: the CAVs are the same as ours, the scores sign",
            "counts over 10 random sets (captum's: one fixed set against the same).",
            "",
            "Of relevant concepts, which move the logit by half a deviation or more, the share that is rejected at 5 %",
            "is the power.",
            "",
            "![False positives at a nominal 5 %, by test](images/validity-false-positives.png)",
            "",
            "![Effect, logit change and power over the shortcut's correlation](images/validity-power.png)",
            "",
        ]
    )


def _again(found: Facts) -> str:
    train, test = (sum(model[key] for model in found["models"]) for key in ("seconds", "evaluation_processor_seconds"))
    machine = found["machine"]
    return f"""## Do it again

    python -m validation.proof            # trains what is not in the cache, evaluates, writes this page
    python -m validation.proof --cached   # only what is trained already

Everything goes by the hash of the settings and of the code that renders and trains, in `~/.cache/videotcav/validity`
(or `VIDEOTCAV_VALIDITY_CACHE`); it can be interrupted at any point. An undisturbed core trains a network in about a
minute and evaluates it in half of one. On these results a shared {machine["processor"]} spent {train / 60:.0f}
minutes by the clock training, and {test / 60:.0f} processor minutes evaluating; torch {machine["versions"]["torch"]},
one thread.
"""


def _draw_false_positives(found: Facts, path: Path) -> None:
    recipes = ("default", "library", "two-sample t", "one-sample t", "captum's recipe")
    nulls = found["true_nulls"]
    rows: list[tuple[str, list[Any]]] = [
        (
            "true nulls",
            [
                nulls["set-level|cosine|all layers"],
                None,
                *(nulls[f"{name}|sign_count|all layers"] for name in recipes[2:]),
            ],
        )
    ]
    rows += [
        (row["sort"], [row[name] for name in recipes])
        for row in found["irrelevant"]
        if row["layer"] == "all layers" and row["default"]["of"]
    ]
    figure, axes = plt.subplots(figsize=(7.5, 0.5 * len(rows) + 1.4), layout="constrained")
    looks = ((BLUE, "o"), (GREEN, "D"), (ORANGE, "^"), (GREY, "s"), ("black", "x"))
    for at, (_, cells) in enumerate(rows):
        for (colour, marker), cell in zip(looks, cells, strict=True):
            if cell is None or cell["share"] is None:
                continue
            axes.plot([100 * cell["low"], 100 * cell["high"]], [at, at], color=colour, linewidth=1, alpha=0.5)
            axes.plot(100 * cell["share"], at, marker, color=colour, markersize=7)
    for (colour, marker), name in zip(looks, recipes, strict=True):
        axes.plot(
            [],
            [],
            marker,
            color=colour,
            label={"default": "this package's default null", "library": "library null"}.get(name, name),
        )
    axes.axvline(5, color="black", linewidth=0.8, linestyle=":")
    axes.set_yticks(range(len(rows)), [name for name, _ in rows])
    axes.invert_yaxis()
    axes.set_xlim(-1, 101)
    axes.set_xlabel("rejected, % (dotted: the nominal 5 %)")
    axes.legend(loc="lower center", bbox_to_anchor=(0.35, 1.0), ncols=3, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def _draw_power(found: Facts, path: Path) -> None:
    curve, points = found["power"]["curve"], found["power"]["points"]
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.4), layout="constrained")
    looks = dict(zip(LAYERS, ((BLUE, "o", "-"), (ORANGE, "s", "--"), (GREEN, "^", ":")), strict=True))
    for layer, (colour, marker, line) in looks.items():
        shares = [row[layer]["share"] for row in curve]
        left.plot([row["correlation"] for row in curve], shares, line, marker=marker, color=colour, label=layer)
        own = [point for point in points if point["layer"] == layer]
        right.plot(
            [p["change"] for p in own],
            [p["effect"] for p in own],
            marker,
            color=colour,
            markersize=4,
            alpha=0.7,
            label=layer,
        )
    left.set(xlabel="correlation ρ of background and class", ylabel="found (p ≤ 0.05, positive)", ylim=(-0.03, 1.03))
    right.set(xlabel="change of the logit, standard deviations", ylabel="effect (cosine − null)")
    right.axhline(0, color="black", linewidth=0.6)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    left.legend(frameon=False, title="layer")
    figure.savefig(path, dpi=150)
    plt.close(figure)


def read() -> Facts:
    """The stored numbers."""
    found: Facts = json.loads(RESULT.read_text(encoding="utf-8"))
    return found
