"""What is found is tested on videos that took no part in finding it, and counted with all that was found."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import videotcav as vt
from support.change_net import change_model, noise
from videotcav.concepts.discover.candidates import Discovery, read_discovery
from videotcav.concepts.folder import read_records, write_records
from videotcav.concepts.review.decisions import Candidate
from videotcav.concepts.review.ledger import Ledger
from videotcav.errors import ArgumentError, ConceptError, NotEnoughData, PathTaken, StudyFileError, VideoNotFound
from videotcav.explain.inference.multiplicity import Family, holm
from videotcav.models.model import VideoModel
from videotcav.records import ClipSpec, silent
from videotcav.results.manifest import DiscoveryFacts
from videotcav.study.held_out import HeldOut
from videotcav.study.reading import StudyClips
from videotcav.study.tubelets import UnlabelledVideos
from videotcav.video.write import write_video

TESTS = {"minimum_clips": 5, "minimum_sources": 5}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VideoModel]:
    with change_model(tmp_path_factory.mktemp("code")) as loaded:
        yield loaded


@pytest.fixture(scope="module")
def found(model: VideoModel, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Discovery]:
    """Videos, half of which flicker, and what was found in them; all of it is accepted."""
    root = tmp_path_factory.mktemp("discovered")
    rng = np.random.default_rng(0)
    for folder, videos in (("videos", 40), ("class", 6), ("own/flicker/spatiotemporal", 6), ("others", 8)):
        (root / folder).mkdir(parents=True)
        for number in range(videos):
            clip = noise(rng, moving=folder.startswith(("class", "own")) or (folder == "videos" and bool(number % 2)))
            write_video(root / folder / f"{Path(folder).parts[0]}-{number:02}.mp4", clip, frames_per_second=10)
    discovery = vt.discover(
        model,
        root / "videos",
        root / "found",
        layers=["square"],
        pool=root / "pool",
        target="moving",
        concepts=root / "own",
        random=root / "others",
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


def test_a_set_of_ones_own_explains_what_it_shares_with_the_class(found: tuple[Path, Discovery]) -> None:
    """The class is what flickers, and so are the own clips; another set of the layer's two channels is not."""
    _, discovery = found
    assert discovery.known == ("flicker",)
    of_class = discovery.explained["square"]
    assert of_class.low > 0.9
    shares = [each.explained for each in discovery.found]
    assert shares[0] is not None
    assert shares[0].share > 0.9
    assert not discovery.found[0].is_left


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


def test_found_clips_never_lose_the_videos_that_they_were_found_in(
    model: VideoModel, found: tuple[Path, Discovery], tmp_path: Path
) -> None:
    """Where they are read into memory they stay away too, and without discovery.json nobody could tell."""
    root, discovery = found
    with pytest.warns(vt.VideotcavWarning, match="2 concepts were found in 20 videos, whose clips are left out"):
        clips = vt.read_concepts(root / "found", model.card.clip_spec)
    tracks = {record.track for each in clips.values() for record in each.records}
    assert tracks == {r.id for r in read_records(root / "found") if r.source_sha256 in discovery.held_out}
    shutil.copytree(root, tmp_path / "lost")
    (tmp_path / "lost" / "found" / "discovery.json").unlink()
    with pytest.raises(ConceptError, match=r"no discovery\.json that says in which videos"):
        study(model, tmp_path / "lost").run(tmp_path / "run")


def test_a_recording_took_part_also_where_groups_stand_in_the_place_of_sources(found: tuple[Path, Discovery]) -> None:
    discovery = found[1].model_copy(update={"finding": {"a": "match", "b": ""}})
    held_out = HeldOut({Path("found"): discovery}, sources={Path("x.mp4"): "match", Path("y.mp4"): "other"})
    assert held_out.took_part("c", Path("x.mp4"), "patient 1")
    assert held_out.took_part("c", Path("z.mp4"), "match")
    assert held_out.took_part("b#t=1,2", Path("y.mp4"), "patient 2")
    assert not held_out.took_part("c", Path("y.mp4"), "patient 1")
    assert not held_out.took_part("c", Path("z.mp4"), "")


def test_a_video_is_one_whatever_it_is_called_and_keeps_the_source_that_was_named(tmp_path: Path) -> None:
    read = StudyClips(ClipSpec(frames=2, stride=1, height=8, width=8, resize=8))

    def given(sources: dict[str, str]) -> list[str]:
        return [file.source for file in UnlabelledVideos.of(tmp_path, sources, read, progress=silent).files]

    for name, content in (("a/1.mp4", b"one"), ("b/1.mp4", b"two"), ("b/copy.mp4", b"one"), ("b/2.mp4", b"three")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    first, second = (f"1-{hashlib.sha256(content).hexdigest()[:8]}" for content in (b"one", b"two"))
    assert given({}) == [first, second, "2"]
    assert given({"copy": "match", "2": "match"}) == ["match", second, "match"]
    with pytest.raises(ArgumentError, match="are the same video, from 'x' and from 'match': name one source"):
        given({"copy": "match", "1": "x"})
    with pytest.warns(vt.VideotcavWarning, match="about videos that are not among these, such as 'typo'"):
        given({"typo": "match"})


def test_more_like_a_concept_that_reviewers_named_is_in_other_videos(
    model: VideoModel, found: tuple[Path, Discovery], tmp_path: Path
) -> None:
    root = Path(shutil.copytree(found[0], tmp_path / "named"))
    own = [each for each in read_records(root / "found") if each.concept == "square-01"]
    with Ledger(root / "found") as ledger:
        chosen = [Candidate(each.concept, each.id) for each in own]
        ledger.decide(chosen, reviewer="Ada", verdict="relabel", gesture="gesture-1", label="flickering")
    how = {"layer": "square", "clips": 2}
    ranked = vt.find(model, root / "videos", tmp_path / "more", like=root / "found" / "flickering", **how)
    assert len(ranked) == 40 - len({each.source_sha256 for each in own})
    assert not {each.video.stem for each in ranked} & {Path(each.source_video).stem for each in own}
    assert {each.concept for each in read_records(tmp_path / "more")} == {"flickering"}
    with pytest.raises(ArgumentError, match="has the concepts flickering, square-02"):
        vt.find(model, root / "videos", tmp_path / "both", like=root / "found", **how)


def test_more_like_this_in_the_review_is_the_same_call(
    model: VideoModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("uvicorn", reason="the extra review is not installed")
    opened: list[Any] = []
    asked: list[Any] = []
    monkeypatch.setattr("videotcav.review_app.launch", lambda _folder, **how: opened.append(how["find_more"]))
    monkeypatch.setattr("videotcav.api.find", lambda *given, **how: asked.append((given, how)))
    vt.review(tmp_path / "found", model=model, layer="square", videos="videos")
    vt.review(tmp_path / "found")
    assert opened[1] is None
    (tmp_path / "found-like-racket").mkdir()
    assert opened[0]("racket") == tmp_path / "found-like-racket-2"
    how = {"like": tmp_path / "found" / "racket", "layer": "square", "store": None}
    assert asked == [((model, "videos", tmp_path / "found-like-racket-2"), how)]
    with pytest.raises(ArgumentError, match="give all three, or none"):
        vt.review(tmp_path / "found", model=model)


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
    with pytest.raises(ArgumentError, match="concepts and random belong together"):
        vt.discover(model, root / "videos", tmp_path / "few", layers=["square"], concepts=root / "own")
    with pytest.raises(VideoNotFound, match="there is no such video"):
        vt.discover(model, root / "nowhere", tmp_path / "few", layers=["square"])
    assert not (tmp_path / "few").exists()
