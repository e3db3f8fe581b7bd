"""What is written: pictures that decode, numbers that lead back to the source's pixels and seconds."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from videotcav.errors import ArgumentError, OutputError, VideoError
from videotcav.maps import ClipMaps, layer_maps, write_maps
from videotcav.models.model import VideoModel
from videotcav.video.clips import read_clip, to_source
from videotcav.video.read import read_all, read_frames


@pytest.fixture
def encode_uneven(tmp_path: Path) -> Path:
    """16 frames: 8 of them 0.1 s apart, then 0.5 s."""
    path, rng = tmp_path / "uneven.mkv", np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.height, stream.width, stream.pix_fmt = 32, 32, "bgr0"
        for number, pts in enumerate([*range(8), *range(12, 52, 5)]):
            grey = np.full((32, 32, 3), 10 * number, dtype=np.uint8) + rng.integers(0, 9, (32, 32, 3), dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(grey, format="rgb24").reformat(format="bgr0")
            frame.pts, frame.time_base = pts, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_the_film_shows_every_class_and_layer_beside_each_other(
    swin: VideoModel, videos: tuple[Path, ...], tmp_path: Path
) -> None:
    one = write_maps(tmp_path / "one.mp4", swin, videos[0], layers=["features.2"], classes=["rest"])
    four = write_maps(
        tmp_path / "four.mp4", swin, videos[0], layers=["features.0", "features.2"], classes=["rest", "swing"]
    )
    assert [caption for caption, _, _ in four.panels()] == [
        f"“{name}”: probability {share:.2f} · grad-cam at {layer}"
        for name, share in zip(("rest", "swing"), four.probabilities[0], strict=True)
        for layer in ("features.0", "features.2")
    ]
    assert one.scale_note == "one scale for all frames"
    assert four.scale_note == "one scale for all frames and classes; each layer its own"
    frames, seconds = read_all(tmp_path / "one.mp4")
    wide, _ = read_all(tmp_path / "four.mp4")
    assert len(frames) == len(wide) == len(seconds) == 8
    assert np.diff(seconds) == pytest.approx(0.1, abs=1e-3)
    assert wide.shape[2] > 3.5 * frames.shape[2]


def test_maps_of_frames_that_are_spread_lie_over_those_frames(
    token_net: VideoModel, encode_uneven: Path, tmp_path: Path
) -> None:
    """Of 16 frames, 0.1 s and later 0.5 s apart, `skip` takes every second; each has its map, at its second."""
    card = token_net.card
    spread = card.clip_spec.changed({"spread": "skip"})
    model = replace(token_net, card=card.model_copy(update={"clip_spec": spread}))
    maps = write_maps(tmp_path / "maps.npz", model, encode_uneven, classes=["rest"])
    frames, seconds = read_all(encode_uneven)
    assert maps.clips[0].timestamps == pytest.approx(seconds[::2].tolist())
    assert np.load(tmp_path / "maps.npz")["timestamps"] == pytest.approx(seconds[::2])
    shown = read_frames(maps.clips[0].video, maps.clips[0].timestamps)
    assert np.array_equal(shown, frames[::2])
    write_maps(tmp_path / "maps.mp4", model, encode_uneven, classes=["rest"])
    film, at = read_all(tmp_path / "maps.mp4")
    assert len(film) == 8
    assert at[-1] == pytest.approx(seconds[14], rel=1e-3)  # it takes as long as what it shows
    with pytest.raises(VideoError, match="is shown whole"):
        write_maps(tmp_path / "event.mp4", model, encode_uneven, classes=["rest"], event=(0.2, 0.4))


def test_the_gif_plays_at_the_clips_pace(swin: VideoModel, videos: tuple[Path, ...], tmp_path: Path) -> None:
    write_maps(tmp_path / "map.gif", swin, videos[0], classes=["rest"])
    with Image.open(tmp_path / "map.gif") as gif:
        assert gif.n_frames == 8
        assert gif.info["duration"] == 100
        assert gif.info["loop"] == 0


@pytest.mark.parametrize("end", ["gif", "png", "npz", "mp4"])
def test_the_same_maps_give_the_same_bytes(
    swin: VideoModel, videos: tuple[Path, ...], tmp_path: Path, end: str
) -> None:
    for name in ("a", "b"):
        write_maps(tmp_path / f"{name}.{end}", swin, videos[0], classes=["rest"])
    assert (tmp_path / f"a.{end}").read_bytes() == (tmp_path / f"b.{end}").read_bytes()
    assert len(list(tmp_path.iterdir())) == 2


def test_the_arrays_lead_back_to_the_source(swin: VideoModel, videos: tuple[Path, ...], tmp_path: Path) -> None:
    layers = ["features.0", "features.2"]
    write_maps(tmp_path / "map.npz", swin, videos[1], layers=layers, classes=["rest"], methods=["layercam"])
    clip, pixels = read_clip(videos[1], swin.card.clip_spec)
    expected, _ = layer_maps(swin, pixels[None], layers=layers, classes=[2], method="layercam")
    with np.load(tmp_path / "map.npz", allow_pickle=False) as held:
        np.testing.assert_array_equal(held["maps"], expected[:, :, 0].numpy())
        np.testing.assert_allclose(held["timestamps"], clip.timestamps)
        assert held["layers"].tolist() == layers
        assert held["classes"].tolist() == ["rest"]
        assert held["methods"].tolist() == ["layercam", "layercam"]
        top, left = held["top_left"]
        per_row, per_column = held["source_pixels_per_pixel"]
        assert held["source_size"].tolist() == [40, 48]
    over_source = to_source(expected[0, 0, 0].numpy(), clip)
    y, x = 30, 40  # a pixel of the source, by hand in the clip's nearest pixels
    row, column = (y + 0.5 - top) / per_row - 0.5, (x + 0.5 - left) / per_column - 0.5
    corners = expected[0, 0, 0, 3, int(row) : int(row) + 2, int(column) : int(column) + 2]
    assert float(corners.min()) - 1e-6 <= over_source[3, y, x] <= float(corners.max()) + 1e-6


def test_zarr_holds_the_same_numbers(swin: VideoModel, videos: tuple[Path, ...], tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr", reason="zarr (an extra) is not installed")
    maps = write_maps(tmp_path / "map.zarr", swin, videos[0], classes=["rest"])
    group = zarr.open_group(tmp_path / "map.zarr", mode="r")
    np.testing.assert_array_equal(group["maps"][:], maps.values[0])
    assert group.attrs["classes"] == ["rest"]
    with pytest.raises(OutputError, match="is there already"):
        write_maps(tmp_path / "map.zarr", swin, videos[0])


def test_without_an_ending_it_is_the_folder_that_reads_back(
    swin: VideoModel, videos: tuple[Path, ...], tmp_path: Path
) -> None:
    maps = write_maps(tmp_path / "maps", swin, videos[0], classes=["rest"], methods=["grad-cam", "eigencam"])
    assert (ClipMaps.read(tmp_path / "maps").values == maps.values).all()
    assert sorted(path.name for path in (tmp_path / "maps").iterdir()) == ["manifest.json", "maps.safetensors"]
    with pytest.raises(OutputError, match="is there already"):
        write_maps(tmp_path / "maps", swin, tmp_path / "absent.mp4")


@pytest.mark.parametrize(("name", "says"), [("map.avi", r"end it in \.mp4, \.gif"), ("no/map.mp4", "no folder")])
def test_where_nothing_can_be_written_is_told_at_once(swin: VideoModel, tmp_path: Path, name: str, says: str) -> None:
    with pytest.raises(OutputError, match=says):
        write_maps(tmp_path / name, swin, tmp_path / "absent.mp4")


def test_without_a_class_it_is_the_predicted_one(swin: VideoModel, videos: tuple[Path, ...], tmp_path: Path) -> None:
    _, pixels = read_clip(videos[0], swin.card.clip_spec)
    shares = swin(pixels[None]).softmax(dim=1)[0]
    maps = write_maps(tmp_path / "map.mp4", swin, videos[0], layers=["features.2"])
    assert maps.classes[0] == (swin.card.classes[int(shares.argmax())],)
    assert maps.probabilities[0] == pytest.approx((float(shares.max()),))


@pytest.mark.parametrize(
    "where",
    [
        {"start_seconds": 0.0, "event": (0.1, 0.2)},
        {"start_seconds": 0.0, "event_seconds": 0.2},
        {"event": (0.1, 0.2), "event_seconds": 0.2},
    ],
)
def test_two_places_of_one_clip_are_refused(where, swin, videos, tmp_path: Path):
    with pytest.raises(ArgumentError, match="give one of them"):
        write_maps(tmp_path / "map.npz", swin, videos[0], **where)


def test_the_maps_of_an_aligned_clip_are_those_of_its_own_frames(swin, videos, tmp_path: Path):
    spec = swin.card.clip_spec
    held = write_maps(tmp_path / "map.npz", swin, videos[0], event_seconds=0.0, edges="hold")
    middle = spec.frames // 2
    assert held.clips[0].timestamps[: middle + 1] == (0.0,) * (middle + 1)
    assert held.clips[0].timestamps[middle + 1] == pytest.approx(spec.seconds_between_frames)
