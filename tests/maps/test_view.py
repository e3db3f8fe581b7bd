"""Maps as objects: what is saved reads back, what is drawn is a figure, and a clip is itself among others."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from safetensors.numpy import load_file, save_file

import videotcav as vt
from videotcav.errors import (
    LayoutError,
    OutputError,
    PathTaken,
    RunFolderError,
    VideoError,
    VideotcavError,
    VideotcavWarning,
)
from videotcav.maps import ClipMaps, PixelSettings, clip_maps, layer_maps
from videotcav.maps.passes import METHOD_NAMES
from videotcav.maps.stored import ARRAYS
from videotcav.models.model import VideoModel
from videotcav.outputs import file_sha256
from videotcav.video.clips import Clips

LAYERS = ["features.0", "features.2"]
FEW = PixelSettings(masks=8, grid=(2, 2, 2), steps=2)


@pytest.fixture(scope="module")
def maps(swin: VideoModel, clips: Clips) -> ClipMaps:
    return clip_maps(swin, clips, layers=LAYERS, methods=["grad-cam", "layercam"], classes=["swing", 2])


def test_what_is_saved_reads_back_to_the_bit(maps: ClipMaps, tmp_path: Path) -> None:
    back = vt.ClipMaps.read(maps.save(tmp_path / "maps"))
    assert back.values.dtype == np.float32
    assert back.values.tobytes() == maps.values.tobytes()
    for name in ("model", "clips", "views", "classes", "probabilities", "weights", "settings"):
        assert getattr(back, name) == getattr(maps, name)
    with pytest.raises(PathTaken, match="exists already"):
        maps.save(tmp_path / "maps")


def test_arrays_in_any_order_in_memory_are_saved_as_they_are(maps: ClipMaps, tmp_path: Path) -> None:
    """A slice, and an array whose first axis is the fastest; safetensors alone writes other numbers."""
    turned = ClipMaps(**{**vars(maps), "values": np.asfortranarray(maps.values)})
    assert (ClipMaps.read(turned.save(tmp_path / "turned")).values == maps.values).all()
    assert (ClipMaps.read(maps[1:].save(tmp_path / "part")).values == maps.values[1:]).all()


def test_every_method_at_once_is_what_it_is_alone(swin: VideoModel, clips: Clips) -> None:
    together = clip_maps(
        swin, clips, layers=LAYERS, methods=METHOD_NAMES, classes=["rest", "swing"], pixel_settings=FEW
    )
    assert together.settings == FEW
    place = 0
    for method in METHOD_NAMES:
        layers = ["pixels"] if method in {"rise", "integrated-gradients"} else LAYERS
        alone, _ = layer_maps(swin, clips.pixels, layers=layers, classes=[2, 0], method=method, pixel_settings=FEW)
        for row, layer in enumerate(layers):
            view = together.views[place]
            assert (view.method, view.layer) == (method, layer)
            np.testing.assert_allclose(
                together.values[:, place], alone[row].transpose(0, 1).numpy(), rtol=1e-3, atol=1e-6
            )
            place += 1
    assert place == len(together.views)


@pytest.mark.parametrize("batch_size", [1, 2, 8])
@pytest.mark.parametrize(
    "asked",
    [{"classes": ["rest"]}, {"targets": ["rest", "swing", "rest"]}, {}],
    ids=["classes", "targets", "predicted"],
)
def test_a_clip_is_itself_among_others(swin: VideoModel, clips: Clips, asked: dict, batch_size: int) -> None:
    found = clip_maps(swin, clips, layers=LAYERS, batch_size=batch_size, **asked)
    predicted = [swin.card.classes[place] for place in swin(clips.pixels).argmax(dim=1).tolist()]
    wanted = asked.get("targets") or asked.get("classes", []) * len(clips) or predicted
    assert [names for (names,) in found.classes] == wanted
    for number, each in enumerate(found):
        alone = clip_maps(
            swin,
            Clips(clips.records[number : number + 1], clips.pixels[number : number + 1]),
            layers=LAYERS,
            classes=[wanted[number]],
        )
        assert each.clips == alone.clips == (clips.records[number],)
        np.testing.assert_allclose(each.values, alone.values, rtol=1e-4, atol=1e-7)
        assert each.probabilities[0] == pytest.approx(alone.probabilities[0], rel=1e-5)


def test_a_table_has_a_row_a_clip_method_layer_and_class(maps: ClipMaps) -> None:
    pytest.importorskip("pandas", reason="pandas (an extra) is not installed")
    table = maps.to_pandas()
    assert list(table) == [
        *("clip", "first_seconds", "last_seconds", "method", "layer", "class_name", "probability"),
        *("total", "highest", "peak_frame", "peak_seconds", "peak_share", "followed"),
    ]
    assert len(table) == 3 * 2 * 2 * 2
    row = table[
        (table["clip"] == str(maps.clips[1].video.path))
        & (table["method"] == "layercam")
        & (table["layer"] == "features.2")
        & (table["class_name"] == "rest")
    ].iloc[0]
    cam = maps.values[1, 3, 1].astype(float)
    per_frame = cam.sum(axis=(1, 2))
    assert row["total"] == pytest.approx(cam.sum())
    assert row["highest"] == cam.max()
    assert row["peak_frame"] == per_frame.argmax()
    assert row["peak_seconds"] == maps.clips[1].timestamps[per_frame.argmax()]
    assert row["peak_share"] == pytest.approx(per_frame.max() / cam.sum(), rel=1e-5)
    assert row["probability"] == maps.probabilities[1][1]


def test_a_figure_and_a_page(maps: ClipMaps, tmp_path: Path) -> None:
    figure = maps.plot(1)
    assert isinstance(figure, Figure)
    assert [axes.get_title(loc="left") for axes in figure.axes if axes.get_title(loc="left")] == [
        f"“{name}”: probability {share:.2f} · {method} at {layer}"
        for name, share in zip(("swing", "rest"), maps.probabilities[1], strict=True)
        for method in ("grad-cam", "layercam")
        for layer in LAYERS
    ]
    assert maps.scale_note == "one scale for all frames and classes; each method and layer its own"
    assert maps._repr_png_().startswith(b"\x89PNG")
    page = maps.report(tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count("<img") == 3
    assert page.count("<tr>") == 1 + 24
    maps.report(tmp_path / "page.html")  # its own page is replaced, another's is not
    (tmp_path / "theirs.html").write_text("mine", encoding="utf-8")
    with pytest.raises(OutputError, match="not written by videotcav"):
        maps.report(tmp_path / "theirs.html")
    folder = maps.save(tmp_path / "maps")
    assert vt.report(folder).read_text(encoding="utf-8") == page


def test_maps_of_one_view_share_one_scale_in_a_clip(maps: ClipMaps) -> None:
    """Where a class's strongest value is half of the other's, its overlay is that of a map that reaches ½."""
    values = maps.values[:1].copy()
    values[:, :, 1] = values[:, :, 0] / 2
    drawn = [frames for _, frames, _ in ClipMaps(**{**vars(maps[0]), "values": values}).panels()]
    halved = values.copy()
    halved[:, :, 0], halved[:, :, 1] = values[:, :, 1], values[:, :, 0]
    swapped = [frames for _, frames, _ in ClipMaps(**{**vars(maps[0]), "values": halved}).panels()]
    for view in range(4):
        assert (drawn[view] == swapped[4 + view]).all()
        assert not (drawn[view] == drawn[4 + view]).all()


def test_parts_and_profiles(maps: ClipMaps) -> None:
    assert len(maps) == 3
    assert len(maps[1:]) == 2
    assert maps[-1].clips == maps.clips[2:]
    with pytest.raises(IndexError):
        maps[3]
    assert maps.profiles().shape == (3, 4, 2, 8)
    np.testing.assert_allclose(maps.profiles().sum(axis=-1), 1, rtol=1e-5)


def test_maps_are_not_laid_over_another_video(maps: ClipMaps, videos: tuple[Path, ...], tmp_path: Path) -> None:
    """Saved maps outlive their videos: another one of the same name, size and length is told, not drawn."""
    pytest.importorskip("pandas", reason="pandas (an extra) is not installed")
    moved = tmp_path / "clip.mp4"
    shutil.copy(videos[0], moved)
    clip = maps.clips[0].model_copy(update={"video": maps.clips[0].video.model_copy(update={"path": moved})})
    one = ClipMaps(**{**vars(maps[0]), "clips": (clip,)})
    back = ClipMaps.read(one.save(tmp_path / "maps"))
    assert back.plot().axes
    shutil.copy(videos[1], moved)
    with pytest.raises(VideoError, match="is not the video"):
        back.plot()
    moved.unlink()
    with pytest.raises(VideoError, match=r"clip\.mp4"):
        back.report(tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()
    assert len(back.to_pandas()) == 8


def _rewritten(folder: Path, change: Callable[[dict], None]) -> None:
    facts = json.loads((folder / "manifest.json").read_text())
    change(facts)
    (folder / "manifest.json").write_text(json.dumps(facts))


def _renamed(folder: Path) -> None:
    save_file({"other": load_file(folder / ARRAYS)["values"]}, folder / ARRAYS)
    _rewritten(folder, lambda facts: facts.update(results_sha256=file_sha256(folder / ARRAYS)))


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda folder: (folder / ARRAYS).unlink(), "cannot be read"),
        (lambda folder: (folder / ARRAYS).write_bytes((folder / ARRAYS).read_bytes()[:-1]), "checksum"),
        (lambda folder: (folder / "manifest.json").unlink(), "holds no saved maps"),
        (lambda folder: _rewritten(folder, lambda facts: facts.update(more=1)), "damaged"),
        (lambda folder: _rewritten(folder, lambda facts: facts["clips"].pop()), "not those that its manifest tells"),
        (lambda folder: _rewritten(folder, lambda facts: facts.update(kind="run")), "another kind"),
        (lambda folder: _rewritten(folder, lambda facts: facts.update(format=99)), "newer than this one"),
        (_renamed, "not those that its manifest tells"),
    ],
)
def test_a_damaged_folder_is_told(maps: ClipMaps, tmp_path: Path, damage: Callable[[Path], None], says: str) -> None:
    folder = maps.save(tmp_path / "maps")
    damage(folder)
    with pytest.raises(RunFolderError, match=says):
        ClipMaps.read(folder)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"methods": ["grad-cam", "grad-cam"]}, "method 'grad-cam' is named twice"),
        ({"methods": ["gradcam"]}, "closest: 'grad-cam'"),
        ({"methods": []}, "no method is named"),
        ({"layers": ["features.2", "features.2"]}, "layer 'features.2' is named twice"),
        ({"classes": ["swing", 0]}, "class 'swing' is named twice"),
        ({"classes": ["swing"], "targets": ["swing"] * 3}, "give one of the two"),
        ({"targets": ["swing", "rest"]}, "2 targets for 3 clips"),
        ({"methods": ["rise"], "layers": ["features.2"]}, "leave the layer out"),
    ],
)
def test_what_does_not_fit_is_told(swin: VideoModel, clips: Clips, asked: dict, says: str) -> None:
    with pytest.raises(VideotcavError, match=re.escape(says)):
        clip_maps(swin, clips, **asked)


def test_targets_of_batches_are_taken_in_turn(swin: VideoModel, clips: Clips) -> None:
    batches = [Clips(clips.records[:2], clips.pixels[:2]), Clips(clips.records[2:], clips.pixels[2:])]
    found = clip_maps(swin, iter(batches), targets=["rest", "swing", "slide"], layers="features.2")
    assert found.classes == (("rest",), ("swing",), ("slide",))
    for targets in (["rest", "swing"], ["rest"] * 4):
        with pytest.raises(VideotcavError, match="give one class a clip"):
            clip_maps(swin, iter(batches), targets=targets)
    with pytest.raises(VideotcavError, match="no clips"):
        clip_maps(swin, iter([]))
    for wrong in ("clip.mp4", Path("clip.mp4"), ["clip.mp4"], clips.pixels):
        with pytest.raises(VideotcavError, match="clips are what read_clips gives, or batches of them, not"):
            clip_maps(swin, wrong)  # type: ignore[arg-type]


def test_maps_that_show_nothing_are_told(swin: VideoModel, token_net: VideoModel, clips: Clips) -> None:
    pytest.importorskip("pandas", reason="pandas (an extra) is not installed")
    with torch.no_grad():
        saved = token_net.module.head.weight.clone()
        try:
            token_net.module.head.weight[0] = 0
            with pytest.warns(VideotcavWarning, match="3 of 3 maps of “swing” at layer 'tokens' are zero everywhere"):
                found = clip_maps(token_net, clips, classes=["swing"])
        finally:
            token_net.module.head.weight.copy_(saved)
    assert found.to_pandas()["peak_seconds"].isna().all()
    over_time = clip_maps(token_net, clips, layers=["head"], methods="eigencam", classes=["rest", "slide"])
    assert over_time.values.any()
    with pytest.raises(LayoutError, match="maps of eigencam at head are alike all over each frame"):
        over_time.plot()
    assert len(over_time.to_pandas()) == 6
