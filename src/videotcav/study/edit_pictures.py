"""What edits of class clips look like: which clips a run shows beside their edits, and the videos of them."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from videotcav.interventions.frames import Frames
from videotcav.interventions.objects import side_by_side
from videotcav.results.manifest import Medium
from videotcav.study.media import as_told, slug
from videotcav.study.probe_inputs import ClipToProbe
from videotcav.video.write import write_video

CLIPS_SHOWN = 3
"""How many clips of a class a run shows with all their edits."""


@dataclass(frozen=True)
class Pictures:
    """Clips beside their edits: of each class and edit the first clip by its own name, and of each class all edits of
    the `CLIPS_SHOWN` clips that take most of them.

    Clips come in any order, and what is kept does not hang on it.
    """

    rates: dict[str, float] = field(default_factory=dict)
    paths: dict[str, Path] = field(default_factory=dict)
    firsts: dict[tuple[str, str], tuple[str, Frames]] = field(default_factory=dict)
    clips: dict[str, dict[str, dict[str, Frames]]] = field(default_factory=dict)

    def add(
        self,
        clip: ClipToProbe,
        path: Path | None,
        original: Frames,
        edited: Mapping[str, Frames],
        *,
        frames_per_second: float,
    ) -> None:
        """Keeps what was made of a clip, by the edits' names, where no other clip goes before it.

        `path` is that of its video; of other views of a video than the first it is None.
        """
        self.rates[clip.name] = frames_per_second
        pairs = {name: side_by_side(original, frames) for name, frames in edited.items()}
        for name, pair in pairs.items():
            key = clip.class_name, name
            if key not in self.firsts or clip.name < self.firsts[key][0]:
                self.firsts[key] = clip.name, pair
        if path is None or not pairs:
            return
        self.paths[clip.name] = path
        own = self.clips.setdefault(clip.class_name, {})
        own[clip.name] = pairs
        if len(own) > CLIPS_SHOWN:
            del own[_order(own)[-1]]

    def of(self, class_name: str) -> list[Path]:
        """The clips of a class that are shown with all their edits."""
        return [self.paths[name] for name in _order(self.clips.get(class_name, {}))]

    def media(self, folder: Path, *, seen_from: Path) -> Iterator[Medium]:
        """Written as videos: the clips that are shown, then edits that none of them takes."""
        for class_name, own in sorted(self.clips.items()):
            for number, clip in enumerate(_order(own), start=1):
                for name, pair in own[clip].items():
                    file = f"edit-{slug(class_name)}-{number}-{slug(name)}.mp4"
                    told = as_told(self.paths[clip], seen_from)
                    yield self._medium(folder / file, class_name, name, pair, rate=self.rates[clip], clip=told)
        taken = {(of, name) for of, own in self.clips.items() for pairs in own.values() for name in pairs}
        yield from self.previews(folder, without=taken)

    def previews(self, folder: Path, *, without: Container[tuple[str, str]] = ()) -> Iterator[Medium]:
        """Written as videos: the first clip of each class beside each edit of it."""
        for (class_name, name), (clip, pair) in sorted(self.firsts.items(), key=lambda each: each[0]):
            if (class_name, name) not in without:
                file = folder / f"edit-{slug(class_name)}-{slug(name)}.mp4"
                yield self._medium(file, class_name, name, pair, rate=self.rates[clip])

    def _medium(self, path: Path, class_name: str, name: str, pair: Frames, *, rate: float, clip: str = "") -> Medium:
        write_video(path, pair, frames_per_second=rate)
        caption = f"{name}: before and after"
        return Medium(role="edit", path=path.name, caption=caption, kind=name, class_name=class_name, clip=clip)


def worth_showing(takes: Mapping[ClipToProbe, Sequence[str]], paths: Container[str]) -> list[ClipToProbe]:
    """Of clips, and the edits that each takes, those that pictures of all of them would keep; `paths` are the names of
    those that may be shown with all their edits.
    """
    clips = sorted((clip for clip, edits in takes.items() if edits), key=lambda clip: clip.name)
    kept = {*{(clip.class_name, edit): clip for clip in reversed(clips) for edit in takes[clip]}.values()}
    own: dict[str, dict[str, ClipToProbe]] = {}
    for clip in sorted(clips, key=lambda clip: -len(takes[clip])):
        of_class = own.setdefault(clip.class_name, {})
        if clip.name in paths and len(of_class) < CLIPS_SHOWN:
            of_class[clip.name] = clip
    kept.update(clip for of_class in own.values() for clip in of_class.values())
    return [clip for clip in clips if clip in kept]


def _order(own: Mapping[str, Mapping[str, Frames]]) -> list[str]:
    """Clips that take most edits first, then by name."""
    return sorted(own, key=lambda name: (-len(own[name]), name))
