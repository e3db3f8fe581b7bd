"""The draws of a study: which clips make up every CAV that will be trained, decided before any is scored."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from videotcav.errors import NotEnoughData, NotEnoughMemory
from videotcav.explain.cavs.gram import Rows
from videotcav.explain.cavs.score import all_runs
from videotcav.explain.design.draws import Flags, GramRows, draw_flips, draw_negatives, draw_sets, generator
from videotcav.explain.design.hypotheses import Hypothesis, Need, family_size, named
from videotcav.explain.design.settings import AnalysisSettings
from videotcav.records import STATISTICS, STILL, TWINS, Against, ConceptSet, Kind

LEAST_VIDEOS = 30
"""Fewer videos of the pool do not tell a layer's fidelity."""

PART_BYTES = 2**26
"""What the largest arrays of statistics may take: of as many classes as fit, and of one class at least."""


@dataclass(frozen=True)
class ConceptRows:
    """A concept set as rows of the kernel; `ids` pair a dynamic clip with its twins."""

    concept: str
    kind: Kind
    ids: tuple[str, ...]
    clips: GramRows

    @classmethod
    def of(cls, concept_set: ConceptSet, *, first_row: int) -> ConceptRows:
        """The rows of a set whose clips stand one after the other from `first_row`."""
        rows = np.arange(first_row, first_row + len(concept_set.clips), dtype=np.intp)
        return cls(
            concept=concept_set.concept,
            kind=concept_set.kind,
            ids=tuple(clip.id for clip in concept_set.clips),
            clips=GramRows(rows=rows, sources=tuple(clip.source for clip in concept_set.clips)),
        )

    @property
    def name(self) -> str:
        """The concept and its kind, as `racket/frozen`."""
        return f"{self.concept}/{self.kind}"

    def restricted(self, ids: Sequence[str]) -> ConceptRows:
        """The same set with the clips `ids` only, in that order."""
        at = [self.ids.index(clip_id) for clip_id in ids]
        sources = tuple(self.clips.sources[index] for index in at)
        return ConceptRows(self.concept, self.kind, tuple(ids), GramRows(self.clips.rows[at], sources))


def against_twin(twin: ConceptRows) -> Against:
    """What a moving set is held against: the twin, by its kind."""
    if twin.kind in ("frozen", "shuffled", "reversed"):
        return twin.kind
    raise ValueError(f"'{twin.name}' is no twin")


@dataclass(frozen=True)
class Group:
    """Concept sets that are told from each other: a relative CAV has one of them on one side, the rest on the other."""

    name: str
    members: tuple[ConceptRows, ...]

    def rest(self, concept: ConceptRows) -> GramRows:
        """The clips of all other sets of the group."""
        others = [each.clips for each in self.members if each is not concept]
        rows: Rows = np.concatenate([clips.rows for clips in others])
        return GramRows(rows, tuple(source for clips in others for source in clips.sources))


