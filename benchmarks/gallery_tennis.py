"""The stroke or the watermark? Two networks of tennis strokes, asked the same of the clips of examples/tennis.

Both are probed side by side, on lists that `examples/tennis/recipe.py` makes first. Of the study of the forehand, which
`videotcav intervene` has run before, push and need are told, how far the networks differ, and whether maps are
followed.
Settled before any network was trained:

- Clips that a network trained on are asked too, since those that both held out are too few; scenes are the sources.
  Accuracy is also told of the clips that each network held out.
- The watermark is asked of all clips, every other question of the first two of each stroke and scene: what counts is
  how many scenes there are, and edits of objects take a second a clip.
- Each question is a family of its own over the seven strokes; the watermark is the first, all others come after it.
- The headline is the difference of the two networks, clip by clip, over all clips that carry the mark.

The mark was held against the same corner of clips without it after the study's verdicts had been seen.
"""

from __future__ import annotations

import csv
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray

import videotcav as vt
from harness import Book, Cells, need, options, taken
from validation.provenance import ROOT
from validation.targets import Promise, at_most, between
from videotcav.concepts.review.review import reviewed_sets
from videotcav.models.class_score import default_score
from videotcav.results.both_legs import BothLegs

TENNIS = ROOT / "examples" / "tennis"
NETWORKS = ("scene-split", "random-split")
"""Differences are of the second from the first: below 0 the random split needs more of what is taken away."""
FIRST = "watermark"
CORNERS = ("watermark", "corner")
"""The mark, and its place where none is."""
QUESTIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    FIRST: ("remove object", CORNERS),
    "background": ("remove background", ()),
    "motion": ("still", ()),
    "order": ("shuffle", ()),
    "racket": ("remove object", ("tennis racket",)),
    "person": ("remove object", ("person",)),
}
KEPT = {
    *("model", "class_name", "of_clips", "effect", "low", "high", "p_corrected", "verdict", "reason"),
    *("clips", "sources", "not_told", "accuracy_before", "accuracy_after"),
}
PUSH = {"concept", "value", "low", "high", "p_corrected", "verdict", "concept_clips", "concept_sources"}
CLIPS_A_SCENE = 2
STUDY, CLASS = "push and need", "forehand"
PICTURES = ROOT / "docs" / "images"
SHOWN = ("b_volley", "backhand", "serve")
"""The first clip of each of these strokes is in the picture; the last carries no mark."""
MARKED = {"yes": "with the mark", "no": "without"}
_DRAWS = 10_000


def main() -> None:
    """Probes and writes down."""
    parser = options(__doc__)
    parser.add_argument("--footage", type=Path, default=ROOT.parent / "shared" / "data" / "tennis", help="the clips")
    parser.add_argument(
        "--probe", type=Path, default=TENNIS / "probe", help="folder of the probes, kept and read again"
    )
    parser.add_argument("--run", type=Path, default=TENNIS / "run", help="the run of examples/tennis/study.toml")
    arguments = parser.parse_args()
    book = Book(__file__, "two networks of tennis strokes, probed side by side", arguments, promises)
    footage = need(arguments.footage, "the footage of the tennis strokes")
    table = need(TENNIS / "clips.csv", "what examples/tennis/recipe.py makes")
    for title in book.wanted(*QUESTIONS):
        edit, labels = QUESTIONS[title]
        where = arguments.probe / title
        if not where.exists():
            boxes = TENNIS / "boxes.csv" if "object" in edit or "background" in edit else None
            weights = {name: TENNIS / f"{name}.safetensors" for name in NETWORKS}
            models = {name: vt.load_model("torchvision:swin3d", weights=str(path)) for name, path in weights.items()}
            where.parent.mkdir(exist_ok=True)
            clips = chosen(table, most=None if title == FIRST else CLIPS_A_SCENE)
            vt.probe(models, clips, where, table=table, by="marked", edits=[edit], objects=boxes, labels=labels)
        found = vt.read_probe(where)
        book.note(
            title,
            clips=found.manifest.clips,
            scenes=found.manifest.sources,
            rows=[row.model_dump(mode="json", include=KEPT) for row in found.main],
            differences=[row.as_row() for row in found.differences],
            pooled={told: pooled(found, edit, marked) for marked, told in MARKED.items()},
            right=shares_right(found, edit) if title == FIRST else None,
        )
        if title == FIRST:
            draw(found, footage)
    for title in book.wanted(STUDY):
        compared = vt.read_comparison(need(arguments.run, "the run of examples/tennis/study.toml")).runs
        runs = {name: compared[name.replace("-", " ")] for name in NETWORKS}
        book.note(
            title,
            legs=[both(name, each) for name, run in runs.items() for each in run.legs],
            differences={each.concept: apart(runs, each.concept) for each in runs[NETWORKS[0]].legs},
            beside_corner=beside_corner(runs),
            moving=[
                {"model": name, **row.model_dump(mode="json", include=PUSH)}
                for name, run in runs.items()
                for row in run.results
                if (row.statistic, row.against) == ("contrast", "frozen") and row.hypothesis
            ],
            reviewed={name: facts.review for name, facts in runs[NETWORKS[0]].manifest.concepts.items()},
            badges={
                name: [badge.model_dump(mode="json") for badge in run.manifest.badges] for name, run in runs.items()
            },
        )
        draw_maps(runs, min((footage / CLASS).glob("*.mp4")))


