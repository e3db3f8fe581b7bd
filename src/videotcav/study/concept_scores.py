"""How much of each concept new clips show, layer by layer, and what that does to their score."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from videotcav.errors import ArgumentError, ConceptError, NotEnoughData
from videotcav.explain.cavs.gram import Floats
from videotcav.explain.questions.presence import FEWEST, Displacement, percentile
from videotcav.models.class_score import ClassScore, asked_score
from videotcav.models.edit import logits_without
from videotcav.models.model import VideoModel
from videotcav.models.passes import logits, volumes
from videotcav.outputs import MARK
from videotcav.records import Progress, ScoreName, silent
from videotcav.report.concept_scores import share_figure, write_scores_page
from videotcav.results.concept_score import HEADINGS, ConceptScore, table_text
from videotcav.results.saved import save_rows, saved_rows
from videotcav.results.table import data_frame, table_html
from videotcav.study.tcav import concept_and_kind
from videotcav.video.clips import Clips
from videotcav.video.info import ClipOrigin

if TYPE_CHECKING:
    from pandas import DataFrame

Moments = Literal["all", "space"]
_ABOUT = "videotcav concept scores"
_ALPHA = 0.05


@dataclass(frozen=True)
class ConceptScores:
    """Rows of scores that print as a table, in a terminal and in Jupyter: a clip × concept × layer each."""

    rows: tuple[ConceptScore, ...]

    def __iter__(self) -> Iterator[ConceptScore]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def to_pandas(self) -> DataFrame:
        """One row a clip × concept × layer. Raises MissingExtra without pandas."""
        return data_frame(row.as_row() for row in self.rows)

    def plot(self, clip: Path | str | None = None) -> Figure:
        """Each concept's share over the time of one video, the first by default, a panel a layer."""
        shown = self.rows[0].clip if clip is None else str(clip)
        found = [row for row in self.rows if row.clip == shown]
        if not found:
            raise ArgumentError(f"there are no scores of {shown}; there are of {', '.join(self.clips)}")
        return share_figure(found)

    @property
    def clips(self) -> tuple[str, ...]:
        """The files of the clips."""
        return tuple(dict.fromkeys(row.clip for row in self.rows))

    def save(self, path: Path | str) -> Path:
        """Writes everything to one Parquet file, which `ConceptScores.read` reads back. Raises OutputError."""
        return save_rows(path, self.rows, key=_ABOUT, about=MARK)

    @classmethod
    def read(cls, path: Path | str) -> ConceptScores:
        """What `save` wrote. Raises RunFolderError where the file is another one."""
        return cls(saved_rows(path, ConceptScore, key=_ABOUT, writer="ConceptScores")[0])

    def report(self, path: Path | str) -> Path:
        """Writes a page with figures and the table, one file that needs nothing else. Raises OutputError."""
        return write_scores_page(path, self.rows)

    def __repr__(self) -> str:
        return table_text(self.rows)

    def _repr_html_(self) -> str:
        return table_html(HEADINGS, (row.cells() for row in self.rows))


def concept_scores(
    model: VideoModel,
    clips: Clips,
    *,
    concepts: Mapping[str, Clips],
    random: Clips,
    target: str | int | None = None,
    layers: Sequence[str | nn.Module] | None = None,
    pooling: Moments = "all",
    score: ScoreName | Callable[[Tensor], Tensor] | None = None,
    exact: bool = True,
    seed: int = 0,
    batch_size: int = 4,
    progress: Progress = silent,
) -> ConceptScores:
    """How much of each concept each clip shows at each layer, over time, and what that does to the clip's score.

    A share of 0 is like the pool, of 1 like the concept. Wherever in the picture something is counts alike. A clip's
    own source video is left out of the concept and of the pool, so that their own clips can be asked too.

    Args:
        model: from `load_model`; handed back unchanged.
        clips: the clips that are asked; several of one video, as `read_windows` gives them, make one picture.
        concepts: clips of each concept, by `name/kind` or by `name` alone, as for `tcav`.
        random: the pool, clips of other things.
        target: the class whose score is moved, by name or number, or "a - b"; by default the class that the model
            gives to each clip.
        layers: names of layers, or the modules themselves; the model's default ones when left out.
        pooling: "all", whenever the concept's clips show it; "space", only at the same moment of a clip as they do.
        score: what the class is asked by, as for `tcav`.
        exact: also computes what each clip's score loses where its share is taken out of a layer, a pass each.
        seed: of the relabelled videos that say whether the layer tells the concept from the pool.
        batch_size: clips of a pass.
        progress: shows how far the passes are.

    Raises:
        NotEnoughData: a concept, or the pool beside it, has fewer than three source videos.
        ConceptError: clips of several shapes, or no concept.
        LayoutError: nobody said how a layer is laid out.
        NumericalError: NaN or infinity in the model; names clip and layer.
    """
    if pooling not in get_args(Moments):
        raise ArgumentError(
            f"no pooling '{pooling}' of concept scores; there are all and space: where in the picture a concept moves "
            "the class is what concept_maps shows"
        )
    if not concepts:
        raise ConceptError("there is no concept; give concepts={'name': clips}")
    for name, each in (*concepts.items(), ("random", random), ("clips", clips)):
        if not len(each):
            raise NotEnoughData(f"'{name}' holds no clip")
        if each.pixels.shape[1:] != clips.pixels.shape[1:]:
            raise ConceptError(
                f"clips of '{name}' are {tuple(each.pixels.shape[1:])} (channel time height width), those that are "
                f"asked {tuple(clips.pixels.shape[1:])}; read all by one clip spec"
            )
    asked, asked_by = asked_score(model, target, score)
    index = None if asked is None else model.class_index(asked)
    names = tuple(model.layer_name(layer) for layer in layers or model.card.default_layers)
    passer = SetPasser(model, names, pooling, asked_by, batch_size, progress)
    sets = {name: passer.read(each, name) for name, each in concepts.items()}
    pool = passer.read(random, "random")
    rows: list[ConceptScore] = []
    for place in range(len(clips)):
        one = Clips(clips.records[place : place + 1], clips.pixels[place : place + 1])
        seen = passer.asked(one, index)
        for name, concept in sets.items():
            rows += scores_of_clip(passer, seen, name, concept, pool, exact=exact, seed=seed)
    return ConceptScores(tuple(rows))


