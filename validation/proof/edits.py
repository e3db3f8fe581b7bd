"""One network's part of the proof of edits: objects edited in clips, held against the same scenes rendered anew.

The truth of an edit is the film that the renderer makes of the scene with the object held, its frames in another order,
or without it. Objects are given exactly, as masks or as boxes, and grown as the tool grows them. The camera stands
here; that of `validation.proof.edits_cameras` moves.
"""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from einops import rearrange

from validation.proof import world
from validation.proof.kept import kept, timed
from validation.proof.training import NETWORKS, Job, as_drawn, held_out, trained
from validation.proof.world import (
    CLIP_SPEC,
    FRAMES,
    RULES,
    SECONDS_BETWEEN_FRAMES,
    SIDE,
    TIED,
    Film,
    normalised,
    render_films,
    sample,
)
from videotcav.explain.design.settings import AnalysisSettings
from videotcav.interventions import ask as asking
from videotcav.interventions import moving, objects, sham, tracks, whole
from videotcav.interventions.ask import Edits, ask, judged_edits
from videotcav.interventions.frames import Frames, Masks
from videotcav.interventions.objects import ObjectClip, object_edit, second_fill
from videotcav.interventions.sham import shams
from videotcav.interventions.tracks import BOX_ERROR
from videotcav.interventions.whole import WHOLE, Watched, shuffled
from videotcav.models.model import VideoModel
from videotcav.planted.scenes import Boxes, outlines, render, swap
from videotcav.study.probe import probe
from videotcav.video import camera, fill
from videotcav.video.clips import Clips
from videotcav.video.info import ClipOrigin, VideoInfo
from videotcav.video.softly import grown

CLIPS, POOL = 24, 400
"""Of each class, and the natural films whose spread is the unit."""

OBJECTS = ("actor", "distractor")
EDITS = ("freeze", "shuffle", "reverse", "remove")
Way = Literal["mask", "box", "black"]
WAYS: tuple[Way, ...] = ("mask", "box", "black")
"""By mask, by box, and by mask with black as the fill."""

ASKED = tuple((who, edit) for who in OBJECTS for edit in EDITS)

OWN: Mapping[str, frozenset[str]] = {
    "motion": frozenset({"still"}),
    "shape": frozenset({"moving places"}),
    "background": frozenset({"still part"}),
    "reversed pairs": frozenset({"reverse"}),
    "shape × motion": frozenset({"moving places", "still"}),
}
"""The whole-clip edits that take away what a rule goes by. Of a shortcut, re-rendering says whether it is taken."""

NOT_COUNTED = "shortcut 0.7"
_AWAY = 9.0  # widths of the picture: outside of it
_SIZE: dict[str, int] = {"height": SIDE, "width": SIDE, "frames": FRAMES}

Row = dict[str, Any]


def facts(
    model: VideoModel,
    job: Job,
    *,
    seen: Callable[[Film], Film] = as_drawn,
    ways: Sequence[Way] = WAYS,
    asked: Sequence[tuple[str, str]] = ASKED,
) -> dict[str, Any]:
    """Everything that is counted of one network; `seen` is what a camera makes of a film, `asked` objects and edits."""
    rng = np.random.default_rng([job.seed, 40])
    reference = _Passed(model, [frames_of(seen(sample(rng))) for _ in range(POOL)]).scores
    rows = []
    for place, name in enumerate(model.card.classes):
        films = [seen(sample(rng, RULES[job.rule], name)) for _ in range(CLIPS)]
        own = _Class(model, place, films, reference[:, place], ways, asked)
        rows += [{"class": name, **row} for row in own.rows()]
    return {
        "rule": job.rule,
        "seed": job.seed,
        "architecture": job.architecture,
        "rows": rows,
        "probe": probed(model, job, seen=seen),
    }


def frames_of(film: Film) -> Frames:
    """The film as 8-bit pictures (time height width channel)."""
    return np.ascontiguousarray(rearrange(render_films([film])[0], "c t h w -> t h w c").numpy())


