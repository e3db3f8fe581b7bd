"""What is in the store is not passed again, and nobody can tell from the numbers what came from where."""

from __future__ import annotations

import hashlib
import threading
import weakref
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from videotcav.engine.store import Store
from videotcav.errors import NotEnoughData, StoreError, VideotcavWarning
from videotcav.features import extract as shards
from videotcav.features.measure import ClipFile, ClipReader, Measured, measure
from videotcav.models.identity import identity
from videotcav.models.load import VideoModel, load_model
from videotcav.records import ClipSpec, ModelCard

SPEC = ClipSpec(frames=4, seconds_between_frames=0.1, height=8, width=8, resize=8)
LAYERS = ("first", "second")


class Net(nn.Module):
    """Convolution, attention over positions and a head: kernels that choose by the number of clips."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv3d(3, 16, 3, padding=1)
        self.second = nn.Linear(16, 16)
        self.head = nn.Linear(16, 5)
        self.passes: list[int] = []

    def forward(self, pixels: Tensor) -> Tensor:
        self.passes.append(len(pixels))
        tokens = self.second(torch.tanh(self.first(pixels)).flatten(2).transpose(1, 2))
        return self.head(nn.functional.scaled_dot_product_attention(tokens, tokens, tokens).mean(dim=1))


def net(seed: int = 0) -> VideoModel:
    torch.manual_seed(seed)
    layouts = {"first": "b c t h w", "second": "b (t h w) c"}
    model = load_model(
        Net(), card=ModelCard(name="net", clip_spec=SPEC, classes=("a", "b", "c", "d", "e"), layouts=layouts)
    )
    model.module.passes.clear()  # those that held it against its card
    return model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "clips").mkdir()
    return tmp_path / "clips"


def files(folder: Path, *names: str) -> list[ClipFile]:
    """Clips whose pixels are drawn from a seed that is their file's content: their name, where it is new."""
    for name in names:
        if not (folder / name).exists():
            (folder / name).write_text(name)
    return [ClipFile(path=folder / name, source=name) for name in names]


def pixels(path: Path, class_name: str | None) -> Tensor:
    seed = int.from_bytes(hashlib.sha256(path.read_bytes()).digest()[:4], "little")
    return torch.randn(3, 4, 8, 8, generator=torch.Generator().manual_seed(seed))


def some(prefix: str, count: int) -> list[str]:
    return [f"{prefix}{number}" for number in range(count)]


def run(
    folder: Path,
    store: Path | str,
    *,
    sets: list[str],
    classes: dict[str, list[str]],
    layers: tuple[str, ...] = LAYERS,
    model: VideoModel | None = None,
    memory_bytes: int = 2**30,
) -> Measured:
    groups = {None: files(folder, *sets), **{name: files(folder, *clips) for name, clips in classes.items()}}
    return measure(
        model or net(),
        ClipReader(groups, pixels),
        classes=tuple(classes),
        layers=layers,
        pooling="none",
        store=Store(store),
        memory_bytes=memory_bytes,
    )


def assert_same(one: Measured, two: Measured) -> None:
    """Equal to the last bit."""
    assert one.grams.keys() == two.grams.keys()
    for layer, gram in one.grams.items():
        for name in ("kernel", "cross", "gradients"):
            np.testing.assert_array_equal(getattr(gram, name), getattr(two.grams[layer], name))
    for name, logits in one.logits.items():
        np.testing.assert_array_equal(logits, two.logits[name])


def test_a_second_run_passes_no_clip_and_writes_no_byte(folder: Path, tmp_path: Path) -> None:
    asked = {"sets": some("s", 9), "classes": {"a": some("k", 6)}}
    first = run(folder, tmp_path / "store", **asked)
    store = Store(tmp_path / "store")
    groups = {None: files(folder, *asked["sets"]), "a": files(folder, *some("k", 6))}
    model = net()
    second = measure(model, ClipReader(groups, pixels), classes=("a",), layers=LAYERS, pooling="none", store=store)
    assert (first.clips_passed, second.clips_passed, store.bytes_written) == (15, 0, 0)
    assert model.module.passes == []
    assert_same(first, second)


@pytest.mark.parametrize(
    ("before", "passed"),
    [
        pytest.param({"sets": some("s", 9)}, 5, id="a concept"),
        pytest.param({"classes": {"a": some("k", 6)}}, 3, id="a class"),
        pytest.param({"layers": ("second",)}, 14 + 9, id="a layer: all clips pass, for that layer alone"),
        pytest.param({"layers": ("first", "second"), "sets": some("s", 14)[::-1]}, 0, id="another order"),
        pytest.param({"sets": some("s", 3), "classes": {"a": some("k", 5), "b": some("m", 1)}}, 14, id="of each"),
    ],
)
def test_a_study_passes_only_what_is_new_and_gets_what_it_would_have_got_alone(
    folder: Path, tmp_path: Path, before: dict[str, object], passed: int
) -> None:
    asked = {"sets": some("s", 14), "classes": {"a": some("k", 6), "b": some("m", 3)}, "layers": LAYERS}
    run(folder, tmp_path / "store", **{**asked, **before})
    grown = run(folder, tmp_path / "store", **asked)
    alone = run(folder, tmp_path / "another", **asked)
    assert (grown.clips_passed, alone.clips_passed) == (passed, 14 + 9)
    assert_same(grown, alone)