def chosen(table: Path, *, most: int | None) -> dict[str, list[Path]]:
    """The clips of each stroke, at most so many of a scene."""
    found: dict[str, list[Path]] = {}
    seen: Counter[tuple[str, str]] = Counter()
    with table.open(encoding="utf-8", newline="") as file:
        for row in sorted(csv.DictReader(file), key=lambda row: row["file"]):
            seen[row["class"], row["source"]] += 1
            if most is None or seen[row["class"], row["source"]] <= most:
                found.setdefault(row["class"], []).append((table.parent / row["file"]).resolve())
    return found


def pooled(found: vt.ProbeRun, edit: str, marked: str) -> dict[str, Any]:
    """By how many σ of its own class's score the edit moves each network's clips, and the paired difference of both."""
    sigma = {(row.model, row.class_name): row.sigma for row in found.main}
    moved: dict[str, dict[str, float]] = {name: {} for name in NETWORKS}
    scenes: dict[str, str] = {}
    for clip in found.clips:
        if clip["label marked"] == marked and clip[f"{edit}: changed"]:
            change = clip[f"{edit}: score"] - clip["score"]
            moved[clip["model"]][clip["clip"]] = change / sigma[clip["model"], clip["class"]]
            scenes[clip["clip"]] = clip["source"]
    first, second = (np.array([moved[name][clip] for clip in scenes]) for name in NETWORKS)
    every = {**dict(zip(NETWORKS, (first, second), strict=True)), "difference": second - first}
    return {name: over_scenes(values, [*scenes.values()]) for name, values in every.items()}


def shares_right(found: vt.ProbeRun, edit: str) -> dict[str, Any]:
    """The share of the clips that each network held out which it gives to their class, before and after the edit."""
    shares: dict[str, Any] = {}
    for name in NETWORKS:
        held_out = json.loads((TENNIS / f"{name}.json").read_text(encoding="utf-8"))["held_out_files"]
        mine = [
            clip
            for clip in found.clips
            if clip["model"] == name and "/".join(Path(clip["clip"]).parts[-2:]) in held_out
        ]
        parts = {told: [clip for clip in mine if clip["label marked"] == marked] for marked, told in MARKED.items()}
        for told, own in {"all": mine, **parts}.items():
            before, after = (
                np.array([float(clip[column] == clip["class"]) for clip in own])
                for column in ("predicted", f"{edit}: predicted")
            )
            scenes = [clip["source"] for clip in own]
            every = {"before": before, "after": after, "change": after - before}
            shares.setdefault(name, {})[told] = {what: over_scenes(values, scenes) for what, values in every.items()}
    return shares


def over_scenes(values: NDArray[np.float64], scenes: Sequence[str]) -> dict[str, float]:
    """The mean over clips, with its 95 % interval as whole scenes are drawn again."""
    ends = _ends(_drawn(values, scenes))
    return {"value": float(values.mean()), **ends, "clips": len(values), "scenes": len(set(scenes))}