# --- the truth ---------------------------------------------------------------------------------------------------


def rendered_anew(film: Film, who: str, order: Sequence[int] | None) -> Frames:
    """The film with an object posed in each frame as it is in the frame `order[t]`; without it where that is None."""
    if order is None:
        return frames_of(film.swapped(**{"x" if who == "actor" else "distractor_x": _AWAY}))
    times = np.linspace(0, 1, FRAMES)
    if who == "actor":
        pictures = render(film.scene, **_SIZE, actor_times=times[list(order)].tolist())
    else:
        # The renderer moves the actor's time alone: each frame is taken where the distractor is right.
        bare = swap(film.scene, grain=0.0)
        if len(set(order)) == FRAMES:
            shown = render(bare, **_SIZE, actor_times=times[np.argsort(order)].tolist())[list(order)]
        else:
            poses = ([time_of_actor] * FRAMES for time_of_actor in times.tolist())
            each = [render(bare, **_SIZE, actor_times=pose) for pose in poses]
            shown = np.stack([each[frame][source] for frame, source in enumerate(order)])
        noise = np.random.default_rng(film.scene.seed).standard_normal((FRAMES, SIDE, SIDE, 1), dtype=np.float32)
        levels = shown + 255 * film.scene.grain * noise
        pictures = levels.round().clip(0, 255).astype(np.uint8)
    if film.overlay.kind == "none":
        return pictures
    pixels = rearrange(torch.from_numpy(pictures), "t h w c -> c t h w")
    laid = world._laid_over(pixels, film.overlay)  # noqa: SLF001 - kept facts of other parts hang on that file's code
    return np.ascontiguousarray(rearrange(laid, "c t h w -> t h w c").numpy())


def order_of(edit: str, clip: ObjectClip) -> tuple[int, ...] | None:
    """Which frame's object an edit shows in each frame; None where it shows none."""
    frames = np.arange(FRAMES)
    if edit == "freeze":
        return (clip.held,) * FRAMES
    if edit == "shuffle":
        return tuple(shuffled(frames, Watched(clip.frames, clip.seed).rng).tolist())
    return tuple(frames[::-1].tolist()) if edit == "reverse" else None


# --- where objects are -------------------------------------------------------------------------------------------


def of_boxes(boxes: Boxes) -> Masks:
    """Everything in the boxes, grown on each side by what the tool grows them by."""
    found = np.zeros((FRAMES, SIDE, SIDE), dtype=np.bool_)
    for frame, box in enumerate(boxes):
        if box is not None:
            across, down = BOX_ERROR * box.width, BOX_ERROR * box.height
            columns = slice(max(0, int(np.floor(box.left - across))), int(np.ceil(box.right + across)))
            rows = slice(max(0, int(np.floor(box.top - down))), int(np.ceil(box.bottom + down)))
            found[frame, rows, columns] = True
    return found


def object_clips(film: Film, frames: Frames) -> dict[tuple[str, str], ObjectClip]:
    """The film with each object given by `mask`, beside the other's mask, and by `box`, alone.

    Of what the actor hides no mask of a film can know.
    """
    boxes, masks = outlines(film.scene, **_SIZE)
    seen = {"actor": masks["actor"], "distractor": masks["distractor"] & ~masks["actor"]}
    others = dict(zip(OBJECTS, reversed(seen.values()), strict=True))
    return {
        **{(who, "mask"): ObjectClip(frames, grown(seen[who]), others=others[who]) for who in OBJECTS},
        **{(who, "box"): ObjectClip(frames, of_boxes(boxes[who])) for who in OBJECTS},
    }


def black(frames: Frames, _: Masks) -> Frames:
    """The fill that is a trap."""
    return np.zeros_like(frames)


# --- edits -------------------------------------------------------------------------------------------------------


