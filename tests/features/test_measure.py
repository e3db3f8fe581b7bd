from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from videotcav.errors import NotEnoughData, NotEnoughMemory, NumericalError, VideoError, VideosError
from videotcav.features.measure import Batch, ClipFile, ClipReader, measure
from videotcav.models.load import VideoModel, load_model
from videotcav.records import ClipSpec, ModelCard

SPEC = ClipSpec(frames=4, seconds_between_frames=0.1, height=6, width=6, resize=6)


class SmallNet(nn.Module):
    """Two convolutions with an in-place ReLU between them, pooled into three classes; counts its forward passes."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv3d(3, 4, 3, padding=1)
        self.act = nn.ReLU(inplace=True)
        self.second = nn.Conv3d(4, 5, 3, padding=1)
        self.head = nn.Linear(5, 3)
        self.clips_passed = 0

    def forward(self, pixels: Tensor) -> Tensor:
        self.clips_passed += len(pixels)
        return self.head(torch.tanh(self.second(self.act(self.first(pixels)))).mean(dim=(2, 3, 4)))


@pytest.fixture
def model() -> VideoModel:
    torch.manual_seed(0)
    layouts = {"first": "b c t h w", "second": "b c t h w"}
    model = load_model(
        SmallNet(), card=ModelCard(name="small", clip_spec=SPEC, classes=("a", "b", "c"), layouts=layouts)
    )
    model.module.clips_passed = 0  # without those that held it against its card
    return model


def clips(count: int, seed: int) -> Tensor:
    return torch.randn(count, 3, 4, 6, 6, generator=torch.Generator().manual_seed(seed))


def batches(groups: dict[str | None, Tensor], size: int) -> Iterator[Batch]:
    for name, pixels in groups.items():
        for part in pixels.split(size):
            yield Batch(tuple(f"clip {index}" for index in range(len(part))), part, name)


@pytest.mark.parametrize("count", [4, 40])
def test_a_module_is_looked_through_once_however_many_passes_there_are(
    model: VideoModel, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = []
    parts = model.module.modules
    monkeypatch.setattr(model.module, "modules", lambda: looked.append("through") or parts())
    model.module.train()
    passes = {None: clips(count, 1), "a": clips(4, 2)}
    measure(model, batches(passes, 100), classes=("a",), layers=("first",), pooling="none", batch_size=4)
    assert len(looked) == 2  # for what is compiled, and for what is in training
    assert all(part.training for part in parts())
    assert all(parameter.requires_grad for parameter in model.module.parameters())


@pytest.mark.parametrize("size", [1, 3, 100])
def test_gram_blocks_equal_a_plain_loop_in_d_dimensions(model: VideoModel, size: int) -> None:
    sets, of_a, of_c = clips(7, 1), clips(3, 2), clips(4, 3)
    measured = measure(
        model,
        batches({None: sets, "a": of_a, "c": of_c}, size),
        classes=("a", "c"),
        layers=("first", "second"),
        pooling="none",
    )
    net = model.module
    assert isinstance(net, SmallNet)
    rows = [net.first(clip[None]).flatten().double() for clip in sets]
    slopes = []
    for clip, index in [*((clip, 0) for clip in of_a), *((clip, 2) for clip in of_c)]:
        activation = net.first(clip[None]).detach().requires_grad_()
        logit = net.head(torch.tanh(net.second(activation.relu())).mean(dim=(2, 3, 4)))[0, index]
        slopes.append(torch.autograd.grad(logit, activation)[0].flatten().double())
    X, G = torch.stack(rows).detach().numpy(), torch.stack(slopes).numpy()
    gram = measured.grams["first"]
    np.testing.assert_allclose(gram.kernel, X @ X.T, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(gram.cross, G @ X.T, rtol=1e-4, atol=1e-7)
    within = np.kron(np.eye(2), np.ones((4, 4)))[1:, 1:]  # three clips of one class, four of the other
    np.testing.assert_allclose(gram.gradients, within * (G @ G.T), rtol=1e-4, atol=1e-9)
    np.testing.assert_allclose(measured.logits["a"], net(of_a).detach().numpy(), rtol=1e-5)


def test_every_clip_passes_the_model_once_for_all_layers_and_classes(model: VideoModel) -> None:
    measured = measure(
        model,
        batches({None: clips(7, 1), "a": clips(3, 2), "b": clips(5, 3)}, 2),
        classes=("a", "b"),
        layers=("first", "second"),
        pooling="space",
    )
    assert measured.clips_passed == 7 + 3 + 5
    assert model.module.clips_passed == 8 + 4 + 8  # every pass has four clips, the last one is filled up


@pytest.mark.parametrize("memory_bytes", [0, 2**30])
def test_small_studies_keep_their_rows_in_memory(
    model: VideoModel, memory_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[Path] = []
    replace = Path.replace
    monkeypatch.setattr(Path, "replace", lambda path, target: written.append(target) or replace(path, target))
    groups = {None: clips(7, 1), "a": clips(3, 2)}
    measured = measure(
        model, batches(groups, 2), classes=("a",), layers=("first",), pooling="none", memory_bytes=memory_bytes
    )
    assert bool(written) == (memory_bytes == 0)
    usual = measure(model, batches(groups, 2), classes=("a",), layers=("first",), pooling="none")
    np.testing.assert_array_equal(measured.grams["first"].kernel, usual.grams["first"].kernel)
    np.testing.assert_array_equal(measured.grams["first"].cross, usual.grams["first"].cross)


def test_nan_is_named_with_its_clip_and_layer_and_gives_no_score(model: VideoModel) -> None:
    bad = clips(3, 1)
    bad[1, 0, 0, 0, 0] = torch.nan
    with pytest.raises(NumericalError, match=r"clip 1.*layer 'first'"):
        measure(model, batches({None: bad, "a": clips(2, 2)}, 3), classes=("a",), layers=("first",), pooling="none")


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize(
    ("where", "says"),
    [
        ("first.weight", "the activation of small.*'first'"),
        ("second.bias", "the activation of small.*'second'"),
        ("head.weight", "the logits of small"),
    ],
)
def test_a_weight_that_is_no_number_is_named_where_it_first_shows(
    model: VideoModel, where: str, says: str, bad: float
) -> None:
    model.module.get_parameter(where).data.view(-1)[0] = bad
    groups = {None: clips(3, 1), "a": clips(2, 2)}
    with pytest.raises(NumericalError, match=says):
        measure(model, batches(groups, 8), classes=("a",), layers=("first", "second"), pooling="none")


def test_a_gradient_that_is_no_number_is_named_although_all_activations_are_numbers() -> None:
    """The root has no slope at 0: its value is a number, its gradient is none."""

    class Root(SmallNet):
        def forward(self, pixels: Tensor) -> Tensor:
            first = self.first(pixels)
            return self.head(torch.sqrt(self.second(first * 0) * 0).mean(dim=(2, 3, 4)))

    torch.manual_seed(0)
    card = ModelCard(name="root", clip_spec=SPEC, classes=("a", "b", "c"), layouts={"first": "b c t h w"})
    groups = {None: clips(3, 1), "a": clips(2, 2)}
    with pytest.raises(NumericalError, match=r"the gradient of class 'a' of root.*'first'"):
        measure(load_model(Root(), card=card), batches(groups, 8), classes=("a",), layers=("first",), pooling="none")


def test_a_class_without_a_clip_is_refused(model: VideoModel) -> None:
    with pytest.raises(NotEnoughData, match="class 'b': no clip"):
        measure(
            model,
            batches({None: clips(2, 1), "a": clips(2, 2)}, 3),
            classes=("a", "b"),
            layers=("first",),
            pooling="none",
        )


def reading(good: str, *, skip_bad: bool = False) -> ClipReader:
    """Of the clips a, b, c and, for class "b", d and e, those in `good` can be read."""

    def read(path: Path, class_name: str | None) -> Tensor:
        if path.name not in good:
            raise VideoError(path, "is broken")
        return torch.full((3, 4, 6, 6), float(ord(path.name) - ord("a")))

    files: dict[str | None, list[ClipFile]] = {
        group: [ClipFile(path=Path(name), source=name) for name in names]
        for group, names in {None: "abc", "b": "de"}.items()
    }
    return ClipReader(files, read, skip_bad=skip_bad)


def test_all_unreadable_files_are_listed_at_once_and_nothing_passes_after_the_first(model: VideoModel) -> None:
    with pytest.raises(VideosError) as caught:
        measure(model, reading("ace"), classes=("b",), layers=("first",), pooling="none")
    assert caught.value.reasons == {"b": "is broken", "d": "is broken"}
    assert model.module.clips_passed == 4  # a, in a pass that is filled up


def test_unreadable_files_may_be_left_out_and_are_recorded(model: VideoModel) -> None:
    reader = reading("ace", skip_bad=True)
    measured = measure(model, reader, classes=("b",), layers=("first",), pooling="none")
    assert reader.left_out == {"b": "is broken", "d": "is broken"}
    assert [clip.name for clip in reader.clips()[None]] == ["a", "c"]
    assert measured.clips_passed == 3
    assert measured.grams["first"].cross.shape == (1, 2)


def test_a_file_that_vanished_is_told_by_whoever_reads_it(model: VideoModel) -> None:
    """Its content is not known, so nothing in a store is taken for it."""
    keys = [clip.key for _ in range(2) for clip in reading("abc").clips()[None]]
    assert len(set(keys)) == 6


class Hungry(SmallNet):
    """Has memory for two clips a pass at most, and says so as CUDA and as the CPU's allocator do."""

    says: type[Exception] | str = torch.OutOfMemoryError
    most = 2

    def forward(self, pixels: Tensor) -> Tensor:
        if len(pixels) > self.most:
            raise RuntimeError(self.says) if isinstance(self.says, str) else self.says("CUDA out of memory")
        return super().forward(pixels)


