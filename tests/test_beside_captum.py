"""captum's TCAV beside ours over random studies; and what it gets wrong, which we do not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from captum.concept import TCAV, Classifier, Concept
from torch import Tensor, nn
from torch.utils.data import DataLoader

from videotcav.errors import NumericalError
from videotcav.explain.cav import mean_difference
from videotcav.explain.score import run_statistics
from videotcav.measure import Batch, Measured, measure
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
