"""Events at different moments: a planted event, whose frame is known, falls on the same frame of every clip."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from videotcav.errors import UnreadableText, VideoError, VideosError, VideotcavError
from videotcav.records import ClipSpec
from videotcav.video.alignment import Alignment, Events, moment_of_most_motion
from videotcav.video.clips import read_clip, read_clips
from videotcav.video.read import VideoFile

RATE = 25
SPEC = ClipSpec(frames=8, seconds_between_frames=1 / RATE, height=32, width=32, resize=32, mean=(0,) * 3, std=(1,) * 3)
MIDDLE = 4  # of 8 frames


def cut_at(frame: int, *, frames: int = 30) -> np.ndarray:
    """Grey 40 that drifts a little, and 200 from the cut on."""
    levels = np.where(np.arange(frames) < frame, 40, 200) + np.arange(frames) % 3
    return np.broadcast_to(levels.astype(np.uint8)[:, None, None, None], (frames, 32, 32, 3))


def first_bright(pixels: torch.Tensor) -> int:
    """The frame of a clip `c t h w` from which on it is bright."""
    bright = pixels.mean(dim=(0, 2, 3)) > 0.5
    assert bright.any()
    return int(bright.int().argmax())


@pytest.mark.parametrize("align", ["event", "motion"])
def test_a_planted_event_falls_on_the_same_frame_of_every_clip(encode, align):
    cuts = [4, 9, 15, 20, 26]
    events = {encode(f"{at}.mp4", cut_at(at)): at / RATE for at in cuts}
    clips = read_clips(events, SPEC, align=align, events=events if align == "event" else None)
    assert [first_bright(pixels) for pixels in clips.pixels] == [MIDDLE] * len(cuts)
    unaligned = read_clips([path for path, at in events.items() if 11 <= at * RATE < 19], SPEC)
    assert [first_bright(pixels) for pixels in unaligned.pixels] == [15 - 11]  # from the middle: frames 11 to 18


def test_a_clip_alone_equals_it_among_others(encode):
    events = {encode(f"{at}.mp4", cut_at(at)): at / RATE for at in (9, 15, 20)}
    together = read_clips(events, SPEC, align="motion")
    for number, (path, seconds) in enumerate(events.items()):
        assert torch.equal(read_clips(path, SPEC, align="motion").pixels[0], together.pixels[number])
        assert torch.equal(read_clip(path, SPEC, event_seconds=seconds)[1], together.pixels[number])


def test_a_clip_that_cannot_be_shifted_so_far_is_refused_in_one_sentence(encode):
    early, late = encode("early.mp4", cut_at(3)), encode("late.mp4", cut_at(27))
    with pytest.raises(VideosError) as told:
        read_clips([early, late], SPEC, align="motion")
    assert "needs 0.160 s before it" in told.value.reasons[str(early)]
    assert "there are 1.080 s and 0.120 s" in told.value.reasons[str(late)]
    assert all('edges = "hold"' in reason for reason in told.value.reasons.values())


def test_a_held_edge_is_the_videos_own_end_frame_and_the_event_stays_on_its_frame(encode, indices):
    early, late = encode("a.mp4", 30), encode("b.mp4", 30)  # every frame its own grey level
    for path, event, shown in ((early, 1, [0, 0, 0, 0, 1, 2, 3, 4]), (late, 28, [24, 25, 26, 27, 28, 29, 29, 29])):
        clip, pixels = read_clip(path, SPEC, event_seconds=event / RATE, edges="hold")
        assert indices((pixels * 255).permute(1, 2, 3, 0).numpy()) == shown
        assert clip.timestamps[MIDDLE] == pytest.approx(event / RATE)


def test_where_no_edge_is_needed_holding_changes_nothing(encode):
    path = encode("v.mp4", 30)
    plain, held = (read_clip(path, SPEC, event_seconds=0.6, edges=edges)[1] for edges in ("refuse", "hold"))
    assert torch.equal(plain, held)


def test_most_motion_is_the_frame_that_differs_most_from_the_one_before(encode):
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (20, 32, 32, 3)).astype(np.uint8)
    file = VideoFile(encode("noise.mp4", frames))
    shown = np.stack(list(file.stream())).astype(float)
    loop = [np.mean(np.abs(shown[at] - shown[at - 1])) for at in range(1, 20)]
    assert moment_of_most_motion(file) == pytest.approx((1 + int(np.argmax(loop))) / RATE)


def test_a_video_that_does_not_move_has_no_moment_and_is_read_from_its_middle(encode):
    path = encode("still.mp4", np.full((30, 32, 32, 3), 128, np.uint8))
    assert moment_of_most_motion(VideoFile(path)) is None
    assert torch.equal(read_clips(path, SPEC, align="motion").pixels, read_clips(path, SPEC).pixels)


@pytest.mark.parametrize("seconds", [1.2, 9.0, math.inf, math.nan])
def test_an_event_outside_of_its_video_is_refused(encode, seconds):
    path = encode("v.mp4", 30)
    with pytest.raises(VideoError, match=r"has no event at .* it lasts 1\.200 s"):
        read_clip(path, SPEC, event_seconds=seconds, edges="hold")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("file,seconds\nv.mp4,nan\n", "must be a number, 0 or more"),
        ("file,seconds\nv.mp4,-0.1\n", "must be a number, 0 or more"),
        ("file,seconds\nv.mp4,inf\n", "must be a number, 0 or more"),
        ("file,seconds\nv.mp4,soon\n", "'soon', which is no number of seconds"),
        (
            "file,seconds\nv.mp4,1\nw.mp4,1\n",
            "names 1 of 2 files that are not there, the first is .*w.mp4; closest: 'v.mp4'",
        ),
        ("file,seconds\nv.mp4,1\nv.mp4,0.5\n", "names two seconds of v.mp4: 1.0 and 0.5"),
        ("file,time\nv.mp4,1\n", "has no column seconds; found: file, time"),
        ("", "has no column file and no seconds; found: no rows"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_with_what_is_wrong(encode, tmp_path: Path, rows: str, said: str):
    encode("v.mp4", 30)
    (tmp_path / "events.csv").write_text(rows)
    with pytest.raises(UnreadableText, match=said):
        Events.read(tmp_path / "events.csv")


def test_a_clip_that_the_table_leaves_out_is_refused_and_an_empty_cell_reads_it_from_its_middle(encode, tmp_path: Path):
    named, other = encode("a.mp4", cut_at(20)), encode("b.mp4", cut_at(15))
    (tmp_path / "events.csv").write_text("file,seconds\na.mp4,0.8\n")
    with pytest.raises(UnreadableText, match=r"says nothing about 1 of 2 clips, the first is .*b\.mp4"):
        read_clips([named, other], SPEC, events=tmp_path / "events.csv")
    (tmp_path / "events.csv").write_text("file,seconds\na.mp4,0.8\nb.mp4,\n")
    clips = read_clips([named, other], SPEC, events=tmp_path / "events.csv")
    assert [first_bright(pixels) for pixels in clips.pixels] == [MIDDLE, MIDDLE]
    assert torch.equal(clips.pixels[1], read_clip(other, SPEC)[1])


@pytest.mark.parametrize(
    "how",
    [
        {"align": "event"},
        {"align": "motion", "events": {}},
        {"align": "events"},
        {"edges": "hold"},
        {"align": "motion", "edges": "loop"},
    ],
)
def test_settings_that_do_not_fit_together_are_refused(how):
    with pytest.raises(VideotcavError):
        Alignment.of(**how)


def test_no_event_is_not_no_table(encode):
    with pytest.raises(UnreadableText, match="says nothing about 1 of 1 clips"):
        read_clips(encode("v.mp4", 30), SPEC, events={})


def test_several_clips_of_a_video_are_not_laid_around_one_event(encode):
    with pytest.raises(VideoError, match="is shown as 3 clips"):
        read_clip(encode("v.mp4", 30), SPEC.model_copy(update={"clips_per_video": 3}), view=0, event_seconds=0.5)
