"""The study of the films: what each concept does to `cut`, measured by putting it into the pool's own films, and what
every question of the package says of it, with each pooling, with and without alignment.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats

from validation.moments.network import CUT, FRAMES, LAYERS, RATE, CutsOfAClip
from validation.moments.scenes import LEAD, Film, Films
from videotcav.explain.cavs.gram import Gram, gram
from videotcav.explain.design.design import ConceptRows, Design
from videotcav.explain.design.draws import GramRows
from videotcav.explain.design.settings import AnalysisSettings
from videotcav.explain.questions.all import answers
from videotcav.explain.questions.contrast import ClipScores
from videotcav.models.layout import pool, pool_gradient
from videotcav.models.model import VideoModel
from videotcav.models.passes import features, gradients, logits
from videotcav.records import Pooling, Result
from videotcav.video.alignment import Align, moment_of_most_motion
from videotcav.video.clips import read_clips
from videotcav.video.read import VideoFile

ALIGNMENTS: tuple[Align, ...] = ("none", "event")
POOLINGS: tuple[Pooling, ...] = get_args(Pooling)
SEED = 0
_CLIPS_A_PASS = 4
_COLUMNS = 2**15
_SHAPES = {LAYERS[0]: (128, FRAMES, 6, 12), LAYERS[1]: (256, FRAMES, 3, 6), LAYERS[2]: (FRAMES, 1024)}
"""Of a clip's activations; those of the last one are frames first."""

Rows = dict[str, torch.Tensor]
Floats = NDArray[np.float64]


def pixels_of(films: Sequence[Film], model: VideoModel, align: Align) -> torch.Tensor:
    """The clips of the films, each laid around its event where `align` says so."""
    paths = [film.path for film in films]
    events: dict[Path | str, float | None] = {film.path: film.seconds for film in films}
    return read_clips(paths, model.card.clip_spec, align=align, events=events if align == "event" else None).pixels


@dataclass
class Passed:
    """What the network makes of clips, each passed once however often it is asked for."""

    network: CutsOfAClip
    model: VideoModel
    _rows: dict[tuple[str, str], Rows] = field(default_factory=dict)

    def activations(self, pixels: torch.Tensor) -> list[Rows]:
        """Of every clip what each layer gives, and its logit of `cut` under the name `logit`."""

        def take(clips: torch.Tensor) -> Rows:
            found = features(self.model, clips, LAYERS)
            with torch.no_grad():
                read_out = self.network.head(found[LAYERS[-1]].reshape(len(clips), *_SHAPES[LAYERS[-1]]))
            return {**found, "logit": read_out[:, :1]}

        return self._taken("activations", pixels, take)

    def slopes(self, pixels: torch.Tensor) -> list[Rows]:
        """Of every clip the gradient of its logit of `cut` at each layer."""
        return self._taken("slopes", pixels, lambda clips: gradients(self.model, clips, LAYERS, (0,)).gradients[0])

    def _taken(self, what: str, pixels: torch.Tensor, take: Callable[[torch.Tensor], Rows]) -> list[Rows]:
        keys = [(what, hashlib.sha256(clip.numpy().tobytes()).hexdigest()) for clip in pixels]
        new = [at for at, key in enumerate(keys) if key not in self._rows and key not in keys[:at]]
        for start in range(0, len(new), _CLIPS_A_PASS):
            part = new[start : start + _CLIPS_A_PASS]
            taken = take(pixels[part])
            for place, at in enumerate(part):
                self._rows[keys[at]] = {name: rows[place].clone() for name, rows in taken.items()}
        return [self._rows[key] for key in keys]


@dataclass(frozen=True)
class Truth:
    """What putting an event into the pool's own films does to the logit, in standard deviations of the pool's."""

    effect: float
    low: float
    high: float
    films: int


def truths(passed: Passed, films: Films) -> dict[str, Truth]:
    """The effect of every concept, by re-rendering: the same film with it and without it."""
    plain = [float(row["logit"]) for row in passed.activations(pixels_of(films.pool, passed.model, "none"))]
    of_scene: dict[str, list[float]] = {}
    for film, value in zip(films.pool, plain, strict=True):
        of_scene.setdefault(film.scene, []).append(value)
    spread = float(np.std([np.mean(values) for values in of_scene.values()], ddof=1))
    found = {}
    for name, changed in films.changed.items():
        before = np.array([plain[[other.path.stem for other in films.pool].index(film.path.stem)] for film in changed])
        moved = (_logits_of(passed, changed) - before) / spread
        reach = float(stats.t.isf(0.025, len(moved) - 1) * stats.sem(moved))
        effect = float(moved.mean())
        found[name] = Truth(effect, effect - reach, effect + reach, len(moved))
    return found


def _logits_of(passed: Passed, films: Sequence[Film]) -> Floats:
    model = passed.model
    parts = [films[start : start + _CLIPS_A_PASS] for start in range(0, len(films), _CLIPS_A_PASS)]
    return np.concatenate([logits(model, pixels_of(part, model, "none"))[:, 0].double().numpy() for part in parts])


