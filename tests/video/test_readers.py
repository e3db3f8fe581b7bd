"""What is no colour picture: read by a callable of the card, or given as arrays."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import videotcav as vt
from videotcav.errors import ArgumentError, VideoError, VideosError
from videotcav.interventions.frames import to_frames
from videotcav.models.identity import identity
from videotcav.models.listing import card_code
from videotcav.models.load import load_model
from videotcav.models.model import VideoModel
from videotcav.records import ClipSpec, ModelCard
from videotcav.video.clips import Clips, read_clip, read_clips

HEIGHT, WIDTH = 24, 32


def times_as_flow(path: Path, seconds: tuple[float, ...]) -> np.ndarray:
    """Two channels: each frame's second, and the length of the file's name. Half as high and wide as the video."""
    flow = np.empty((len(seconds), HEIGHT, WIDTH, 2), dtype=np.float32)
    flow[..., 0] = np.array(seconds)[:, None, None]
    flow[..., 1] = len(path.name)
    return flow


def other_flow(path: Path, seconds: tuple[float, ...]) -> np.ndarray:
    return -times_as_flow(path, seconds)


def flow_spec(**how) -> ClipSpec:
    given = {"frames": 4, "stride": 2, "reader": times_as_flow, "mean": (0.0, 1.0), "std": (1.0, 2.0)} | how
    return ClipSpec(height=16, width=16, resize=16, **given)


class Flow(nn.Module):
    """Class a rises with the first channel squared, on the left half alone."""

    def __init__(self, channels: int = 2) -> None:
        super().__init__()
        self.first = nn.Conv3d(channels, 4, 1, bias=False)
        self.head = nn.Linear(4, 2)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.head(torch.tanh(self.first(pixels)).square().mean(dim=(2, 3, 4)))


def flow_model(spec: ClipSpec) -> VideoModel:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = Flow(spec.channels)
    names = {"name": "flow", "classes": ("a", "b"), "default_layers": ("first",)}
    return load_model(module, card=ModelCard(clip_spec=spec, **names))


# --- a reader --------------------------------------------------------------------------------------------------


def test_a_reader_is_asked_for_the_seconds_that_the_card_takes(encode) -> None:
    """4 frames, every second of 20, from the middle: 6, 8, 10, 12, 40 ms apart. Floats are normalised, not scaled."""
    clip, pixels = read_clip(encode("flow.mp4", 20), flow_spec())
    assert clip.timestamps == pytest.approx([0.24, 0.32, 0.40, 0.48])
    assert pixels.shape == (2, 4, 16, 16)
    assert pixels[0].mean(dim=(1, 2)).tolist() == pytest.approx(list(clip.timestamps), abs=1e-6)
    assert torch.allclose(pixels[1], torch.tensor((len("flow.mp4") - 1) / 2))
    # 64 × 48 source pixels, 16 of the 21 columns: a third more than 16 high is 3 source pixels a pixel.
    assert (clip.pixels_per_row, clip.top) == (3, 0)
    assert clip.pixels_per_column == pytest.approx(64 / 21)


@pytest.mark.parametrize(
    ("reader", "says"),
    [
        (
            lambda _path, seconds: np.zeros((len(seconds), 8, 8, 3)),
            r"shape \(4, 8, 8, 3\); needed: 4 × height",
        ),
        (lambda _path, _seconds: np.zeros((3, 8, 8, 2)), r"an array of the shape \(3, 8, 8, 2\)"),
        (
            lambda _path, seconds: np.zeros((len(seconds), 8, 8, 2), dtype=np.int64),
            "int64; needed: uint8, .*floats",
        ),
        (lambda _path, seconds: np.full((len(seconds), 8, 8, 2), np.nan), "numbers some of which are NaN or infinite"),
        (
            lambda path, _seconds: np.load(path.with_suffix(".npy")),
            "the card's reader: FileNotFoundErr",
        ),
        (lambda _path, _seconds: None, r"an array of the shape \(\)"),
    ],
)
def test_a_reader_that_misfits_is_one_sentence_with_its_video(encode, reader, says: str) -> None:
    with pytest.raises(VideoError, match=rf"flow\.mp4: .*{says}"):
        read_clip(encode("flow.mp4", 20), flow_spec(reader=reader))


def test_bytes_of_one_channel_are_scaled_as_pictures(encode) -> None:
    spec = flow_spec(
        reader=lambda _path, seconds: np.full((len(seconds), 16, 16, 1), 51, dtype=np.uint8), mean=(0,), std=(1,)
    )
    _, pixels = read_clip(encode("v.mp4", 20), spec)
    assert torch.allclose(pixels, torch.tensor(0.2))


def test_another_reader_is_another_specification() -> None:
    """By its source, so that rows kept with one are never taken for those of the other."""
    one, same, other = flow_spec(), flow_spec(), flow_spec(reader=other_flow)
    assert one == same != other
    told = json.loads(one.model_dump_json())["reader"]
    digest = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    assert told == f"{__name__}:times_as_flow, source {digest}"
    assert identity(flow_model(one)) == identity(flow_model(same)) != identity(flow_model(other))
    assert one.changed({"frames": 8}).reader is times_as_flow
    assert "reader=times_as_flow" in card_code(flow_model(one).card)


def test_no_text_becomes_a_reader() -> None:
    """A specification also comes from the metadata of a checkpoint: a name in it is never imported."""
    text = flow_spec(reader=None).model_dump_json().replace('"reader":null', '"reader":"os:system"')
    with pytest.raises(ValueError, match="callable"):
        ClipSpec.model_validate_json(text)


def test_maps_lie_over_the_videos_own_pictures(encode, tmp_path: Path) -> None:
    path, model = encode("flow.mp4", 20), flow_model(flow_spec())
    clips = read_clips(path, model.card.clip_spec)
    clips.pixels[0, 0, 1:3, :8] = 5.0  # what the first channel shows on the upper half of two frames
    maps = vt.maps(model, clips, classes=["a"], methods=["integrated-gradients"])
    ((_, frames, _),) = maps.panels()
    assert frames.shape[:3] == (4, 48, 64)
    maps.save(tmp_path / "maps")
    assert np.array_equal(type(maps).read(tmp_path / "maps").values, maps.values)


def test_what_is_no_picture_is_not_edited(encode) -> None:
    spec = flow_spec()
    clips = read_clips(encode("flow.mp4", 20), spec)
    with pytest.raises(ArgumentError, match="and the clip spec has 2 channels instead of 3"):
        to_frames(clips.pixels[0], spec)
    three = flow_spec(reader=lambda _p, seconds: np.zeros((len(seconds), 8, 8, 3)), mean=(0,) * 3, std=(1,) * 3)
    with pytest.raises(ArgumentError, match="the clip spec has a reader of its own"):
        to_frames(read_clips(encode("v.mp4", 20), three).pixels[0], three)
    assert clips._repr_png_() is None


# --- arrays ----------------------------------------------------------------------------------------------------


def test_an_array_of_the_clips_frames_is_the_clip() -> None:
    spec = flow_spec(reader=None)
    array = np.random.default_rng(0).normal(size=(4, 16, 16, 2)).astype(np.float32)
    clips = vt.clips_from_arrays([array], spec)
    wanted = torch.from_numpy((array - [0, 1]) / [1, 2]).permute(3, 0, 1, 2).float()
    assert torch.allclose(clips.pixels[0], wanted, atol=1e-6)
    assert clips.spec == spec


def test_arrays_of_two_lists_have_no_source_in_common() -> None:
    """A probe of two classes took the first array of both for one video, so that its unit was far too small."""
    arrays = np.random.default_rng(0).normal(size=(4, 4, 16, 16, 2)).astype(np.float32)
    one, other = (
        {clip.source for clip in vt.clips_from_arrays(own, flow_spec(reader=None)).records}
        for own in ([*arrays[:2]], [*arrays[2:]])
    )
    assert (len(one), len(other), len(one | other)) == (2, 2, 4)
    named = vt.clips_from_arrays({"a": arrays[0]}, flow_spec(reader=None))
    assert [clip.source for clip in named.records] == ["a"]


@pytest.mark.parametrize(
    ("how", "rate", "frames"),
    [
        ({"stride": 3}, None, [5, 8, 11, 14]),
        ({"stride": None, "spread": "skip"}, None, [0, 5, 10, 15]),
        ({"stride": None, "seconds_between_frames": 0.2}, 10, [7, 9, 11, 13]),
    ],
)
def test_frames_of_a_longer_array_are_taken_as_of_a_video(how, rate, frames) -> None:
    spec = flow_spec(reader=None, **how)
    array = np.broadcast_to(np.arange(20.0)[:, None, None, None], (20, 16, 16, 2))
    clips = vt.clips_from_arrays({"a": array}, spec, frames_per_second=rate)
    assert clips.pixels[0, 0, :, 0, 0].tolist() == pytest.approx(frames)


def test_arrays_that_do_not_fit_are_all_named() -> None:
    spec = flow_spec(reader=None)
    bad = {"short": np.zeros((3, 8, 8, 2)), "flat": np.zeros((4, 8, 8)), "good": np.zeros((4, 8, 8, 2))}
    with pytest.raises(VideosError) as caught:
        vt.clips_from_arrays(bad, spec)
    assert list(caught.value.reasons) == ["short", "flat"]
    with pytest.raises(VideosError, match="say its frames_per_second"):
        vt.clips_from_arrays([np.zeros((9, 8, 8, 2))], flow_spec(reader=None, stride=None, seconds_between_frames=0.1))
    with pytest.raises(ArgumentError, match="1 arrays and 2 sources"):
        vt.clips_from_arrays([np.zeros((4, 8, 8, 2))], spec, sources=["a", "b"])


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_tcav_and_maps_of_arrays(channels: int) -> None:
    """Concept clips move in the first channel, as the class does; the pool stays still."""
    rng = np.random.default_rng(0)
    spec = flow_spec(reader=None, mean=(0.0,) * channels, std=(1.0,) * channels)
    model = flow_model(spec)

    def drawn(number: int, size: float) -> Clips:
        found = [rng.normal(size=(4, 16, 16, channels)) * 0.1 for _ in range(number)]
        for each in found:
            each[..., 0] *= 10 * size
        return vt.clips_from_arrays(
            {f"{size}-{place}-{rng.integers(1e9)}": each for place, each in enumerate(found)}, spec
        )

    found = vt.tcav(model, clips=drawn(12, 1), concepts={"strong": drawn(12, 1)}, random=drawn(40, 0.1), target="a")
    contrast = next(row for row in found.results if row.statistic == "contrast")
    clips = drawn(2, 1)
    by_hand = model(drawn(60, 1).pixels)[:, 0].mean() - model(drawn(60, 0.1).pixels)[:, 0].mean()
    assert np.sign(contrast.value) == np.sign(float(by_hand))
    assert vt.maps(model, clips, classes=["a"]).values.shape == (2, 1, 1, 4, 16, 16)
    assert vt.maps(model, clips, classes=["a"], methods=["rise"]).values.any()
