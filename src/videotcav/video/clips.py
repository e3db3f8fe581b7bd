"""Clips: the frames and pixels of a video that a model is shown, and the way back to the video.

A clip's coordinates are continuous: pixel i covers the stretch from i to i + 1, and its centre lies at i + ½.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from videotcav.errors import ArgumentError, VideoError, VideosError, VideotcavWarning
from videotcav.records import ClipSpec, Progress, silent
from videotcav.video.alignment import Align, Alignment, Edges, aligned_times, not_alignable
from videotcav.video.find import find_videos
from videotcav.video.info import ClipOrigin, VideoInfo
from videotcav.video.read import VideoFile
from videotcav.video.reader import read_by
from videotcav.video.sampling import remarks_on_gaps, sample_times, stretched_times, window_starts
from videotcav.video.segment import file_of
from videotcav.video.sources import as_sources
from videotcav.video.strip import strip_png

ClipFit = Literal["time", "stretch"]
"""`time`: the frames that the clip spec says. `stretch`: frames spread evenly over all of the video, in the place of
fixed seconds and where a stride or a spread needs more frames than there are."""


@dataclass(frozen=True)
class Clips:
    """Clips read from videos: record i tells where `pixels[i]` (float32 `channel time height width`) comes from.

    `left_out` maps the files that could not be read to the reason, where it was asked to go on without them. `spec` is
    what they were read by, where that is known.
    """

    records: tuple[ClipOrigin, ...]
    pixels: Tensor
    left_out: Mapping[str, str] = field(default_factory=dict)
    spec: ClipSpec | None = None

    def __len__(self) -> int:
        return len(self.records)

    def __repr__(self) -> str:
        shape = " × ".join(str(length) for length in self.pixels.shape[1:])
        left_out = f", {len(self.left_out)} left out" if self.left_out else ""
        return f"Clips({len(self)} clips of {shape} (channel time height width){left_out})"

    def _repr_png_(self) -> bytes | None:
        """The first clip as it was before it was normalised; None where that cannot be shown."""
        if not len(self) or self.spec is None or self.spec.unlike_pictures:
            return None
        mean, std = (
            torch.tensor(each, dtype=torch.float32, device="cpu")[:, None, None, None]
            for each in (self.spec.mean, self.spec.std)
        )
        levels = ((self.pixels[0].cpu().float() * std + mean) * 255).round().clamp(0, 255)
        return strip_png(rearrange(levels.to(torch.uint8), "c t h w -> t h w c").numpy())


# --- which pixels ----------------------------------------------------------------------------------------------


class _Crop(NamedTuple):
    """The whole frame's size after resizing, and where the crop begins in it (negative: the crop is padded)."""

    height: int
    width: int
    top: int
    left: int


