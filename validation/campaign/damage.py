"""Ways to damage bytes and texts."""

from __future__ import annotations

import atexit
import shutil
from pathlib import Path
from tempfile import mkdtemp

import numpy as np

Rng = np.random.Generator


def kept_folder() -> Path:
    """A folder for what is made once and copied for each case; gone when the process ends."""
    folder = Path(mkdtemp(prefix="hostile-whole-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def truncated(data: bytes, rng: Rng) -> bytes:
    """Its beginning."""
    return data[: int(rng.integers(0, len(data)))]


def flipped(data: bytes, rng: Rng, *, low: int = 0, high: int | None = None, most: int = 8) -> bytes:
    """Some bits the other way round, between two places."""
    changed = bytearray(data)
    for _ in range(int(rng.integers(1, most + 1))):
        place = int(rng.integers(low, min(high or len(data), len(data))))
        changed[place] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def wiped(data: bytes, rng: Rng) -> bytes:
    """A stretch of zeros, as a disk that lost a block gives."""
    start = int(rng.integers(0, len(data)))
    length = int(rng.integers(1, max(2, len(data) // 3)))
    return data[:start] + bytes(min(length, len(data) - start)) + data[start + length :]


def inserted(data: bytes, rng: Rng) -> bytes:
    """Noise in the middle."""
    start = int(rng.integers(0, len(data)))
    return data[:start] + rng.bytes(int(rng.integers(1, 64))) + data[start:]


def repeated(data: bytes, rng: Rng) -> bytes:
    """A stretch that is there twice."""
    start = int(rng.integers(0, len(data)))
    stop = start + int(rng.integers(1, max(2, len(data) // 3)))
    return data[:stop] + data[start:stop] + data[stop:]


def swapped(data: bytes, rng: Rng) -> bytes:
    """Two stretches in each other's place."""
    a, b, c = sorted(int(place) for place in rng.integers(0, len(data), 3))
    return data[:a] + data[b:c] + data[a:b] + data[c:]


def noise(data: bytes, rng: Rng) -> bytes:
    """As many bytes of noise."""
    return rng.bytes(len(data))


UNTOUCHED = "untouched"
"""The control: a case in which nothing is damaged, and everything must be read as it is."""

BYTES = {
    UNTOUCHED: lambda data, _rng: data,
    "truncated": truncated,
    "bits flipped": flipped,
    "wiped": wiped,
    "noise inserted": inserted,
    "stretch repeated": repeated,
    "stretches swapped": swapped,
    "noise": noise,
    "empty": lambda _data, _rng: b"",
}
