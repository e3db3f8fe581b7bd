"""What was found is tested on videos that took no part in finding it, and counted with all that was found beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from videotcav.concepts.discover.candidates import DISCOVERY, Discovery, read_discovery
from videotcav.concepts.folder import read_records
from videotcav.errors import ConceptError
from videotcav.features.measure import ClipFile
from videotcav.records import ConceptClip, ConceptSet


@dataclass(frozen=True)
class HeldOut:
    """What the study's concept folders were found in. `away` counts the clips that were left out, by where they are;
    `cut_from` is the sha256 of the video that each other clip was cut from.

    A clip took part in finding where its file, or the video that it was cut from, did, or shares its named source;
    `sources` are those of files where groups have taken the place of sources.
    """

    by_folder: Mapping[Path, Discovery] = field(default_factory=dict)
    away: Counter[str] = field(default_factory=Counter)
    cut_from: dict[Path, str] = field(default_factory=dict)
    sources: Mapping[Path, str] = field(default_factory=dict)

    @classmethod
    def of(cls, folders: Sequence[Path], sources: Mapping[Path, str] | None = None) -> HeldOut:
        """That of concept folders. Raises ConceptError where one has lost what it was found in."""
        by_folder = {folder: found for folder in folders if (found := read_discovery(folder))}
        for folder in folders:
            if folder not in by_folder and any(each.detector.startswith("discover ") for each in read_records(folder)):
                raise ConceptError(
                    f"{folder} has clips that were found by discover, and no {DISCOVERY} that says in which videos, "
                    "which must take no part: put that file beside its metadata.jsonl"
                )
        return cls(by_folder, sources={} if sources is None else sources)

    def __bool__(self) -> bool:
        return bool(self.by_folder)

    @property
    def discoveries(self) -> list[Discovery]:
        """One a folder."""
        return list(self.by_folder.values())

    @property
    def finding(self) -> frozenset[str]:
        """The sha256 of all videos that took part in finding."""
        return frozenset(sha256 for each in self.discoveries for sha256 in each.finding)

    def took_part(self, sha256: str, path: Path, source: str) -> bool:
        """Whether a file did, or the video of this sha256 that it was cut from; a segment's ends in its seconds."""
        known = {source, self.sources.get(path, source)} - {""}
        named = any(not known.isdisjoint(each.finding.values()) for each in self.discoveries)
        return named or sha256.partition("#")[0] in self.finding

    def clips(self, clips: Sequence[ConceptClip], *, of: str) -> tuple[ConceptClip, ...]:
        """The clips that are cut from other videos."""
        kept = tuple(clip for clip in clips if not self.took_part(clip.source_sha256, clip.path, clip.source))
        self.away[of] += len(clips) - len(kept)
        self.cut_from.update((clip.path, clip.source_sha256) for clip in kept)
        return kept

    def sets(self, sets: Sequence[ConceptSet]) -> list[ConceptSet]:
        """The sets with such clips only. Raises ConceptError where one has none."""
        found = []
        for each in sets:
            clips = self.clips(each.clips, of=f"concept '{each.name}'")
            if not clips:
                raise ConceptError(
                    f"concept '{each.name}' has no clip of a video that took no part in finding it: accept clips of "
                    "the videos that were held out too"
                )
            found.append(each.model_copy(update={"clips": clips}))
        return found

    def files(self, files: tuple[ClipFile, ...], digests: Mapping[Path, str], *, of: str) -> tuple[ClipFile, ...]:
        """The files that did not take part."""
        kept = tuple(file for file in files if not self.took_part(digests[file.path], file.path, file.source))
        self.away[of] += len(files) - len(kept)
        return kept

    @property
    def found(self) -> int:
        """How many concepts were found, whatever became of them."""
        return sum(len(each.found) for each in self.discoveries)

    def asked(self, sets: Sequence[ConceptSet]) -> int:
        """How many concepts with clips that were found the study asks about, by their names of today."""
        return len({each.concept for each in sets for clip in each.clips if self._is_found(clip.path)})

    def _is_found(self, path: Path) -> bool:
        return any(path.is_relative_to(folder) for folder in self.by_folder)

    @staticmethod
    def chosen(folders: Sequence[Path]) -> Iterator[str]:
        """A remark on clips that `find` chose by what a model makes of them."""
        found = [each for folder in folders for each in read_records(folder) if each.detector.startswith("find ")]
        if found:
            yield (
                f"{len(found)} candidates of {', '.join(sorted({each.concept for each in found}))} were chosen by what "
                "a model makes of them (find): of what the concept does to that model they may tell too much."
            )

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a reader must know of it."""
        if not self:
            return ()
        told = ", ".join(f"{count} of {place}" for place, count in self.away.items() if count) or "none"
        said = f"{self.found} concepts were found in {len(self.finding)} videos, which take no part in the study"
        return (f"{said}: clips that were left out are {told}. p is corrected for all that were found.",)