def _drawn(values: NDArray[np.float64], scenes: Sequence[str], *, seed: int = 0) -> NDArray[np.float64]:
    """The mean over clips as whole scenes are drawn again, draw by draw."""
    _, of = np.unique(scenes, return_inverse=True)
    sums, counts = np.bincount(of, values), np.bincount(of)
    drawn = np.random.default_rng(seed).integers(len(counts), size=(_DRAWS, len(counts)))
    means: NDArray[np.float64] = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    return means


def _ends(draws: NDArray[np.float64]) -> dict[str, float]:
    low, high = np.quantile(draws, (0.025, 0.975)).tolist()
    return {"low": low, "high": high}


def both(name: str, legs: BothLegs) -> dict[str, Any]:
    """What the study of a network says of a concept: whether it pushes, and whether the class needs it."""
    push, need = legs.push, legs.need
    return {
        "model": name,
        "concept": legs.concept,
        "said": legs.short,
        "sentence": legs.sentence,
        "push": push and push.model_dump(mode="json", include=PUSH),
        "need": need and need.model_dump(mode="json", include=KEPT),
    }


def apart(runs: Mapping[str, vt.Run], concept: str) -> dict[str, Any]:
    """By how many σ of its own score both networks differ, clip by clip: in the push, and in what the removal does."""
    of: dict[str, list[dict[str, float]]] = {"concept": [], "pool": [], "need": []}
    for name in NETWORKS:
        rows = runs[name].clip_rows
        sigma = next(each.sigma for each in runs[name].effects if each.target == concept)
        score, edited = f"score:{CLASS}", f"edit:remove {concept}"
        held = [row for row in rows if row["set"] == concept and row["kind"] == "spatiotemporal"]
        own = {row["group"] for row in held}
        pool = [row for row in rows if row["set"] == "random" and row["group"] not in own]
        asked = [row for row in rows if row["kind"] == "class" and row[edited] is not None]
        of["concept"].append(_of_scenes((row["group"], row[score] / sigma) for row in held))
        of["pool"].append(_of_scenes((row["group"], row[score] / sigma) for row in pool))
        of["need"].append(_of_scenes((row["group"], (row[edited] - row[score]) / sigma) for row in asked))
    values = {what: np.array([second[scene] - first[scene] for scene in first]) for what, (first, second) in of.items()}
    drawn = {what: _drawn(own, [*of[what][0]], seed=seed) for seed, (what, own) in enumerate(values.items())}
    push = {"value": float(values["concept"].mean() - values["pool"].mean()), **_ends(drawn["concept"] - drawn["pool"])}
    return {"push": push, "need": {"value": float(values["need"].mean()), **_ends(drawn["need"])}}


def beside_corner(runs: Mapping[str, vt.Run]) -> dict[str, Any]:
    """By how many σ the mark raises each network's score above that of its place where none is, and the difference."""
    means: dict[str, list[dict[str, float]]] = {"watermarks": [], "corners": []}
    for name in NETWORKS:
        model = vt.load_model("torchvision:swin3d", weights=str(TENNIS / f"{name}.safetensors"))
        for folder, found in means.items():
            (sets,) = reviewed_sets(TENNIS / folder).sets
            clips = vt.read_clips([clip.path for clip in sets.clips], model.card.clip_spec)
            scores = default_score(model)(model(clips.pixels), model.class_index(CLASS)) / runs[name].effects[0].sigma
            source = {clip.path.resolve(): clip.source for clip in sets.clips}
            of = (source[record.video.path.resolve()] for record in clips.records)
            found.append(_of_scenes(zip(of, scores.tolist(), strict=True)))
    first, second = (
        [np.array([*means[folder][number].values()]) for folder in means] for number in range(len(NETWORKS))
    )
    every = {NETWORKS[0]: first, NETWORKS[1]: second, "difference": [b - a for a, b in zip(first, second, strict=True)]}
    return {
        name: {
            "value": float(mark.mean() - corner.mean()),
            **_ends(_drawn(mark, [*means["watermarks"][0]]) - _drawn(corner, [*means["corners"][0]], seed=1)),
        }
        for name, (mark, corner) in every.items()
    }


def _of_scenes(told: Iterable[tuple[str, float]]) -> dict[str, float]:
    """The mean of each scene."""
    found = defaultdict(list)
    for scene, value in told:
        found[scene].append(value)
    return {scene: float(np.mean(values)) for scene, values in found.items()}


