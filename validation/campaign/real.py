"""Real videos, damaged: written by others' encoders, some with sound, B-frames in avi, or another program's boxes.

They lie beside the checkout in ../shared/data, as they may not be handed on; where they are not, this room is left out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import av
import numpy as np

from validation.campaign import damage, videos
from validation.campaign.damage import Rng
from videotcav.video.clips import read_clip
from videotcav.video.read import VideoFile

PLACE = Path(__file__).parents[3] / "shared" / "data"
SMALL = (
    "misc/arm_wrestling__mmaction2_demo.mp4",
    "misc/v_ApplyEyeMakeup_g01_c01.avi",
    "tennis/b_slice/b_slice18.mp4",
    "tennis/serve/serve1.mp4",
    "tennis_full/backhand1.mp4",
    "tennis_full/forehand1.mp4",
)
LARGE = ("misc/ntu_A001_drink_water.avi",)  # 1920 × 1080: seconds a case
SOUGHT = 4


def lacking() -> str:
    """Why there are no real videos here; empty where there are."""
    gone = [name for name in (*SMALL, *LARGE) if not (PLACE / name).is_file()]
    return f"the real videos (../shared/data) are not beside this checkout: no {', '.join(gone)}" if gone else ""


@cache
def _undamaged(path: Path) -> tuple[bytes, tuple[str, ...]]:
    """The file and the hash of each of its frames, as PyAV alone decodes them."""
    return path.read_bytes(), tuple(_hashes(path))


def _hashes(path: Path) -> list[str]:
    with av.open(f"file:{path}") as file:
        return [_hash(frame.to_ndarray(format="rgb24")) for frame in file.decode(video=0)]


def _hash(frame: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(frame).data).hexdigest()


def _damaged(change: Callable[[bytes, Rng], bytes], of: tuple[str, ...] = SMALL) -> Callable[[Path, Rng], str]:
    """`same` where all frames in order, some that are sought, and a clip are those of the undamaged file."""

    def attempt(folder: Path, rng: Rng) -> str:
        original = PLACE / str(rng.choice(of))
        data, truth = _undamaged(original)
        path = folder / original.name
        path.write_bytes(change(data, rng))
        return _verdict(path, truth, rng)

    return attempt


def _verdict(path: Path, truth: tuple[str, ...], rng: Rng) -> str:
    file = VideoFile(path)
    sought = rng.integers(len(file.times), size=SOUGHT)
    found = dict(zip(sought.tolist(), map(_hash, file.frames(sought.tolist())), strict=True))
    shown = tuple(_hash(frame) for frame in file.stream())
    clip, pixels = read_clip(path, videos.SPEC, fit="stretch")
    assert pixels.isfinite().all()
    assert len(clip.timestamps) == videos.SPEC.frames
    if any(shown[rank] != frame for rank, frame in found.items()):
        return "wrong"  # one file, two answers
    if shown == truth:
        return "same"
    return "wrong" if videos.gives_itself_away(path) else "unknowable"


def _renamed(folder: Path, rng: Rng) -> str:
    data, truth = _undamaged(PLACE / str(rng.choice(SMALL)))
    path = folder / f"{rng.choice(videos.NAMES)}.{rng.choice(videos.SUFFIXES)}"
    path.write_bytes(data)
    return _verdict(path, truth, rng)


def _any_damage(data: bytes, rng: Rng) -> bytes:
    changes = [*damage.BYTES.values(), *videos.OF_BYTES.values()]
    change: Callable[[bytes, Rng], bytes] = changes[int(rng.integers(len(changes)))]
    return change(data, rng)


MUTATIONS: dict[str, Callable[[Path, Rng], str]] = {
    **{name: _damaged(change) for name, change in damage.BYTES.items() if name not in ("noise", "empty")},
    **{name: _damaged(change) for name, change in videos.OF_BYTES.items()},
    "large picture": _damaged(_any_damage, LARGE),
    "wrong name": _renamed,
}