def test_a_layer_that_is_stored_costs_no_pass(folder: Path, tmp_path: Path) -> None:
    asked = {"sets": some("s", 5), "classes": {"a": some("k", 2)}}
    run(folder, tmp_path / "store", **asked)
    model = net()
    one = run(folder, tmp_path / "store", **asked, layers=("second",), model=model)
    assert one.clips_passed == 0
    assert model.module.passes == []


def test_every_pass_has_the_same_number_of_clips(folder: Path, tmp_path: Path) -> None:
    model = net()
    run(folder, tmp_path, sets=some("s", 7), classes={"a": some("k", 5), "b": some("m", 1)}, model=model)
    assert model.module.passes == [4] * (2 + 2 + 1)


def test_what_a_row_depends_on_is_content_and_never_a_name(folder: Path, tmp_path: Path) -> None:
    asked = {"sets": some("s", 5), "classes": {"a": some("k", 2)}}
    first = run(folder, tmp_path / "store", **asked)
    (folder / "s0").rename(folder / "renamed")
    renamed = run(folder, tmp_path / "store", **{**asked, "sets": ["renamed", *some("s", 5)[1:]]})
    assert renamed.clips_passed == 0
    assert_same(first, renamed)
    (folder / "s1").write_text("other pixels under an old name")
    assert run(folder, tmp_path / "store", **{**asked, "sets": ["renamed", *some("s", 5)[1:]]}).clips_passed == 1
    retrained = run(folder, tmp_path / "store", **{**asked, "sets": some("s", 1)}, model=net(seed=1))
    assert retrained.clips_passed == 1 + 2


def test_models_differ_by_weights_structure_and_code() -> None:
    model = net()
    same, structure = net(), net()
    structure.module.second = nn.Sequential(structure.module.second)
    assert identity(model) == identity(same)
    assert identity(model)["modules_sha256"] != identity(structure)["modules_sha256"]
    other_code = nn.Sequential(nn.Flatten(), nn.Linear(3 * 4 * 8 * 8, 5))
    assert identity(model)["source_sha256"] != identity(load_model(other_code, card=model.card))["source_sha256"]


def test_damage_is_told_and_computed_again(folder: Path, tmp_path: Path) -> None:
    asked = {"sets": some("s", 40), "classes": {"a": some("k", 2)}}
    first = run(folder, tmp_path / "store", **asked)
    shard = max((tmp_path / "store").rglob("*.safetensors"), key=lambda path: path.stat().st_size)
    content = bytearray(shard.read_bytes())
    content[-1] ^= 1
    shard.write_bytes(content)
    with pytest.warns(VideotcavWarning, match=f"{shard.name} is left out .* does not match its checksum"):
        second = run(folder, tmp_path / "store", **asked)
    assert second.clips_passed == 32  # those of one shard
    assert_same(first, second)


def test_a_store_that_keeps_damaging_rows_is_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Store.write

    def damaging(store: Store, path: str, parts: Iterable[bytes | memoryview]) -> None:
        content = b"".join(parts)
        whole(store, path, [content[:-1], bytes([content[-1] ^ 1])])

    monkeypatch.setattr(Store, "write", damaging)
    with (
        pytest.warns(VideotcavWarning, match="checksum"),
        pytest.raises(StoreError, match="does not give back what it is given"),
    ):
        run(folder, tmp_path, sets=["s"], classes={"a": ["k"]})


