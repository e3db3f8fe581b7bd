"""One network's part of the proof where conditions are harder than a study likes: crops, the class's own clips, several
clips of a video, and concepts that carry the class's own factor.

What the study of `contrast` found, and its truths, are taken from there; films are drawn anew. Only the score itself is
looked at, the centred logit; its unit is the standard deviation over natural films, or over the pool's crops.
"""

from __future__ import annotations

import ast
import hashlib
import json
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from einops import rearrange
from torch import Tensor
from torch.nn.functional import interpolate

from validation.proof import concepts, contrast, world
from validation.proof.concepts import CLIPS, CONCEPTS, Concept, logits, planted, tied
from validation.proof.contrast import CONFOUNDED, DRAWS, MARGINS, MOST_CLASSES, POOL, matched, of_network
from validation.proof.training import NETWORKS, Job, trained
from validation.proof.world import FRAMES, RULES, SIDE, Film, normalised, render_films, sample
from videotcav.concepts.propose.crop import Mode, moving
from videotcav.concepts.review.matching import Labelled
from videotcav.explain.inference import interval_null
from videotcav.explain.inference.interval_null import Effects, against_pool, within_pairs
from videotcav.models.model import VideoModel
from videotcav.planted.scenes import boxes
from videotcav.study.differences import label_differences

NATURAL, OWN, MIX = 1400, 64, 128
CUTS: tuple[Mode, ...] = ("paper", "in-place")
CUT_OUT = ("motion", "shape", "background", "overlay", "planted")
"""Groups of concepts that are asked as crops: of the others the object shows nothing."""
IN_THE_OBJECT = frozenset({"shape", "motion", "direction"})
SOURCES, VIEWS, OF_CONCEPT, OF_POOL, SETS = 240, 4, 8, 40, 40
CARRIED = 0.8
TOLD = ((0.8, CLIPS), (0.5, 30))
"""How often a confounded concept carries the class's own factor, and of how many clips it is."""
COLUMNS = ("shape", "motion", "direction", "background", "distractor", "overlay")

Row = dict[str, Any]
Facts = Mapping[str, Any]


def facts(model: VideoModel, job: Job, known: Facts) -> dict[str, Any]:
    """Everything that is counted of one network that learned its rule."""
    rng = np.random.default_rng([job.seed, 30])
    films = [sample(rng) for _ in range(NATURAL)]
    study = _Harder(model, job.rule, known, films, scores(model, films), rng, np.random.default_rng([job.seed, 31]))
    return {
        "rule": job.rule,
        "seed": job.seed,
        "architecture": job.architecture,
        "classes": list(model.card.classes),
        "crops": study.crops(),
        "own": study.on_own_clips(),
        "several": study.several_clips(),
        "mixed": study.mixed(),
        "told": study.told(),
    }


def scores(model: VideoModel, films: Sequence[Film]) -> np.ndarray:
    """The score of each class, (film, class)."""
    found = logits(model, films)
    centred: np.ndarray = found - found.mean(axis=1, keepdims=True)
    return centred


