"""A probe that knows where objects are: a model that adds up change, on clips where one thing flickers."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import videotcav as vt
from support.far import Far
from support.flicker import BOXES, scene, sidecar
from support.own import quietly
from videotcav.concepts.detectors.detect import load_detector
from videotcav.concepts.detectors.masks import Mask
from videotcav.errors import ArgumentError, BoxesError, NotFound, TrackNotFound, VideosError
from videotcav.interventions.frames import to_frames
from videotcav.models.model import VideoModel
from videotcav.records import ClipSpec, ModelCard
from videotcav.report.probe import ProbeRun
from videotcav.results.edit_effect import EditEffect
from videotcav.results.probe_facts import after
from videotcav.study.object_edits import ObjectEditor, TargetEdit
from videotcav.video.clips import read_clips
from videotcav.video.write import write_video

SPEC = ClipSpec(frames=4, seconds_between_frames=0.1, height=16, width=16, resize=16)
OF_OBJECTS = (
    *("freeze object", "shuffle object", "reverse object", "remove object", "blur object"),
    *("freeze background", "remove background", "blur background"),
)


class Changes(nn.Module):
    """Logit 0: how much brightness changes from frame to frame; logit 1: how bright it is."""

    def forward(self, pixels: Tensor) -> Tensor:
        change = (pixels[:, :, 1:] - pixels[:, :, :-1]).abs().mean(dim=(1, 2, 3, 4))
        return torch.stack([10 * change, pixels.mean(dim=(1, 2, 3, 4))], dim=1)


def model() -> VideoModel:
    return quietly(Changes(), card=ModelCard(name="changes", clip_spec=SPEC, classes=("moving", "bright")))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fourteen clips that move, of which two have no boxes, and three bright ones without any."""
    made = tmp_path_factory.mktemp("objects")
    rng = np.random.default_rng(0)
    for name, count in (("moving", 14), ("bright", 3)):
        (made / "videos" / name).mkdir(parents=True)
        for number in range(count):
            film = scene(rng) if name == "moving" else np.broadcast_to(np.uint8(150 + 20 * number), (5, 32, 32, 3))
            write_video(made / "videos" / name / f"{name}-{number:02}.mp4", film, frames_per_second=10, crf=0)
    (made / "boxes.json").write_text(sidecar([f"moving-{number:02}.mp4" for number in range(12)], BOXES))
    return made


@pytest.fixture(scope="module")
def found(folder: Path) -> ProbeRun:
    return vt.probe(model(), folder / "videos", folder / "probe", objects=folder / "boxes.json", labels=["flicker"])


def row(found: ProbeRun, edit: str, class_name: str = "moving") -> EditEffect:
    (one,) = (each for each in found.main if (each.name, each.class_name) == (edit, class_name))
    return one


def test_the_class_needs_the_motion_of_its_object_and_nothing_of_the_background(found: ProbeRun) -> None:
    assert {each.name for each in found.main} >= set(OF_OBJECTS)
    for edit in ("freeze object", "remove object"):
        assert row(found, edit).verdict == "negative"
    for edit in ("freeze background", "remove background", "blur background"):
        assert row(found, edit).verdict in ("negligible", "not asked")
    assert row(found, "freeze object").with_sham == 12
    assert row(found, "freeze background").with_sham is None


def test_clips_without_an_object_are_counted_and_told(found: ProbeRun) -> None:
    one, none = row(found, "freeze object"), row(found, "remove background", "bright")
    assert (one.clips, one.not_told, one.why) == (12, 2, "the clip does not hold it")
    assert (none.verdict, none.reason, none.not_told, none.effect) == ("not asked", "not told", 3, None)
    where = "was found in 3 of 3 clips of bright and 2 of 14 clips of moving"
    assert found.manifest.remarks[-2:] == (
        f"No 'flicker' {where}: edits of objects leave them out.",
        f"No object {where}: edits of the background leave them out.",
    )
    assert row(found, "still").not_told == 0


def test_the_effect_is_that_of_the_same_edit_of_clips_in_memory(folder: Path, found: ProbeRun) -> None:
    """And the unit is that of all unedited clips, as of all edits of a probe."""
    clips = vt.read_clips(folder / "videos" / "moving", SPEC)
    asked = model()
    for edit in ("freeze", "remove", "blur"):
        made = vt.edit(clips, folder / "boxes.json", edit, label="flicker", skip_bad=True)
        assert len(made) == 12
        change = asked(made.pixels) - asked(made.before)
        one = row(found, f"{edit} object")  # asked by the logit above the mean of both
        assert one.raw == pytest.approx(float((change[:, 0] - change[:, 1]).mean()) / 2 / one.sigma, rel=1e-5)
    assert row(found, "freeze object").sigma == row(found, "still").sigma


