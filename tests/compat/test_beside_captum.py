"""captum's TCAV beside ours over random studies; and what it gets wrong, which we do not."""

from __future__ import annotations

import random as python_random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from captum.concept import TCAV, Classifier, Concept
from captum.concept._utils.classifier import DefaultClassifier
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from videotcav.api import tcav
from videotcav.compat.captum import clips_from_pixels
from videotcav.engine.store import Store
from videotcav.errors import NumericalError
from videotcav.explain.cavs.cav import mean_difference
from videotcav.explain.cavs.score import run_statistics
from videotcav.explain.design.draws import GramRows
from videotcav.explain.design.settings import AnalysisSettings
from videotcav.explain.inference.accuracy import held_out_accuracy
from videotcav.features.measure import Batch, ClipFile, ClipReader, Measured, measure
from videotcav.models.load import load_model
from videotcav.models.model import VideoModel
from videotcav.records import ClipSpec, ModelCard

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")  # captum's own
CLIPS, LAYER = 6, "1"
CARD = ModelCard(
    name="small",
    clip_spec=ClipSpec(frames=2, seconds_between_frames=0.1, height=4, width=4, resize=4),
    classes=("a", "b"),
    layouts={LAYER: "b c"},
)


class Means(Classifier):
    """The mean difference, which has nothing to be trained or drawn."""

    def __init__(self) -> None:
        """captum wants one."""

    def train_and_eval(self, dataloader: DataLoader, **_: Any) -> dict[str, Tensor]:
        inputs, labels = (torch.cat(part) for part in zip(*dataloader, strict=True))
        self.names = labels.unique()
        first, second = (inputs[labels == name].mean(dim=0) for name in self.names)
        self.rows = torch.stack([first - second, second - first])
        return {"accs": torch.tensor(1.0)}

    def weights(self) -> Tensor:
        return self.rows

    def classes(self) -> list[int]:
        return [int(name) for name in self.names]


@pytest.fixture
def model() -> VideoModel:
    torch.manual_seed(4)
    module = nn.Sequential(nn.Flatten(), nn.Linear(3 * 2 * 4 * 4, 9), nn.Tanh(), nn.Linear(9, 2)).eval()
    return load_model(module, card=CARD)


def clips(seed: int) -> Tensor:
    return torch.randn(CLIPS, 3, 2, 4, 4, generator=torch.Generator().manual_seed(seed))


def captums(model: VideoModel, folder: Path, concept: Tensor, random: Tensor, of_class: Tensor) -> tuple[float, float]:
    """Sign count and magnitude of the concept."""
    sets = [
        Concept(id=number, name=name, data_iter=DataLoader(pixels, batch_size=CLIPS))
        for number, (name, pixels) in enumerate({"concept": concept, "random": random}.items())
    ]
    tcav = TCAV(model.module, [LAYER], classifier=Means(), save_path=str(folder))
    scores = tcav.interpret(of_class, [sets], target=0)["0-1"][LAYER]
    return float(scores["sign_count"][0]), float(scores["magnitude"][0])


def measured(model: VideoModel, concept: Tensor, random: Tensor, of_class: Tensor) -> Measured:
    names = {kind: tuple(f"{kind} {number}" for number in range(CLIPS)) for kind in ("concept", "random", "class")}
    batches = [
        Batch(names["concept"], concept),
        Batch(names["random"], random),
        Batch(names["class"], of_class, "a"),
    ]
    return measure(model, batches, classes=("a",), layers=(LAYER,), pooling="none")


def ours(model: VideoModel, concept: Tensor, random: Tensor, of_class: Tensor) -> float:
    """Sign count of the concept."""
    gram = measured(model, concept, random, of_class).grams[LAYER]
    weights = np.full((CLIPS, 1), 1 / CLIPS)
    runs = np.arange(2 * CLIPS)[None, None]
    found = run_statistics(gram, runs, weights, positives=CLIPS, classifier=mean_difference, penalty=1.0)
    return float(found[0].item())


@pytest.mark.parametrize("seed", range(0, 40, 4))
def test_sign_counts_are_captums(model: VideoModel, tmp_path: Path, seed: int) -> None:
    study = [clips(seed + number) for number in range(3)]
    assert ours(model, *study) == pytest.approx(captums(model, tmp_path, *study)[0])


def test_other_clips_under_an_old_name_are_other_clips(model: VideoModel, tmp_path: Path) -> None:
    """captum keeps CAVs by the concept's number: given other clips it answers with the old ones' CAV."""
    concept, random, of_class = (clips(number) for number in range(3))
    first = captums(model, tmp_path, concept, random, of_class)
    assert captums(model, tmp_path, random, concept, of_class) == first  # the very opposite was asked
    assert ours(model, random, concept, of_class) == pytest.approx(1 - ours(model, concept, random, of_class))


def test_a_clip_that_is_not_a_number_gives_no_score(model: VideoModel, tmp_path: Path) -> None:
    """captum counts signs of NaN, of which none is positive."""
    concept, random, of_class = (clips(number) for number in range(3))
    concept[2, 0, 0, 0, 0] = torch.nan
    assert captums(model, tmp_path, concept, random, of_class)[0] == 0.0
    with pytest.raises(NumericalError, match="concept 2"):
        measured(model, concept, random, of_class)


def started_at(moment: int) -> None:
    """What a user seeds, seeded alike; Python's own generator as a process finds it: by the clock."""
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002 - scikit-learn in captum draws from it
    python_random.seed(moment)


