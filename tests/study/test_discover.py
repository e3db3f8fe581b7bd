"""What is found is tested on videos that took no part in finding it, and counted with all that was found."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import videotcav as vt
from support.change_net import MODULE, NET, noise
from videotcav.concepts.discover.candidates import Discovery, read_discovery
from videotcav.concepts.folder import read_records, write_records
from videotcav.errors import ConceptError, NotEnoughData, PathTaken, StudyFileError, VideoNotFound
from videotcav.explain.inference.multiplicity import Family, holm
from videotcav.models.model import VideoModel
from videotcav.results.manifest import DiscoveryFacts
from videotcav.video.write import write_video

TESTS = {"minimum_clips": 5, "minimum_sources": 5}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VideoModel]:
    folder = tmp_path_factory.mktemp("code")
    (folder / f"{MODULE}.py").write_text(NET)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield vt.load_model(f"{MODULE}:build")


@pytest.fixture(scope="module")
def found(model: VideoModel, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Discovery]:
    """Videos, half of which flicker, and what was found in them; all of it is accepted."""
    root = tmp_path_factory.mktemp("discovered")
    rng = np.random.default_rng(0)
    for folder, videos in (("videos", 40), ("class", 6)):
        (root / folder).mkdir()
        for number in range(videos):
            clip = noise(rng, moving=folder == "class" or bool(number % 2))
            write_video(root / folder / f"{folder}-{number:02}.mp4", clip, frames_per_second=10)
    discovery = vt.discover(
        model,
        root / "videos",
        root / "found",
        layers=["square"],
        pool=root / "pool",
        target="moving",
        factors=2,
        clips=6,
        context=7.0,
        kinds=("spatiotemporal",),
    )
    vt.accept(root / "found")
    return root, discovery


def study(model: VideoModel, root: Path, **others: object) -> vt.Study:
    given = {"classes": {"moving": [str(root / "class"), str(root / "videos")]}, "layers": ["square"], "tests": TESTS}
    return vt.Study.of(model, concepts=root / "found", random=root / "pool", **(given | others))


def test_each_side_has_videos_of_its_own_and_the_folder_says_which(found: tuple[Path, Discovery]) -> None:
    root, discovery = found
    assert read_discovery(root / "found") == discovery
    assert (len(discovery.finding), len(discovery.held_out)) == (20, 20)
    assert not discovery.finding.keys() & discovery.held_out.keys()
    assert [each.concept for each in discovery.found] == ["square-01", "square-02"]
    assert abs(discovery.found[0].shift) >= abs(discovery.found[1].shift)
    records = read_records(root / "found")
    for side in (discovery.finding, discovery.held_out):
        assert sum(record.source_sha256 in side for record in records) == 12
    record = records[0]
    assert record.detector == "discover change"
    assert record.detector_sha256 == discovery.rows
    assert len(record.frames) == 4
    assert json.loads(record.recipe)["detector_layers"] == "square"
    assert {each.source_sha256 for each in read_records(root / "pool")} == discovery.held_out.keys()


def test_a_study_takes_no_clip_of_a_video_that_took_part_in_finding(
    model: VideoModel, found: tuple[Path, Discovery], tmp_path: Path
) -> None:
    root, discovery = found
    facts = study(model, root, include=["square-01"]).run(tmp_path / "run").manifest.discovery
    assert facts.found == 2
    assert facts.asked == 1
    assert facts.families == (2, 2)  # one concept is asked about, and the other was found too
    assert set(facts.finding) == discovery.finding.keys()
    assert not set(facts.finding) & set(facts.tested)
    assert facts.left_out == {"concept 'square-01/spatiotemporal'": 6, "class 'moving'": 20}


def test_p_is_corrected_for_all_that_was_found_under_whatever_name(
    model: VideoModel, found: tuple[Path, Discovery], tmp_path: Path
) -> None:
    root, _ = found
    results = study(model, root, include=["square-01"]).run(tmp_path / "one").results
    contrast = next(row for row in results if row.statistic == "contrast")
    shift = next(row for row in results if row.statistic == "shift")
    assert contrast.p_corrected == pytest.approx(min(1.0, 2 * contrast.p))
    assert shift.p_corrected == pytest.approx(min(1.0, 2 * shift.p))
    declared = study(model, root, include=["square-01"], hypotheses=["square-01 pushes moving"]).run(tmp_path / "said")
    assert next(row for row in declared.results if row.hypothesis).p_corrected == contrast.p_corrected


def test_a_random_tubelet_may_fall_on_the_place_of_one_that_was_found(
    model: VideoModel, found: tuple[Path, Discovery], tmp_path: Path
) -> None:
    """Its video leaves the pool for that concept; under another source it is refused as ever."""
    root, discovery = found
    for source in (None, "another"):
        copy = tmp_path / str(source)
        shutil.copytree(root, copy)
        records = read_records(copy / "pool")
        of_found = next(r for r in read_records(root / "found") if r.source_sha256 in discovery.held_out)
        place = next(place for place, r in enumerate(records) if r.source_sha256 == of_found.source_sha256)
        shutil.copy(root / "found" / of_found.file_name, copy / "pool" / records[place].file_name)
        if source is None:
            assert study(model, copy).run(tmp_path / "run").results
            continue
        records[place] = records[place].model_copy(update={"source": source})
        write_records(copy / "pool", records)
        with pytest.raises(ConceptError, match="the random pool holds clips"):
            study(model, copy).run(tmp_path / "refused")


def test_tests_that_nobody_asks_count_as_though_they_had_found_nothing() -> None:
    p = [0.01, 0.004]
    corrected, _ = Family.of(p, p, ["", ""]).beside(Family.unseen(3, declared=False)).corrected("holm")
    assert corrected[:2].tolist() == [0.04, 0.02]  # by hand: 0.004 × 5, 0.01 × 4
    assert corrected.tolist() == holm(np.array([*p, 1, 1, 1])).tolist()


@pytest.mark.parametrize("by", ["displacement", "similarity"])
def test_videos_that_show_the_concept_come_first(
    model: VideoModel, found: tuple[Path, Discovery], tmp_path: Path, by: str
) -> None:
    """Those that flicker have odd numbers; one that the concept was cut from is no find."""
    root, _ = found
    ranked = vt.find(model, root / "videos", tmp_path / "like", like=root / "class", layer="square", by=by, clips=3)
    assert len(ranked) == 40
    assert all(int(each.video.stem[-2:]) % 2 for each in ranked[:20])
    assert sorted(each.score for each in ranked) == [each.score for each in ranked[::-1]]
    records = [each for each in read_records(tmp_path / "like") if each.kind == "spatiotemporal"]
    assert {each.source for each in records} == {each.video.stem for each in ranked[:3]}
    assert {each.concept for each in records} == {"class"}
    vt.accept(tmp_path / "like")
    again = vt.find(model, root / "videos", tmp_path / "more", like=tmp_path / "like" / "class", layer="square", by=by)
    assert {each.video for each in again} == {each.video for each in ranked[3:]}


def test_a_study_says_that_the_model_chose_its_clips(
    model: VideoModel, found: tuple[Path, Discovery], tmp_path: Path
) -> None:
    root, _ = found
    vt.find(model, root / "videos", tmp_path / "like", like=root / "class", layer="square", clips=8)
    vt.accept(tmp_path / "like")
    asked = vt.Study.of(
        model, classes={"moving": root / "class"}, concepts=tmp_path / "like", random=root / "pool", tests=TESTS
    )
    remarks = asked.run(tmp_path / "run").manifest.remarks
    assert any("16 candidates of class were chosen by what a model makes of them" in remark for remark in remarks)


def test_what_would_leave_the_family_or_the_guarantee_is_refused(
    model: VideoModel, found: tuple[Path, Discovery], tmp_path: Path
) -> None:
    root, discovery = found
    for unpaid in ({"scores": "classic"}, {"correction": "none"}):
        with pytest.raises(StudyFileError, match="only contrast, with a correction, pays for all"):
            study(model, root, tests={**TESTS, **unpaid}).run(tmp_path / "unpaid")
    shutil.copytree(root, tmp_path / "all")
    everything = discovery.model_copy(update={"finding": discovery.finding | discovery.held_out})
    (tmp_path / "all" / "found" / "discovery.json").write_text(everything.model_dump_json())
    with pytest.raises(ConceptError, match="no clip of a video that took no part"):
        study(model, tmp_path / "all").run(tmp_path / "none")
    with pytest.raises(ValueError, match="1 videos took part in finding and are tested"):
        DiscoveryFacts(found=1, asked=1, families=(1, 1), finding=("a",), tested=("a", "b"), left_out={})
    with pytest.raises(PathTaken, match="one family of tests"):
        vt.discover(model, root / "videos", root / "found", layers=["square"])
    with pytest.raises(NotEnoughData, match="6 source videos"):
        vt.discover(model, root / "class", tmp_path / "few", layers=["square"])
    with pytest.raises(VideoNotFound, match="there is no such video"):
        vt.discover(model, root / "nowhere", tmp_path / "few", layers=["square"])
    assert not (tmp_path / "few").exists()
