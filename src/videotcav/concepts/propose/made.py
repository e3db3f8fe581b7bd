"""What a candidate would become: clips of each kind, as pixels or as the bytes of their files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from videotcav.concepts.propose.crop import UInt8Array
from videotcav.records import Kind
from videotcav.video.write import PictureWriter

_QUANTISER = 16  # finer than what the source itself was coded with


@dataclass(frozen=True)
class Shown:
    """The pixels of one kind of clip, and which of the candidate's frames they show when."""

    pixels: UInt8Array
    order: tuple[int, ...]


class Coded(NamedTuple):
    """One kind of clip as the bytes of its file."""

    content: bytes
    order: tuple[int, ...]
    width: int
    height: int


@dataclass(frozen=True)
class Made:
    """What a candidate would become, as pixels or coded; `fingerprint` is None where all its frames are blurred."""

    fingerprint: int | None
    frames_per_second: float
    shown: Mapping[Kind, Shown] = field(default_factory=dict)
    coded: Mapping[Kind, Coded] = field(default_factory=dict)

    def code(self, folder: Path) -> Made:
        """The same, coded; files are written in the folder on the way."""
        path, coded = folder / "clip.mp4", dict(self.coded)
        # Each picture by itself, so that twins hold the same pixels after coding too.
        writer = PictureWriter(frames_per_second=self.frames_per_second, quantiser=_QUANTISER)
        for kind, shown in self.shown.items():
            writer.write(path, shown.pixels)
            height, width = shown.pixels.shape[1:3]
            coded[kind] = Coded(path.read_bytes(), shown.order, width, height)
            path.unlink()
        return Made(self.fingerprint, self.frames_per_second, coded=coded)