@dataclass(frozen=True)
class Measured:
    """A study's clips after the network, for one alignment: unpooled, so that every pooling needs no further pass."""

    design: Callable[[AnalysisSettings], Design]
    activations: list[Rows]
    slopes: list[Rows]
    event_frames: list[int]

    @property
    def logits(self) -> Floats:
        """Of the concept and random clips."""
        return torch.stack([row["logit"] for row in self.activations]).double().numpy()

    def grams(self, pooling: Pooling) -> dict[str, Gram]:
        """The inner products at every layer."""
        found = {}
        for layer in LAYERS:
            X, G = (
                torch.stack([_pooled(row[layer], layer, pooling, how) for row in rows]).numpy()
                for rows, how in ((self.activations, pool), (self.slopes, pool_gradient))
            )
            starts = range(0, X.shape[1], _COLUMNS)
            found[layer] = gram(((X[:, at : at + _COLUMNS], G[:, at : at + _COLUMNS]) for at in starts), layer=layer)
        return found

    def gradient_at_event(self, layer: str) -> list[float]:
        """Of every class clip the share of its squared gradient that sits on the cut's frame and the one before it."""
        found = []
        for row, frame in zip(self.slopes, self.event_frames, strict=True):
            by_frame = folded(row[layer], layer)[0].square().sum(dim=(0, 2, 3))
            found.append(float(by_frame[frame - 1 : frame + 1].sum() / by_frame.sum()))
        return found


def measure(passed: Passed, films: Films, align: Align) -> Measured:
    """The study's clips, read with that alignment and passed."""
    sets: list[ConceptRows] = []
    first = 0
    asked: list[Film] = []
    for name, of_concept in films.concepts.items():
        ids = tuple(film.path.stem for film in of_concept)
        sets.append(ConceptRows(name, "spatiotemporal", ids, _clips(of_concept, first)))
        first += len(of_concept)
        asked += of_concept
    pool_clips, class_clips = _clips(films.pool, first), _clips(films.of_class, 0)
    return Measured(
        lambda settings: Design(tuple(sets), pool_clips, {CUT: class_clips}, layers=len(LAYERS), settings=settings),
        passed.activations(pixels_of([*asked, *films.pool], passed.model, align)),
        passed.slopes(pixels_of(films.of_class, passed.model, align)),
        [FRAMES // 2 if align == "event" else (film.event or 0) - LEAD for film in films.of_class],
    )


def found_by_motion(films: Films) -> dict[str, int]:
    """How many hard cuts and flashes have their moment of most motion within half a frame of the event."""
    events = [*films.of_class, *films.concepts["hard cut"], *films.concepts["flash"]]
    found = [moment_of_most_motion(VideoFile(film.path)) for film in events]
    right = [
        moment is not None and film.seconds is not None and abs(moment - film.seconds) < 0.5 / RATE
        for film, moment in zip(events, found, strict=True)
    ]
    return {"found": sum(right), "films": len(right)}


def _clips(films: Sequence[Film], first: int) -> GramRows:
    return GramRows(np.arange(first, first + len(films)), tuple(film.scene for film in films))


def folded(row: torch.Tensor, layer: str) -> torch.Tensor:
    """A clip's row as `1 channel time height width`."""
    values = row.reshape(_SHAPES[layer])
    return (values.T[:, :, None, None] if values.ndim == 2 else values)[None]  # noqa: PLR2004 - frames and channels


def _pooled(
    row: torch.Tensor, layer: str, pooling: Pooling, how: Callable[[torch.Tensor, Pooling], torch.Tensor]
) -> torch.Tensor:
    return row if pooling == "none" else how(folded(row, layer), pooling).flatten()


def results(measured: Measured, pooling: Pooling) -> Iterator[Result]:
    """Contrasts, and shifts of every layer; then what the classic scores say, in the cosine. Holm in each family."""
    grams = measured.grams(pooling)
    scores = ClipScores(values=measured.logits, given=measured.logits > 0)
    yield from answers(grams, measured.design(AnalysisSettings(seed=SEED)), scores=scores)
    classic = measured.design(AnalysisSettings(seed=SEED, scores="classic"))
    yield from (row for row in answers(grams, classic) if row.statistic == "cosine")


def told(row: Result, truth: Mapping[str, Truth]) -> dict[str, Any]:
    """A row of results as it is written down, with what is right."""
    return {
        "concept": row.concept,
        "layer": row.layer,
        "statistic": row.statistic,
        "value": row.value,
        "p_corrected": row.p_corrected,
        "verdict": row.verdict,
        "is_opposite": is_opposite(row.verdict, truth[row.concept]),
    }


def is_opposite(verdict: str, truth: Truth) -> bool:
    """Whether a verdict says the opposite of the truth."""
    return verdict in ("positive", "negative") and (verdict == "positive") != (truth.effect > 0)


def rows_of(passed: Passed, films: Films, truth: Mapping[str, Truth]) -> Iterator[dict[str, Any]]:
    """Every row of every question, alignment and pooling."""
    for align in ALIGNMENTS:
        measured = measure(passed, films, align)
        for pooling in POOLINGS:
            for row in results(measured, pooling):
                if row.layer or pooling == POOLINGS[0]:  # a contrast has no layer, and is the same with each pooling
                    yield {"align": align, "pooling": pooling, **told(row, truth)}
