"""Videos in, a folder and its page out; the page says what the table says."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from videotcav.concepts.detectors.detect import load_detector
from videotcav.errors import ArgumentError, ConceptError, RunFolderError, VideosError, VideotcavError
from videotcav.maps.evaluation import PER_CLIP, Truths, measure_faithfulness, read_events
from videotcav.maps.judged import BASELINES, FaithfulnessSettings
from videotcav.models.model import VideoModel
from videotcav.report.faithfulness import (
    MEASURES,
    headlines,
    interval,
    read_faithfulness,
    shown_value,
    write_faithfulness_page,
)
from videotcav.results.map_facts import Faithfulness
from videotcav.video.clips import read_clip
from videotcav.video.read import VideoFile

QUICK = FaithfulnessSettings(steps=3)
METHODS = ("grad-cam", "hirescam")


@pytest.fixture(scope="session")
def boxes(videos: tuple[Path, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bright squares of the videos, and a scoreboard that nobody asks for."""
    found: dict[str, list[dict[str, object]]] = {"videos": [], "images": [], "annotations": []}
    for number_, path in enumerate(videos):
        found["videos"].append({"id": number_, "file_name": path.name, "width": 48, "height": 40})
        for frame in range(12):
            image = len(found["images"])
            found["images"].append({"id": image, "video_id": number_, "frame_index": frame})
            left = 2 * frame + 4 * number_
            for category, box in ((1, [left, 14, min(10, 48 - left), 10]), (2, [0, 0, 48, 3])):
                found["annotations"].append({"image_id": image, "category_id": category, "bbox": box})
    path = tmp_path_factory.mktemp("boxes") / "boxes.json"
    categories = [{"id": 1, "name": "square"}, {"id": 2, "name": "board"}]
    path.write_text(json.dumps(found | {"categories": categories}))
    return path


@pytest.fixture(scope="session")
def run(
    swin: VideoModel, videos: tuple[Path, ...], boxes: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, tuple[Faithfulness, ...]]:
    folder = tmp_path_factory.mktemp("faithfulness") / "run"
    truths = Truths(
        boxes=load_detector(str(boxes)), labels=("square",), events={path.stem: (0.4, 0.6) for path in videos}
    )
    results = measure_faithfulness(
        [str(videos[0].parent)],
        folder,
        model=swin,
        target="rest",
        layer="features.2",
        methods=METHODS,
        truths=truths,
        settings=QUICK,
        examples=1,
    )
    return folder, results


def test_the_truth_lies_over_the_clips_own_pixels(swin: VideoModel, videos: tuple[Path, ...], boxes: Path) -> None:
    """A 40 × 48 video is resized to 32 rows and 38 columns and loses 3 columns left and right: box by hand."""
    truths = Truths(boxes=load_detector(str(boxes)), labels=("square",))
    clip, _ = read_clip(videos[1], swin.card.clip_spec)
    inside = truths.inside(clip, truths.detections(VideoFile(videos[1]), clip), swin.card.clip_spec)
    assert inside is not None
    assert truths.during(clip) is None
    (frame,) = VideoFile(videos[1]).ranks_at(clip.timestamps[1:2])
    left = 2 * frame + 4
    rows, columns = np.nonzero(inside[1])
    assert (rows.min(), rows.max()) == (11, 18)  # 14 … 24 of 40 rows × 0.8 = 11.2 … 19.2: centres 11.5 … 18.5
    scale = 38 / 48
    assert columns.min() == int(np.ceil(left * scale - 3 - 0.5))
    assert columns.max() == int(np.ceil((left + 10) * scale - 3 - 0.5)) - 1


def test_the_folder_holds_every_number(run: tuple[Path, tuple[Faithfulness, ...]]) -> None:
    pytest.importorskip("pandas", reason="pandas (an extra) is not installed")
    folder, results = run
    per_clip = pq.read_table(folder / PER_CLIP).to_pylist()
    assert len({row["clip"] for row in per_clip}) == 3
    read = read_faithfulness(results.save(folder.parent / "copy"))
    assert repr(read) == repr(results)
    assert len(read.to_pandas()) == len(results)
    assert len(read.plot().axes) == len({row.measure for row in results})
    assert read.report().is_file()
    stored = [Faithfulness(**row) for row in pq.read_table(folder / "results.parquet").to_pylist()]
    assert [row.model_dump_json() for row in stored] == [row.model_dump_json() for row in results]
    assert {row.measure for row in results} == set(MEASURES)
    assert {row.method for row in results} == {*METHODS, *BASELINES}
    for row in results:
        own = [
            one["value"]
            for one in per_clip
            if (one["method"], one["measure"]) == (row.method, row.measure) and np.isfinite(one["value"])
        ]
        assert row.clips == len(own)
        assert row.value == pytest.approx(np.mean(own))
        assert row.low <= row.value <= row.high
    assert not list(folder.parent.glob(".*"))