@dataclass(frozen=True)
class Design:
    """What is asked of which clips: concept sets, the random pool and the class clips, at how many layers; and what of
    it was declared beforehand (everything, where there are no hypotheses). `random_kinds` are the kinds of the random
    clips, where somebody says them; `matched` which of them a concept's matched pool is, where it has one. `edits` are
    those of the classes' own clips, each an edit, what it is made to, and a class; they are judged elsewhere, but
    corrected together with contrasts, and `needs` are what is declared of them. `unseen` are concepts that were found
    together with those here and are not asked about: their tests are in the families all the same.
    """

    concepts: tuple[ConceptRows, ...]
    random: GramRows
    classes: Mapping[str, GramRows]
    layers: int
    settings: AnalysisSettings
    groups: tuple[Group, ...] = ()
    hypotheses: tuple[Hypothesis, ...] = ()
    random_kinds: tuple[Kind | None, ...] = ()
    matched: Mapping[str, Flags] = field(default_factory=dict)
    edits: tuple[tuple[str, str, str], ...] = ()
    needs: tuple[Need, ...] = ()
    unseen: int = 0

    @property
    def declares(self) -> bool:
        """Whether the study declares what it asks; the rest is exploratory then."""
        return bool(self.hypotheses or self.needs)

    def pool_of(self, concept: ConceptRows) -> GramRows:
        """The random clips that a concept is compared with: still ones with still ones, moving ones with moving ones.

        All of them where the pool does not say, or has no clip that moves as the concept does; of a matched pool those
        that are in it.
        """
        alike = [kind is not None and (kind in STILL) == (concept.kind in STILL) for kind in self.random_kinds]
        kept = np.array(alike) if any(alike) else np.ones(len(self.random), dtype=np.bool_)
        if concept.concept in self.matched:
            kept = kept & self.matched[concept.concept]
        if kept.all():
            return self.random
        sources = tuple(source for source, same in zip(self.random.sources, kept, strict=True) if same)
        return GramRows(self.random.rows[kept], sources)

    def videos_beside(self, concept: ConceptRows) -> set[str]:
        """The source videos of the pool that a concept is compared with, but for those that it is cut from too."""
        return set(self.pool_of(concept).sources) - set(concept.clips.sources)

    @property
    def kinds(self) -> dict[str, tuple[Kind, ...]]:
        """The kinds of each concept."""
        names = dict.fromkeys(each.concept for each in self.concepts)
        return {name: tuple(each.kind for each in self.concepts if each.concept == name) for name in names}

    @property
    def class_parts(self) -> list[dict[str, GramRows]]:
        """The classes in the parts that are scored one after the other, so that memory does not grow with all."""
        items = list(self.classes.items())
        counts = [len(clips) for clips in self.classes.values()]
        return [dict(items[part]) for part in class_parts(counts, resamples=self.settings.bootstrap_resamples)]

    @property
    def pairs(self) -> list[tuple[ConceptRows, ConceptRows]]:
        """Each dynamic set with each of its twins, both restricted to the tracks that have both."""
        by_name = {each.name: each for each in self.concepts}
        pairs = []
        for dynamic in self.concepts:
            for kind in TWINS:
                twin = by_name.get(f"{dynamic.concept}/{kind}")
                if dynamic.kind != "spatiotemporal" or twin is None:
                    continue
                both = [clip_id for clip_id in dynamic.ids if clip_id in set(twin.ids)]
                pairs.append((dynamic.restricted(both), twin.restricted(both)))
        return pairs

    @property
    def comparisons(self) -> list[tuple[ConceptRows, ConceptRows]]:
        """The pairs of concept sets that hypotheses hold against each other."""
        by_name = {each.name: each for each in self.concepts}
        pairs = [(each.concept, each.other) for each in self.hypotheses if each.other]
        kinds = self.kinds
        return [(by_name[named(one, kinds)], by_name[named(other, kinds)]) for one, other in dict.fromkeys(pairs)]

    @property
    def asks_contrast(self) -> bool:
        """Whether contrast decides, or the classic scores are asked."""
        return self.settings.scores == "contrast"

    @property
    def trains_cavs(self) -> bool:
        """Whether classic or relative scores are asked."""
        return not self.asks_contrast or bool(self.groups)

    @property
    def _questions(self) -> int:
        return self._asked + self.unseen_tests

    @property
    def _asked(self) -> int:
        return (len(self.concepts) + len(self.pairs) + len(self.comparisons)) * len(self.classes)

    @property
    def unseen_tests(self) -> int:
        """Contrasts of the concepts that are not asked about: as many of each as of one that is, on average."""
        return math.ceil(self.unseen * self._asked / len(self.kinds)) if self.unseen else 0

    @property
    def tests(self) -> int:
        """All tests of one family: every set, pair and comparison, for every class, and every edit; of classic scores
        one statistic at every layer.
        """
        return self._questions * (1 if self.asks_contrast else self.layers) + len(self.edits)

    @property
    def declared_tests(self) -> int:
        """Tests of the family that the study declares: those that its hypotheses ask for, or all without any."""
        if not self.declares:
            return self.tests
        asked = [each for each in self.hypotheses if not (self.asks_contrast and each.layer)]
        layers = 1 if self.asks_contrast else self.layers
        edits = sum(any(need.asks(*edit) for need in self.needs) for edit in self.edits)
        return family_size(asked, self.kinds, layers=layers, classes=len(self.classes)) + edits + self.unseen_tests

    @property
    def layer_tests(self) -> int:
        """Tests of the second family beside contrasts: the rows of layers, or those that hypotheses ask for."""
        if not self.declares:
            return self._questions * self.layers
        asked = [each for each in self.hypotheses if each.layer]
        unseen = self.unseen_tests * self.layers if asked else 0
        return family_size(asked, self.kinds, layers=1, classes=len(self.classes)) + unseen

    @property
    def relabellings(self) -> int:
        """The relabellings of each interval test at most: as many as the larger of all families asks for."""
        return self.settings.most_relabellings(max(self.tests, self._questions * self.layers))

    def asking(self, set_name: str, against: Against, other: str, layer: str, class_name: str) -> Hypothesis | None:
        """The hypothesis that declares this test; of contrasts `layer` is empty."""
        asked = (set_name, against, other, layer, class_name)
        every = not self.asks_contrast
        kinds = self.kinds
        return next((each for each in self.hypotheses if each.asks(*asked, sets=kinds, at_every_layer=every)), None)

    @property
    def null_draws(self) -> int:
        """Pseudo-concepts, and label flips, of each test."""
        return self.settings.null_draws(self.tests)

    @property
    def relative_tests(self) -> int:
        """Tests in the family of relative scores: every member of every group, at every layer, for every class."""
        return sum(len(group.members) for group in self.groups) * self.layers * len(self.classes)

    @property
    def relative_draws(self) -> int:
        """Pseudo-concepts of each relative test."""
        return self.settings.null_draws(self.relative_tests)

    def pseudo_runs(self, shape: NullShape) -> Rows:
        """Training rows of the pseudo-concepts of a shape, (sets, draw, n + q): drawn once for all layers."""
        lock, drawn = self._drawn
        with lock:
            if shape not in drawn:
                runs = pseudo_runs(self.random, shape, sets=self.null_draws, settings=self.settings)
                drawn[shape] = runs.astype(np.int32)  # half of the memory
            return drawn[shape].astype(np.intp)

    @cached_property
    def _drawn(self) -> tuple[Lock, dict[NullShape, NDArray[np.int32]]]:
        return Lock(), {}

    def refuse_too_little(self) -> None:
        """Nothing where the method can stand on what there is.

        Raises:
            NotEnoughData: too few clips, sources, random clips or null draws; says the number needed.
        """
        settings = self.settings
        self._refuse_nothing()
        self._refuse_small_sets()
        for name, clips in self.classes.items():
            if len(clips) < 2:  # noqa: PLR2004 - one clip has no spread
                raise NotEnoughData(f"class '{name}' has {len(clips)} clips; at least 2 are needed, better 30")
        if self.asks_contrast:
            self._refuse_too_little_contrast()
        relative = 0 if self.declares else self.relative_tests
        families = (relative,) if self.asks_contrast else (self.declared_tests, relative)
        for tests in filter(None, families):
            needed, draws = settings.null_draws_needed(tests), settings.null_draws(tests)
            asked = f"{tests} tests at alpha {settings.alpha} with the correction '{settings.correction}' need at least"
            if draws < needed:
                raise NotEnoughData(
                    f"{asked} {needed} pseudo-concepts, not {draws}: raise pseudo_concepts, or leave it out"
                )
            nothing = any(each.claim == "negligible" for each in self.hypotheses)
            if nothing and not self.asks_contrast and settings.bootstrap_resamples < needed:
                raise NotEnoughData(
                    f"{asked} {needed} bootstrap resamples to show that an effect is small, not "
                    f"{settings.bootstrap_resamples}: raise bootstrap_resamples"
                )
        if not self.asks_contrast:
            for each in self.concepts:
                null_shape(each, self.random)
            self._refuse_too_much()

    def _refuse_small_sets(self) -> None:
        settings = self.settings
        for each in (*self.concepts, *(dynamic for dynamic, _ in self.pairs)):
            sources = len(each.clips.counts)
            if len(each.clips) < settings.minimum_clips or sources < settings.minimum_sources:
                raise NotEnoughData(
                    f"concept '{each.name}' has {len(each.clips)} clips of {sources} source videos that can be used "
                    f"(for a test of motion: that have their twin); at least {settings.minimum_clips} clips of "
                    f"{settings.minimum_sources} videos are needed. Add clips, or lower minimum_clips or "
                    "minimum_sources in the study's tests"
                )

    def _refuse_too_little_contrast(self) -> None:
        settings = self.settings
        for each in self.concepts:
            others = self.videos_beside(each)
            if len(others) < settings.minimum_sources:
                raise NotEnoughData(
                    f"the random pool has {len(others)} source videos that '{each.name}' is not cut from too; at least "
                    f"{settings.minimum_sources} are needed, better {LEAST_VIDEOS}. Add random clips of other videos: "
                    "more clips of the same ones do not help"
                )
        for tests in (self.declared_tests, self.layer_tests if self.declares else 0):
            needed, draws = settings.relabellings_needed(tests), settings.most_relabellings(tests)
            if draws < needed:
                raise NotEnoughData(
                    f"{tests} tests at alpha {settings.alpha} with the correction '{settings.correction}' need at "
                    f"least {needed} relabellings, not {draws}: raise relabellings, or leave it out"
                )

    def _refuse_too_much(self) -> None:
        asked = draws_bytes(
            max(len(each.clips) for each in self.concepts),
            random_draws=self.settings.random_draws,
            null_draws=self.null_draws,
            classes=len(self.classes),
        )
        there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else None
        if there is not None and asked > there:
            raise NotEnoughMemory(
                f"{self.null_draws} pseudo-concepts with {self.settings.random_draws} random sets each take "
                f"{asked / 2**30:.0f} GiB of memory, more than the {there / 2**30:.0f} GiB of this machine: "
                "lower random_draws or pseudo_concepts"
            )

    def _refuse_nothing(self) -> None:
        layers = self.layers or self.asks_contrast  # the score itself needs none
        for what, given in (("layer", layers), ("concept", self.concepts), ("class", self.classes)):
            if not given:
                raise NotEnoughData(f"no {what} is named, so that there is nothing to test; name one at least")