@pytest.mark.parametrize("says", [torch.OutOfMemoryError, "[enforce fail] DefaultCPUAllocator: can't allocate memory"])
def test_passes_are_halved_until_memory_holds_them(model: VideoModel, says: type[Exception] | str) -> None:
    hungry = Hungry()
    hungry.says = says
    hungry.load_state_dict(model.module.state_dict())
    groups = {None: clips(5, 1), "a": clips(3, 2)}
    expected, found = (
        measure(each, batches(groups, 3), classes=["a"], layers=["first"], pooling="none")
        for each in (model, replace(model, module=hungry))
    )
    np.testing.assert_allclose(found.grams["first"].kernel, expected.grams["first"].kernel, rtol=1e-6)
    np.testing.assert_allclose(found.grams["first"].cross, expected.grams["first"].cross, rtol=1e-6)
    hungry.most = 0
    with pytest.raises(NotEnoughMemory, match="one clip of small at these layers needs more memory than cpu has"):
        measure(replace(model, module=hungry), batches(groups, 3), classes=["a"], layers=["first"], pooling="none")


@pytest.mark.parametrize(("size", "passes"), [(None, 2 + 1), (2, 3 + 2), (100, 1 + 1)])
def test_a_pass_has_as_many_clips_as_asked_for(model: VideoModel, size: int | None, passes: int) -> None:
    """Five set clips and three of a class; the last pass of each is filled up."""
    sizes = []
    model.module.register_forward_pre_hook(lambda _, pixels: sizes.append(len(pixels[0])))
    groups = {None: clips(5, 1), "a": clips(3, 2)}
    found = measure(model, batches(groups, 3), classes=["a"], layers=["first"], pooling="none", batch_size=size)
    assert sizes == [size or 4] * passes
    usual = measure(model, batches(groups, 3), classes=["a"], layers=["first"], pooling="none")
    np.testing.assert_allclose(found.grams["first"].cross, usual.grams["first"].cross, rtol=1e-5)


