"""Prompts in, candidates out: every clip is generated once, and then cut and twinned as any other video is.

<folder>/.generate/videos/<clip>.mp4              what the pipeline showed
<folder>/.generate/videos/<clip>.generated.json   of what, written after it
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from videotcav.concepts.detectors.detect import Detections, VideoFrames
from videotcav.concepts.folder import Generated, generated_beside, note_beside
from videotcav.concepts.generate.pipeline import GenerationSettings, PipelineFacts, VideoPipeline, find_pipeline
from videotcav.concepts.generate.prompts import Prompt, read_prompts
from videotcav.concepts.propose.recipe import Recipe
from videotcav.concepts.propose.videos import propose
from videotcav.errors import ArgumentError, PathTaken, UnreadableText
from videotcav.outputs import write_text
from videotcav.records import Progress, Record, silent
from videotcav.video.write import write_video

_STATE = ".generate"
_RECIPE = Recipe(
    mode="in-place",
    frames_per_clip=None,
    min_frames=2,
    min_side_pixels=0,
    min_sharpness=0,
    min_hash_distance=0,
    max_clips_per_source=0,
)
"""The whole picture and the whole clip; a person says what is good enough."""


Wanted = tuple[Path, Prompt, int]
"""Into which folder, of what prompt, and which of its clips."""


class Generation(Record):
    """What was made: how many clips are new, of how many prompts, for each folder; and of what weights."""

    folders: dict[str, int]
    prompts: int
    done_before: int
    pipeline: PipelineFacts
    weights_sha256: str


@dataclass(frozen=True)
class _WholePicture:
    """A detector for which all of every frame is the concept."""

    name: str
    sha256: str
    labels: tuple[str, ...]
    settings: dict[str, str | float]
    knows_instances: bool = True

    def __call__(self, frames: VideoFrames) -> list[Detections]:
        box = np.array([[0, 0, frames.video.width, frames.video.height]], np.float32)
        return [Detections(box, np.ones(1, np.float32), self.labels, ("0",)) for _ in frames.pixels]


def generate(
    prompts: Path | str,
    output: Path | str,
    *,
    pipeline: str,
    per_prompt: int = 4,
    seed: int = 0,
    pool: Path | str | None = None,
    settings: GenerationSettings | None = None,
    download: bool = False,
    device: str | None = None,
    announce: Callable[[str], None] = lambda _: None,
    progress: Progress = silent,
    engine: Callable[[Generator, Sequence[Wanted]], Iterable[bool]] | None = None,
) -> Generation:
    """Candidates of the concepts in `prompts` (TOML), generated into the concept folder `output`, with their twins.

    Nothing of it counts in a study before a person has accepted it. A clip depends on the pipeline, its prompt, the
    seed and its number alone; what is there already is passed over, so that a killed call goes on with the same bytes.
    Clips of one prompt are of one source, whatever their seeds.

    Args:
        prompts: the file of templates and their slots.
        output: a concept folder, new or not.
        pipeline: a text-to-video pipeline of diffusers: a folder, or a name on the hub.
        per_prompt: clips of each filled prompt.
        seed: what all clips' own seeds are made of.
        pool: a concept folder for the random clips of the file's section pool.
        settings: what the pipeline is asked for beside its defaults.
        download: fetch weights that are not on this machine; without it they are told, with size and licence.
        device: where the pipeline runs; a GPU by default where there is one.
        announce: is told what is known of the weights, before they are fetched or loaded.
        progress: shows how far the clips are.
        engine: where clips are generated, a clip an item; in this process without one.

    Raises:
        UnreadableText: the prompts do not fit.
        ModelError: the pipeline cannot be found, loaded or asked.
        PathTaken: the folder has clips of the same name that were generated otherwise.
        MissingExtra: diffusers is not installed.
    """
    found, random, negative = read_prompts(Path(prompts))
    if pool is not None and not random:
        raise UnreadableText(prompts, "has no section pool, whose prompts the random clips would be made of")
    if per_prompt < 1 or seed < 0:
        raise ArgumentError("per_prompt is at least 1, and a seed at least 0")
    places = {Path(output): found, **({Path(pool): random} if pool is not None else {})}
    if len(places) < 1 + (pool is not None):
        raise ArgumentError(f"{output}: concepts and their pool need a folder each")
    folder, facts = find_pipeline(pipeline, download=download, announce=announce)
    loaded = VideoPipeline.load(folder, facts, settings or GenerationSettings(), device=device)
    work = [(place, each, number) for place, own in places.items() for each in own for number in range(per_prompt)]
    generator = Generator(loaded, negative, seed)
    news = generator(work) if engine is None else engine(generator, work)
    made = list(progress(news, "generating", total=len(work)))
    added = {}
    for place, own in places.items():
        added[str(place)] = sum(
            _cut(loaded, place, concept, list(of_concept), per_prompt)
            for concept, of_concept in groupby(own, key=lambda each: each.concept)
        )
    return Generation(
        folders=added,
        prompts=len(found) + (len(random) if pool is not None else 0),
        done_before=len(made) - sum(made),
        pipeline=facts,
        weights_sha256=loaded.sha256,
    )


def _seed_of(seed: int, prompt: Prompt, number: int) -> int:
    """A clip's own seed: it hangs on nothing but its prompt and its number, so that others may be added."""
    digest = hashlib.sha256(f"{seed}\0{prompt.concept}\0{prompt.text}\0{number}".encode()).digest()
    return int.from_bytes(digest[:6], "big")


@dataclass(frozen=True)
class Generator:
    """A worker that makes the video of a folder, a prompt and a number, and says whether it had to be generated."""

    pipeline: VideoPipeline
    negative: str
    seed: int

    def __call__(self, work: Iterable[Wanted]) -> Iterator[bool]:
        """For each: makes it, unless it is there."""
        for place, prompt, number in work:
            yield self._is_new(_path(place, prompt, number), prompt, _seed_of(self.seed, prompt, number))

    def _is_new(self, path: Path, prompt: Prompt, seed: int) -> bool:
        facts = Generated(
            pipeline=self.pipeline.facts.name,
            weights_sha256=self.pipeline.sha256,
            licence=self.pipeline.facts.licence or "cannot be told",
            prompt=prompt.text,
            negative=self.negative,
            seed=seed,
            asked=self.pipeline.asked,
        )
        before = generated_beside(path) if path.is_file() else None
        if before not in (None, facts):
            raise PathTaken(f"{path}: was generated otherwise (other weights, seed or settings); name another folder")
        if before is not None:
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        frames = self.pipeline(prompt.text, seed=seed, negative=self.negative)
        write_video(path, frames, frames_per_second=self.pipeline.frames_per_second)
        write_text(note_beside(path), facts.model_dump_json(indent=1) + "\n")
        return True


def _path(place: Path, prompt: Prompt, number: int) -> Path:
    return place / _STATE / "videos" / f"{prompt.source}-{number}.mp4"


def _cut(pipeline: VideoPipeline, place: Path, concept: str, prompts: Sequence[Prompt], per_prompt: int) -> int:
    """How many candidates of the concept are new in the folder, by the route of all other videos."""
    whole = _WholePicture(f"diffusers:{pipeline.facts.name}", pipeline.sha256, (concept,), pipeline.asked)
    videos = {_path(place, each, number): each.source for each in prompts for number in range(per_prompt)}
    sources = {path.stem: source for path, source in videos.items()}
    return propose(list(videos), whole, place, labels=[concept], recipe=_RECIPE, sources=sources, state=_STATE).added