def promises(cells: Cells) -> Iterator[Promise]:
    """What the removal of the mark does to both networks."""
    cell = cells[FIRST]
    found, of = cell["findings"], taken(cell)

    def told(what: str, row: Mapping[str, Any], **also: Any) -> Promise:
        ends = {end: row[end] for end in ("value", "low", "high")}
        return Promise(area="interventions", what=f"tennis, mark removed: {what}", n=row["clips"], **ends, **also, **of)

    leaking, held = (found["right"][name] for name in reversed(NETWORKS))
    lost, kept = MARKED.values()
    alike, apart = between(-0.05, 0.05), found["pooled"]
    for what, row, target in (
        ("with it, random split", leaking[lost], at_most(-0.05, on="high")),
        ("without it, random split", leaking[kept], alike),
        ("with it, scene split", held[lost], alike),
        ("without it, scene split", held[kept], alike),
    ):
        yield told(f"held-out clips {what}, change of accuracy", row["change"], unit="%", target=target)
    difference = "random minus scene split, σ of the score"
    yield told(f"clips with it, {difference}", apart[lost]["difference"], target=at_most(-0.1, on="high"))
    yield told(f"clips without it, {difference}", apart[kept]["difference"])


def draw(found: vt.ProbeRun, footage: Path) -> None:
    """Clips beside themselves with the mark's corner filled, and what that does to each stroke's score."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415 - after its backend is chosen

    figure = plt.figure(figsize=(7, 3), layout="constrained")
    grid = figure.add_gridspec(len(SHOWN), 3, width_ratios=(1, 1, 2.2))
    spec = vt.load_model("torchvision:swin3d", weights=str(TENNIS / f"{NETWORKS[0]}.safetensors")).card.clip_spec
    for row, stroke in enumerate(SHOWN):
        clip = vt.read_clips([min((footage / stroke).glob("*.mp4"))], spec)
        edited = vt.edit(clip, TENNIS / "regions.json", "remove", label="watermark").preview()
        frame = edited[spec.frames // 2]
        for column, picture in enumerate(np.split(frame, 2, axis=1)):
            axes = figure.add_subplot(grid[row, column])
            axes.imshow(picture)
            axes.set_xticks([])
            axes.set_yticks([])
            if not column:
                axes.set_ylabel(stroke, fontsize=7)
    axes = figure.add_subplot(grid[:, 2])
    strokes = list(dict.fromkeys(row.class_name for row in found.main))
    for name, colour, aside in zip(NETWORKS, ("#757575", "#c62828"), (0.15, -0.15), strict=True):
        rows = [row for row in found.main if row.model == name and row.effect is not None]
        told = np.array([(strokes.index(row.class_name) + aside, row.effect, row.low, row.high) for row in rows])
        place, effect, low, high = told.astype(np.float64).T
        axes.hlines(place, low, high, color=colour)
        axes.plot(effect, place, "o", color=colour, markersize=4, label=name.replace("-", " "))
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_yticks(range(len(strokes)), strokes)
    axes.invert_yaxis()
    axes.set_xlabel("change of the score as the corner is filled, σ", fontsize=8)
    axes.tick_params(labelsize=8)
    axes.legend(fontsize=7, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(PICTURES / "gallery-tennis.jpg", dpi=110)
    plt.close(figure)


def draw_maps(runs: Mapping[str, vt.Run], clip: Path) -> None:
    """Where each network looks in a clip of the class, and whether its score follows such maps."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415 - after its backend is chosen

    figure, lines = plt.subplots(len(runs), 4, figsize=(7, 2.5), layout="constrained")
    for line, (name, run) in zip(lines, runs.items(), strict=True):
        model = vt.load_model("torchvision:swin3d", weights=str(TENNIS / f"{name}.safetensors"))
        badge = run.manifest.badges[0]
        clips = vt.read_clips([clip], model.card.clip_spec)
        maps = vt.maps(model, clips, layers=[badge.layer], methods=[badge.method], classes=[CLASS])
        (_, frames, _), *_ = maps.panels()
        for axes, frame in zip(line, frames[:: len(frames) // len(line)], strict=True):
            axes.imshow(frame)
            axes.set_xticks([])
            axes.set_yticks([])
        line[0].set_ylabel(f"{name.replace('-', ' ')}:\n{badge.verdict}", fontsize=7)
    figure.savefig(PICTURES / "gallery-tennis-maps.jpg", dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    main()
