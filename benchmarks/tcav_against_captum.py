"""What a TCAV study costs: captum's TCAV and ours, over the same clips, model, random sets, split and classifier.

    python benchmarks/tcav_against_captum.py --only "r3d_18, R = 10"

One concept against R random sets drawn from one pool, three layers, one class. Contestants:

- captum: its `TCAV`, the classifier being scikit-learn's ridge frozen to one split. Ridge is the kindest choice: in d
  dimensions it is solved from the clips' inner products, while captum's default takes many passes of gradient descent.
- captum, mended: its `load_cavs` looks for stored activations with layer and concept in each other's place, so that it
  never finds them and forwards the concept again for every random set. Here a subclass puts them right, lest we be
  credited for that.
- ours, same scores: the very same fits from the inner products, on the same training clips: sign counts, magnitudes
  and held-out accuracies, which are compared with captum's.
- ours, whole study: `tcav` as it is, with its null of pseudo-concepts, intervals and verdicts, which captum has not.

Two cells go on where an earlier study stopped, each run in a copy of its folder: `one more concept` asks a second
concept of the same random sets, `resume` finishes a study that stopped when half of its random sets were done.
`a further CAV` asks ours alone, all rows being stored, for few random sets and for many.

Every other run starts in a fresh folder. The concept has a smaller id than the random sets, since captum sorts ids;
loaders do not shuffle; `classes_` are int32, since captum's loader of stored CAVs refuses int64.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from captum._utils.av import AV
from captum.concept import TCAV, Classifier, Concept
from captum.concept._core import tcav as captum_tcav
from sklearn.linear_model import RidgeClassifier
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from _clips import as_clips
from harness import Book, Cells, counted, medians, options, taken
from validation.targets import Promise, at_least, at_most
from videotcav.api import tcav
from videotcav.engine.store import Store
from videotcav.errors import NotEnoughData
from videotcav.explain.cavs.cav import ridge
from videotcav.explain.cavs.gram import Gram
from videotcav.explain.cavs.score import run_statistics
from videotcav.explain.design.settings import AnalysisSettings
from videotcav.features.measure import Batch, Measured, measure
from videotcav.models.load import load_model
from videotcav.models.model import VideoModel

CLASS = 7
CONCEPT, FIRST_RANDOM = 0, 100  # captum's ids


@dataclass(frozen=True)
class Case:
    """A cell: the model, its layers and input, the clips of the concept, of each random set, of the pool and class."""

    model: str
    layers: tuple[str, ...]
    size: tuple[int, int, int]
    sets: int
    clips: int
    pool: int
    class_clips: int
    after: str = "nothing"


FURTHER = ", a further CAV"
TIMES_FASTER = {
    f"{model}, R = {sets}": times for model in ("r3d_18", "swin3d_t") for sets, times in ((10, 5), (50, 20))
}
SINGLE_PRECISION = 1e-6  # captum rounds shares to it
FEW_SETS, MANY_SETS = 10, 30_000
# Clips pass by fours, and a last pass is filled up: sets of fours, lest filling be what is measured.
R3D = ("r3d_18", ("layer1", "layer2", "layer3"), (8, 64, 64))
SWIN = ("swin3d_t", ("features.0", "features.2", "features.4"), (16, 112, 112))
CASES = {
    "r3d_18, R = 3": Case(*R3D, sets=3, clips=8, pool=24, class_clips=8),
    "r3d_18, R = 10": Case(*R3D, sets=10, clips=8, pool=24, class_clips=8),
    "r3d_18, R = 50": Case(*R3D, sets=50, clips=8, pool=24, class_clips=8),
    "r3d_18, disjoint sets, R = 10": Case(*R3D, sets=10, clips=8, pool=80, class_clips=8),
    "r3d_18, one more concept, R = 10": Case(*R3D, sets=10, clips=8, pool=24, class_clips=8, after="another concept"),
    "r3d_18, resume, R = 10": Case(*R3D, sets=10, clips=8, pool=24, class_clips=8, after="half of the sets"),
    "swin3d_t, R = 3": Case(*SWIN, sets=3, clips=4, pool=12, class_clips=4),
    "swin3d_t, R = 10": Case(*SWIN, sets=10, clips=4, pool=12, class_clips=4),
    "swin3d_t, R = 50": Case(*SWIN, sets=50, clips=4, pool=12, class_clips=4),
    "r3d_18, a further CAV": Case(*R3D, sets=FEW_SETS, clips=8, pool=24, class_clips=8, after="all passes"),
    "swin3d_t, a further CAV": Case(*SWIN, sets=FEW_SETS, clips=4, pool=12, class_clips=4, after="all passes"),
}


class World:
    """The clips of a case, from one seed, and which of them are a random set and a training clip."""

    def __init__(self, case: Case) -> None:
        generator = torch.Generator().manual_seed(0)

        def clips(count: int) -> Tensor:
            return torch.randn(count, 3, *case.size, generator=generator)

        self.case = case
        self.model = load_model(f"torchvision:{case.model}")
        self.model.module.eval()
        self.concept, self.other = clips(case.clips) + 0.02, clips(case.clips) - 0.02
        self.pool, self.of_class = clips(case.pool), clips(case.class_clips)
        rng = np.random.default_rng(0)
        disjoint = case.pool == case.sets * case.clips
        self.random_sets = (
            rng.permutation(case.pool).reshape(case.sets, case.clips)
            if disjoint
            else np.stack([rng.choice(case.pool, case.clips, replace=False) for _ in range(case.sets)])
        )
        self.training = np.arange(case.clips) < -(-2 * case.clips // 3)  # of every set, concept or random
        self.penalty = 0.1 * case.size[0] * case.size[1] * case.size[2]

    def warm(self) -> None:
        """Makes torch choose its kernels for the contestants' passes, so that none pays for it in its first round."""
        for clips in (self.concept[:4], self.concept, self.of_class):
            pixels = clips.clone().requires_grad_()
            torch.autograd.grad(self.model.module(pixels).sum(), pixels)


