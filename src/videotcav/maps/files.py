"""Maps to files: overlay videos, GIFs, contact sheets and arrays."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import MappingProxyType

import matplotlib as mpl
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from videotcav.errors import MissingExtra, OutputError, require_distinct
from videotcav.explain.saliency.cam import Over, temporal_profile
from videotcav.maps.compute import PixelSettings, check_layers, require_space, stream_maps
from videotcav.maps.sheet import Strip, contact_sheet
from videotcav.maps.view import ClipMaps, Values
from videotcav.models.model import VideoModel
from videotcav.models.passes import logits
from videotcav.outputs import MARK, refuse_overwriting, whole_file
from videotcav.records import ClipSpec
from videotcav.video.clips import Clips, read_clip, to_source
from videotcav.video.overlay import labelled, overlay_heatmap
from videotcav.video.read import Frames, probe, read_frames
from videotcav.video.write import write_video

CAM_SCALE = (
    "All maps of a clip at one layer share one scale, that of the strongest value among them; a weak map looks weak."
)
_GIF_WIDTH = 960
_FONT = Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"  # the same letters on every machine


def write_maps(
    path: Path,
    model: VideoModel,
    video: Path,
    *,
    layers: Sequence[str] = (),
    classes: Sequence[str] = (),
    method: str = "grad-cam",
    weights: Over = "clip",
    pixel_settings: PixelSettings | None = None,
    start_seconds: float | None = None,
    event: tuple[float, float] | None = None,
    replace: bool = False,
) -> ClipMaps:
    """The maps of a clip of `video`, also written to `path` as its ending says.

    `.mp4` and `.gif` show the clip under its maps, one panel a class and layer; `.png` is a contact sheet with the
    importance over seconds; `.npz` and `.zarr` hold the numbers. Whatever is drawn shares one scale, see CAM_SCALE.

    Args:
        path: where to write; the file appears complete or not at all.
        model: the model; handed back unchanged.
        video: the video to explain.
        layers: names of layers; the last spatial one when left out.
        classes: names of classes; the predicted one when left out.
        method: `grad-cam`, `grad-cam++`, `hirescam`, `layercam`, `eigencam` or `rise`.
        weights: whether a channel's weight holds for the clip or for each time step.
        pixel_settings: for a method that reads pixels.
        start_seconds: where the clip begins; the middle of the video is taken when left out.
        event: its first and last second; a clip whose middle is the event's is taken, as far as the video allows.
        replace: a file at `path` that the tool did not write may be replaced.

    Raises:
        OutputError: `path` cannot be written, is the video itself, or is somebody else's file.
    """
    write = writer_for(path)
    if path.suffix.lower() != ".zarr":
        refuse_overwriting([path], inputs=[video], replace=replace)
    layers = check_layers(model, layers, method=method)
    if path.suffix.lower() not in (".npz", ".zarr"):
        for layer in layers:
            require_space(model, layer)
    indices = [model.class_index(name) for name in classes]
    require_distinct("class", [model.card.classes[index] for index in indices])
    if event is not None:
        start_seconds = _start_around(event, video, model.card.clip_spec)
    clip, pixels = read_clip(video, model.card.clip_spec, start_seconds=start_seconds)
    indices = indices or [int(logits(model, pixels[None]).argmax())]
    batches = [Clips(records=(clip,), pixels=pixels[None])]
    (maps,) = stream_maps(
        model, batches, layers=layers, classes=indices, method=method, weights=weights, pixel_settings=pixel_settings
    )
    write(path, maps)
    return maps


def _start_around(event: tuple[float, float], video: Path, spec: ClipSpec) -> float:
    last = probe(video).duration_seconds - spec.seconds
    return max(0.0, min(sum(event) / 2 - spec.seconds / 2, last - 1e-3))


def writer_for(path: Path) -> Callable[[Path, ClipMaps], None]:
    """The function that writes files with this ending. Raises OutputError for an unknown one, or no such folder."""
    if path.suffix.lower() not in WRITERS:
        raise OutputError(f"{path} is not a kind of file that maps can be written to; end it in {', '.join(WRITERS)}")
    if not path.parent.is_dir():
        raise OutputError(f"{path}: cannot be written: there is no folder {path.parent}; make it first")
    return WRITERS[path.suffix.lower()]


def _mp4(path: Path, maps: ClipMaps) -> None:
    write_video(path, _film(maps), frames_per_second=_rate(maps))


def _gif(path: Path, maps: ClipMaps) -> None:
    pages = [Image.fromarray(page) for page in _film(maps)]
    for page in pages:
        page.thumbnail((_GIF_WIDTH, _GIF_WIDTH))
    # One palette for the whole clip, or colours would flicker between frames.
    together = Image.fromarray(np.concatenate([np.asarray(page)[::3, ::3] for page in pages]))
    palette = together.quantize(256, method=Image.Quantize.MAXCOVERAGE)
    first, *others = [page.quantize(palette=palette, dither=Image.Dither.NONE) for page in pages]
    with whole_file(path) as unfinished:
        first.save(
            unfinished,
            format="gif",
            save_all=True,
            append_images=others,
            duration=round(1000 / _rate(maps)),
            loop=0,
            comment=MARK.encode(),
        )


def _png(path: Path, maps: ClipMaps) -> None:
    strips = []
    for caption, frames, heat in _overlays(maps):
        profile = temporal_profile(torch.from_numpy(heat)[None])[0].numpy()
        strips.append(Strip(caption=f"{caption} · {maps.method}", frames=frames, profile=profile))
    with whole_file(path) as unfinished:
        sheet = contact_sheet(strips, timestamps=maps.clip.timestamps, note=maps.scale_note)
        sheet.savefig(unfinished, format="png", metadata={"Software": None, "Comment": MARK})


def _npz(path: Path, maps: ClipMaps) -> None:
    with whole_file(path) as unfinished:
        with unfinished.open("wb") as file:
            np.savez_compressed(file, **_arrays(maps))  # type: ignore[arg-type] # numpy's stub takes keywords for flags
        with zipfile.ZipFile(unfinished, "a") as archive:
            archive.comment = MARK.encode()


def _zarr(path: Path, maps: ClipMaps) -> None:
    try:
        import zarr  # noqa: PLC0415 - an extra
    except ImportError:
        raise MissingExtra("zarr", extra="zarr", purpose="Writing .zarr") from None
    if path.exists():
        raise OutputError(f"{path} is there already; name a new store")
    arrays = _arrays(maps)
    # Aside first: a disk that fills leaves no half of a store, which the same command would then refuse.
    with whole_file(path) as unfinished:
        group = zarr.open_group(unfinished, mode="w")
        group.create_array("maps", data=arrays["maps"], chunks=(1, 1, *maps.values.shape[2:]))
        group.create_array("timestamps", data=arrays["timestamps"])
        group.attrs.update({name: value.tolist() for name, value in arrays.items() if name not in group})


def _arrays(maps: ClipMaps) -> dict[str, np.ndarray]:
    """All that is needed to lay the maps over the video again; see docs/cam.md."""
    clip = maps.clip
    return {
        "maps": maps.values,  # layer class time height width
        "timestamps": np.array(clip.timestamps),  # seconds of the source video
        "layers": np.array(maps.layers),
        "classes": np.array(maps.classes),
        "probabilities": np.array(maps.probabilities),
        "method": np.array(maps.method),
        "weights": np.array(maps.weights),
        "video": np.array(str(clip.video.path)),
        "video_sha256": np.array(clip.video.sha256),
        "source_size": np.array([clip.video.height, clip.video.width]),
        "top_left": np.array([clip.top, clip.left]),
        "source_pixels_per_pixel": np.array([clip.pixels_per_row, clip.pixels_per_column]),
    }


WRITERS = MappingProxyType({".mp4": _mp4, ".gif": _gif, ".png": _png, ".npz": _npz, ".zarr": _zarr})


def _overlays(maps: ClipMaps) -> Iterator[tuple[str, Frames, Values]]:
    """A caption, the frames of the source video under the map, and the map, for each panel."""
    frames = read_frames(maps.clip.video, maps.clip.timestamps)
    for caption, heat in maps.panels():
        yield caption, overlay_heatmap(frames, to_source(heat, maps.clip)), heat


def _film(maps: ClipMaps) -> Frames:
    captions, overlays, _ = zip(*_overlays(maps), strict=True)
    film = labelled(list(overlays), list(captions), timestamps=maps.clip.timestamps)
    note = Image.new("RGB", (film.shape[2], 26), tuple(film[0, -1, 0].tolist()))
    says = f"{maps.method} · {maps.scale_note}"
    ImageDraw.Draw(note).text((12, 4), says, fill=(200, 200, 200), font=ImageFont.truetype(_FONT, 14))
    return np.concatenate([film, np.broadcast_to(np.asarray(note), (len(film), 26, film.shape[2], 3))], axis=1)


def _rate(maps: ClipMaps) -> float:
    times = maps.clip.timestamps
    return (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 else 1.0
