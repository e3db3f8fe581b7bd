"""The tables of the gallery's pages, which `tables.py` fills in; rows of networks side by side, which are drawn too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from template import cells, table

PROFILED = ("still", "shuffle", "reverse", "grey", "still part", "moving places")


def gallery_cut() -> str:
    """What edits of films with a cut do to the logit of cut."""
    (cell,) = cells("gallery_cut").values()
    found = cell["findings"]
    rows = [["as it is", f"{found['found']} of {found['films']}", f"(logit {found['logit']:+.1f})"]]
    for name, edit in found["edits"].items():
        moved = f"{edit['change']:+.1f} ({edit['low']:+.1f} to {edit['high']:+.1f})"
        rows.append([name, f"{edit['found']} of {found['films']}", moved])
    return table(("the film", "called *cut*", "change of the logit, 95 %"), rows)


def gallery_cut_default() -> str:
    """What each event does to the score, and what contrast, the old default and the new layer row say of it."""
    (cell,) = cells("moments").values()
    findings = cell["findings"]
    rows = []
    for concept, truth in findings["truth"].items():
        own = [
            row
            for row in findings["rows"]
            if (row["concept"], row["align"], row["pooling"]) == (concept, "none", "none")
            and row["layer"] in {"", "network.SDDCNN.2"}
        ]
        said = {row["statistic"]: row["verdict"] for row in own}
        wrong = {row["statistic"] for row in own if row["is_opposite"]}
        told_of = [f"*{said[each]}*" + ", **opposite**" * (each in wrong) for each in ("contrast", "cosine", "shift")]
        rows.append([concept, f"{truth['effect']:+.1f} σ", *told_of])
    return table(("put into films without", "truth", "contrast", "classic cosine", "shift"), rows)


def gallery_kinetics() -> str:
    """What `plan` says of the studies of Kinetics-400 and Something-Something v2."""
    found = [cell["findings"] for cell in cells("gallery_kinetics").values()]
    more = [each["map_passes"] + each["edit_passes"] + each["share_passes"] for each in found]
    rows = [
        ["clips forward, of them backward", *(f"{each['clips_forward']}, {each['clips_backward']}" for each in found)],
        ["more, at most: edits, maps", *(f"{count:,}" for count in more)],
        ["rows on disk", *(f"{each['store_bytes'] / 2**30:.1f} GiB" for each in found)],
        ["passes a second, *stated*", *(f"{each['passes_a_second']:.0f}" for each in found)],
        *(
            [f"{name}: passes + rows", *(_gpu_and_core(each["stages"], workers) for each in found)]
            for name, workers in (("one GPU and core", 1), ("eight", 8))
        ),
    ]
    return table(("", "playing tennis", "pushing right or left"), rows)


def _gpu_and_core(stages: Mapping[str, float], workers: int) -> str:
    """Minutes of a GPU's passes, and of a core that writes, reads and multiplies rows."""
    alone = stages["maps"] + stages["shares"]
    passes = alone + (stages["passes"] + stages["edits"]) / workers
    rows = (stages["store"] + stages["reading"] + stages["products"]) / workers
    return f"{passes / 60:.1f} + {rows / 60:.1f} min"


def gallery_ucf50() -> str:
    """The reliance of two networks on what edits take away, class by class."""
    every = cells("gallery_ucf50")["probe of both"]["findings"]["rows"]
    of = list(dict.fromkeys((row["model"], row["class_name"]) for row in every))
    rows = []
    for edit in dict.fromkeys(row["edit"] for row in every):
        found = {(row["model"], row["class_name"]): row for row in every if row["edit"] == edit}
        rows.append([f"`{edit}`", *(_reliance(found[each]) for each in of)])
    return table(("edit", *(f"{model}, {name}" for model, name in of)), rows)


def gallery_ucf50_differences() -> str:
    """How much more one network needs its colours than the other."""
    cell = cells("gallery_ucf50")["probe of both"]
    rows = [
        [row["class_name"], f"{row['difference']:+.2f} ({row['low']:+.2f} to {row['high']:+.2f})", f"{row['clips']}"]
        for row in cell["findings"]["differences"]
        if row["edit"] == "grey"
    ]
    return table(("without colour", "ConvLSTM minus LRCN, σ", "windows"), rows)