def test_it_is_read_back_and_stands_in_the_profile_and_on_the_page(folder: Path, found: ProbeRun) -> None:
    again = vt.read_probe(folder / "probe")
    assert (again.effects, again.manifest) == (found.effects, found.manifest)
    named = [label.get_text() for label in again.plot().axes[0].get_yticklabels()]
    assert [name for name in named if name in OF_OBJECTS] == list(OF_OBJECTS)
    assert named.index("blur background") < named.index("blur")  # below the line stands what is only shown
    page = (folder / "probe" / "report.html").read_text(encoding="utf-8")
    assert "No object was found in 3 of 3 clips of bright" in page
    assert "freeze object, sham 1: score" in again.clips[0]


def test_a_clip_without_the_label_still_has_a_background(folder: Path) -> None:
    """What is found of another label makes it."""
    some = sidecar([f"moving-{number:02}.mp4" for number in range(12)], BOXES)
    known = json.loads(some)
    flicker = next(each["id"] for each in known["categories"] if each["name"] == "flicker")
    known["annotations"] = [
        each for each in known["annotations"] if each["category_id"] != flicker or each["video_id"] < 5
    ]
    (folder / "some.json").write_text(json.dumps(known))
    ask: dict[str, Any] = {"target": "moving", "objects": folder / "some.json"}
    ask["edits"] = ["freeze object", "remove background"]
    found = vt.probe(model(), folder / "videos", labels=["flicker"], **ask)
    assert (row(found, "freeze object").not_told, row(found, "remove background").not_told) == (9, 2)
    assert found.manifest.remarks[-2:] == (
        "No 'flicker' was found in 9 of 14 clips of moving: edits of objects leave them out.",
        "No object was found in 2 of 14 clips of moving: edits of the background leave them out.",
    )
    found = vt.probe(model(), folder / "videos", **ask)
    assert found.manifest.remarks[-1] == (
        "No object was found in 2 of 14 clips of moving: edits of objects and edits of the background leave them out."
    )


def test_what_shows_the_same_pixels_is_passed_once(folder: Path) -> None:
    """Here the object covers again what was filled, whatever the fill, and its round trip changes nothing."""
    passed: list[int] = []

    class Counted(Changes):
        def forward(self, pixels: Tensor) -> Tensor:
            passed.append(len(pixels))
            return super().forward(pixels)

    asked = quietly(Counted(), card=model().card)
    passed.clear()
    edits = ["freeze object", "reverse object"]
    found = vt.probe(
        asked, folder / "videos", objects=folder / "boxes.json", labels=["flicker"], edits=edits, batch_size=1
    )
    assert sum(passed) == 14 + 3 + 12 * 2
    for edit in edits:
        scores = [(each[after(edit, "score")], each[after(f"{edit}, second fill", "score")]) for each in found.clips]
        assert all(first == second for first, second in scores)
        assert sum(first is not None for first, _ in scores) == 12


def test_another_engine_gives_the_same_bits(folder: Path, found: ProbeRun, tmp_path: Path) -> None:
    engine = Far()
    ask: dict[str, Any] = {"objects": folder / "boxes.json", "labels": ["flicker"], "engine": engine}
    there = vt.probe(model(), folder / "videos", store=tmp_path / "store", **ask)
    assert (there.effects, there.clips) == (found.effects, found.clips)
    kept = vt.probe(model(), folder / "videos", store=tmp_path / "store", **ask)
    assert (kept.effects, kept.clips) == (found.effects, found.clips)
    assert engine.workers == ["EditPasser"] * 2


def test_a_clip_that_cannot_be_read_elsewhere_is_told_here(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "moving").mkdir()
    for each in sorted((folder / "videos" / "moving").iterdir())[:4]:
        (tmp_path / "moving" / each.name).write_bytes(each.read_bytes())
    (tmp_path / "moving" / "broken.mp4").write_bytes(b"no film")
    for engine in (Far(), None):
        ask: dict[str, Any] = {"edits": ["still"]} | ({} if engine is None else {"engine": engine})
        with pytest.raises(VideosError, match="broken"):
            vt.probe(model(), tmp_path, **ask)
        assert len(vt.probe(model(), tmp_path, skip_bad=True, **ask).clips) == 4


