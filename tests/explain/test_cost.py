"""What a study costs, in counts that no busy machine can blur: clips passed, bytes written, what is as wide as d."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from support.analysed import analyse
from videotcav.engine.store import Store
from videotcav.explain.cavs.gram import Gram
from videotcav.explain.design.design import ConceptRows
from videotcav.explain.design.draws import GramRows
from videotcav.explain.design.settings import AnalysisSettings
from videotcav.features.measure import Batch, Measured, measure
from videotcav.models.load import load_model
from videotcav.models.model import VideoModel
from videotcav.records import ClipSpec, ModelCard

SPEC = ClipSpec(frames=4, seconds_between_frames=0.1, height=12, width=12, resize=12)
CONCEPT, POOL, CLASS_CLIPS = 12, 40, 8
LAYERS = ("first", "second", "third")
COLUMNS = 4 * 4 * 12 * 12


class Net(nn.Module):
    """Three layers of `COLUMNS` numbers a clip; counts the clips that pass it forward and backward."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = (nn.Conv3d(start, 4, 3, padding=1) for start in (3, 4, 4))
        self.head = nn.Linear(4, 2)
        self.forward_clips = self.head_clips = self.backward_clips = 0

    def forward(self, pixels: Tensor) -> Tensor:
        self.forward_clips += len(pixels)
        hidden = torch.tanh(self.third(torch.tanh(self.second(torch.tanh(self.first(pixels))))))
        self.head_clips += len(pixels)
        logits = self.head(hidden.mean(dim=(2, 3, 4)))
        if logits.requires_grad:
            logits.register_hook(self._count_backward)
        return logits

    def _count_backward(self, gradient: Tensor) -> None:
        self.backward_clips += len(gradient)


@pytest.fixture
def model() -> VideoModel:
    torch.manual_seed(0)
    card = ModelCard(name="net", clip_spec=SPEC, classes=("a", "b"), layouts=dict.fromkeys(LAYERS, "b c t h w"))
    return load_model(Net(), card=card)


def measured(model: VideoModel, store: Store, layers: tuple[str, ...] = LAYERS) -> Measured:
    generator = torch.Generator().manual_seed(1)

    def batch(count: int, name: str | None) -> Batch:
        names = tuple(f"{name} {index}" for index in range(count))
        return Batch(names, torch.randn(count, 3, 4, 12, 12, generator=generator), name)

    batches = [batch(CONCEPT + POOL, None), batch(CLASS_CLIPS, "a")]
    return measure(model, batches, classes=["a"], layers=layers, pooling="none", store=store)


def test_three_layers_cost_the_passes_of_one_and_their_own_bytes(model: VideoModel, tmp_path_factory) -> None:
    """Counts are multiples of four clips a pass, so nothing is filled up."""
    written = {}
    for layers in (LAYERS[-1:], LAYERS):
        net = model.module
        assert isinstance(net, Net)
        net.forward_clips = net.head_clips = net.backward_clips = 0
        store = Store(tmp_path_factory.mktemp("store"))
        measured(model, store, layers)
        assert net.forward_clips == CONCEPT + POOL + CLASS_CLIPS
        assert net.head_clips == CONCEPT + POOL + CLASS_CLIPS
        assert net.backward_clips == CLASS_CLIPS
        written[len(layers)] = store.bytes_written
    rows = (CONCEPT + POOL + CLASS_CLIPS) * COLUMNS * 4
    assert rows < written[1] < 1.2 * rows  # beside the rows: headers, logits, recipes, Gram blocks
    assert written[3] < 3.1 * written[1]


def statistics(grams: dict[str, Gram], *, random_draws: int, pseudo_concepts: int) -> None:
    sources = [tuple(f"{name} {index}" for index in range(count)) for name, count in (("c", CONCEPT), ("r", POOL))]
    ids = tuple(map(str, range(CONCEPT)))
    analyse(
        grams,
        concepts=[ConceptRows("concept", "spatial", ids, GramRows(np.arange(CONCEPT), sources[0]))],
        random=GramRows(np.arange(CONCEPT, CONCEPT + POOL), sources[1]),
        classes={"a": GramRows(np.arange(CLASS_CLIPS), tuple(map(str, range(CLASS_CLIPS))))},
        settings=AnalysisSettings(
            random_draws=random_draws, pseudo_concepts=pseudo_concepts, bootstrap_resamples=100, correction="none"
        ),
    )


def test_more_cavs_pass_no_clip_and_write_no_byte(model: VideoModel, tmp_path) -> None:
    """The statistics have the inner products alone: they hold neither the model nor the rows, whatever d is."""
    store = Store(tmp_path)
    found = measured(model, store)
    net = model.module
    assert isinstance(net, Net)
    before = net.forward_clips, net.backward_clips, store.bytes_written
    for random_draws, pseudo_concepts in ((2, 19), (20, 199)):
        statistics(dict(found.grams), random_draws=random_draws, pseudo_concepts=pseudo_concepts)
    assert (net.forward_clips, net.backward_clips, store.bytes_written) == before
    clips = CONCEPT + POOL
    assert {array.shape for gram in found.grams.values() for array in (gram.kernel, gram.cross, gram.gradients)} == {
        (clips, clips),
        (CLASS_CLIPS, clips),
        (CLASS_CLIPS, CLASS_CLIPS),
    }


def test_a_second_study_of_the_same_clips_passes_nothing(model: VideoModel, tmp_path) -> None:
    measured(model, Store(tmp_path))
    net = model.module
    assert isinstance(net, Net)
    before = net.forward_clips
    assert measured(model, Store(tmp_path)).clips_passed == 0
    assert net.forward_clips == before
