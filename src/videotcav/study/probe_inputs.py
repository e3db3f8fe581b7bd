"""The videos of a probe: which class each is of, what it was cut from, and what a table says of it."""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from torch import Tensor

from videotcav.datasets.read import Listed, read_list
from videotcav.datasets.rows import ClipList
from videotcav.errors import ArgumentError, NotEnoughData, VideoNotFound
from videotcav.records import ClipSpec
from videotcav.results.words import count
from videotcav.video.clips import Clips, read_clip
from videotcav.video.find import find_videos, videos_in
from videotcav.video.info import ClipOrigin
from videotcav.video.labels import Labels
from videotcav.video.segment import file_of
from videotcav.video.sources import counted_pieces, source_in

CLASS, SOURCE = "class", "source"
"""The columns of a table of labels that say of which class a video is, and what it was cut from."""

Where = Path | str | Sequence[Path | str]
Given = Clips | Where | ClipList | Mapping[str, Clips | Where]


@dataclass(frozen=True, eq=False)
class ClipToProbe:
    """A clip of a class: `read` decodes it as a clip spec says, and is picklable.

    One that `is_video` is asked by all views that the spec takes of it: `read` is given a `view` then.
    """

    name: str
    class_name: str
    source: str
    read: Callable[..., tuple[ClipOrigin, Tensor]]
    labels: Mapping[str, str | None] = field(default_factory=dict)
    is_video: bool = False

    def views(self, spec: ClipSpec) -> list[ClipToProbe]:
        """Itself, or each view of a video."""
        if not self.is_video or spec.views == 1:
            return [self]
        return [
            replace(self, name=f"{self.name}, view {view}", read=partial(self.read, view=view))
            for view in range(spec.views)
        ]