@pytest.mark.parametrize(
    ("given", "error", "sentence"),
    [
        ({"edits": ["freeze object"]}, ArgumentError, "'freeze object' needs to know where objects are"),
        ({"labels": ["flicker"]}, ArgumentError, "say where these are too"),
        ({"objects": "boxes.json", "edits": ["still"]}, ArgumentError, "no edit of them is asked for"),
        ({"objects": "boxes.json", "edits": ["freez object"]}, ArgumentError, "closest: 'freeze object'"),
        ({"objects": "boxes.json", "labels": ["fliker"]}, NotFound, "fliker"),
        ({"objects": "boxes.json", "labels": ["lamp", "lamp"]}, ArgumentError, "named twice"),
        (
            {"objects": "boxes.json", "labels": ["lamp"], "edits": ["blur background"]},
            ArgumentError,
            "ask for an edit of them",
        ),
        ({"objects": "others.json"}, TrackNotFound, "none of the 17 clips has an object to edit; the first: "),
        ({"objects": "wide.json"}, BoxesError, "64×32, but it is 32×32"),
        ({"objects": "late.json"}, BoxesError, "has boxes in frame 9 of moving-00.mp4, whose last frame is 4"),
    ],
)
def test_objects_that_do_not_fit_are_one_sentence(
    folder: Path, *, given: Mapping[str, Any], error: type[Exception], sentence: str
) -> None:
    boxes = sidecar(["moving-00.mp4"], BOXES)
    (folder / "others.json").write_text(sidecar(["another.mp4"], BOXES))
    (folder / "wide.json").write_text(boxes.replace('"width": 32', '"width": 64'))
    late = json.loads(boxes)
    late["images"][-1]["frame_index"] = 9
    (folder / "late.json").write_text(json.dumps(late))
    given = dict(given) | ({"objects": folder / given["objects"]} if "objects" in given else {})
    with pytest.raises(error, match=sentence):
        vt.probe(model(), folder / "videos", folder / "refused", **given)
    assert not (folder / "refused").exists()


def test_objects_are_looked_for_in_files_that_are_there(folder: Path) -> None:
    clips = vt.read_clips(folder / "videos" / "moving", SPEC)
    moved = tuple(
        each.model_copy(update={"video": each.video.model_copy(update={"path": Path("gone") / each.video.path.name})})
        for each in clips.records
    )
    with pytest.raises(VideosError, match="gone"):
        vt.probe(model(), dataclasses.replace(clips, records=moved), target="moving", objects=folder / "boxes.json")


def test_an_edit_of_one_object_changes_nothing_of_another_whose_mask_the_file_has(tmp_path: Path) -> None:
    """A left and a right half; what is asked for is one of them."""
    left = np.zeros((32, 32), bool)
    left[8:24, 8:16] = True
    right = left[:, ::-1]
    pixels = np.full((5, 32, 32, 3), 40, np.uint8)
    pixels[:, left], pixels[:, right] = 200, 120
    write_video(tmp_path / "both.mp4", pixels, frames_per_second=10, crf=0)
    halves = [(1, left), (2, right)]
    annotations = [
        {"image_id": frame, "category_id": of, "track_id": of, "segmentation": Mask.of(mask).rle, "bbox": box}
        for frame in range(5)
        for (of, mask), box in zip(halves, ([8, 8, 8, 16], [16, 8, 8, 16]), strict=True)
    ]
    coco = {
        "videos": [{"id": 0, "file_name": "both.mp4"}],
        "images": [{"id": frame, "video_id": 0, "frame_index": frame} for frame in range(5)],
        "annotations": annotations,
        "categories": [{"id": 1, "name": "left"}, {"id": 2, "name": "right"}],
    }
    (tmp_path / "both.json").write_text(json.dumps(coco))
    spec = SPEC.model_copy(update={"height": 32, "width": 32, "resize": 32})
    clips = read_clips([tmp_path / "both.mp4"], spec)
    frames = to_frames(clips.pixels[0], spec)
    detector = load_detector(tmp_path / "both.json")
    editor = ObjectEditor(detector, (TargetEdit("remove", "object"),), {"object": ("left",)}, seed=0)
    made = editor(clips.records[0], frames, spec)["remove object"].frames
    np.testing.assert_array_equal(made[:, right], frames[:, right])
    assert (made[:, left] != frames[:, left]).any(axis=-1).all()
    background = ObjectEditor(detector, (TargetEdit("remove", "background"),), {"background": ()}, seed=0)
    kept = background(clips.records[0], frames, spec)["remove background"].frames
    np.testing.assert_array_equal(kept[:, left | right], frames[:, left | right])