def gallery_ucf50_concepts() -> str:
    """What concepts of ours do on other footage, beside the same factor put into the class's own windows."""
    found = cells("gallery_ucf50")["concepts of ours"]["findings"]["rows"]
    of = list(dict.fromkeys((row["model"], row["class_name"]) for row in found))
    rows = []
    for concept in dict.fromkeys(row["concept"] for row in found):
        own = {(row["model"], row["class_name"]): row for row in found if row["concept"] == concept}
        rows.append([concept, *(_push_and_hand(own[each]) for each in of)])
    return table(("concept", *(f"{model}, {name}" for model, name in of)), rows)


def _push_and_hand(row: Mapping[str, Any]) -> str:
    push = row["push"]
    mark = "" if push["verdict"] == "undecided" else f" *{push['verdict']}*"
    return f"{push['value']:+.1f}{mark} / {row['by_hand']['value']:+.1f}"


def gallery_tennis_answer() -> str:
    """The paired differences of two networks of tennis strokes, in a sentence."""
    apart = {title: pooled["difference"] for title, pooled in _of_tennis().items()}
    push = cells("gallery_tennis")["push and need"]["findings"]["differences"]["watermark"]["push"]
    right = cells("gallery_tennis")["watermark"]["findings"]["right"]
    shares = (f"{100 * right[name]['all']['before']['value']:.0f} %" for name in ("random-split", "scene-split"))
    return (
        "**Here a network of a random split and its twin of a split by scene differ, random minus scene, by so many σ\n"
        f"of the score: {_with_ends(apart['watermark'])} as the watermark is removed, "
        f"{_with_ends(apart['background'])}\nas the background is, and {_with_ends(push)} in what the mark alone does "
        f"for the forehand.\nOf held-out clips {' and '.join(shares)} are right.**"
    )


def gallery_tennis() -> str:
    """By how much what each edit costs differs between two networks of tennis strokes, and what it costs each."""
    rows = []
    for question, of in _of_tennis().items():
        told_of = [_with_ends(of[name]) for name in ("difference", "random-split", "scene-split")]
        rows.append([question, *told_of, f"{of['difference']['clips']}"])
    return table(("without", "difference, σ", "random split", "scene split", "clips"), rows)


def _of_tennis() -> dict[str, Mapping[str, Any]]:
    """What each edit does over the clips that carry the mark."""
    every = {title: cell["findings"] for title, cell in cells("gallery_tennis").items()}
    return {title: found["pooled"]["with the mark"] for title, found in every.items() if "pooled" in found}


def gallery_tennis_right() -> str:
    """How many held-out clips are right, as they are and with the mark's corner filled."""
    found = cells("gallery_tennis")["watermark"]["findings"]["right"]
    rows = []
    for network in ("random-split", "scene-split"):
        for of in ("all", "with the mark"):
            each = found[network][of]
            before, after, change = (each[when] for when in ("before", "after", "change"))
            ends = f"{100 * change['value']:+.0f} ({100 * change['low']:+.0f} to {100 * change['high']:+.0f})"
            shares = (f"{100 * share['value']:.0f} %" for share in (before, after))
            rows.append([f"{network.replace('-', ' ')}, {of}", f"{before['clips']}", *shares, ends])
    return table(("held out", "clips", "as they are", "corner filled", "change, points"), rows)


def gallery_tennis_legs() -> str:
    """Whether each concept pushes the forehand, whether that needs it, and by how much both networks differ in this."""
    found = cells("gallery_tennis")["push and need"]["findings"]
    rows = []
    for concept, difference in found["differences"].items():
        of = {row["model"]: row for row in found["legs"] if row["concept"] == concept}
        said = [_both_legs(of[name]) for name in ("random-split", "scene-split")]
        rows.append([concept, *said, *(_with_ends(difference[leg]) for leg in ("push", "need"))])
    corner = found["beside_corner"]
    beside = (_with_ends(corner[of]) for of in ("random-split", "scene-split", "difference"))
    rows.append(["mark − corner", *beside, "–"])
    return table(("", "random split", "scene split", "difference of push", "of need"), rows)