@dataclass(frozen=True)
class ToProbe:
    """All clips, the classes that are asked about, and remarks on both."""

    clips: tuple[ClipToProbe, ...]
    asked: tuple[str, ...]
    remarks: tuple[str, ...]

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes of all clips, in their order."""
        return tuple(dict.fromkeys(clip.class_name for clip in self.clips))


def gather(
    given: Given,
    *,
    target: str | None,
    table: Labels | Path | str | None,
    by: str,
    proper: Callable[[str], str],
    seed: int = 0,
) -> ToProbe:
    """The clips of a probe; of those of several classes, only `target` is asked about where it is named.

    `proper` gives the name that the model has for a class; `seed` draws the clips of a list that has too many.

    Raises:
        ArgumentError: nothing says of which class the videos are.
        NotEnoughData: a class has clips of fewer than two source videos.
        UnreadableText: the table does not fit.
        VideosError: there are no videos.
    """
    labels = Labels.read(table) if isinstance(table, str | Path) else table
    if by and labels is None:
        raise ArgumentError(f"subgroups by '{by}' need a table of labels that has this column")
    if by and labels is not None:
        labels.refuse_unknown([by])
    clips: list[ClipToProbe] = []
    remarks: list[str] = []
    target = None if target is None else proper(target)
    listed = read_list(given, Path(), seed=seed) if isinstance(given, ClipList) else Listed(classes={})
    if isinstance(given, ClipList):
        given = dict(listed.classes)
        remarks += listed.remarks
    for class_name, where in _by_class(given, target=target, labels=labels):
        found = [_as_listed(clip, listed) for clip in _clips(where, class_name or "", labels, by)]
        unlabelled = [clip for clip in found if not clip.class_name]
        clips += [replace(clip, class_name=proper(clip.class_name)) for clip in found if clip.class_name]
        if unlabelled and labels is not None:
            remarks.append(
                f"{count(len(unlabelled), 'video')} without a class in {labels.table} left out, the first is "
                f"{unlabelled[0].name}."
            )
    if labels is not None:
        remarks += labels.remarks()
    gathered = ToProbe(tuple(clips), (), tuple(remarks))
    if target is not None and target not in gathered.classes:
        raise ArgumentError(f"there are no clips of '{target}' among those of {', '.join(gathered.classes)}")
    _refuse_too_few(gathered)
    remarks += _pieces(clips)
    return ToProbe(tuple(clips), gathered.classes if target is None else (target,), tuple(remarks))


def _as_listed(clip: ClipToProbe, listed: Listed) -> ClipToProbe:
    """A clip with the source that the list has for it, where nothing else said one."""
    path = Path(clip.name)
    own = listed.groups.get(path) or listed.sources.get(path)
    return replace(clip, source=own) if own and clip.source == _own_source(path) else clip


def _own_source(path: Path) -> str:
    """The source of a video of which nothing is said: what its name says, else its file."""
    return source_in(path) or str(file_of(path))


def _by_class(
    given: Clips | Where | Mapping[str, Clips | Where], *, target: str | None, labels: Labels | None
) -> Iterator[tuple[str | None, Clips | Where]]:
    """Each class with its clips; None where the table says the class of each."""
    if isinstance(given, Mapping):
        yield from given.items()
    elif labels is not None and CLASS in labels.columns:
        yield None, given if isinstance(given, Clips) else find_videos(given, below=True)
    elif isinstance(given, str | Path) and Path(given).is_dir() and (folders := class_folders(Path(given))):
        for folder in folders:
            yield folder.name, find_videos(folder, below=True)
    elif target is not None:
        yield target, given
    else:
        if isinstance(given, str | Path):
            find_videos(given)  # a folder or a pattern without videos is told as such
            if not (Path(given).exists() or glob.has_magic(str(given))):
                raise VideoNotFound(given, "does not exist")
        what = "these clips" if isinstance(given, Clips) else str(given)
        raise ArgumentError(
            f"nothing says of which class {what} are: name the class, put the videos of each class into a folder with "
            f"its name, or give a table with the columns file and {CLASS}"
        )


def class_folders(folder: Path) -> list[Path]:
    """The folders with videos in a folder that has none of its own."""
    inner = sorted(each for each in folder.iterdir() if each.is_dir() and not each.name.startswith("."))
    if not inner:
        return []
    own = videos_in(folder)
    with_videos = [each for each in inner if videos_in(each, below=True)]
    if own and with_videos:
        raise ArgumentError(
            f"{folder} has videos of its own, as {own[0].name}, beside folders with videos, as {with_videos[0].name}: "
            "put every video into the folder of its class, or name one folder and its class"
        )
    if not own and not with_videos:
        raise VideoNotFound(folder, "holds no video, and neither does any folder in it")
    return with_videos


def _clips(where: Clips | Where, class_name: str, labels: Labels | None, by: str) -> Iterator[ClipToProbe]:
    if isinstance(where, Clips):
        entries: Iterable[tuple[Path, str, Callable[..., tuple[ClipOrigin, Tensor]]]] = (
            (clip.video.path, clip.source, partial(_held, clip, pixels))
            for clip, pixels in zip(where.records, where.pixels, strict=True)
        )
    else:
        entries = ((path, "", partial(read_clip, path)) for path in find_videos(where))
    for path, source, read in entries:

        def told(column: str, path: Path = path, source: str = source) -> str | None:
            return labels.of(column, path, source=source) if labels is not None else None

        yield ClipToProbe(
            name=str(path),
            class_name=class_name or told(CLASS) or "",
            source=told(SOURCE) or source or _own_source(path),
            read=read,
            labels={by: told(by)} if by else {},
            is_video=not isinstance(where, Clips),
        )


def _held(origin: ClipOrigin, pixels: Tensor, _spec: ClipSpec) -> tuple[ClipOrigin, Tensor]:
    return origin, pixels


def _refuse_too_few(gathered: ToProbe) -> None:
    sources = {name: {clip.source for clip in gathered.clips if clip.class_name == name} for name in gathered.classes}
    few = {name: len(found) for name, found in sources.items() if len(found) < 2}  # noqa: PLR2004 - one has no spread
    if few or not gathered.clips:
        told = ", ".join(f"'{name}' has {held}" for name, held in few.items()) or "there is none"
        raise NotEnoughData(
            f"every class needs clips of at least 2 source videos, and {told}: add videos, or leave the class out"
        )


def _pieces(clips: Sequence[ClipToProbe]) -> Iterator[str]:
    """A remark on files that look like pieces of longer videos, each of which counts as a source of its own."""
    by_class: dict[str, list[Path]] = {}  # beside each other, classes with counters are no pieces of one another
    for clip in clips:
        if clip.source == str(file_of(Path(clip.name))):
            by_class.setdefault(clip.class_name, []).append(Path(clip.name))
    if found := [each for paths in by_class.values() for each in counted_pieces(paths)]:
        pieces = sum(len(paths) for _, paths in found)
        yield (
            f"{pieces} files look like pieces of {len(found)} longer videos (as {found[0][1][0].name}), yet each "
            "counts as a source of its own, so that intervals and tests are too sure: a table with the columns file "
            f"and {SOURCE} says what was cut from what."
        )