@dataclass(frozen=True)
class ClipSet:
    """Clips at all layers: for each, activations `clip moment channel`; logits; whose video and content they are."""

    moments: Mapping[str, Tensor]
    logits: Tensor
    sources: tuple[str, ...]
    contents: tuple[str, ...]

    @classmethod
    def joined(cls, parts: Sequence[ClipSet]) -> ClipSet:
        """All clips of the parts, in their order."""
        return cls(
            {layer: torch.cat([part.moments[layer] for part in parts]) for layer in parts[0].moments},
            torch.cat([part.logits for part in parts]),
            tuple(source for part in parts for source in part.sources),
            tuple(content for part in parts for content in part.contents),
        )

    def videos(self, without: frozenset[str], contents: frozenset[str]) -> _Videos:
        """The means of the clips of each video, but for those of these sources, or with a clip of such content."""
        alike = {source for source, content in zip(self.sources, self.contents, strict=True) if content in contents}
        kept = [source for source in dict.fromkeys(self.sources) if source not in without | alike]
        belongs = torch.from_numpy(np.array([[each == source for each in self.sources] for source in kept], np.float64))
        return _Videos(belongs.reshape(len(kept), len(self.sources)), self)


@dataclass(frozen=True)
class _Videos:
    """Some videos of a set, as a matrix that says which clip is of which."""

    belongs: Tensor
    of: ClipSet

    def __len__(self) -> int:
        return len(self.belongs)

    @cached_property
    def weights(self) -> Tensor:
        """Each video as the mean of its clips, `video clip`."""
        return self.belongs / self.belongs.sum(dim=1, keepdim=True)

    def scores(self, score: ClassScore, index: int) -> Floats:
        """The mean score of each video."""
        found: Floats = (self.weights @ score(self.of.logits, index).double()).numpy()
        return found


@dataclass(frozen=True)
class _Asked:
    """A clip that is asked: what it shows, its class, and the gradient of its score, `moment channel` by layer."""

    record: ClipOrigin
    pixels: Tensor
    shows: ClipSet
    index: int
    gradients: Mapping[str, Tensor]


@dataclass
class SetPasser:
    """What reads clips at all layers, and remembers what it was asked about sets of videos."""

    model: VideoModel
    layers: Sequence[str]
    pooling: Moments
    score: ClassScore
    batch_size: int
    progress: Progress
    known: dict[tuple[object, ...], tuple[Displacement, float]] = field(default_factory=dict)

    def read(self, clips: Clips, name: str) -> ClipSet:
        """What clips show at all layers, each passed alone in no other's sight."""
        starts = range(0, len(clips), self.batch_size)
        parts = []
        for start in self.progress(starts, name, total=len(starts)):
            pixels = clips.pixels[start : start + self.batch_size]
            files = [str(each.video.path) for each in clips.records[start : start + self.batch_size]]
            parts.append(volumes(self.model, pixels, self.layers, (), clip_names=files))
        moments = {layer: torch.cat([_at_moments(part.activations[layer]) for part in parts]) for layer in self.layers}
        sources = tuple(each.source or str(each.video.path) for each in clips.records)
        return ClipSet(moments, torch.cat([part.logits.cpu() for part in parts]), sources, _contents(clips.pixels))

    def asked(self, one: Clips, index: int | None) -> _Asked:
        """A clip with the gradients of its score, of the class that the model gives it where none is named."""
        files = [str(one.records[0].video.path)]
        if index is None:
            index = int(logits(self.model, one.pixels, clip_names=files).argmax())
        found = volumes(self.model, one.pixels, self.layers, (index,), score=self.score, clip_names=files)
        # A mean over places moves by one where all of them do, so gradients add.
        slopes = {layer: each[0].sum(dim=(-2, -1)).T.double().cpu() for layer, each in found.gradients[index].items()}
        moments = {layer: _at_moments(each) for layer, each in found.activations.items()}
        source = one.records[0].source or files[0]
        shows = ClipSet(moments, found.logits.cpu(), (source,), _contents(one.pixels))
        return _Asked(one.records[0], one.pixels, shows, index, slopes)

    def products(self, some: Tensor, others: Tensor) -> Floats:
        """At each moment the inner product with whole activations, `moment some other`; its mean is that of wholes."""
        if self.pooling == "all":
            found = torch.einsum("atc,bc->tab", some, others.mean(dim=1))
        else:
            found = some.shape[1] * torch.einsum("atc,btc->tab", some, others)
        products: Floats = found.numpy()
        return products

    def along(self, gradients: Tensor, others: Tensor) -> Floats:
        """The inner product of a gradient with whole activations, (other,)."""
        if self.pooling == "all":
            return np.asarray((others.mean(dim=1) @ gradients.sum(dim=0)).numpy())
        return np.asarray(torch.einsum("tc,btc->b", gradients, others).numpy())