def class_parts(class_clips: Sequence[int], *, resamples: int) -> list[slice]:
    """Which classes are scored together: as many neighbours as `PART_BYTES` hold."""
    parts, first = [], 0
    for last in range(1, len(class_clips) + 1):
        if last == len(class_clips) or part_bytes(class_clips[first : last + 1], resamples=resamples) > PART_BYTES:
            parts.append(slice(first, last))
            first = last
    return parts


def draws_bytes(largest_set: int, *, random_draws: int, null_draws: int, classes: int) -> int:
    """The bytes of the pseudo-concepts of one shape: the rows of their CAVs, as kept and as used, and their scores."""
    runs = null_draws * random_draws
    return runs * (2 * largest_set * (4 + 8) + 8 * len(STATISTICS) * classes)


def part_bytes(class_clips: Sequence[int], *, resamples: int) -> int:
    """The bytes of the largest arrays of statistics of classes that are scored together."""
    m = sum(class_clips)
    return 8 * max(m * m, resamples * m * len(class_clips))


@dataclass(frozen=True)
class NullShape:
    """What a pseudo-concept copies: clips of each source, and the size of its random sets."""

    counts: tuple[int, ...]
    negatives: int


def null_shape(concept: ConceptRows, pool: GramRows) -> NullShape:
    """The shape of a concept set's pseudo-concepts; a random set is as large as the concept where the pool allows.

    Raises:
        NotEnoughData: the pool cannot give pseudo-concepts with as many sources and, beside each, random clips.
    """
    counts, size = concept.clips.counts, len(concept.clips)
    pool_counts = pool.counts
    rest = len(pool) - max(sum(pool_counts[: len(counts)]), int(shares_source(pool, concept.clips).sum()))
    least = math.ceil(size / 2)
    if len(pool_counts) <= len(counts) or rest < least:
        raise NotEnoughData(
            f"the random pool has {len(pool)} clips of {len(pool_counts)} source videos, but '{concept.name}' has "
            f"{size} clips of {len(counts)}: a pseudo-concept as large, with at least {least} random clips of other "
            f"videos beside it, needs about {size + least} clips of {len(counts) + least} videos (better: 3 times the "
            f"concept). {_what_is_missing(concept.clips, pool)}"
        )
    return NullShape(counts=counts, negatives=min(size, rest))