class _Passed:
    """What a model says of clips: logits and centred logits (clip, class)."""

    def __init__(self, model: VideoModel, clips: Sequence[Frames]) -> None:
        parts = []
        for start in range(0, len(clips), 64):
            pixels = torch.from_numpy(np.stack(clips[start : start + 64]))
            parts.append(model(normalised(rearrange(pixels, "b t h w c -> b c t h w"))))
        self.logits = torch.cat(parts).double().numpy()
        self.scores: np.ndarray = self.logits - self.logits.mean(axis=1, keepdims=True)


@dataclass
class _Class:
    """The clips of one class, to be edited; `reference` are natural films' scores of it."""

    model: VideoModel
    place: int
    films: Sequence[Film]
    reference: np.ndarray
    ways: Sequence[Way]
    asked: Sequence[tuple[str, str]]
    _clips: list[Frames] = field(default_factory=list)
    _places: dict[bytes, int] = field(default_factory=dict)

    def _put(self, frames: Frames) -> int:
        """Where the clip stands among those to be passed, each of which is passed once."""
        key = frames.tobytes()
        if key not in self._places:
            self._places[key] = len(self._clips)
            self._clips.append(frames)
        return self._places[key]

    def rows(self) -> Iterator[Row]:
        """Every edit by every way: what it does to each clip, what the scene rendered anew does, what is said of it."""
        cells: dict[tuple[Way, str, str], list[_Made]] = {}
        for film in self.films:
            clips = object_clips(film, frames_of(film))
            for who in dict.fromkeys(who for who, _ in self.asked):
                by_mask = clips[who, "mask"]
                in_black = clips[who, "black"] = replace(by_mask, fill=black)
                vars(in_black)["camera"] = by_mask.camera  # of the same frames and masks
            for way in self.ways:
                for who, edit in self.asked:
                    made = self._made(film, who, edit, clips[who, way])
                    cells.setdefault((way, who, edit), []).append(made)
        passed = _Passed(self.model, self._clips)
        scores, given = passed.scores[:, self.place], passed.logits.argmax(axis=1) == self.place
        for (way, who, edit), of_clips in cells.items():
            yield {"way": way, "object": who, "edit": edit} | self._row(who, edit, of_clips, scores, given)

    def _made(self, film: Film, who: str, edit: str, clip: ObjectClip) -> _Made:
        before, made = self._put(clip.frames), object_edit(edit)
        edited = made(clip)
        if edited.frames is None:  # outside the picture
            return _Made(before, before, before, before, (), is_changed=False)
        second = made(second_fill(clip)).frames
        return _Made(
            before,
            self._put(edited.frames),
            self._put(clip.frames if second is None else second),
            self._put(rendered_anew(film, who, order_of(edit, clip))),
            tuple(self._put(each.frames) for each in shams(made, clip) if each.frames is not None),
            is_changed=edited.changed > 0,
        )

    def _row(self, who: str, edit: str, made: Sequence[_Made], scores: np.ndarray, given: np.ndarray) -> Row:
        before, after, second, truth = (
            [getattr(each, name) for each in made] for name in ("before", "after", "second", "truth")
        )
        edits = Edits(
            edit=edit,
            class_name=self.model.card.classes[self.place],
            target=who,
            sources=[str(number) for number in range(len(made))],
            before=scores[before],
            after=scores[after],
            changed=np.array([each.is_changed for each in made]),
            given_before=given[before],
            given_after=given[after],
            sham=np.array([scores[list(each.shams)].mean() if each.shams else np.nan for each in made]),
            second_fill=scores[second],
        )
        settings, sigma = AnalysisSettings(), float(self.reference.std(ddof=1))
        asked = ask([edits], {edits.class_name: self.reference}, settings=settings)
        (told,) = judged_edits(asked, settings=settings)  # alone, so that p is the one before any correction
        changes, truths = (scores[after] - scores[before]) / sigma, (scores[truth] - scores[before]) / sigma
        effects = asked[0].effects
        return {
            "changes": np.round(changes, 5).tolist(),
            "truths": np.round(truths, 5).tolist(),
            "mean": float(changes.mean()),
            "change": float(truths.mean()),
            "effect": told.effect or 0.0,
            "verdict": told.verdict,
            "reason": told.reason,
            "raw_p": 1.0 if effects is None else float(effects.p[0]),
        }