def test_the_page_says_what_the_table_says_and_needs_nothing_else(run: tuple[Path, tuple[Faithfulness, ...]]) -> None:
    folder, results = run
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert page == write_faithfulness_page(folder).read_text(encoding="utf-8")
    for row in results:
        assert f'aria-label="{row.method}: {shown_value(row.value)}, {interval(row)}"' in page
    for sentence in headlines(results):
        assert sentence.replace("“", "“") in page
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page)
    assert "<script" not in page
    assert page.count("data:image/png;base64,") == 1


def test_numbers_that_the_run_did_not_write_are_refused(
    run: tuple[Path, tuple[Faithfulness, ...]], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(run[0], tmp_path / "copy"))
    better = [row | {"value": 1.0} for row in pq.read_table(folder / "results.parquet").to_pylist()]
    pq.write_table(pa.Table.from_pylist(better), folder / "results.parquet")
    with pytest.raises(RunFolderError, match="its checksum is another one"):
        write_faithfulness_page(folder)


def row(method: str, value: float, low: float, high: float, *, baseline: bool = False) -> Faithfulness:
    return Faithfulness(
        method=method, measure="energy", value=value, low=low, high=high, clips=9, undefined=0, baseline=baseline
    )


def test_a_headline_claims_no_more_than_the_intervals_do() -> None:
    (apart,) = headlines([row("a", 4, 3, 5), row("b", 2, 1, 3), row("centre", 2, 1.5, 2.5, baseline=True)])
    assert "a is best with 4.00 (3.00 to 5.00), clearly better than “centre”" in apart
    (near,) = headlines([row("a", 4, 2, 5), row("centre", 2, 1.5, 2.5, baseline=True)])
    assert "not clearly apart from “centre”" in near
    (worse,) = headlines([row("a", 1, 0.9, 1.1), row("centre", 2, 1.5, 2.5, baseline=True)])
    assert "clearly worse than “centre”" in worse


def test_bad_videos_are_listed_and_nothing_is_left_behind(
    swin: VideoModel, videos: tuple[Path, ...], tmp_path: Path
) -> None:
    bad = [tmp_path / "gone.mp4", tmp_path / "empty.mp4"]
    bad[1].touch()
    given = [videos[0], *bad]
    with pytest.raises(VideosError, match=r"(?s)2 videos cannot be read.*gone\.mp4.*empty\.mp4"):
        measure_faithfulness(given, tmp_path / "run", model=swin, methods=["hirescam"], settings=QUICK, examples=0)
    assert {path.name for path in tmp_path.iterdir()} == {"empty.mp4"}
    measure_faithfulness(
        given, tmp_path / "run", model=swin, methods=["hirescam"], settings=QUICK, examples=0, skip_bad=True
    )
    assert len(json.loads((tmp_path / "run" / "manifest.json").read_text())["left_out"]) == 2


def test_mistakes_are_told(boxes: Path, tmp_path: Path) -> None:
    with pytest.raises(ConceptError, match="no boxes of 'squares'; closest: 'square'"):
        Truths(boxes=load_detector(str(boxes)), labels=("squares",))
    with pytest.raises(ArgumentError, match="'square' says which boxes count, and no boxes are given"):
        Truths(labels=("square",))
    events = tmp_path / "events.json"
    with pytest.raises(VideotcavError, match="cannot be read"):
        read_events(events)
    events.write_text('{"events": {"a": [1]}}')
    with pytest.raises(VideotcavError, match="it should be"):
        read_events(events)
    events.write_text('{"events": {"a": [1, 2.5]}}')
    assert read_events(events) == {"a": (1, 2.5)}
    with pytest.raises(RunFolderError, match="holds no measured maps"):
        write_faithfulness_page(tmp_path)
