"""Maps to files: overlay videos, GIFs, contact sheets and arrays."""

from __future__ import annotations

import dataclasses
import zipfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import MappingProxyType

import matplotlib as mpl
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from videotcav.errors import ArgumentError, MissingExtra, OutputError, PathTaken, require_distinct
from videotcav.explain.saliency.cam import Over
from videotcav.maps.checked import ClipToCheck, MapCheck
from videotcav.maps.compute import DEFAULT_METHODS, stream_maps
from videotcav.maps.passes import require_space, views_of
from videotcav.maps.view import ClipMaps, PixelSettings
from videotcav.models.model import VideoModel
from videotcav.outputs import MARK, refuse_overwriting, whole_file
from videotcav.records import ClipSpec, Progress, silent
from videotcav.results.shown_figure import png
from videotcav.video.alignment import Edges
from videotcav.video.clips import Clips, read_clip
from videotcav.video.find import find_videos
from videotcav.video.overlay import labelled
from videotcav.video.read import Frames, VideoFile
from videotcav.video.sampling import start_around
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
    methods: Sequence[str] = DEFAULT_METHODS,
    weights: Over = "clip",
    pixel_settings: PixelSettings | None = None,
    start_seconds: float | None = None,
    event: tuple[float, float] | None = None,
    event_seconds: float | None = None,
    edges: Edges = "refuse",
    check: Sequence[Path | str] = (),
    progress: Progress = silent,
    replace: bool = False,
) -> ClipMaps:
    """The maps of a clip of `video`, also written to `path` as its ending says.

    `.mp4` and `.gif` show the clip under its maps, one panel a class, method and layer; `.png` is a contact sheet with
    the importance over seconds; `.npz` and `.zarr` hold the numbers; without an ending it is the folder that
    `ClipMaps.read` reads. Whatever is drawn shares one scale, see CAM_SCALE.

    Args:
        path: where to write; what is written appears complete or not at all.
        model: the model; handed back unchanged.
        video: the video to explain.
        layers: names of layers; the last spatial one when left out.
        classes: names of classes; the predicted one when left out.
        methods: as in `clip_maps`.
        weights: whether a channel's weight holds for the clip or for each time step.
        pixel_settings: for methods that read pixels.
        start_seconds: where the clip begins; the middle of the video is taken when left out.
        event: its first and last second; a clip whose middle is the event's is taken, as far as the video allows.
        event_seconds: the second that falls on the clip's middle frame, as in an aligned study.
        edges: what becomes of a clip that would begin before the video or end after it: refused, or the end frame held.
        check: videos of the first class, as paths, folders and patterns, by whose middle clips it is asked whether its
            score follows the maps (`badges`).
        progress: shows how far that is.
        replace: a file at `path` that the tool did not write may be replaced.

    Raises:
        OutputError: `path` cannot be written, is the video itself, is somebody else's file or a folder that is there.
    """
    write = writer_for(path)
    if path.suffix.lower() not in FOLDERS:
        refuse_overwriting([path], inputs=[video], replace=replace)
    elif path.exists():
        raise PathTaken(f"{path} is there already; name a new folder")
    views = views_of(model, layers, methods, weights=weights)
    if path.suffix.lower() in PICTURES:
        for view in views:
            require_space(model, view.layer)
    require_distinct("class", [model.card.classes[model.class_index(name)] for name in classes])
    if sum(moment is not None for moment in (start_seconds, event, event_seconds)) > 1:
        raise ArgumentError("start_seconds, event and event_seconds each say where the clip lies; give one of them")
    if event is not None:
        start_seconds = _start_around(event, video, model.card.clip_spec)
    clip, pixels = read_clip(
        video, model.card.clip_spec, start_seconds=start_seconds, event_seconds=event_seconds, edges=edges
    )
    (maps,) = stream_maps(
        model,
        [Clips(records=(clip,), pixels=pixels[None])],
        layers=layers,
        methods=methods,
        classes=classes,
        weights=weights,
        pixel_settings=pixel_settings,
    )
    if check:
        asked = MapCheck(model, weights=weights, pixel_settings=pixel_settings)
        videos = find_videos(check)

        def clips(passes: int) -> Iterable[ClipToCheck]:
            what = f"checking maps of {maps.classes[0][0]}, {passes} passes a clip"
            return (_to_check(each, model) for each in progress(videos, what, total=len(videos)))

        maps = dataclasses.replace(maps, badges=asked.search(clips, maps.classes[0][0], views))
    write(path, maps)
    return maps