@dataclass(frozen=True)
class _Made:
    """A clip, its edit, the same with another fill, the truth and the shams: where they stand among those passed."""

    before: int
    after: int
    second: int
    truth: int
    shams: tuple[int, ...]
    is_changed: bool


# --- whole clips -------------------------------------------------------------------------------------------------


def probed(model: VideoModel, job: Job, *, seen: Callable[[Film], Film] = as_drawn) -> Row:
    """The ranked edits of a probe, those that cost most first, and which are the rule's own."""
    films = [seen(film) for film in held_out(job, CLIPS * len(model.card.classes))]
    names = [str(RULES[job.rule].label(film.scene)) for film in films]
    own = {name: [film for film, each in zip(films, names, strict=True) if each == name] for name in set(names)}
    clips = {name: _clips(name, own[name]) for name in model.card.classes}
    found = probe(model, clips, edits=[name for name, edit in WHOLE.items() if edit.ranked])
    effects: dict[str, list[float]] = {}
    for each in found.main:
        if each.effect is not None:
            effects.setdefault(each.edit, []).append(each.effect)
    means = {edit: float(np.mean(values)) for edit, values in effects.items()}
    row: Row = {"first": sorted(means, key=lambda edit: means[edit]), "means": means}
    if job.rule in OWN:
        return row | {"own": sorted(OWN[job.rule])}
    costs = {factor: _cost(model, own, factor) for factor in ("motion", "background")}
    most = min(costs, key=lambda factor: costs[factor])
    return row | {"own": sorted(OWN[most]), "costs": costs}


def _cost(model: VideoModel, own: Mapping[str, Sequence[Film]], factor: str) -> float:
    """What it does to a class's score, on average, where its clips have each other class's motion or background."""
    values = dict(zip(model.card.classes, TIED if factor == "background" else model.card.classes, strict=True))
    changes = []
    for place, name in enumerate(model.card.classes):
        films = [film for film in own[name] if getattr(film.scene, factor) == values[name]]
        swapped = [film.swapped(**{factor: value}) for film in films for of, value in values.items() if of != name]
        before, after = (
            _Passed(model, [frames_of(film) for film in each]).scores[:, place] for each in (films, swapped)
        )
        changes.append(after.mean() - before.mean())
    return float(np.mean(changes))


def _clips(name: str, films: Sequence[Film]) -> Clips:
    """Clips in memory, each of a video of its own."""
    seconds = SECONDS_BETWEEN_FRAMES
    records = tuple(
        ClipOrigin(
            video=VideoInfo(
                path=Path(f"{name}-{number}.mp4"),
                sha256="0",
                width=SIDE,
                height=SIDE,
                frames_per_second=1 / seconds,
                duration_seconds=FRAMES * seconds,
            ),
            timestamps=tuple(seconds * frame for frame in range(FRAMES)),
            top=0,
            left=0,
            pixels_per_row=1,
            pixels_per_column=1,
        )
        for number in range(len(films))
    )
    return Clips(records=records, pixels=normalised(render_films(films)), spec=CLIP_SPEC)


# --- kept --------------------------------------------------------------------------------------------------------


def path_of(job: Job, cache: Path) -> Path:
    """Where the facts of a network are kept, as this code finds them."""
    modules = (asking, camera, fill, moving, objects, sham, tracks, whole, world, sys.modules[__name__])
    code = "".join(ast.unparse(ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))) for module in modules)
    return cache / f"{job.name}-{hashlib.sha256(code.encode()).hexdigest()[:8]}.edits.json"


def edits_of_network(job: Job, cache: Path) -> dict[str, Any]:
    """The facts of a network, from the cache where they are there and the code is the same."""
    return kept(path_of(job, cache), lambda: timed(partial(facts, trained(job, NETWORKS)[0], job)))