def test_another_error_of_the_model_is_its_own(model: VideoModel) -> None:
    hungry = Hungry()
    hungry.says, hungry.most = "a shape does not fit", 0
    with pytest.raises(RuntimeError, match="a shape does not fit"):
        measure(
            replace(model, module=hungry), batches({None: clips(2, 1)}, 3), classes=[], layers=["first"], pooling="none"
        )


@pytest.mark.parametrize("memory_bytes", [0, 2**30])
@pytest.mark.parametrize("unread", [("kernel",), ("gradients",), ("kernel", "gradients")])
def test_products_that_nothing_reads_leave_every_other_one_as_it_is(
    model: VideoModel, memory_bytes: int, unread: tuple[str, ...]
) -> None:
    whole, part = (
        measure(
            model,
            batches({None: clips(7, 1), "a": clips(3, 2), "b": clips(4, 3)}, 2),
            classes=("a", "b"),
            layers=("first", "second"),
            pooling="none",
            memory_bytes=memory_bytes,
            **asked,
        ).grams
        for asked in ({}, dict.fromkeys(unread, False))
    )
    for layer, gram in part.items():
        for name in ("kernel", "cross", "gradients"):
            found, expected = getattr(gram, name), getattr(whole[layer], name)
            assert found.shape == expected.shape
            np.testing.assert_array_equal(found, np.full_like(found, np.nan) if name in unread else expected)
