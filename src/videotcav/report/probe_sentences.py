"""What a probe found, in sentences that are made from its rows, and its rows as a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from videotcav.report.edits import why
from videotcav.results import words
from videotcav.results.probe_facts import EditFacts, Mended, ModelDifference, ProbeEffect, ProbeManifest

_CLASSES_TOLD = 12
_DIFFERENCES_TOLD = 6
HEADINGS = ("class", "edit", "effect", "95 % interval", "p", "verdict", "accuracy", "probability", "clips", "remark")


def headline(manifest: ProbeManifest) -> str:
    """What the page is called."""
    names = " and ".join(manifest.models)
    return f"What does {names} rely on?" if len(manifest.models) == 1 else f"What do {names} rely on?"


def sentences(
    manifest: ProbeManifest,
    rows: Sequence[ProbeEffect],
    differences: Sequence[ModelDifference],
    mended: Sequence[Mended],
) -> list[str]:
    """The answer first, then class by class, clips that are mended, models beside each other."""
    edits = {edit.name: edit for edit in manifest.edits}
    told: list[str] = []
    for model in manifest.models:
        subject = f"{model}" if len(manifest.models) > 1 else "The model"
        own = [row for row in rows if row.model == model and not row.of_clips]
        if len(manifest.classes) > 1:
            told.append(_overall(subject, own, edits, len(manifest.classes)))
        of_model = f" in {model}" if len(manifest.models) > 1 else ""
        told += [
            _of_class(class_name, [row for row in own if row.class_name == class_name], edits, of_model)
            for class_name in manifest.classes[:_CLASSES_TOLD]
        ]
        told += _mending(subject, [row for row in mended if row.model == model], edits)
    if len(manifest.classes) > _CLASSES_TOLD:
        told.append(f"The table has all {len(manifest.classes)} classes.")
    told += _between(differences, edits, manifest.alpha)
    told.append(_unit(manifest))
    return told


def probe_trust(manifest: ProbeManifest, rows: Sequence[ProbeEffect]) -> Iterator[str]:
    """How far to trust the answer: videos, what the models know of the classes unedited, what is undecided."""
    clips = words.count(manifest.clips, "clip")
    yield f"{clips} of {words.count(manifest.sources, 'video')}, each with one thing changed at a time."
    for label, model in manifest.models.items():
        known = [facts.accuracy for name, facts in model.classes.items() if name in manifest.classes]
        shares = [share for share in known if share is not None]
        if shares:
            ends = words.percent(min(shares)), words.percent(max(shares))
            share = ends[0] if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"
            of = "the class's clips" if len(shares) == 1 else "the clips of each class"
            yield f"Unedited, {label} recognises {share} of {of}."
    ranked = [row for row in rows if row.ranked]
    open_ones = [row for row in ranked if row.verdict in ("undecided", "not asked")]
    few = sum(row.reason == "too few videos" for row in open_ones)
    if open_ones:
        why = f", {few} of them for too few videos" if few else ""
        yield f"{len(open_ones)} of {words.count(len(ranked), 'effect')} are undecided{why}."
    if manifest.left_out:
        yield f"{words.count(len(manifest.left_out), 'file')} could not be used."
    yield "An edit changes more than one thing to a viewer’s eye too: a verdict speaks of this edit."


def _overall(subject: str, rows: Sequence[ProbeEffect], edits: dict[str, EditFacts], classes: int) -> str:
    """What the model relies on most, over all classes."""
    costly = {row.name for row in rows if row.ranked and row.verdict == "negative"}
    if not costly:
        return f"{subject} is not shown to rely on anything that a ranked edit takes away: {_undecided(rows)}."
    means = {edit: _mean([row for row in rows if row.name == edit]) for edit in costly}
    edit = min(means, key=lambda name: means[name])
    own = [row for row in rows if row.name == edit]
    clips = [row.clips + row.unchanged for row in own]
    before, after = (
        sum(share * count for share, count in zip(shares, clips, strict=True) if share is not None) / sum(clips)
        for shares in ([row.accuracy_before for row in own], [row.accuracy_after for row in own])
    )
    fallen = sum(row.verdict == "negative" for row in own)
    made, asked = sum(clips), sum(row.asked_of for row in own)
    held = f", asked on the {made} of {asked} clips that it can be made of" if made < asked else ""
    return (
        f"{subject} relies most on {edits[edit].without}: {accuracy(before, after)} when {edits[edit].about}, and "
        f"the score of {fallen} of {words.count(classes, 'class', 'classes')} falls ({_signed(means[edit])} on "
        f"average{held})."
    )


def _of_class(class_name: str, rows: Sequence[ProbeEffect], edits: dict[str, EditFacts], where: str) -> str:
    ranked = [row for row in rows if row.ranked and row.effect is not None]
    falls = sorted((row for row in ranked if row.verdict == "negative"), key=lambda row: row.effect or 0)
    rises = sorted((row for row in ranked if row.verdict == "positive"), key=lambda row: -(row.effect or 0))
    if falls:
        most = falls[0]
        said = (
            f"“{class_name}” relies most on {edits[most.name].without}{where}: "
            f"{accuracy(most.accuracy_before, most.accuracy_after)} when {edits[most.name].about} ({effect(most)})"
        )
    else:
        said = (
            f"“{class_name}” is not shown to rely on anything that a ranked edit takes away{where}: {_undecided(rows)}"
        )
    if not falls:
        said += _largest_fall(ranked, edits)
    if rises:
        said += f"; its score rises when {edits[rises[0].name].about} ({effect(rises[0])})"
    return f"{said}."


def _largest_fall(ranked: Sequence[ProbeEffect], edits: dict[str, EditFacts]) -> str:
    """Of what is undecided the edit after which the score falls most."""
    falls = [row for row in ranked if row.verdict == "undecided" and (row.effect or 0) < 0]
    if not falls:
        return ""
    most = min(falls, key=lambda row: row.effect or 0)
    moved = accuracy(most.accuracy_before, most.accuracy_after)
    return f"; undecided, {moved} when {edits[most.name].about} ({effect(most)})"


def _mending(subject: str, rows: Sequence[Mended], edits: dict[str, EditFacts]) -> Iterator[str]:
    """The edit that mends most of the clips that are wrong as they are."""
    wrong: dict[str, list[Mended]] = {}
    for row in rows:
        wrong.setdefault(row.edit, []).append(row)
    if not any(row.wrong for row in rows):
        return
    best = max(
        wrong, key=lambda edit: (sum(row.mended for row in wrong[edit]), -sum(row.broken for row in wrong[edit]))
    )
    own = wrong[best]
    mended, all_wrong = sum(row.mended for row in own), sum(row.wrong for row in own)
    if not mended:
        yield f"No edit mends any of the {words.count(all_wrong, 'clip')} that {subject.lower()} gets wrong."
        return
    broken, all_right = sum(row.broken for row in own), sum(row.right for row in own)
    yield (
        f"Of {words.count(all_wrong, 'wrong clip')} {_become(mended)} right when {edits[best].about}, and of "
        f"{words.count(all_right, 'right clip')} {_become(broken)} wrong."
    )


def _become(count: int) -> str:
    return f"{count or 'none'} becomes" if count <= 1 else f"{count} become"


def _between(differences: Sequence[ModelDifference], edits: dict[str, EditFacts], alpha: float) -> Iterator[str]:
    """The clearest differences of models."""
    clear = [row for row in differences if row.p_corrected is not None and row.p_corrected <= alpha]
    for row in sorted(clear, key=lambda row: -abs(row.difference))[:_DIFFERENCES_TOLD]:
        less = "less" if row.difference > 0 else "more"
        yield (
            f"{row.model} relies {less} on {edits[row.edit].without} than {row.other} for “{row.class_name}”: the "
            f"effects differ by {_signed(row.difference)} ({_signed(row.low)} to {_signed(row.high)})."
        )
    if differences and not clear:
        yield "No difference between the models is shown on these clips."


def _unit(manifest: ProbeManifest) -> str:
    count = words.count
    return (
        f"σ is the standard deviation of a class’s score over the {count(manifest.clips, 'unedited clip')} of "
        f"{count(len(manifest.of_classes), 'class', 'classes')} that were given, by source video "
        f"({count(manifest.sources, 'video')}); an effect must exceed {manifest.negligible_below:g} σ."
    )


def _undecided(rows: Sequence[ProbeEffect]) -> str:
    """How many ranked effects there are, and what is said of them."""
    ranked = [row for row in rows if row.ranked]
    told = []
    for verdict in ("negligible", "undecided", "not asked", "positive"):
        own = [row for row in ranked if row.verdict == verdict]
        few = sum(row.reason == "too few videos" for row in own)
        cure = f" ({few} for too few videos: add some, or ask for fewer edits or classes)" if few else ""
        told += [f"{len(own)} {verdict}{cure}"] if own else []
    return f"of {words.count(len(ranked), 'effect')} {words.listing(told)}" if told else "nothing was asked"


def _mean(rows: Sequence[ProbeEffect]) -> float:
    found = [row.effect for row in rows if row.effect is not None]
    return sum(found) / len(found)


def accuracy(before: float | None, after: float | None) -> str:
    """`accuracy falls from 91 % to 34 %`."""
    if before is None or after is None:
        return "accuracy is not known"
    first, then = words.percent(before), words.percent(after)
    if first == then:
        return f"accuracy stays at {first}"
    return f"accuracy {'falls' if after < before else 'rises'} from {first} to {then}"


def effect(row: ProbeEffect) -> str:
    """`−1.20 σ, −1.50 to −0.90`, and on which clips, where it cannot be made of all."""
    if row.effect is None or row.low is None or row.high is None:
        return "not measured"
    held = f", on the {row.clips} of {row.asked_of} clips that it changes" if row.not_told else ""
    return f"{_signed(row.effect)}, {words.number(row.low)} to {words.number(row.high)}{held}"


def remark(row: ProbeEffect) -> str:
    """Why a row says less than it could."""
    told = [why(row)] if row.reason else []
    if row.unchanged and row.reason != "changes nothing":
        told.append(f"changes nothing in {words.count(row.unchanged, 'clip')}")
    if row.not_told:
        told.append(f"not told of {words.count(row.not_told, 'clip')}: {row.why}")
    if row.sham is not None:
        told.append(f"its sham {_signed(row.sham)}, in {words.count(row.with_sham or 0, 'clip')}")
    if row.second_fill is not None:
        told.append(f"with another fill {_signed(row.second_fill)}")
    if row.inpainted is not None:
        told.append(f"{words.percent(row.inpainted)} inpainted")
    return "; ".join(told)


def short_table(rows: Sequence[ProbeEffect]) -> tuple[list[str], list[tuple[str, ...]]]:
    """Headings and cells of the rows, with the columns that tell them apart."""
    several, parts = len({row.model for row in rows}) > 1, any(row.of_clips for row in rows)
    headings = [*(["model"] if several else []), *(["clips that are"] if parts else []), *HEADINGS]
    return headings, [
        (*((row.model,) if several else ()), *((row.of_clips,) if parts else ()), *_cells(row)) for row in rows
    ]


def _cells(row: ProbeEffect) -> tuple[str, ...]:
    is_measured = row.effect is not None
    return (
        row.class_name,
        row.name,
        _signed(row.effect) if row.effect is not None else "–",
        f"{words.number(row.low)} to {words.number(row.high)}" if is_measured else "–",
        words.p_value(row.p_corrected),
        row.verdict,
        f"{words.percent(row.accuracy_before)} → {words.percent(row.accuracy_after)}",
        f"{words.number(row.probability_before)} → {words.number(row.probability_after)}",
        str(row.clips),
        remark(row),
    )


def _signed(value: float) -> str:
    text = words.number(value)
    return f"{text if value <= 0 or float(f'{value:.2f}') == 0 else f'+{text}'} σ"
