"""One real study, small: the tennis clips, the example's model, a fixed region as the concept."""

from __future__ import annotations

import csv
import json
import runpy
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from support.study_text import study_text
from videotcav.concepts.detectors.detect import load_detector
from videotcav.concepts.folder import ClipRecord, accept
from videotcav.concepts.propose.recipe import Recipe
from videotcav.concepts.propose.videos import propose
from videotcav.study.run import Study

EXAMPLE = Path(__file__).parents[2] / "examples" / "tennis"


def test_a_study_of_real_clips_runs_to_its_report(shared_data: Path, tmp_path: Path) -> None:
    tennis = shared_data / "tennis"
    with (tennis / "labels.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    scenes_of_class = {row["scene"] for row in rows if row["label"] == "backhand"}

    def clips(stroke: str, per_scene: int) -> Iterator[tuple[Path, str]]:
        seen: dict[str, int] = {}
        for row in rows:
            seen[row["scene"]] = seen.get(row["scene"], 0) + (row["label"] == stroke)
            if row["label"] == stroke and row["scene"] not in scenes_of_class and seen[row["scene"]] <= per_scene:
                yield tennis / row["file"], row["scene"]

    regions = load_detector(EXAMPLE / "regions.json")
    sets = {
        "concepts": (list(islice(clips("b_volley", 2), 12)), {"watermark": "watermark"}),
        "random": (
            list(clips("serve", 1)),
            {"bottom left": "elsewhere", "top right": "elsewhere", "middle": "elsewhere"},
        ),
    }
    recipe = Recipe(kinds=("spatial",), min_sharpness=0, min_hash_distance=0)
    for folder, (chosen, labels) in sets.items():
        sources = {path.stem: scene for path, scene in chosen}
        propose([path for path, _ in chosen], regions, tmp_path / folder, labels=labels, recipe=recipe, sources=sources)
        accept(tmp_path / folder)
    videos = [str(tennis / row["file"]) for row in rows if row["label"] == "backhand"][:6]
    (tmp_path / "study.toml").write_text(
        study_text(model="torchvision:swin3d", videos=videos, of="backhand").replace(
            "[classes", f'weights = "{EXAMPLE / "swin.safetensors"}"\n[classes'
        )
        + f"""
        [sources]
        table = "{tennis / "labels.csv"}"
        source = "scene"
        """
    )
    run = Study.from_file(tmp_path / "study.toml").run(tmp_path / "run")
    assert {row.concept for row in run.results} == {"watermark"}
    assert {row.class_sources for row in run.results} == {
        len({row["scene"] for row in rows if str(tennis / row["file"]) in videos})
    }
    assert (run.folder / "report.html").is_file()


def test_the_example_says_how_good_its_model_is_on_scenes_it_never_saw() -> None:
    log = json.loads((EXAMPLE / "swin.json").read_text())
    assert log["chance"] < log["accuracy"]["held-out scenes"] < log["accuracy"]["training scenes"]
    assert "34 %" in (EXAMPLE / "README.md").read_text()


def test_the_papers_concepts_are_taken_one_of_each_scene_in_turn() -> None:
    select = runpy.run_path(str(EXAMPLE / "paper_concepts.py"))["select"]
    clips_of = {f"s{scene:02}": 8 - scene // 2 for scene in range(12)}  # 8 8 7 7 6 6 5 5 4 4 3 3
    records = [
        ClipRecord.model_construct(concept="racket", kind=kind, source=scene, id=f"{scene}-{number}")
        for scene, count in clips_of.items()
        for number in range(count)
        for kind in ("spatial", "spatiotemporal")
    ]
    taken = select(records, without={"s00"})
    expected = {f"{scene}-{number}" for scene in list(clips_of)[1:11] for number in range(3)}  # of ten scenes thirty
    assert {record.id for record in taken} == expected
    assert len(taken) == 2 * len(expected)