class FrozenRidge(Classifier):
    """Scikit-learn's ridge on the labels, always trained on the same clips of every set."""

    def __init__(self, training: np.ndarray, penalty: float) -> None:
        self.training = np.tile(training, 2)
        self.model = RidgeClassifier(alpha=penalty)

    def train_and_eval(self, dataloader: DataLoader[tuple[Tensor, Tensor]], **_: Any) -> dict[str, Tensor]:
        """Fits the training clips; the accuracy on the others."""
        inputs, labels = (torch.cat(part).numpy() for part in zip(*dataloader, strict=True))
        self.model.fit(inputs[self.training], labels[self.training])
        right = self.model.predict(inputs[~self.training]) == labels[~self.training]
        return {"accs": torch.tensor(right.mean())}

    def weights(self) -> Tensor:
        """One row a class: ridge separates the two by one vector."""
        towards_random = torch.from_numpy(self.model.coef_.ravel())
        return torch.stack([-towards_random, towards_random])

    def classes(self) -> np.ndarray:
        """The concept's id and the random set's."""
        classes: np.ndarray = self.model.classes_.astype(np.int32)
        return classes


class MendedAV(AV):
    """Stored activations that are found: captum's `load_cavs` gives layer and concept in the wrong order."""

    @staticmethod
    def exists(path: str, model_id: str, layer: str, identifier: str) -> bool:
        """Whether the concept's activations at the layer are stored."""
        return bool(AV.exists(path, model_id, identifier, layer))


class Folders:
    """A fresh folder for each run, with what an earlier study left there."""

    def __init__(self) -> None:
        self._left: Path | None = None
        self._last: Path | None = None

    def fresh(self, earlier: Callable[[Path], None]) -> Path:
        """The next folder; `earlier` fills the first, of which the others are copies."""
        if self._left is None:
            self._left = Path(tempfile.mkdtemp())
            earlier(self._left)
        if self._last:
            shutil.rmtree(self._last)
        self._last = Path(tempfile.mkdtemp()) / "study"
        shutil.copytree(self._left, self._last)
        return self._last


