"""`vt.edit`: clips of video files in, edited clips and what the edit did out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import videotcav as vt
from support.clips import in_memory
from videotcav.interventions.frames import to_frames
from videotcav.interventions.locate import objects_of
from videotcav.planted.model import CLIP_SPEC
from videotcav.video.clips import Clips

SHAPE = (CLIP_SPEC.frames, CLIP_SPEC.height, CLIP_SPEC.width)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Source videos in which a racket swings and a ball passes, with the boxes of both."""
    where = tmp_path_factory.mktemp("scenes")
    vt.render_demo(where)
    return where / "concepts_source"


@pytest.fixture(scope="module")
def clips(folder: Path) -> Clips:
    return vt.read_clips(sorted(folder.glob("*.mp4"))[:3], CLIP_SPEC)


def test_an_edit_by_a_file_of_boxes_changes_the_object_and_nothing_else(folder: Path, clips: Clips) -> None:
    boxes = folder / "boxes.json"
    made = vt.edit(clips, boxes, "remove", label="racket")
    located = objects_of(clips.records, CLIP_SPEC, boxes, "racket")
    assert isinstance(made, vt.EditedClips)
    assert made.records == clips.records
    assert made.pixels.shape == clips.pixels.shape
    for place, (told, found) in enumerate(zip(made.told, located.objects, strict=True)):
        before, after = (to_frames(each.pixels[place], CLIP_SPEC) for each in (clips, made))
        changed = (before != after).any(axis=3)
        assert told.changed == pytest.approx(changed.mean())
        assert changed[found.masks].mean() > 0.3
        assert 0 <= told.inpainted < 1
        assert told.camera == "identity"
        far = np.ones(SHAPE, dtype=np.bool_)
        for frame, mask in enumerate(found.masks):
            y, x = np.nonzero(mask)
            if len(y):
                far[frame, max(0, y.min() - 2) : y.max() + 3, max(0, x.min() - 2) : x.max() + 3] = False
        assert not changed[far].any()
        same = torch.from_numpy(far)
        assert torch.equal(made.pixels[place][:, same], clips.pixels[place][:, same])
    by_result = vt.edit(clips, located, "remove")
    assert torch.equal(by_result.pixels, made.pixels)


@pytest.mark.parametrize("edit", ["freeze", "shuffle", "background removed"])
def test_each_clip_alone_is_what_it_is_among_others(folder: Path, clips: Clips, edit: str) -> None:
    boxes = folder / "boxes.json"
    together = vt.edit(clips, boxes, edit, label="racket")
    for place in range(len(clips)):
        one = replace(clips, records=clips.records[place : place + 1], pixels=clips.pixels[place : place + 1])
        alone = vt.edit(one, boxes, edit, label="racket")
        assert torch.equal(alone.pixels[0], together.pixels[place])
        assert alone.told[0] == together.told[place]


def test_a_sham_is_the_same_handling_without_the_purpose(folder: Path, clips: Clips) -> None:
    how = {"label": "ball"}
    freeze, sham = (vt.edit(clips, folder / "boxes.json", "freeze", sham=sham, **how) for sham in (False, True))
    assert (sham.pixels - clips.pixels).abs().mean() < 0.3 * (freeze.pixels - clips.pixels).abs().mean()


def test_a_preview_shows_before_and_after(clips: Clips) -> None:
    masks = np.zeros((3, *SHAPE), dtype=np.bool_)
    masks[:, :, 20:40, 20:40] = True
    made = vt.edit(clips, masks, "remove", fill=lambda frames, _: np.zeros_like(frames))
    shown = made.preview(1)
    np.testing.assert_array_equal(shown[:, :, :64], to_frames(clips.pixels[1], CLIP_SPEC))
    assert (shown[:, 20:40, 68 + 20 : 68 + 40] == 0).all()
    with pytest.raises(vt.VideotcavError, match="no clip 3"):
        made.preview(3)


def test_what_cannot_be_edited_is_told_in_a_sentence(folder: Path, clips: Clips) -> None:
    boxes = folder / "boxes.json"
    masks = np.zeros((3, *SHAPE), dtype=np.bool_)
    masks[0, :, 10:20, 10:20] = True
    with pytest.raises(vt.VideotcavError, match=r"'remove' cannot be made of 2 of 3 clips: .*no frame") as caught:
        vt.edit(clips, masks, "remove")
    assert "skip_bad" in str(caught.value)
    made = vt.edit(clips, masks, "remove", skip_bad=True)
    assert made.records == clips.records[:1]
    assert len(made.left_out) == 2
    with pytest.raises(vt.VideotcavError, match="clip time height width"):
        vt.edit(clips, masks[:, :, :30], "remove")
    with pytest.raises(vt.VideotcavError, match="clip time height width"):
        vt.edit(clips, masks.astype(np.uint8), "remove")
    with pytest.raises(vt.VideotcavError, match="label="):
        vt.edit(clips, boxes, "remove")
    with pytest.raises(vt.VideotcavError, match="closest: 'freeze'"):
        vt.edit(clips, boxes, "freez", label="racket")
    with pytest.raises(vt.VideotcavError, match="rocket"):
        vt.edit(clips, boxes, "freeze", label="rocket")
    with pytest.raises(vt.VideotcavError, match="spec="):
        vt.edit(replace(clips, spec=None), masks, "remove")
    located = objects_of(clips.records[:1], CLIP_SPEC, boxes, "racket")
    with pytest.raises(vt.VideotcavError, match="looked for in 1 clips, and 3 are edited"):
        vt.edit(clips, located, "remove")


def test_an_edit_that_changes_nothing_is_told() -> None:
    """Grey everywhere: there is nothing to take out."""
    pixels = torch.full((1, 3, *SHAPE), (127 / 255 - 0.5) / 0.25)
    clips = in_memory(pixels, prefix="grey")
    masks = np.zeros((1, *SHAPE), dtype=np.bool_)
    masks[:, :, 10:20, 10:20] = True
    with pytest.warns(vt.VideotcavWarning, match="'blur' changes nothing in 1 of 1 clips"):
        made = vt.edit(clips, masks, "blur", spec=CLIP_SPEC)
    assert made.told[0].changed == 0
    assert torch.equal(made.pixels, pixels)