def _what_is_missing(clips: GramRows, pool: GramRows) -> str:
    if len(pool.counts) > len(clips.counts):
        return "Add random clips, or use fewer concept clips"
    return "Add random clips of other source videos: more clips of the same ones do not help"


def shares_source(pool: GramRows, other: GramRows) -> Flags:
    """Which clips of the pool come from a source video of `other`: they are never its random clips."""
    known = set(other.sources)
    return np.array([source in known for source in pool.sources], dtype=np.bool_)


def concept_negatives(concept: ConceptRows, pool: GramRows, shape: NullShape, settings: AnalysisSettings) -> Rows:
    """The random sets of a concept (draw, q), as positions in the pool; the same for all of its kinds of one size."""
    rng = generator(settings.seed, "negatives", concept.concept)
    excluded = shares_source(pool, concept.clips)[None]
    negatives: Rows = draw_negatives(excluded, size=shape.negatives, draws=settings.random_draws, rng=rng)[0]
    return negatives


def pseudo_runs(pool: GramRows, shape: NullShape, *, sets: int, settings: AnalysisSettings) -> Rows:
    """Training rows of the pseudo-concepts' CAVs, (sets, draw, n + q): the null of every concept of this shape."""
    rng = generator(settings.seed, "pseudo-concepts", str(shape))
    chosen = draw_sets(pool, shape.counts, sets=sets, rng=rng)
    source_index = pool.source_index
    excluded = np.zeros((sets, len(pool)), dtype=np.bool_)
    for source in np.unique(source_index):
        members = source_index == source
        excluded[np.ix_(members[chosen].any(axis=1), members)] = True
    negatives = draw_negatives(excluded, size=shape.negatives, draws=settings.random_draws, rng=rng)
    return all_runs(pool.rows[chosen], pool.rows[negatives])


def flips_within_pairs(pair: ConceptRows, *, draws: int, settings: AnalysisSettings) -> tuple[Flags, bool]:
    """Which pairs swap, (flip, clip), and whether all flips are listed.

    All pairs of one source video swap together. Under the null each pair is exchangeable, but pairs of one video
    share its scene, its camera and its encoding, so only videos can be flipped independently of each other.
    """
    source_index = pair.clips.source_index
    rng = generator(settings.seed, "flips", pair.concept)
    flips, complete = draw_flips(int(source_index.max()) + 1, draws=draws, rng=rng)
    return flips[:, source_index], complete