@dataclass(frozen=True)
class _Harder:
    """A network, what is known of it, and natural films with their scores. `rng` makes films, `draw` relabels."""

    model: VideoModel
    rule: str
    known: Facts
    films: Sequence[Film]
    natural: np.ndarray
    rng: np.random.Generator
    draw: np.random.Generator

    @property
    def classes(self) -> tuple[str, ...]:
        return self.model.card.classes

    def concepts(self, groups: Iterable[str]) -> Iterator[Concept]:
        """Of every second overlay, and of all others."""
        asked = [*CONCEPTS, *(planted(self.rule, name) for name in self.classes)]
        asked += [concept for name in self.classes if (concept := tied(self.rule, name)) is not None]
        for each in asked:
            if each.group in groups and (each.group != "overlay" or each.factors["overlay"][1] in (0, 4)):
                yield each

    def crops(self) -> list[Row]:
        """Concept, pool and twins cut out around the object: a canvas of its own size, or all around it filled."""
        truth = {(row["concept"], row["against"]): row["change"] for row in self.known["truths"]}
        sets = {each.name: (each, each.films(2 * CLIPS, rng=self.rng)) for each in self.concepts(CUT_OUT)}
        rows = []
        for mode in CUTS:
            pool = self._of_crops(_cut_out(self.films, mode, POOL)[0])
            for concept, films in sets.values():
                cut, moments = _cut_out(films, mode, CLIPS)
                said: Row = {"concept": concept.name, "group": concept.group, "mode": mode}
                said["in_object"] = set(concept.factors) <= IN_THE_OBJECT
                own = self._of_crops(cut)
                found = against_pool(own, pool, margins=MARGINS, draws=DRAWS, rng=self.draw)
                rows += self._told(found, truth[concept.name, "random"], **said, against="random")
                if concept.group in ("motion", "planted") and concept.twin:
                    still = torch.stack([one[:, [at]].expand_as(one) for one, at in zip(cut, moments, strict=True)])
                    twins = self._of_crops(cut.flip(2) if concept.twin == "reversed" else still)
                    paired = within_pairs(own - twins, pool, margins=MARGINS, draws=DRAWS, rng=self.draw)
                    rows += self._told(paired, truth[concept.name, "twin"], **said, against="twin")
        return rows

    def _of_crops(self, cut: Tensor) -> np.ndarray:
        found = torch.cat([self.model(normalised(part)) for part in torch.split(cut, 64)]).double().numpy()
        centred: np.ndarray = found - found.mean(axis=1, keepdims=True)
        return centred

    def _told(self, found: Effects, change: Mapping[str, float], **said: Any) -> list[Row]:
        return [
            {**said, "class": name, "change": change[name], "effect": float(effect), "p": float(p)}
            for name, effect, p in zip(self.classes, found.effect, found.p, strict=True)
        ]

    def on_own_clips(self) -> list[Row]:
        """What forcing each concept on clips of the class itself does to that class's score."""
        rows = []
        unit = self.natural.std(axis=0, ddof=1)
        asked = list(self.concepts({each.group for each in CONCEPTS} | {"planted", "tied"}))
        for place, name in enumerate(self.classes[:MOST_CLASSES]):
            films = [sample(self.rng, RULES[self.rule], name) for _ in range(OWN)]
            before = scores(self.model, films)[:, place]
            for concept in asked:
                forced = [concept.forced_on(film, self.rng) for film in films]
                change = (scores(self.model, forced)[:, place] - before) / unit[place]
                rows.append(
                    {
                        "concept": concept.name,
                        "group": concept.group,
                        "class": name,
                        "change": float(change.mean()),
                        "error": float(change.std(ddof=1) / OWN**0.5),
                    }
                )
        return rows

    def several_clips(self) -> dict[str, list[int]]:
        """Sets of 8 videos with 4 clips each against 40 such videos: videos as what is drawn, and clips instead."""
        bank = self._by_video([film for _ in range(SOURCES) for film in self._views({})])
        cells: dict[str, list[int]] = {}

        def count(of: str, own: np.ndarray, pool: np.ndarray, places: Sequence[int]) -> None:
            for told, some, others in (
                ("videos", own.mean(axis=1), pool.mean(axis=1)),
                ("clips", own.reshape(-1, own.shape[2]), pool.reshape(-1, pool.shape[2])),
            ):
                p = against_pool(some, others, margins=MARGINS, draws=DRAWS, rng=self.draw).p[list(places)]
                cell = cells.setdefault(f"{of}, {told}", [0, 0])
                cell[0] += int((p <= 0.05).sum())  # noqa: PLR2004 - nominal 5 %
                cell[1] += len(p)

        for _ in range(SETS):
            order = self.draw.permutation(SOURCES)
            own, pool = bank[order[:OF_CONCEPT]], bank[order[OF_CONCEPT : OF_CONCEPT + OF_POOL]]
            count("true nulls", own, pool, range(len(self.classes)))
        for place, name in enumerate(self.classes[:MOST_CLASSES]):
            concept = planted(self.rule, name)
            own = self._by_video([film for _ in range(OF_CONCEPT) for film in self._views(concept.factors)])
            count("planted", own, bank[:OF_POOL], [place])
        return cells

    def _views(self, factors: Mapping[str, Any]) -> list[Film]:
        """Clips of one video: the same things, at another place, angle and moment."""
        first = sample(self.rng, **factors)
        others = [sample(self.rng).scene for _ in range(VIEWS - 1)]
        return [first] + [
            first.swapped(x=each.x, y=each.y, angle=each.angle, event_time=each.event_time) for each in others
        ]

    def _by_video(self, films: Sequence[Film]) -> np.ndarray:
        """(video, clip, class)."""
        return rearrange(scores(self.model, films), "(video clip) name -> video clip name", clip=VIEWS)

    def mixed(self) -> list[Row]:
        """Confounded concepts: what forcing one does on films of the very mix that its own clips are of, and its p
        against a pool that has all that the class goes by as often, not only the label.
        """
        rows = []
        unit = self.natural.std(axis=0, ddof=1)
        for place, name in enumerate(self.classes[:MOST_CLASSES]):
            factors = planted(self.rule, name).factors
            mix = [sample(self.rng, **factors) for _ in range(round(CARRIED * MIX))]
            mix += [sample(self.rng) for _ in range(MIX - len(mix))]
            before = scores(self.model, mix)[:, place]
            has = np.array(
                [all(getattr(film.scene, key) == value for key, value in factors.items()) for film in self.films]
            )
            for concept in (each for each in CONCEPTS if each.name in CONFOUNDED):
                after = scores(self.model, [concept.forced_on(film, self.rng) for film in mix])[:, place]
                own = self._carrying(concept, factors, CARRIED, CLIPS)
                share = np.mean(
                    [all(getattr(one.scene, key) == value for key, value in factors.items()) for one in own]
                )
                compared = np.zeros(NATURAL, dtype=np.bool_)
                compared[matched(has, float(share), self.draw)] = True
                found = against_pool(
                    scores(self.model, own)[:, [place]],
                    self.natural[:, [place]],
                    compared=compared,
                    margins=MARGINS,
                    draws=DRAWS,
                    rng=self.draw,
                )
                change = float((after - before).mean() / unit[place])
                rows.append({"concept": concept.name, "class": name, "change": change, "p": float(found.p[0])})
        return rows

    def _carrying(self, concept: Concept, factors: Mapping[str, Any], share: float, clips: int) -> list[Film]:
        carrying = round(share * clips)
        own = [sample(self.rng, **concept.factors, **factors) for _ in range(carrying)]
        return own + [sample(self.rng, **concept.factors) for _ in range(clips - carrying)]

    def told(self) -> dict[str, list[int]]:
        """In how many studies a label other than the concept's own is told to differ between concept and pool."""
        pool = [_labelled(film, f"pool {number}") for number, film in enumerate(self.films[:POOL])]
        cells: dict[str, list[int]] = {}

        def count(cell: str, concept: Concept, own: Sequence[Film]) -> None:
            columns = {name: [column for column in COLUMNS if column not in concept.factors] for name in ("concept",)}
            clips = [_labelled(film, f"concept {number}") for number, film in enumerate(own)]
            seed = int(self.draw.integers(2**31))
            found = label_differences({"concept": clips}, {"concept": pool}, columns, seed=seed)
            counts = cells.setdefault(cell, [0, 0])
            counts[0] += any(each.is_told for each in found)
            counts[1] += 1

        confounded = [each for each in CONCEPTS if each.name in CONFOUNDED]
        for name in self.classes[:MOST_CLASSES]:
            factors = planted(self.rule, name).factors
            for share, clips in TOLD:
                for concept in confounded:
                    count(f"{share:g} of {clips}", concept, self._carrying(concept, factors, share, clips))
        for concept in self.concepts({each.group for each in CONCEPTS} | {"planted"}):
            count("clean", concept, concept.films(CLIPS, rng=self.rng))
        return cells