def test_wide_rows_do_not_wait_in_memory(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shard of work is written in as many files as its rows fill."""
    monkeypatch.setattr(shards, "SHARD_BYTES", 4 * 16 * 4 * 8 * 8 * 4)  # one pass of the first layer
    run(folder, tmp_path, sets=some("s", 12), classes={"a": ["k"]}, layers=("first",))
    of_layer, of_logits = 3 + 1, 3 + 1
    assert len(list(tmp_path.rglob("*.safetensors"))) == of_layer + of_logits


class Lazy(Executor):
    """Does what it is given only when somebody waits for it."""

    def __init__(self, *_: object, **__: object) -> None: ...

    def submit(self, do: Callable[[], None]) -> SimpleNamespace:  # type: ignore[override]
        return SimpleNamespace(result=cache(do))


class AtOnce(Executor):
    """Does what it is given at once, and keeps nothing of it."""

    def __init__(self, *_: object, **__: object) -> None: ...

    def submit(self, do: Callable[[], None]) -> SimpleNamespace:  # type: ignore[override]
        do()
        return SimpleNamespace(result=lambda: None)


@pytest.mark.parametrize(
    ("passes_a_shard", "order"), [(1, "pass pass keep pass keep keep"), (0.5, "pass keep pass keep pass keep")]
)
def test_rows_that_fill_more_than_two_shards_do_not_lie_beside_the_next_pass(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, passes_a_shard: float, order: str
) -> None:
    rows_of_a_pass = 4 * (16 * 4 * 8 * 8 + 5) * 4
    monkeypatch.setattr(shards, "SHARD_BYTES", int(passes_a_shard * rows_of_a_pass))
    monkeypatch.setattr(shards, "ThreadPoolExecutor", Lazy)
    done: list[str] = []
    compute, keep = shards.Passing.compute, shards.ShardPasser._keep

    def computed(self, shard, pixels, clips):
        done.append("pass")
        return compute(self, shard, pixels, clips)

    def kept(self, shard, clips, rows):
        done.extend(["keep"] if clips else [])
        keep(self, shard, clips, rows)

    monkeypatch.setattr(shards.Passing, "compute", computed)
    monkeypatch.setattr(shards.ShardPasser, "_keep", kept)
    groups = {None: files(folder, *some("s", 12)), "a": []}
    with pytest.raises(NotEnoughData):
        measure(net(), ClipReader(groups, pixels), classes=("a",), layers=("first",), pooling="none")
    assert " ".join(done) == order


def test_no_rows_that_are_in_the_store_lie_beside_the_next_pass(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Written at once, as a thread that has just written them lets go of them when it pleases."""
    monkeypatch.setattr(shards, "SHARD_BYTES", 1)
    monkeypatch.setattr(shards, "ThreadPoolExecutor", AtOnce)
    compute = shards.Passing.compute
    made: list[weakref.ref[np.ndarray]] = []

    def computed(self, shard, pixels, clips):
        assert all(each() is None for each in made)
        found = compute(self, shard, pixels, clips)
        made.extend(map(weakref.ref, found.values()))
        return found

    monkeypatch.setattr(shards.Passing, "compute", computed)
    run(folder, tmp_path, sets=some("s", 12), classes={"a": ["k"]})
    assert len(made) == 3 * 3 + 3


def test_without_memory_the_same_bits_lie_in_files(folder: Path, tmp_path: Path) -> None:
    asked = {"sets": some("s", 9), "classes": {"a": some("k", 6), "b": some("m", 3)}}
    plenty = run(folder, tmp_path / "store", **asked)
    assert_same(plenty, run(folder, tmp_path / "store", **asked, memory_bytes=0))


def test_one_forward_pass_a_clip_and_one_backward_pass_a_class_clip_serve_all_layers(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backward: list[int] = []
    grad = torch.autograd.grad

    def counted(outputs: Tensor, *arguments: object, **options: object) -> tuple[Tensor, ...]:
        backward.append(1)
        return grad(outputs, *arguments, **options)

    monkeypatch.setattr(torch.autograd, "grad", counted)
    model = net()
    run(folder, tmp_path, sets=some("s", 8), classes={"a": some("k", 8), "b": some("m", 4)}, model=model)
    assert len(model.module.passes) == 2 + 2 + 1
    assert len(backward) == 2 + 1


def test_what_is_written_is_the_rows_once(folder: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    groups = {None: files(folder, *some("s", 9)), "a": files(folder, *some("k", 6))}
    measure(net(), ClipReader(groups, pixels), classes=("a",), layers=LAYERS, pooling="none", store=store)
    width = 16 * 4 * 8 * 8
    rows = 4 * (15 * 2 * width + 6 * 5)  # two layers, and five logits of each class clip
    assert rows < store.bytes_written < rows + 15_000
    assert store.bytes_written == sum(path.stat().st_size for path in (tmp_path / "store").rglob("*.*"))


class Waiting(Store):
    """A store whose first rows are not written before the next shard has passed, which `passed` tells."""

    passed = threading.Event()

    def put(self, *args: object) -> None:
        assert self.passed.wait(60)
        super().put(*args)


def test_rows_are_written_while_the_next_shard_passes_and_what_goes_wrong_there_is_told(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "CLIPS_A_SHARD", 4)
    model, store = net(), Waiting(tmp_path / "store")

    def tell(net: Net, *_: object) -> None:
        if len(net.passes) == 2:
            store.passed.set()

    told = model.module.register_forward_hook(tell)
    groups = {None: files(folder, *some("s", 8)), "a": files(folder, "k")}
    asked = {"classes": ("a",), "layers": LAYERS, "pooling": "none"}
    behind = measure(model, ClipReader(groups, pixels), store=store, **asked)
    told.remove()
    assert_same(behind, measure(net(), ClipReader(groups, pixels), store=Store(tmp_path / "another"), **asked))
    (tmp_path / "file").write_text("where a folder should be")
    with pytest.raises(StoreError, match="cannot be used"):
        measure(model, ClipReader(groups, pixels), store=Store(tmp_path / "file"), **asked)