def _to_check(video: Path, model: VideoModel) -> ClipToCheck:
    clip, pixels = read_clip(video, model.card.clip_spec)
    return ClipToCheck(str(video), clip.source or str(video), pixels)


def _start_around(event: tuple[float, float], video: Path, spec: ClipSpec) -> float | None:
    file = VideoFile(video)
    return start_around(spec, file.times, sum(event) / 2, file.info().duration_seconds)


def writer_for(path: Path) -> Callable[[Path, ClipMaps], None]:
    """The function that writes files with this ending. Raises OutputError for an unknown one, or no such folder."""
    if path.suffix.lower() not in WRITERS:
        raise OutputError(
            f"{path} is not a kind of file that maps can be written to; end it in {', '.join(filter(None, WRITERS))}, "
            "or in nothing for a folder"
        )
    if not path.parent.is_dir():
        raise OutputError(f"{path}: cannot be written: there is no folder {path.parent}; make it first")
    return WRITERS[path.suffix.lower()]


def _mp4(path: Path, maps: ClipMaps) -> None:
    write_video(path, _film(maps), frames_per_second=maps.clips[0].frames_per_second)


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
            duration=round(1000 / maps.clips[0].frames_per_second),
            loop=0,
            comment=MARK.encode(),
        )


def _png(path: Path, maps: ClipMaps) -> None:
    with whole_file(path) as unfinished:
        unfinished.write_bytes(png(maps.plot()))


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
    arrays = _arrays(maps)
    # Aside first: a disk that fills leaves no half of a store, which the same command would then refuse.
    with whole_file(path) as unfinished:
        group = zarr.open_group(unfinished, mode="w")
        group.create_array("maps", data=arrays["maps"], chunks=(1, 1, *maps.values.shape[3:]))
        group.create_array("timestamps", data=arrays["timestamps"])
        group.attrs.update({name: value.tolist() for name, value in arrays.items() if name not in group})


def _arrays(maps: ClipMaps) -> dict[str, np.ndarray]:
    """All that is needed to lay the maps over the video again; see docs/cam.md."""
    (clip,), (classes,), (probabilities,) = maps.clips, maps.classes, maps.probabilities
    return {
        "maps": maps.values[0],  # view class time height width
        "timestamps": np.array(clip.timestamps),  # seconds of the source video
        "methods": np.array([view.method for view in maps.views]),
        "layers": np.array([view.layer for view in maps.views]),
        "classes": np.array(classes),
        "probabilities": np.array(probabilities),
        "weights": np.array(maps.weights),
        "video": np.array(str(clip.video.path)),
        "video_sha256": np.array(clip.video.sha256),
        "source_size": np.array([clip.video.height, clip.video.width]),
        "top_left": np.array([clip.top, clip.left]),
        "source_pixels_per_pixel": np.array([clip.pixels_per_row, clip.pixels_per_column]),
    }


def _folder(path: Path, maps: ClipMaps) -> None:
    maps.save(path)


WRITERS = MappingProxyType({".mp4": _mp4, ".gif": _gif, ".png": _png, ".npz": _npz, ".zarr": _zarr, "": _folder})
PICTURES, FOLDERS = (".mp4", ".gif", ".png"), (".zarr", "")


def _film(maps: ClipMaps) -> Frames:
    captions, overlays, _ = zip(*maps.panels(), strict=True)
    film = labelled(list(overlays), list(captions), timestamps=maps.clips[0].timestamps)
    note = Image.new("RGB", (film.shape[2], 26), tuple(film[0, -1, 0].tolist()))
    font = ImageFont.truetype(_FONT, 14)
    ImageDraw.Draw(note).text((12, 4), maps.scale_note, fill=(200, 200, 200), font=font)
    return np.concatenate([film, np.broadcast_to(np.asarray(note), (len(film), 26, film.shape[2], 3))], axis=1)
