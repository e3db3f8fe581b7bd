"""What a clip spec's own reader gives of a video, held against the spec."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from videotcav.errors import VideoError
from videotcav.records import ClipSpec
from videotcav.video.info import VideoInfo


def read_by(spec: ClipSpec, video: VideoInfo, timestamps: tuple[float, ...]) -> NDArray[Any]:
    """The frames `time height width channel` of these seconds. Raises VideoError where the reader fails or misfits."""
    assert spec.reader is not None  # noqa: S101 - asked only where there is one
    try:
        found = np.asarray(spec.reader(video.path, timestamps))
    except Exception as error:
        said = " ".join(str(error).split())
        raise VideoError(video.path, f"cannot be read by the card's reader: {type(error).__name__}: {said}") from error
    if wrong := misfit(found, spec):
        raise VideoError(video.path, f"is given by the card's reader as {wrong}")
    return found


def misfit(frames: NDArray[Any], spec: ClipSpec) -> str:
    """What is wrong with the frames of a clip that a reader or a caller gives; empty where nothing is."""
    if frames.ndim != len("thwc") or len(frames) != spec.frames or frames.shape[3] != spec.channels or not frames.size:
        return (
            f"an array of the shape {frames.shape}; needed: {spec.frames} × height × width × {spec.channels} (time "
            "height width channel; mean and std have a number a channel)"
        )
    if frames.dtype != np.uint8 and not np.issubdtype(frames.dtype, np.floating):
        return f"{frames.dtype}; needed: uint8, which is scaled to 0…1, or floats, which are taken as they are"
    return "" if np.isfinite(frames).all() else "numbers some of which are NaN or infinite"