def test_the_same_study_again_has_the_same_results(model: VideoModel, tmp_path: Path) -> None:
    """captum's default classifier splits by Python's generator, which it neither seeds nor is given."""
    concept, random, of_class = (clips(number) for number in range(3))

    def theirs(moment: int) -> list[float]:
        started_at(moment)
        sets = [
            Concept(id=number, name=str(number), data_iter=DataLoader(pixels, batch_size=CLIPS))
            for number, pixels in enumerate((concept, random))
        ]
        asked = TCAV(model.module, [LAYER], save_path=str(tmp_path / str(moment)))
        return asked.interpret(of_class, [sets], target=0)["0-1"][LAYER]["magnitude"].tolist()

    def here(moment: int) -> str:
        started_at(moment)
        found = tcav(
            model,
            target="a",
            clips=clips_from_pixels(of_class, "a"),
            concepts={"concept": clips_from_pixels(concept, "concept")},
            random=clips_from_pixels(torch.cat([clips(number) for number in range(3, 9)]), "random"),
            layers=[LAYER],
            settings=AnalysisSettings(scores="classic", random_draws=5, bootstrap_resamples=100, minimum_clips=CLIPS),
        )
        return str(list(found))

    assert theirs(1) != theirs(2)
    assert here(1) == here(2)


def test_sets_that_stand_apart_are_told_apart_on_clips_held_out(model: VideoModel) -> None:
    """captum asks which of one column is largest: it always says the first set, rightly about half of the time."""
    shift = torch.tensor([6.0, 0.0, 0.0])
    noise = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    rows = torch.cat([noise[:20] + shift, noise[20:] - shift])
    labels = torch.arange(40) // 20
    started_at(0)
    classifier = DefaultClassifier()
    told = classifier.train_and_eval(DataLoader(TensorDataset(rows, labels), batch_size=40))
    assert ((rows @ classifier.weights()[1] > 0) == labels.bool()).all()  # its CAV parts them all
    assert told is not None
    assert told["accs"] < 0.7
    plain = rows.double().numpy()
    of_videos = [tuple(f"{name} {number // 2}" for number in range(20)) for name in ("concept", "random")]
    found = held_out_accuracy(
        plain @ plain.T,
        GramRows(rows=np.arange(20), sources=of_videos[0]),
        GramRows(rows=np.arange(20, 40), sources=of_videos[1]),
        np.arange(20)[None],
        classifier=mean_difference,
        penalty=1.0,
        folds=5,
        resamples=20,
        rng=np.random.default_rng(0),
    )
    assert found.value == 1.0


class Killed(BaseException):
    """The end of a process, wherever it was."""


def test_a_run_that_was_killed_goes_on_with_all_clips(
    model: VideoModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """captum starts again; and in batches of another size, clips that the killed run left behind count twice."""
    concept, random, of_class = (clips(number) for number in range(3))

    def killed_after_two() -> Iterator[Tensor]:
        yield from (concept[:1], concept[1:2])
        raise Killed

    def theirs(folder: str, first: object) -> tuple[float, float]:
        sets = [
            Concept(id=0, name="concept", data_iter=first),
            Concept(id=1, name="random", data_iter=DataLoader(random, batch_size=CLIPS)),
        ]
        asked = TCAV(model.module, [LAYER], classifier=Means(), save_path=str(tmp_path / folder))
        scores = asked.interpret(of_class, [sets], target=0)["0-1"][LAYER]
        return float(scores["sign_count"][0]), float(scores["magnitude"][0])

    with pytest.raises(Killed):
        theirs("killed", killed_after_two())
    passed: list[int] = []
    counting = model.module.register_forward_hook(lambda _module, inputs, _output: passed.append(len(inputs[0])))
    again = theirs("killed", DataLoader(concept, batch_size=CLIPS))
    counting.remove()
    assert sum(passed) >= 2 * CLIPS
    assert again != pytest.approx(theirs("whole", DataLoader(concept, batch_size=CLIPS)), abs=1e-4)
    one_twice = DataLoader(torch.cat([concept, concept[1:2]]), batch_size=CLIPS + 1)
    assert again == pytest.approx(theirs("one twice", one_twice), abs=1e-6)

    monkeypatch.setattr("videotcav.features.extract.CLIPS_A_SHARD", 2)
    pixels = {f"{name} {number}": each[number] for name, each in
              {"concept": concept, "random": random, "class": of_class}.items() for number in range(CLIPS)}  # fmt: skip
    for name in pixels:
        (tmp_path / name).write_text(name)

    def files(name: str) -> list[ClipFile]:
        return [ClipFile(path=tmp_path / f"{name} {number}", source="") for number in range(CLIPS)]

    def here(store: str, *, reads: int) -> Measured:
        left = iter(range(reads))

        def read(path: Path, _: str | None) -> Tensor:
            if next(left, None) is None:
                raise Killed
            return pixels[path.name]

        source = ClipReader({None: [*files("concept"), *files("random")], "a": files("class")}, read)
        rows = Store(tmp_path / store)
        return measure(model, source, classes=("a",), layers=(LAYER,), pooling="none", store=rows)

    with pytest.raises(Killed):
        here("ours", reads=9)
    whole, rest = here("ours too", reads=18), here("ours", reads=18)
    assert whole.clips_passed == 18
    assert 10 <= rest.clips_passed < 18  # what was finished is not passed again
    for name in ("kernel", "cross", "gradients"):
        assert np.array_equal(getattr(rest.grams[LAYER], name), getattr(whole.grams[LAYER], name))