def scores_of_clip(
    passer: SetPasser, seen: _Asked, name: str, concept: ClipSet, pool: ClipSet, *, exact: bool, seed: int
) -> Iterator[ConceptScore]:
    """The rows of one clip and one concept."""
    own, contents = frozenset(seen.shows.sources), frozenset(seen.shows.contents)
    positive = concept.videos(own, contents)
    negative = pool.videos(own | frozenset(concept.sources), contents)
    if min(len(positive), len(negative)) < FEWEST:
        raise NotEnoughData(
            f"'{name}' has {len(positive)} source videos and the random pool {len(negative)} others beside the clip "
            f"{seen.record.video.path}; how much of a concept a clip shows needs at least {FEWEST} of each"
        )
    title, kind = concept_and_kind(name)
    of_pool = negative.scores(passer.score, seen.index)
    unit = float(of_pool.std(ddof=1))
    own_score = float(passer.score(seen.shows.logits, seen.index)[0])
    weights: Floats = torch.block_diag(positive.weights, negative.weights).numpy()  # type: ignore[no-untyped-call]
    for layer in passer.layers:
        moments = torch.cat([concept.moments[layer], pool.moments[layer]]).double()
        key = (name, layer, positive.belongs.numpy().tobytes(), negative.belongs.numpy().tobytes())
        if key not in passer.known:
            videos = torch.einsum("vn,ntc->vtc", torch.from_numpy(weights), moments)
            moved = Displacement(passer.products(videos, videos), len(positive))
            passer.known[key] = moved, moved.p_apart(np.random.default_rng(seed))
        moved, p_apart = passer.known[key]
        is_told = moved.length > 0 and moved.auroc.low > 0.5 and p_apart <= _ALPHA  # noqa: PLR2004 - chance
        facts = {
            **seen.record.cells,
            "concept": title,
            "kind": kind,
            "layer": layer,
            "class_name": passer.model.card.classes[seen.index],
            "concept_sources": len(positive),
            "pool_sources": len(negative),
            "auroc": moved.auroc.value,
            "auroc_low": moved.auroc.low,
            "auroc_high": moved.auroc.high,
            "p_apart": p_apart,
            "is_told": is_told,
            "seconds": _seconds(seen.record, moments.shape[1]),
            "score": (own_score - float(of_pool.mean())) / unit if unit else 0.0,
        }
        if is_told:
            shown = passer.products(seen.shows.moments[layer].double(), moments)[:, 0] @ weights.T
            share = moved.share(shown)
            of_concept, of_random = moved.held_out
            facts |= {
                "share": share.value,
                "low": share.low,
                "high": share.high,
                "above_pool": percentile(share.value, of_random),
                "above_concept": percentile(share.value, of_concept),
                "over_time": tuple(moved.over_time(shown).tolist()),
            }
            if unit:
                effect = moved.effect(shown, weights @ passer.along(seen.gradients[layer], moments), of_pool)
                facts |= {"effect": effect.value, "effect_low": effect.low, "effect_high": effect.high}
            if unit and exact:
                away = torch.einsum("n,ntc->ct", torch.from_numpy(moved.weights() @ weights), moments) * share.value
                if passer.pooling == "all":
                    away = away.mean(dim=1, keepdim=True)
                left = logits_without(passer.model, seen.pixels, layer, away[None, :, :, None, None])
                facts["exact"] = (own_score - float(passer.score(left.cpu(), seen.index)[0])) / unit
        yield ConceptScore.model_validate(facts)


def _at_moments(folded: Tensor) -> Tensor:
    """`clip moment channel`, the mean over places."""
    return folded.mean(dim=(-2, -1)).transpose(1, 2).cpu()


def _contents(pixels: Tensor) -> tuple[str, ...]:
    return tuple(hashlib.sha256(each.contiguous().numpy(force=True).tobytes()).hexdigest() for each in pixels)


def _seconds(record: ClipOrigin, moments: int) -> tuple[float, ...]:
    """The middle of each of a layer's moments, which share the clip's frames evenly."""
    frames = len(record.timestamps)
    middles = (np.arange(moments) + 0.5) * frames / moments - 0.5
    return tuple(np.interp(middles, np.arange(frames), record.timestamps).tolist())
