"""Whether clips that count as different sources look the same, or go on where another one ends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from videotcav.concepts.propose.tracklets import perceptual_hash
from videotcav.engine.local import load_ahead
from videotcav.errors import VideoError
from videotcav.features.measure import ClipFile
from videotcav.records import ConceptSet, Progress, silent
from videotcav.video.read import VideoFile

MOST_LOOKED_AT = 600
NEARLY_BITS = 12  # of 192, as between candidates
NEARLY_GREY = 8.0
FLAT_GREY = 2.0
_BITS_A_FRAME = 64
EXAMPLE = '[sources] table = "sources.csv", with the columns file and source'


class _Place(NamedTuple):
    """One of a study's sets that a file stands in."""

    role: Literal["concept", "random", "class"]
    name: str
    kind: str = ""


@dataclass(frozen=True)
class _Look:
    """How the first, the middle and the last frame of a clip look: 64 bits and a small picture of each."""

    place: _Place
    file: ClipFile
    bits: tuple[int, ...]
    pictures: NDArray[np.float64]

    @property
    def is_flat(self) -> bool:
        return bool(self.pictures.std(axis=(1, 2)).min() < FLAT_GREY)


def near_overlaps(
    concepts: Iterable[ConceptSet],
    random: Iterable[ClipFile],
    classes: Mapping[str, Iterable[ClipFile]],
    *,
    progress: Progress = silent,
) -> list[str]:
    """What is to be told of clips of several sources that look alike, or of which one goes on where another ends.

    Three frames are decoded of at most `MOST_LOOKED_AT` clips, spread evenly. Clips that cannot be read are left out.
    """
    files: dict[Path, tuple[_Place, ClipFile]] = {}
    for place, file in _places(concepts, random, classes):
        files.setdefault(file.path, (place._replace(kind=""), file))
    chosen = list(files.values())
    picked = np.unique(np.linspace(0, len(chosen) - 1, min(len(chosen), MOST_LOOKED_AT)).round().astype(int))
    looked_at = load_ahead([chosen[at] for at in picked], _look)
    looks = [look for _, look in progress(looked_at, "comparing", total=len(picked)) if look and not look.is_flat]
    alike: list[tuple[Path, Path]] = []
    going_on: list[tuple[Path, Path]] = []
    are_alike, go_on = _look_alike(looks, [0, 1, 2], [0, 1, 2]), _look_alike(looks, [2], [0])
    for first, second in np.argwhere(np.triu(are_alike | go_on | go_on.T, 1)).tolist():
        one, other = looks[first], looks[second]
        if one.file.source == other.file.source:
            continue
        if are_alike[first, second]:
            alike.append((one.file.path, other.file.path))
        elif one.place == other.place:
            for before, after in ((first, second), (second, first)):
                if go_on[before, after]:
                    going_on.append((looks[before].file.path, looks[after].file.path))
    of = "" if len(picked) == len(chosen) else f" ({len(picked)} of {len(chosen)} clips were compared)"
    remarks = []
    if alike:
        remarks.append(
            f"{len(alike)} pairs of clips look nearly the same, though they count as different sources{of}: "
            f"{_named(alike)}. If they show the same scene, say so: {EXAMPLE}."
        )
    if going_on:
        remarks.append(
            f"{len(going_on)} clips begin where another one ends, though they count as different sources{of}: "
            f"{_named(going_on)}. If they were cut from the same video, intervals are too narrow; say what belongs "
            f"together: {EXAMPLE}."
        )
    return remarks


def _places(
    concepts: Iterable[ConceptSet], random: Iterable[ClipFile], classes: Mapping[str, Iterable[ClipFile]]
) -> Iterator[tuple[_Place, ClipFile]]:
    for each in concepts:
        place = _Place("concept", each.concept, each.kind)
        yield from ((place, ClipFile(path=clip.path, source=clip.source)) for clip in each.clips)
    yield from ((_Place("random", ""), file) for file in random)
    for name, files in classes.items():
        yield from ((_Place("class", name), file) for file in files)


def _look(item: tuple[_Place, ClipFile]) -> _Look | None:
    place, file = item
    try:
        video = VideoFile(file.path)
        last = len(video.times) - 1
        frames = video.frames((0, last // 2, last))
    except VideoError:
        return None
    bits = perceptual_hash(frames)
    pictures = [Image.fromarray(frame).convert("L").resize((16, 16), Image.Resampling.BOX) for frame in frames]
    return _Look(
        place,
        file,
        tuple(bits >> shift & (1 << _BITS_A_FRAME) - 1 for shift in (2 * _BITS_A_FRAME, _BITS_A_FRAME, 0)),
        np.stack([np.asarray(picture, dtype=np.float64) for picture in pictures]),
    )


def _look_alike(looks: Sequence[_Look], frames: list[int], others: list[int]) -> NDArray[np.bool_]:
    """Whether these frames of one look and of another (look, look) differ in few bits and are equally bright."""
    bits = np.array([look.bits for look in looks], np.uint64).reshape(-1, 3)
    differing = np.bitwise_count(bits[:, None, frames] ^ bits[:, others]).sum(axis=2, dtype=np.int64)
    found: NDArray[np.bool_] = differing * 3 < NEARLY_BITS * len(frames)
    for one, other in np.argwhere(found).tolist():
        apart = np.abs(looks[one].pictures[frames] - looks[other].pictures[others]).mean()
        found[one, other] = apart < NEARLY_GREY
    return found


def _named(pairs: Sequence[tuple[Path, Path]]) -> str:
    return _listed(str(one) if one == other else f"{one} and {other}" for one, other in pairs)


def _listed(names: Iterable[str], most: int = 3) -> str:
    listed = list(dict.fromkeys(names))
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return "; ".join(listed[:most]) + more
