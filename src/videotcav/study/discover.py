"""Concepts that nobody had to collect: videos in, factors of a layer's rows, candidate clips for a person out.

videos ─→ stored rows ─→ factors of the finding videos ─→ strongest tubelets of all ─→ candidate clips ─→ review

A share of the videos takes no part in finding. Each factor's strongest tubelets are cut from both: those of the finding
videos show a person what was found, those of the others are what a study may test.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from videotcav.concepts.detectors.detect import AnyDetector
from videotcav.concepts.discover.candidates import (
    Discovery,
    Explained,
    Finder,
    FoundSet,
    tubelet_recipe,
    write_discovery,
)
from videotcav.concepts.discover.factors import GridPlace, Strongest, by_turns, strongest_tubelets
from videotcav.concepts.folder import accept
from videotcav.concepts.propose.crop import Mode
from videotcav.datasets.rows import ClipList
from videotcav.engine.local import Engine, here
from videotcav.engine.run_store import scratch_store
from videotcav.engine.store import Store, folder_name
from videotcav.errors import ArgumentError, NotEnoughData, PathTaken
from videotcav.explain.cavs.gram import Floats
from videotcav.features.measure import DEFAULT_MEMORY_BYTES, ClipFile, ClipReader, measure
from videotcav.features.volumes import stored_volumes
from videotcav.models.class_score import asked_score
from videotcav.models.model import VideoModel
from videotcav.outputs import whole_file
from videotcav.records import Kind, Progress, silent
from videotcav.study.known_sets import KnownRows, KnownSets, mean_rows
from videotcav.study.reading import StudyClips
from videotcav.study.tubelets import LEAST_SCORE, Tubelet, UnlabelledVideos

CLASS_CLIPS = 24
"""Of the finding videos that the model gives to the class, as many show its gradient."""

LEAST_SIDE = 10


def discover(
    model: VideoModel,
    videos: Path | str | Sequence[Path | str] | ClipList,
    output: Path | str,
    *,
    layers: Sequence[str],
    pool: Path | str | None = None,
    target: str | None = None,
    concepts: Path | str | None = None,
    random: Path | str | None = None,
    factors: int | None = None,
    clips: int = 20,
    held_out: float = 0.5,
    mode: Mode = "window",
    context: float = 2.0,
    kinds: Sequence[Kind] = ("spatiotemporal", "frozen"),
    objects: AnyDetector | None = None,
    labels: Sequence[str] = (),
    sources: Mapping[str, str] | None = None,
    seed: int = 0,
    store: Path | str | None = None,
    memory_bytes: int = DEFAULT_MEMORY_BYTES,
    batch_size: int | None = None,
    engine: Engine = here,
    progress: Progress = silent,
) -> Discovery:
    """What was found in videos without labels, and now lies in the new concept folder `output` for a person's review.

    Of each layer the tubelets (positions of its grid, or tracks of `objects`: the layer's mean where the model is shown
    the object) of the finding videos are taken apart into non-negative factors.
    Each factor is a concept, `LAYER-01` first, with its strongest tubelet of as many finding videos as `clips`, and
    of as many others, the strongest of each source first. A study takes only the latter and leaves the finding videos
    out everywhere.

    Args:
        model: from `load_model`; handed back unchanged.
        videos: files, folders, patterns or a list of clips, 50 to 200; of each the clip in its middle is read.
        output: a new folder.
        layers: names of layers whose output has places.
        pool: a new folder for a random pool: of each held-out video a tubelet drawn at random, cut alike.
        target: the class by whose shift factors are ranked, the largest first; without it, by their strength.
        concepts: the folder of sets that you have already: how much of the class, and of each found set, they explain
            is told (`Explained`), from the finding videos that none of their clips was cut from.
        random: what these are held against, random clips that were cut alike.
        factors: how many, of each layer; by default as many as principal components hold 90 % of the variance, at
            most 16.
        clips: of each factor, from finding and from held-out videos each.
        held_out: the share of source videos that takes no part in finding.
        mode: how a tubelet is cut, see `Recipe`.
        context: how much wider than the tubelet a window is.
        kinds: the kinds of clips that are cut.
        objects: where objects are, so that tubelets are their tracks: a detector, or what `load_detector` reads (a file
            of boxes or masks, an ONNX file). Videos without a track are left out, and told.
        labels: what the detector calls the objects; all that it finds when left out.
        sources: what files (by name without ending) were cut from, as for `propose`; a source is on one side only.
        seed: of what is held out, of the tubelets that factors are fitted to, and of the pool.
        store: where rows are kept for later; without one they are gone.
        memory_bytes: what rows may take beside the model.
        batch_size: clips of a pass.
        engine: where passes run.
        progress: shows how far it is.

    Raises:
        NotEnoughData: fewer than ten sources on one side, fewer than three of a set, or more factors than a layer has.
        ArgumentError: two sources of one video, labels without objects, or one of `concepts` and `random` without the
            other.
        TrackNotFound: no video shows an object.
        LayoutError: nobody said how a layer is laid out.
        PathTaken: the folder is there already.
        VideosError: videos cannot be read.
    """
    if not 0 < held_out < 1:
        raise ArgumentError(f"held_out is a share between 0 and 1, not {held_out:g}")
    for folder in (output, pool):
        if folder is not None and Path(folder).exists():
            raise PathTaken(f"{folder}: is there already; name a new folder, as what is found is one family of tests")
    layers = [model.layer_name(layer) for layer in layers]
    known = KnownSets.of(concepts, random)
    read = StudyClips(model.card.clip_spec)
    every = UnlabelledVideos.of(videos, sources, read, seed=seed, progress=progress)
    given = every.tracked(objects, labels)
    finding = _finding(given, held_out=held_out, seed=seed)
    with ExitStack() as stack:
        rows = Store(store) if store is not None else stack.enter_context(scratch_store(memory_bytes // 2))
        passes = partial(
            measure,
            model,
            layers=layers,
            pooling="none",
            store=rows,
            memory_bytes=memory_bytes,
            batch_size=batch_size,
            engine=engine,
            kernel=False,
        )
        reader = given.reader()
        measured = passes(reader, classes=())
        readouts: dict[str, Floats] = {}
        explained: dict[str, Explained] = {}
        if target is not None:
            target = model.card.classes[model.class_index(target)]
            shown = _of_class(target, given.files, finding, measured.predicted(model))
            score = asked_score(model, target, None)[1]
            grams = passes(given.reader({target: shown}), classes=(target,), score=score).grams
            readouts = {layer: gram.cross.mean(axis=0) for layer, gram in grams.items()}
        volumes = partial(stored_volumes, measured, rows, reader, memory_bytes=memory_bytes)
        how: dict[str, Any] = {"count": factors, "seed": seed, "memory_bytes": memory_bytes}
        found = {
            layer: strongest_tubelets(given.rows(partial(volumes, layer)), finding, **how)
            for layer in progress(layers, "factors", total=len(layers))
        }
        chosen: dict[str, Any] = {"clips": clips, "sources": [file.source for file in given.files]}
        sets = [each for name in layers for each in _sets(name, found[name], finding, readouts.get(name), **chosen)]
        if known.concepts:
            theirs = ClipReader({None: known.files}, read, progress=progress)
            of_known = partial(stored_volumes, passes(theirs, classes=()), rows, theirs, memory_bytes=memory_bytes)
            both = {layer: (mean_rows(volumes(layer)), mean_rows(of_known(layer))) for layer in layers}
            of_class = np.array(measured.predicted(model)) == target
            sets, explained = _explained(sets, KnownRows(known, given, both, seed), finding, of_class)
    key = folder_name({layer: measured.passing.cache_key(layer, None) for layer in layers})
    settings: dict[str, str | float] = {"layers": " ".join(layers), "factors_seed": seed, **given.told_by}
    recipe = tubelet_recipe(mode=mode, context=context, kinds=kinds)

    def cut(folder: Path, wanted: Mapping[str, Sequence[Tubelet]]) -> None:
        given.cut(folder, wanted, Finder(f"discover {model.name}", key, tuple(wanted), settings), recipe=recipe)

    with whole_file(Path(output)) as unfinished, whole_file(Path(pool)) if pool else nullcontext() as drawn:
        cut(unfinished, {each.found.concept: each.tubelets for each in sets})
        discovery = Discovery(
            model=model.name,
            model_sha256=model.card.weights_sha256,
            rows=key,
            layers=tuple(layers),
            class_name=target or "",
            seed=seed,
            found=tuple(each.found for each in sets),
            finding=given.sources_of(finding),
            held_out=given.sources_of(~finding),
            known=tuple(known.concepts),
            explained=explained,
            objects=given.told_by.get("objects", ""),
            no_track=tuple(every.digests[file.path] for file in every.files if file not in given.files),
        )
        write_discovery(unfinished, discovery)
        if drawn is not None:
            cut(drawn, {"random": _at_random(found, finding, seed)})
            accept(drawn)
    return discovery


class _Set(NamedTuple):
    found: FoundSet
    tubelets: list[Tubelet]


def _explained(
    sets: Sequence[_Set], rows: KnownRows, finding: NDArray[np.bool_], of_class: NDArray[np.bool_]
) -> tuple[list[_Set], dict[str, Explained]]:
    """The sets with how much known ones explain of what tells their finding videos from the others; and how much of
    the class, at each layer.
    """
    told = []
    for each in sets:
        own = np.zeros_like(finding)
        own[[tubelet.video for tubelet in each.tubelets]] = True
        found = rows.explained(each.found.layer, finding & own, finding & ~own)
        told.append(each._replace(found=each.found.model_copy(update={"explained": found})))
    layers = {layer: rows.explained(layer, finding & of_class, finding & ~of_class) for layer in rows.layers}
    return told, {layer: each for layer, each in layers.items() if each is not None}


def _finding(videos: UnlabelledVideos, *, held_out: float, seed: int) -> NDArray[np.bool_]:
    """Which files are for finding: of the source videos a share is held out, drawn by the seed."""
    names = sorted({file.source for file in videos.files})
    away = round(held_out * len(names))
    if min(away, len(names) - away) < LEAST_SIDE:
        raise NotEnoughData(
            f"{len(names)} source videos{' that show a track' * bool(videos.tracks)} with a share of {held_out:g} held "
            f"out leave {len(names) - away} to find in and {away} to test on; at least {LEAST_SIDE} of each are "
            "needed, better 50"
        )
    kept = set(np.random.default_rng(seed).permutation(names)[away:].tolist())
    return np.array([file.source in kept for file in videos.files])


def _of_class(
    name: str, files: Sequence[ClipFile], finding: NDArray[np.bool_], predicted: Sequence[str]
) -> list[ClipFile]:
    """Finding videos that the model gives to the class."""
    own = [
        file for file, is_finding, given in zip(files, finding, predicted, strict=True) if is_finding and given == name
    ]
    if len(own) < 2:  # noqa: PLR2004 - one video has gradients of its own alone
        raise NotEnoughData(
            f"the model gives {len(own)} of the videos that are for finding to '{name}', and its shift needs at "
            "least 2: add videos of the class, or name no class"
        )
    return own[:CLASS_CLIPS]


def _sets(
    layer: str,
    shown: Sequence[Strongest],
    finding: NDArray[np.bool_],
    readout: Floats | None,
    *,
    clips: int,
    sources: Sequence[str],
) -> list[_Set]:
    """The factors of a layer, ranked; of each its strongest tubelets of finding videos, and of the others: the
    strongest of each source first, as a source counts once in a study.
    """
    strengths = np.stack([each.strength for each in shown])
    ranked = []
    for factor, strength in enumerate(strengths.T):
        strongest = (video for video in np.argsort(-strength, kind="stable").tolist() if strength[video] > 0)
        order = by_turns(strongest, sources)
        own = [video for video in order if finding[video]][:clips]
        others = [video for video in order if not finding[video]][:clips]
        rest = np.setdiff1d(np.flatnonzero(finding), own)
        if not own:  # a factor of nothing
            continue
        shift = None
        if readout is not None and len(rest) and (spread := float(readout[finding].std(ddof=1))) > 0:
            shift = float(readout[own].mean() - readout[rest].mean()) / spread
        sharp = float(strength[own].mean() / strength[finding].mean())
        ranked.append((abs(shift) if shift is not None else sharp, -factor, shift, sharp, [*own, *others]))
    sets = []
    for rank, (_, negative, shift, sharp, chosen) in enumerate(sorted(ranked, reverse=True), 1):
        factor = -negative
        peak = float(strengths[:, factor].max())
        tubelets = [
            Tubelet(
                video,
                GridPlace(*shown[video].place[factor].tolist()),
                shown[video].grid,
                tuple(np.maximum(shown[video].over_time[factor] / peak, LEAST_SCORE).tolist()),
            )
            for video in chosen
        ]
        concept = f"{layer.replace('/', '_')}-{rank:02}"
        sets.append(_Set(FoundSet(concept=concept, layer=layer, strength=sharp, shift=shift), tubelets))
    return sets


def _at_random(found: Mapping[str, Sequence[Strongest]], finding: NDArray[np.bool_], seed: int) -> list[Tubelet]:
    """Of each video that is held out one tubelet of one of the layers."""
    rng = np.random.default_rng([seed, 1])
    tubelets = []
    for video in np.flatnonzero(~finding).tolist():
        grid = found[list(found)[rng.integers(len(found))]][video].grid
        place = GridPlace(*(int(rng.integers(length)) for length in grid))
        tubelets.append(Tubelet(video, place, grid, (1.0,) * grid[0]))
    return tubelets