class Captum:
    """Captum's TCAV on a world, in a fresh folder, or in a copy of one that an earlier run left."""

    def __init__(self, world: World, *, mended: bool) -> None:
        self.world = world
        self.mended = mended
        self.folders = Folders()

    def prepare(self) -> None:
        """A fresh folder, or one as the earlier study left it."""
        self.folder = self.folders.fresh(self.earlier)

    def earlier(self, folder: Path) -> None:
        """The study before."""
        self.folder = folder
        if self.world.case.after == "another concept":
            self.interpret(self.concept("other", CONCEPT + 1, self.world.other), self.world.random_sets)
        elif self.world.case.after == "half of the sets":
            concept = self.concept("concept", CONCEPT, self.world.concept)
            self.interpret(concept, self.world.random_sets[: self.world.case.sets // 2])

    def __call__(self) -> dict[str, Any]:
        """The scores of the concept against every random set."""
        return self.interpret(self.concept("concept", CONCEPT, self.world.concept), self.world.random_sets)

    def interpret(self, concept: Concept, random_sets: np.ndarray) -> dict[str, Any]:
        """Captum's scores of one concept against random sets."""
        world = self.world
        random = [
            self.concept(f"random {index}", FIRST_RANDOM + index, world.pool[rows])
            for index, rows in enumerate(random_sets)
        ]
        captum_tcav.AV = MendedAV if self.mended else AV
        captums = TCAV(
            world.model.module,
            list(world.case.layers),
            classifier=FrozenRidge(world.training, world.penalty),
            save_path=str(self.folder),
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scores: dict[str, Any] = captums.interpret(
                world.of_class, [[concept, each] for each in random], target=CLASS
            )
        self.accuracies = {
            layer: [float(captums.cavs[f"{concept.id}-{each.id}"][layer].stats["accs"]) for each in random]
            for layer in world.case.layers
        }
        self.scores = scores
        return scores

    def concept(self, name: str, number: int, clips: Tensor) -> Concept:
        """Captum's noun for some clips."""
        rows = cast("Dataset[Tensor]", clips)  # a tensor has all that a data set needs
        return Concept(number, name, DataLoader(rows, batch_size=len(clips), shuffle=False))


class Ours:
    """The same scores from inner products."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.folders = Folders()
        self.store: Store | None = None

    def prepare(self) -> None:
        """The store as the earlier study left it; without one there is none, as in `tcav` by default."""
        after = self.world.case.after != "nothing"
        self.store = Store(self.folders.fresh(self.earlier)) if after else None

    def earlier(self, folder: Path) -> None:
        """The study before."""
        self.store = Store(folder)
        world = self.world
        if world.case.after == "all passes":
            self.measured(world.concept, world.pool, world.of_class)
        elif world.case.after == "another concept":
            self.measured(world.other, world.pool, world.of_class)
        elif world.case.after == "half of the sets":
            with suppress(NotEnoughData):  # it never came to the class
                self.measured(world.concept, world.pool[np.unique(world.random_sets)[: world.case.pool // 2]])

    def measured(self, *parts: Tensor) -> Measured:
        """The Gram blocks of the concept, random clips and, where they come third, the class's clips."""
        groups: dict[int | None, list[Tensor]] = {None: list(parts[:2])}
        if parts[2:]:
            groups[CLASS] = [parts[2]]
        return measure(
            self.world.model,
            batches(self.world.model, self.world.case.clips, groups),
            classes=[self.world.model.card.classes[CLASS]],
            layers=self.world.case.layers,
            pooling="none",
            store=self.store,
        )

    def __call__(self) -> dict[str, dict[str, np.ndarray]]:
        """Sign counts and mean sensitivities (random set,), and held-out accuracies, by layer."""
        world, case = self.world, self.world.case
        used, random_sets = np.unique(world.random_sets, return_inverse=True)
        random_sets = case.clips + random_sets.reshape(world.random_sets.shape)
        measured = self.measured(world.concept, world.pool[used], world.of_class)
        self.scores = {layer: self._scores(gram, random_sets) for layer, gram in measured.grams.items()}
        return self.scores

    def _scores(self, gram: Gram, random_sets: np.ndarray) -> dict[str, np.ndarray]:
        world = self.world
        concept, training = np.arange(world.case.clips), world.training
        runs = np.stack([np.concatenate([concept[training], rows[training]]) for rows in random_sets])
        held_out = np.stack([np.concatenate([concept[~training], rows[~training]]) for rows in random_sets])
        positives = int(training.sum())
        weights = np.full((world.case.class_clips, 1), 1 / world.case.class_clips)
        found = run_statistics(gram, runs[None], weights, positives=positives, classifier=ridge, penalty=world.penalty)[
            :, 0, :, 0
        ]
        kernels = gram.kernel[runs[:, :, None], runs[:, None, :]]
        labels = np.where(np.arange(runs.shape[1]) < positives, 1.0, -1.0)
        fit = ridge(kernels, np.broadcast_to(labels, runs.shape), penalty=world.penalty)
        across = gram.kernel[held_out[:, :, None], runs[:, None, :]]
        decisions = (across @ fit.alpha[..., None])[..., 0] + fit.intercept[:, None]
        truth = np.where(np.arange(held_out.shape[1]) < held_out.shape[1] // 2, 1.0, -1.0)
        return {"sign_count": found[0], "sensitivity": found[1], "accuracy": (decisions * truth > 0).mean(axis=1)}


class WholeStudy:
    """`tcav` as a user calls it, with as many random sets: scores, accuracies, nulls, intervals, verdicts."""

    def __init__(self, world: World) -> None:
        self.world = world
        smallest = min(5, world.case.clips)
        self.settings = AnalysisSettings(
            scores="classic",
            random_draws=world.case.sets,
            minimum_clips=world.case.clips,
            minimum_sources=smallest,
        )

    def __call__(self) -> object:
        """The results."""
        world = self.world
        return tcav(
            world.model,
            target=world.model.card.classes[CLASS],
            clips=as_clips("class", world.of_class),
            concepts={"concept": as_clips("concept", world.concept)},
            random=as_clips("random", world.pool),
            layers=world.case.layers,
            settings=self.settings,
        )


def batches(model: VideoModel, size: int, groups: Mapping[int | None, list[Tensor]]) -> Iterator[Batch]:
    """The clips of each group, `size` at a time."""
    for index, parts in groups.items():
        clips = torch.cat(parts)
        for part in torch.split(clips, size):
            name = None if index is None else model.card.classes[index]
            yield Batch(tuple(f"clip {number}" for number in range(len(part))), part, name)


def agreement(captum: Captum, ours: Ours) -> dict[str, Any]:
    """How far the sign counts and accuracies of the last runs are apart; the first few of both, to be looked at."""
    theirs, own = captum.scores, ours.scores
    found: dict[str, Any] = {}
    for layer in own:
        # By key: captum gives them back in an order of its own.
        pairs = [f"{CONCEPT}-{FIRST_RANDOM + index}" for index in range(len(theirs))]
        sign_counts = np.array([float(theirs[pair][layer]["sign_count"][0]) for pair in pairs])
        found[layer] = {
            "sign_count_apart": float(np.abs(sign_counts - own[layer]["sign_count"]).max()),
            "accuracy_apart": float(np.abs(np.array(captum.accuracies[layer]) - own[layer]["accuracy"]).max()),
            "sign_count_captum": sign_counts[:3].round(4).tolist(),
            "sign_count_ours": own[layer]["sign_count"][:3].round(4).tolist(),
        }
    return found


def slope(book: Book, title: str, case: Case) -> None:
    """What a further CAV takes a layer where its clips have passed; captum's is told by the cells of R sets."""
    worlds = [World(replace(case, sets=sets)) for sets in (FEW_SETS, MANY_SETS)]
    contestants = {f"ours, R = {world.case.sets}": Ours(world) for world in worlds}
    found = book.race(title, contestants, **vars(case))
    few, many = (row["processor_seconds"]["median"] for row in found.values())
    milliseconds = 1000 * (many - few) / (MANY_SETS - FEW_SETS) / len(case.layers)
    book.note(title, milliseconds_a_further_cav_and_layer=milliseconds)


def promises(cells: Cells) -> Iterator[Promise]:
    """How many times faster the same scores are, what a further CAV costs, and that the scores are the same."""
    for title, cell in cells.items():
        asked = title.removesuffix(FURTHER)
        if asked != title:
            yield Promise(
                area="speed",
                what=f"a further CAV at a layer, {asked}",
                unit="ms",
                target=at_most(1.0),
                value=cell["findings"]["milliseconds_a_further_cav_and_layer"],
                n=len(next(iter(cell["contestants"].values()))["processor_seconds"]["samples"]),
                **taken(cell),
            )
            continue
        if title in TIMES_FASTER:
            for captum, words in (("captum", "as it is"), ("captum, mended", "mended")):
                what = f"captum {words} ÷ ours with the same scores, seconds, {title}"
                times = medians(cell, captum, "ours, same scores")
                target = at_least(TIMES_FASTER[title])
                yield Promise(area="speed", what=what, unit="×", target=target, **times, **taken(cell))
    fitted = [cell for title, cell in cells.items() if not title.endswith(FURTHER)]
    if fitted:
        worst = max(fitted, key=_apart)
        yield Promise(
            area="statistics",
            what="sign counts and held-out accuracies apart from captum's, same fits",
            target=at_most(SINGLE_PRECISION),
            value=_apart(worst),
            n=sum(len(cell["findings"]) * cell["conditions"]["sets"] for cell in fitted),
            **taken(worst),
        )


def _apart(cell: Mapping[str, Any]) -> float:
    """How far a sign count or an accuracy of a cell is from captum's at most."""
    layers = cell["findings"].values()
    return float(max(layer[f"{each}_apart"] for layer in layers for each in ("sign_count", "accuracy")))


def main() -> None:
    """Runs the cells that are asked for."""
    arguments: argparse.Namespace = options(__doc__).parse_args()
    book = Book(__file__, "TCAV: captum and ours", arguments, promises, packages=("captum",))
    for title in book.wanted(*CASES):
        if CASES[title].after == "all passes":
            slope(book, title, CASES[title])
            continue
        world = World(CASES[title])
        world.warm()
        ours, mended = Ours(world), Captum(world, mended=True)
        contestants: dict[str, Callable[[], object]] = {
            "ours, same scores": ours,
            **({"ours, whole study": WholeStudy(world)} if world.case.after == "nothing" else {}),
            "captum, mended": mended,
            "captum": Captum(world, mended=False),
        }
        with counted(world.model.module) as passes:
            book.race(title, contestants, meters=passes.meters, warm_up=False, **vars(CASES[title]))
            book.note(title, **agreement(mended, ours))


if __name__ == "__main__":
    main()