def _labelled(film: Film, name: str) -> Labelled:
    of_scene = {column: str(getattr(film.scene, column)) for column in COLUMNS if column != "overlay"}
    return Labelled(name, name, of_scene | {"overlay": f"{film.overlay.kind} {film.overlay.value}"})


def _cut_out(films: Sequence[Film], mode: Mode, count: int) -> tuple[Tensor, list[int]]:
    """The first so many films in which the object is seen twice, cut out around it and stretched to a clip (film,
    channel, time, height, width); and the frame in which its event is.
    """
    cut, moments = [], []
    for film in films:
        found = boxes(film.scene, height=SIDE, width=SIDE, frames=FRAMES)["actor"]
        seen = [at for at, box in enumerate(found) if box is not None]
        if len(seen) < 2:  # noqa: PLR2004 - one frame does not move
            continue
        frames = rearrange(render_films([film])[0], "c t h w -> t h w c").numpy()[seen]
        fill = (0, 0, 0) if mode == "paper" else (124, 116, 104)  # as `concepts propose` fills
        crop = moving(frames, [box for box in found if box is not None], mode=mode, fill=fill)
        crop = crop[np.linspace(0, len(seen) - 1, FRAMES).round().astype(int)]
        pixels = rearrange(torch.from_numpy(crop), "t h w c -> t c h w").float()
        pixels = interpolate(pixels, (SIDE, SIDE), mode="bilinear", antialias=True)
        cut.append(rearrange(pixels.round().clamp(0, 255).to(torch.uint8), "t c h w -> c t h w"))
        moments.append(round(film.scene.event_time * (FRAMES - 1)))
        if len(cut) == count:
            break
    return torch.stack(cut), moments


def path_of(job: Job, cache: Path) -> Path:
    """Where the facts of a network are kept, as this code finds them."""
    modules = (interval_null, concepts, contrast, world, sys.modules[__name__])
    code = "".join(ast.unparse(ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))) for module in modules)
    return cache / f"{job.name}-{hashlib.sha256(code.encode()).hexdigest()[:8]}.harder.json"


def harder_of_network(job: Job, cache: Path) -> dict[str, Any]:
    """The facts of a network with what `contrast` found of it; from the cache where the code is the same."""
    known = of_network(job, cache)
    path = path_of(job, cache)
    if not known["learned"]:
        return {"known": known}
    if not path.exists():
        model, _ = trained(job, NETWORKS)
        started = time.process_time()
        found = facts(model, job, known) | {"processor_seconds": round(time.process_time() - started, 1)}
        path.write_text(json.dumps(found), encoding="utf-8")
    read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return read | {"known": known}