def _both_legs(row: Mapping[str, Any]) -> str:
    push, need = row["push"], row["need"]
    effects = (push and push["value"], need and need["effect"])
    return f"*{row['said']}* ({' / '.join('–' if value is None else f'{value:+.2f}' for value in effects)})"


def _with_ends(row: Mapping[str, Any]) -> str:
    return f"{row['value']:+.2f} ({row['low']:+.2f} to {row['high']:+.2f})"


@dataclass(frozen=True)
class Profiled:
    """What an edit does to a network's classes: a row a class of which it could be told."""

    rows: list[Mapping[str, Any]]

    @property
    def words(self) -> str:
        """The mean effect, and how many classes fall beyond doubt, of how many."""
        if not self.rows:
            return "–"
        mean = sum(row["effect"] for row in self.rows) / len(self.rows)
        said = [row["verdict"] for row in self.rows]
        return f"{mean:+.2f} ({said.count('negative')}/{len(said)})"


def profiles() -> dict[str, dict[str, Profiled]]:
    """Of every network of the gallery what each ranked edit does."""
    told_of = {title: cell["findings"]["rows"] for title, cell in cells("gallery_profiles").items()}
    for row in cells("gallery_ucf50")["probe of both"]["findings"]["rows"]:
        name = {"lrcn": "LRCN, UCF50", "convlstm": "ConvLSTM, UCF50"}[row["model"]]
        told_of.setdefault(name, []).append(row)
    return {
        title: {
            edit: Profiled([row for row in rows if row["edit"] == edit and row["effect"] is not None])
            for edit in PROFILED
        }
        for title, rows in told_of.items()
    }


def gallery_profiles() -> str:
    """A row a network: the mean effect of each edit, and how many of its classes fall."""
    rows = [[title, *(row[edit].words for edit in PROFILED)] for title, row in profiles().items()]
    return table(("network", *(f"`{edit}`" for edit in PROFILED)), rows)


def _reliance(row: Mapping[str, Any]) -> str:
    if row["effect"] is None:
        return "–"
    if row["low"] is None:
        return f"{row['effect']:+.2f}"
    mark = "" if row["verdict"] == "undecided" else f", *{row['verdict']}*"
    return f"{row['effect']:+.2f} ({row['low']:+.2f} to {row['high']:+.2f}){mark}"


def gallery_found_tennis() -> str:
    """What discovering found on tennis clips."""
    return _found("tennis")


def gallery_found_cut() -> str:
    """What discovering found in films of cuts."""
    return _found("cut")


def _found(title: str) -> str:
    """The sets by rank: what they were named, what their held-out clips are of, and what the study says."""
    cell = cells("gallery_found")[title]["findings"]
    rows = []
    for row in cell["sets"]:
        of = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in row["of"][:2])
        at = row["from_event"]
        if at:
            of += f"; {at[len(at) // 4]:+d} to {at[-1 - len(at) // 4]:+d}"
        rows.append([row["by_eye"], of, f"{row['shift']:+.2f} σ", *([f"*{row['verdict']}*"] if row["verdict"] else [])])
    header = ("by eye", f"{cell['sets'][0]['clips']} held-out clips", "shift", f"study of *{cell['target']}*")
    return table(header[: len(rows[0])], rows)


GALLERY: dict[str, Callable[[], str]] = {
    each.__name__: each
    for each in (
        gallery_cut,
        gallery_cut_default,
        gallery_found_cut,
        gallery_found_tennis,
        gallery_kinetics,
        gallery_profiles,
        gallery_tennis,
        gallery_tennis_answer,
        gallery_tennis_legs,
        gallery_tennis_right,
        gallery_ucf50,
        gallery_ucf50_concepts,
        gallery_ucf50_differences,
    )
}
