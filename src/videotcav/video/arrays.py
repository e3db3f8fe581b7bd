"""Clips of arrays that come from no video file: flow, depth, events, pictures of one's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xxhash
from numpy.typing import NDArray
from torch import Tensor

from videotcav.errors import ArgumentError, VideoError, VideosError
from videotcav.records import ClipSpec
from videotcav.video.clips import Clips, origin_of, preprocess
from videotcav.video.info import ClipOrigin, VideoInfo
from videotcav.video.reader import misfit
from videotcav.video.sampling import rank_at, sample_times


def clips_from_arrays(
    arrays: Mapping[str, NDArray[Any]] | Sequence[NDArray[Any]],
    spec: ClipSpec,
    *,
    sources: Sequence[str] | None = None,
    frames_per_second: float | None = None,
) -> Clips:
    """Clips of arrays `time height width channel`, by name or in a list, as a model is shown them.

    An array of exactly the spec's frames is one clip; of a longer one frames are taken as of a video, where fixed
    seconds need its `frames_per_second`. Frames are resized, cropped and normalised as pictures are: uint8 is scaled to
    0…1 first, floats are taken as they are. `sources` says what each array comes from, in their order; without it each
    is a source of its own, by its name, or in a list by its place and content: two lists have no source in common.

    Raises VideosError with all arrays that do not fit.
    """
    named = arrays if isinstance(arrays, Mapping) else {f"array {place}": each for place, each in enumerate(arrays)}
    if not named or (sources is not None and len(sources) != len(named)):
        raise ArgumentError(f"{len(named)} arrays and {len(sources or ())} sources: give arrays, and a source to each")
    if frames_per_second is not None and not 0 < frames_per_second < np.inf:
        raise ArgumentError(f"frames_per_second is a number above 0, got {frames_per_second}")
    clips, pixels, wrong = [], [], {}
    for name, source, each in zip(named, sources or named, named.values(), strict=True):
        try:
            clip, shown = _of_array(name, np.asarray(each), spec, frames_per_second)
        except VideoError as error:
            wrong[name] = error.reason
        else:
            if sources is None and not isinstance(arrays, Mapping):
                source = f"{name}, {xxhash.xxh3_64_hexdigest(np.ascontiguousarray(each).data)}"  # noqa: PLW2901
            clips.append(clip.model_copy(update={"source": source}))
            pixels.append(shown)
    if wrong:
        raise VideosError(wrong)
    return Clips(records=tuple(clips), pixels=torch.stack(pixels), spec=spec)


def _of_array(name: str, frames: NDArray[Any], spec: ClipSpec, rate: float | None) -> tuple[ClipOrigin, Tensor]:
    path = Path(name)
    if frames.ndim != len("thwc") or not frames.size:
        raise VideoError(path, f"is {misfit(frames, spec)}")
    whole = len(frames) == spec.frames
    if not whole and rate is None and spec.seconds_between_frames is not None:
        raise VideoError(path, f"has {len(frames)} frames, not the clip's {spec.frames}: say its frames_per_second")
    times = np.arange(len(frames)) / (rate or 1.0)
    info = VideoInfo(
        path=path,
        sha256="",
        width=frames.shape[2],
        height=frames.shape[1],
        duration_seconds=len(frames) / (rate or 1.0),
        frames_per_second=rate or 1.0,
    )
    timestamps = tuple(times.tolist()) if whole else sample_times(info, spec, frame_times=times)
    shown = frames[[rank_at(times, seconds) for seconds in timestamps]]
    if wrong := misfit(shown, spec):
        raise VideoError(path, f"is {wrong}")
    return origin_of(info, timestamps, shown, spec), preprocess(shown, spec)
