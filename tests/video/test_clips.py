"""Sampling and preprocessing against torchvision, and the way back to the source against boxes planted in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from videotcav.compat.torchvision import import_torchvision
from videotcav.errors import VideoError, VideosError
from videotcav.records import ClipSpec
from videotcav.video.clips import find_videos, preprocess, read_clip, read_clips, to_source
from videotcav.video.info import ClipOrigin, VideoInfo
from videotcav.video.read import VideoFile
from videotcav.video.sampling import sample_times

MEAN, STD = (0.43216, 0.394666, 0.37645), (0.22803, 0.22145, 0.216989)


def _spec(*, frames: int = 4, seconds: float = 0.08, height: int = 32, width: int = 32, resize=40) -> ClipSpec:
    return ClipSpec(
        frames=frames,
        seconds_between_frames=seconds,
        height=height,
        width=width,
        resize=resize,
        mean=MEAN,
        std=STD,
    )


def _video(duration_seconds: float) -> VideoInfo:
    return VideoInfo(
        path=Path("v.mp4"), sha256="", width=64, height=48, duration_seconds=duration_seconds, frames_per_second=25
    )


# --- which frames ----------------------------------------------------------------------------------------------


def test_the_clip_lies_in_the_middle_of_the_video():
    """4 frames 0.1 s apart span 0.3 s; in 1 s that leaves 0.7, half of it on either side."""
    assert sample_times(_video(1.0), _spec(seconds=0.1)) == pytest.approx((0.35, 0.45, 0.55, 0.65))


def test_the_clip_starts_where_it_is_told():
    assert sample_times(_video(1.0), _spec(seconds=0.1), start_seconds=0.0) == pytest.approx((0.0, 0.1, 0.2, 0.3))


def test_a_video_of_exactly_the_clips_frames_is_shown_whole(encode, indices):
    path = encode("exact.mp4", 16)
    clip, _ = read_clip(path, _spec(frames=16, seconds=0.04))
    assert clip.timestamps == pytest.approx([0.02 + 0.04 * i for i in range(16)])  # in the middle of each frame


def test_one_frame_less_is_too_short_and_the_sentence_says_what_is_enough():
    with pytest.raises(VideoError, match=r"lasts 0\.60 s, but 16 frames 0\.04 s apart need more than 0\.60 s; take"):
        sample_times(_video(0.6), _spec(frames=16, seconds=0.04))


def test_a_start_too_late_is_refused():
    with pytest.raises(VideoError, match=r"from 0\.80 s on need more than 1\.10 s"):
        sample_times(_video(1.0), _spec(seconds=0.1), start_seconds=0.8)
    with pytest.raises(VideoError, match="start at 0 or later"):
        sample_times(_video(1.0), _spec(seconds=0.1), start_seconds=-0.1)


@pytest.mark.parametrize(
    ("has", "wants", "shown"),
    [
        (8, 16, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7]),
        (16, 16, list(range(16))),
        (40, 4, [5, 15, 25, 35]),  # the middles of four runs of ten
        (3, 4, [0, 1, 1, 2]),
        (1, 4, [0, 0, 0, 0]),
    ],
)
def test_stretching_spreads_the_clip_over_all_frames(encode, indices, has, wants, shown):
    spec = ClipSpec(
        frames=wants, seconds_between_frames=10, height=48, width=64, resize=(48, 64), mean=(0, 0, 0), std=(1, 1, 1)
    )
    _, pixels = read_clip(encode("v.mp4", has), spec, fit="stretch")
    assert indices(255 * pixels.permute(1, 2, 3, 0).numpy()) == shown


# --- which pixels ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("height", "width"), [(48, 64), (64, 48), (47, 63), (30, 30), (100, 33), (51, 97)])
@pytest.mark.parametrize("resize", [40, 32, (40, 56), (20, 90)])
@pytest.mark.parametrize("crop", [(32, 32), (31, 40), (64, 64)])
def test_preprocessing_is_torchvisions_to_the_last_bit(height, width, resize, crop):
    preset = import_torchvision("torchvision.transforms._presets").VideoClassification
    resize_size = resize if isinstance(resize, tuple) else (resize,)
    oracle = preset(crop_size=crop, resize_size=resize_size, mean=MEAN, std=STD)
    frames = np.random.default_rng(height + width).integers(0, 256, (3, height, width, 3), dtype=np.uint8)
    wanted = oracle(torch.from_numpy(frames).permute(0, 3, 1, 2).contiguous())
    assert torch.equal(preprocess(frames, _spec(resize=resize, height=crop[0], width=crop[1])), wanted)


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_a_video_is_not_read_for_a_model_of_other_channels(encode, channels):
    spec = _spec().model_copy(update={"mean": (0.5,) * channels, "std": (0.5,) * channels})
    with pytest.raises(VideoError, match=rf"three channels of a colour picture, .* mean and std are of {channels}"):
        read_clip(encode("v.mp4", 16), spec)
    with pytest.raises(VideosError, match="three channels of a colour picture"):
        read_clips(encode("v.mp4", 16), spec)


def _planted(encode, *, top: int, left: int, side: int = 32) -> Path:
    frames = np.zeros((8, 96, 160, 3), np.uint8)
    frames[:, top : top + side, left : left + side] = 255
    return encode("planted.mp4", frames)


@pytest.mark.parametrize(
    ("resize", "height", "width"),
    [
        (96, 96, 96),  # crop alone: a pixel is a pixel
        (48, 48, 48),  # half the size, then the middle
        (64, 56, 60),
        (192, 160, 160),  # enlarged
        ((96, 96), 80, 80),  # squeezed: rows and columns scaled differently
        (48, 64, 100),  # the crop is larger than the frame: padded
    ],
)
def test_a_planted_square_maps_back_onto_itself(encode, resize, height, width):
    """A white square at rows 32–64, columns 64–96 of the source: what is bright in the clip is bright there."""
    path = _planted(encode, top=32, left=64)
    clip, pixels = read_clip(path, _spec(resize=resize, height=height, width=width))
    bright = (pixels.mean(dim=0) > 0).numpy().astype(np.float32)
    back = to_source(bright, clip)
    assert back.shape == (4, 96, 160)
    truth = np.zeros((96, 160), bool)
    truth[32:64, 64:96] = True
    edge = max(clip.pixels_per_row, clip.pixels_per_column, 1)  # a clip pixel is bright or not as a whole
    found = back[0] > 0.5
    assert np.abs(found.sum() - truth.sum()) <= 4 * 32 * edge
    rows, columns = np.nonzero(found)
    assert abs(rows.min() - 32) <= edge
    assert abs(rows.max() - 63) <= edge
    assert abs(columns.min() - 64) <= edge
    assert abs(columns.max() - 95) <= edge
    assert rows.mean() == pytest.approx(47.5, abs=0.5)
    assert columns.mean() == pytest.approx(79.5, abs=0.5)


def test_without_resizing_the_way_back_is_exact_and_zero_outside(encode):
    """A 96×160 video cropped to 64×80 at rows 16–80, columns 40–120: the same numbers in the same places."""
    clip, _ = read_clip(_planted(encode, top=0, left=0), _spec(resize=96, height=64, width=80))
    heat = np.random.default_rng(0).random((4, 64, 80), dtype=np.float32)
    back = to_source(heat, clip)
    np.testing.assert_allclose(back[:, 16:80, 40:120], heat, atol=1e-4)
    outside = np.ones((96, 160), bool)
    outside[16:80, 40:120] = False
    assert (back[:, outside] == 0).all()


def test_a_tensor_and_an_array_lead_back_alike(encode):
    """Also a tensor that hangs on a graph, as a map straight from a model does."""
    clip, _ = read_clip(_planted(encode, top=0, left=0), _spec(resize=96, height=64, width=80))
    heat = np.random.default_rng(0).random((4, 64, 80))
    there = to_source(torch.from_numpy(heat).requires_grad_(), clip)
    assert there.dtype == np.float32
    np.testing.assert_array_equal(there, to_source(heat, clip))


def test_at_half_size_a_sloping_map_slopes_half_as_much_over_the_source(encode):
    """Bilinear interpolation keeps a map that is linear in y and x, now at twice the distance."""
    clip, _ = read_clip(_planted(encode, top=0, left=0), _spec(resize=48, height=48, width=80))
    y, x = np.mgrid[:48, :80] + 0.5
    back = to_source(np.broadcast_to(3 * y + x, (4, 48, 80)), clip)
    source_y, source_x = np.mgrid[:96, :160] + 0.5
    inner = np.s_[:, 1:-1, 1:-1]  # at the border the nearest value is held
    np.testing.assert_allclose(
        back[inner], np.broadcast_to((3 * source_y + source_x) / 2, (4, 96, 160))[inner], atol=1e-2
    )


def test_the_record_says_where_the_clips_corner_lies(encode):
    """96×160 to 48×80 is half the size; a crop of 40×40 starts at row 4, column 20 of that: source row 8, column 40."""
    clip, pixels = read_clip(_planted(encode, top=0, left=0), _spec(resize=48, height=40, width=40))
    assert isinstance(clip, ClipOrigin)
    assert (clip.top, clip.left, clip.pixels_per_row, clip.pixels_per_column) == (8, 40, 2, 2)
    assert pixels.shape == (3, 4, 40, 40)
    assert pixels.dtype == torch.float32


# --- many files ------------------------------------------------------------------------------------------------


def test_many_clips_keep_their_order_and_equal_the_single_ones(encode):
    paths = [encode(f"{name}.mp4", count) for name, count in [("b", 20), ("a", 30)]]
    clips = read_clips(paths, _spec())
    assert [record.video.path for record in clips.records] == paths
    assert len(clips) == 2
    assert torch.equal(clips.pixels[1], read_clip(paths[1], _spec())[1])


def test_all_bad_files_are_told_at_once(encode, tmp_path):
    good, short = encode("good.mp4"), encode("short.mp4", 2)
    (tmp_path / "empty.mp4").touch()
    files = [good, short, tmp_path / "empty.mp4", tmp_path / "missing.mp4"]
    with pytest.raises(VideosError) as caught:
        read_clips(files, _spec())
    assert [Path(path).name for path in caught.value.reasons] == ["short.mp4", "empty.mp4", "missing.mp4"]
    assert str(caught.value).startswith("3 videos cannot be read:\n")


def test_bad_files_are_left_out_on_request_with_their_reasons(encode, tmp_path):
    good, short = encode("good.mp4"), encode("short.mp4", 2)
    clips = read_clips([short, good], _spec(), skip_bad=True)
    assert [record.video.path for record in clips.records] == [good]
    assert clips.pixels.shape[0] == 1
    assert torch.equal(clips.pixels[0], read_clip(good, _spec())[1])
    assert list(clips.left_out) == [str(short)]
    assert "too short" in clips.left_out[str(short)]
    assert "1 left out" in repr(clips)
    with pytest.raises(VideosError):
        read_clips([short], _spec(), skip_bad=True)


def test_folders_and_patterns_name_videos(encode, tmp_path):
    (tmp_path / "sub").mkdir()
    b, a, deep = encode("b.mp4", 3), encode("a.avi", 3, codec="mpeg4"), encode("sub/c.mp4", 3)
    odd = encode("[odd].mp4", 3)
    (tmp_path / "notes.txt").write_text("not meant")
    assert find_videos(tmp_path) == (odd, a, b)
    assert find_videos(str(tmp_path / "**" / "*.mp4")) == (odd, b, deep)
    assert find_videos([b, str(tmp_path / "*.mp4")]) == (b, odd)  # each once, in the order given
    assert find_videos(odd) == (odd,)
    (tmp_path / "bare").mkdir()
    with pytest.raises(VideosError, match=r"(?s)bare: matches no video.*z\*: matches no video"):
        find_videos([tmp_path / "bare", str(tmp_path / "z*"), b])


def test_a_progress_sees_every_file(encode):
    seen = []

    def watch(items, what, *, total=None):
        seen.append((what, total))
        yield from items

    read_clips([encode("a.mp4"), encode("b.mp4")], _spec(), progress=watch)
    assert seen == [("reading", 2)]


def test_a_real_clip(shared_data):
    spec = ClipSpec(frames=16, seconds_between_frames=2 / 30, height=112, width=112, resize=128)
    clip, pixels = read_clip(shared_data / "tennis" / "serve" / "serve7.mp4", spec)
    assert pixels.shape == (3, 16, 112, 112)
    assert clip.timestamps[0] == pytest.approx(0.5)
    back = to_source(np.ones((16, 112, 112), np.float32), clip)
    assert back.sum(axis=(1, 2)) == pytest.approx(np.full(16, (112 * 240 / 128) ** 2), rel=0.02)


def test_arrays_that_may_not_be_written_to_are_read_without_a_warning():
    """As maps and frames that were broadcast, or come from a file that is mapped into memory, are."""
    frames = np.zeros((2, 48, 64, 3), np.uint8)
    frames.flags.writeable = False
    assert preprocess(frames[::-1], _spec()).shape == (3, 2, 32, 32)


# --- several clips, several crops ------------------------------------------------------------------------------


def test_views_are_spread_over_the_video_and_over_its_longer_side(encode):
    """In 1 s the beginnings of a clip of 0.24 s span 0.76 s; the middles of its halves are at 0.19 and 0.57."""
    path = encode("views.mp4", 25, width=80, height=40)
    spec = _spec(height=32, width=32, resize=32).model_copy(update={"clips_per_video": 2, "crops_per_clip": 3})
    found = [read_clip(path, spec, view=view) for view in range(spec.views)]
    assert [clip.timestamps[0] for clip, _ in found] == pytest.approx([0.19] * 3 + [0.57] * 3)
    assert [clip.left for clip, _ in found[:3]] == pytest.approx([0, 20, 40])  # 80 source pixels, 40 of them shown
    assert {clip.top for clip, _ in found} == {0}
    centre, pixels = read_clip(path, spec, start_seconds=found[0][0].timestamps[0])
    assert centre == found[1][0]
    assert torch.equal(pixels, found[1][1])
    whole = preprocess(np.arange(40 * 80 * 3, dtype=np.uint8).reshape(1, 40, 80, 3), _spec(resize=32, width=64))
    for side, left in ((0.0, 0), (1.0, 32)):
        part = preprocess(np.arange(40 * 80 * 3, dtype=np.uint8).reshape(1, 40, 80, 3), _spec(resize=32), side=side)
        assert torch.equal(part, whole[..., left : left + 32])


def test_a_tall_video_is_cropped_along_its_height(encode):
    path = encode("tall.mp4", 25, width=40, height=80)
    spec = _spec(resize=32).model_copy(update={"crops_per_clip": 3})
    assert [read_clip(path, spec, view=view)[0].top for view in range(3)] == pytest.approx([0, 20, 40])


def test_a_clip_costs_no_frames_but_those_between_its_first_keyframe_and_its_last(encode):
    """Its record needs none: 4 frames, every second of 50 that are all keyframes."""
    file = VideoFile(encode("intra.mp4", 50, keyframe_every=1))
    clip, _ = read_clip(file, _spec())
    assert file.decoded <= 7
    assert clip.video == VideoFile(file.path).info()