def _crop(height: int, width: int, spec: ClipSpec, side: float = 0.5) -> _Crop:
    """As torchvision or transformers resize and centre-crop, to the last rounding.

    `side` 0 and 1 are the two ends of the longer side of what was resized, instead of its centre.
    """
    if isinstance(spec.resize, tuple):
        resized_height, resized_width = spec.resize
    elif width <= height:
        resized_height, resized_width = int(spec.resize * height / width), spec.resize
    else:
        resized_height, resized_width = spec.resize, int(spec.resize * width / height)

    def start(length: int, wanted: int) -> int:
        if wanted > length:
            return -((wanted - length) // 2)
        return (length - wanted) // 2 if spec.crop_rounding == "down" else round((length - wanted) / 2)

    crop = _Crop(
        height=resized_height,
        width=resized_width,
        top=start(resized_height, spec.height),
        left=start(resized_width, spec.width),
    )
    spare_height, spare_width = resized_height - spec.height, resized_width - spec.width
    if side == 0.5 or max(spare_height, spare_width) <= 0:  # noqa: PLR2004 - the centre
        return crop
    if spare_height > spare_width:
        return crop._replace(top=round(side * spare_height))
    return crop._replace(left=round(side * spare_width))


def preprocess(frames: NDArray[Any], spec: ClipSpec, *, side: float = 0.5) -> Tensor:
    """What the model is shown of uint8 frames (`time height width channel`): float32 `channel time height width`.

    The same numbers as torchvision's `VideoClassification` preset (bilinear, without antialiasing) or transformers'
    processors (with it), as the spec says: resized and rounded to whole grey levels; centre crop, padded with black
    where the frame is smaller; 0…1; (x − mean) / std. `side` moves the crop along the longer side, 0 to 1.

    Floats, which are no pictures, are neither rounded nor scaled.
    """
    crop = _crop(frames.shape[1], frames.shape[2], spec, side)
    source = rearrange(torch.from_numpy(np.array(frames, order="C")), "t h w c -> t c h w").contiguous()
    resized = torch.cat([_resize(frame[None], crop, spec) for frame in source])  # frame by frame: floats are large
    edges = (-crop.left, crop.left + spec.width - crop.width, -crop.top, crop.top + spec.height - crop.height)
    cropped = functional.pad(resized, edges)  # negative edges cut off
    return normalised(cropped, spec)


def normalised(frames: Tensor, spec: ClipSpec) -> Tensor:
    """The pixels of frames (`time channel height width`) in the model's geometry: float32, time behind channel.

    uint8 is scaled to 0…1; (x − mean) / std.
    """
    scaled = frames.float() if frames.is_floating_point() else frames.float() / 255
    mean = rearrange(torch.tensor(spec.mean, dtype=torch.float32, device="cpu"), "c -> c 1 1")
    std = rearrange(torch.tensor(spec.std, dtype=torch.float32, device="cpu"), "c -> c 1 1")
    return rearrange((scaled - mean) / std, "t c h w -> c t h w").contiguous()


def _resize(frames: Tensor, crop: _Crop, spec: ClipSpec) -> Tensor:
    # Processors resize bicubically in whole numbers, whose overshoot is cut off after each of the two axes.
    pictures = not frames.is_floating_point()
    whole = pictures and spec.resampling == "bicubic" and spec.antialias
    resized = functional.interpolate(
        frames if whole else frames.float(),
        size=(crop.height, crop.width),
        mode=spec.resampling,
        align_corners=False,
        antialias=spec.antialias,
    )
    return resized.round().clamp(0, 255).to(torch.uint8) if pictures and not whole else resized


def to_source(volume: NDArray[np.floating] | Tensor, clip: ClipOrigin) -> NDArray[np.float32]:
    """A map over the clip's pixels (`time height width`), over the source video's pixels instead.

    Bilinear; 0 outside the crop that the model was shown. Time stays: one map for each frame of the clip.
    """
    array = volume.numpy(force=True) if isinstance(volume, Tensor) else volume
    maps = torch.from_numpy(np.array(array, dtype=np.float32, order="C"))
    height, width = maps.shape[1:]
    y = (torch.arange(clip.video.height, dtype=torch.float32, device="cpu") + 0.5 - clip.top) / (
        clip.pixels_per_row * height
    )  # 0…1 within the crop
    x = (torch.arange(clip.video.width, dtype=torch.float32, device="cpu") + 0.5 - clip.left) / (
        clip.pixels_per_column * width
    )
    rows, columns = torch.meshgrid(2 * y - 1, 2 * x - 1, indexing="ij")
    grid = torch.stack([columns, rows], dim=-1)[None]  # grid_sample wants x first, in −1…1
    over_source = functional.grid_sample(maps[None], grid, padding_mode="border", align_corners=False)[0]
    shown = (rows.abs() <= 1) & (columns.abs() <= 1)
    return np.asarray((over_source * shown).numpy(), dtype=np.float32)


# --- files to clips --------------------------------------------------------------------------------------------


def read_clip(
    video: VideoFile | VideoInfo | Path | str,
    spec: ClipSpec,
    *,
    start_seconds: float | None = None,
    fit: ClipFit = "time",
    view: int | None = None,
    event_seconds: float | None = None,
    edges: Edges = "refuse",
) -> tuple[ClipOrigin, Tensor]:
    """One clip of a video and its pixels as the model is shown them, float32 `channel time height width`.

    Raises `VideoError`. With `fit="stretch"` no video is too short. `view` is one of the spec's `views`, clip by clip
    and within a clip crop by crop; None the centre of the video and of its frames. With `event_seconds` the clip is
    laid around that second instead, see `aligned_times`.
    """
    file = video if isinstance(video, VideoFile) else VideoFile(video.path if isinstance(video, VideoInfo) else video)
    _refuse_other_channels(file.path, spec)
    side = within = 0.5
    if view is not None:
        part, crop_number = divmod(view, spec.crops_per_clip)
        side = crop_number / 2 if spec.crops_per_clip > 1 else 0.5
    if event_seconds is not None:
        if why := not_alignable(spec):
            raise VideoError(file.path, why)
        timestamps = aligned_times(file, spec, event_seconds, edges=edges, frame_times=file.times)
    elif fit == "stretch":
        timestamps = stretched_times(file, spec, file.times)
    else:
        if view is not None:
            within = (part + 0.5) / spec.clips_per_video  # the middle of each of as many equal parts
            start_seconds = None
        timestamps = sample_times(file, spec, start_seconds=start_seconds, frame_times=file.times, part=within)
    for remark in (*file.remarks, *remarks_on_gaps(spec, file.times, timestamps)):
        warnings.warn(f"{file.path} {remark}.", VideotcavWarning, stacklevel=2)
    if spec.reader is None:
        shown = file.at(timestamps)
        info = video if isinstance(video, VideoInfo) else file.info(shown)
    else:
        info = video if isinstance(video, VideoInfo) else file.info()
        shown = read_by(spec, info, timestamps)
    return origin_of(info, timestamps, shown, spec, side=side), preprocess(shown, spec, side=side)


def origin_of(
    info: VideoInfo, timestamps: tuple[float, ...], frames: NDArray[Any], spec: ClipSpec, *, side: float = 0.5
) -> ClipOrigin:
    """Where the pixels lie that are made of frames (`time height width channel`) which show the whole video."""
    crop = _crop(frames.shape[1], frames.shape[2], spec, side)
    rows, columns = info.height / crop.height, info.width / crop.width
    return ClipOrigin(
        video=info,
        timestamps=timestamps,
        top=crop.top * rows,
        left=crop.left * columns,
        pixels_per_row=rows,
        pixels_per_column=columns,
        source="" if file_of(info.path) == info.path else str(file_of(info.path)),
    )


def _refuse_other_channels(path: Path | str, spec: ClipSpec) -> None:
    if spec.channels != len("RGB") and spec.reader is None:
        raise VideoError(
            path,
            f"has the three channels of a colour picture, but the clip spec's mean and std are of {spec.channels}; "
            "give the clip spec a reader, or make clips with clips_from_arrays",
        )


def read_clips(
    where: Path | str | Iterable[Path | str],
    spec: ClipSpec,
    *,
    fit: ClipFit = "time",
    sources: Mapping[Path | str, str] | Path | str | None = None,
    align: Align | None = None,
    events: Mapping[Path | str, float | None] | Path | str | None = None,
    edges: Edges = "refuse",
    skip_bad: bool = False,
    progress: Progress = silent,
) -> Clips:
    """A clip of each video that paths, folders and glob patterns name.

    `sources` says what each file was cut from: a mapping of paths, or a CSV table with the columns `file` and `source`.
    Files that it does not name, and all without it, count as sources of their own.

    With `align` the same moment falls on the middle frame of every clip: "event", that of `events` (seconds of each
    file, or a CSV table with the columns `file` and `seconds`), or "motion", that of most motion. `edges="hold"`
    repeats the first or last frame of a video that is too short for its clip to be shifted so far.

    Raises `VideosError` with all bad files at once; with `skip_bad` they are left out and told in `left_out`,
    unless no video is left.
    """
    paths = find_videos(where)
    table = as_sources(sources)
    alignment = Alignment.of(align, events, edges)
    if alignment.events is not None:
        alignment.events.refuse_unnamed(paths)
    clips: list[ClipOrigin] = []
    left_out: dict[str, str] = {}
    size = (len(paths), spec.channels, spec.frames, spec.height, spec.width)
    pixels = torch.empty(size, dtype=torch.float32, device="cpu")
    for path in progress(paths, "reading", total=len(paths)):
        try:
            moment = alignment.moment(path)
            clip, pixels[len(clips)] = read_clip(path, spec, fit=fit, event_seconds=moment, edges=edges)
        except VideoError as error:
            left_out[str(path)] = error.reason
        else:
            clips.append(clip.model_copy(update={"source": table.unit(path, clip.source)}))
    for remark in table.remarks():
        warnings.warn(remark, VideotcavWarning, stacklevel=2)
    if not clips or (left_out and not skip_bad):
        raise VideosError(left_out)
    return Clips(records=tuple(clips), pixels=pixels[: len(clips)], left_out=left_out, spec=spec)


def read_windows(
    video: Path | str,
    spec: ClipSpec,
    *,
    step_seconds: float | None = None,
    progress: Progress = silent,
) -> Clips:
    """Clips that follow each other through one video, one every `step_seconds`, by default as soon as one has ended.

    Raises `VideoError` where the video is shorter than a clip, or cannot be read.
    """
    if step_seconds is not None and not step_seconds > 0:
        raise ArgumentError(f"windows {step_seconds:g} s apart do not follow each other: step_seconds is above 0")
    if spec.spread is not None:
        raise ArgumentError(
            f"a clip specification that spreads {spec.frames} frames over a whole video has no windows in one; read "
            "its parts as files of their own"
        )
    file = VideoFile(video)
    info = file.info()
    starts = window_starts(spec, file.times, info.duration_seconds, step_seconds)
    read = [read_clip(info, spec, start_seconds=start) for start in progress(starts, "reading", total=len(starts))]
    pixels = torch.stack([pixels for _, pixels in read])
    return Clips(records=tuple(clip for clip, _ in read), pixels=pixels, spec=spec)
