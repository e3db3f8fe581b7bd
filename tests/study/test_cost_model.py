from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from videotcav.engine.store import Store
from videotcav.engine.tiles import BLOCK_ROWS
from videotcav.features.measure import Batch, ClipFile, ClipReader, measure, reading_rate
from videotcav.models.load import load_model
from videotcav.records import ClipSpec, ModelCard
from videotcav.study.cost_model import Rates, costs, rates, widths

SPEC = ClipSpec(frames=2, seconds_between_frames=0.1, height=8, width=8, resize=8)
ONE_A_SECOND = Rates(forward=1, forward_and_backward=0.5, written_bytes=1, read_bytes=1, operations=1)
SMALLEST = 0


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv3d(3, 8, 1)
        self.head = nn.Linear(8, 2)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.head(torch.tanh(self.first(pixels)).mean(dim=(2, 3, 4)))


def test_a_small_study_by_hand() -> None:
    found = costs(set_clips=3, class_clips=[2, 1], widths={"one": 10, "two": 5}, memory_bytes=2**30, rates=ONE_A_SECOND)
    pairs = 3 * 4 / 2 + 3 * 3 + (3 + 1)  # of set clips, of class and set clips, within the classes
    assert (found.clips_forward, found.clips_backward) == (6, 3)
    assert found.store_bytes == found.read_bytes == 4 * 6 * 15
    assert found.operations == 2 * 15 * pairs
    assert found.gram_bytes == 2 * 8 * (9 + 9 + 9)
    assert found.seconds == {"passes": 3 + 6, "store": 360, "reading": 360, "products": 2 * 15 * pairs}
    contrast = costs(set_clips=3, class_clips=[2, 1], widths={"one": 10, "two": 5}, memory_bytes=2**30, cavs=False)
    assert contrast.operations == 2 * 15 * (pairs - (3 + 1))
    assert (contrast.gram_bytes, contrast.statistics_bytes) == (2 * 8 * (9 + 9), 0)


def test_panels_too_small_for_all_rows_are_read_again() -> None:
    """Three panels of one row block: three alone, and three pairs of two."""
    found = costs(set_clips=3 * BLOCK_ROWS, class_clips=[], widths={"one": 1}, memory_bytes=SMALLEST)
    assert found.read_bytes == 4 * (3 + 3 * 2) * BLOCK_ROWS


def test_between_classes_nothing_is_read_for() -> None:
    """Two classes of a row block each beside one of set clips: no work is for the pair of the classes."""
    found = costs(set_clips=BLOCK_ROWS, class_clips=[BLOCK_ROWS] * 2, widths={"one": 1}, memory_bytes=SMALLEST)
    assert found.read_bytes == 4 * (3 + 2 * 2) * BLOCK_ROWS


def test_the_store_is_as_large_as_foretold(tmp_path: Path) -> None:
    model = load_model(Net(), card=ModelCard(name="net", clip_spec=SPEC, classes=("a", "b")))
    pixels = torch.randn(9, 3, 2, 8, 8, generator=torch.Generator().manual_seed(0))
    names = tuple(map(str, range(9)))
    store = Store(tmp_path)
    batches = [Batch(names[:6], pixels[:6]), Batch(names[6:], pixels[6:], "a")]
    measure(model, batches, classes=["a"], layers=["first"], pooling="none", store=store)
    foretold = costs(set_clips=6, class_clips=[3], widths={"first": 8 * 2 * 8 * 8}, memory_bytes=2**30).store_bytes
    assert foretold < store.bytes_written < 1.3 * foretold  # beside the rows three recipes and headers lie there


def test_reading_is_a_stage_where_there_are_clips_to_try(tmp_path: Path) -> None:
    model = load_model(Net(), card=ModelCard(name="net", clip_spec=SPEC, classes=("a", "b")))
    read: list[str] = []

    def load(path: Path, class_name: str | None) -> torch.Tensor:
        read.append(f"{path.name} {class_name}")
        return torch.zeros(3, 2, 8, 8)

    files: dict[str | None, list[ClipFile]] = {None: [], "a": []}
    for number, group in enumerate([None, None, "a"]):
        path = tmp_path / str(number)
        path.write_bytes(bytes([number]))
        files[group].append(ClipFile(path=path, source=""))
    found = rates(model, ["first"], pooling="none", clips_read=reading_rate(ClipReader(files, load)))
    assert read == ["0 None", "0 None", "1 None", "2 a"]  # one warms up
    assert found.clips_read is not None
    cost = costs(set_clips=3, class_clips=[2], widths={"first": 9}, memory_bytes=2**30, rates=found)
    assert cost.seconds["clips"] == pytest.approx(5 / found.clips_read)
    assert list(cost.seconds) == ["clips", "passes", "store", "reading", "products"]


@pytest.mark.parametrize(
    ("clips_read", "told"),
    [(4.5, "passes wait for clips to be read"), (5.5, "reading clips waits for passes"), (None, "")],
)
def test_which_of_reading_and_passing_waits_is_told(clips_read: float | None, told: str) -> None:
    """By hand: 20 clips at 20 a second and 10 at 5 pass in 3 s; 30 are read by two threads in 3.3 s or in 2.7 s."""
    rate = Rates(forward=20, forward_and_backward=5, written_bytes=1, read_bytes=1, operations=1, clips_read=clips_read)
    cost = costs(set_clips=20, class_clips=[10], widths={"first": 9}, memory_bytes=2**30, rates=rate)
    assert cost.waits == told


@pytest.mark.parametrize(
    ("cores_of_a_pass", "editing", "taken"),
    [
        (1, 6, 10),  # hidden behind the passes
        (1, 14, 12),  # 24 s of work on two cores
        (1, 30, 20),
        (2, 6, 13),  # passes keep both cores busy
        (0, 6, 10),  # a GPU passes
        (0, 30, 15),  # two threads edit
    ],
)
def test_what_is_edited_beside_the_passes_takes_no_time_of_its_own(
    cores_of_a_pass: int, editing: float, taken: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By hand: 10 s of passes, two cores; statistics come after them, and no engine divides them."""
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    rate = Rates(forward=10, forward_and_backward=1, written_bytes=1, read_bytes=1, operations=1)
    timed = {"editing": editing, "statistics": 3.0}
    cost = costs(
        set_clips=0,
        class_clips=[],
        widths={},
        memory_bytes=2**30,
        edit_passes=100,
        rates=rate,
        timed=timed,
        cores_of_a_pass=cores_of_a_pass,
    )
    assert cost.elapsed() == pytest.approx(taken + 3)
    assert cost.elapsed(4) == pytest.approx(taken / 4 + 3)


def test_clips_of_shares_are_read_and_passed_one_after_the_other() -> None:
    """By hand: 20 clips at 10 a second and at 5 a second; pictures beside them, which no engine divides either."""
    rate = Rates(forward=10, forward_and_backward=1, written_bytes=1, read_bytes=1, operations=1, clips_read=5)
    asked = {"set_clips": 0, "class_clips": [], "widths": {}, "memory_bytes": 2**30, "rates": rate}
    cost = costs(**asked, share_passes=20, timed={"pictures": 4.0})
    assert cost.seconds["shares"] == pytest.approx(6)
    assert cost.elapsed() == cost.elapsed(3) == pytest.approx(10)


def test_rates_are_those_of_some_machine(tmp_path: Path) -> None:
    model = load_model(Net(), card=ModelCard(name="net", clip_spec=SPEC, classes=("a", "b")))
    found = rates(model, ["first"], pooling="none", folder=tmp_path)
    assert all(rate > 0 for rate in found.model_dump(exclude_none=True).values())
    assert not list(tmp_path.iterdir())


def test_products_that_nothing_reads_cost_nothing() -> None:
    """By hand, of widths 7 and one class: 2 · 7 · (10 · 11 / 2 + 10 · 5) operations, or 2 · 7 · 10 · 5 of them."""
    asked = {"set_clips": 10, "class_clips": [5], "widths": {"one": 7}, "memory_bytes": 2**31, "cavs": False}
    with_kernel, without = costs(**asked), costs(**asked, kernel=False)
    assert (with_kernel.operations, without.operations) == (14 * 105, 14 * 50)
    assert (with_kernel.gram_bytes, without.gram_bytes) == (8 * 150, 8 * 50)


@pytest.mark.parametrize("clips", [10**4, 10**5])
def test_what_grows_with_the_square_is_told(clips: int) -> None:
    once, twice = (
        costs(set_clips=100, class_clips=[count], widths={"one": 1}, memory_bytes=2**31) for count in (clips, 2 * clips)
    )
    assert twice.statistics_bytes == 4 * once.statistics_bytes


def test_the_statistics_of_many_classes_take_what_one_takes() -> None:
    one, many = (
        costs(set_clips=100, class_clips=[3000] * classes, widths={"one": 1}, memory_bytes=2**31) for classes in (1, 80)
    )
    assert one.statistics_bytes == many.statistics_bytes == 8 * 3000**2


def test_a_stated_rate_is_taken_and_a_backward_pass_is_two_forward_ones(tmp_path: Path) -> None:
    model = load_model(Net(), card=ModelCard(name="net", clip_spec=SPEC, classes=("a", "b")))
    found = rates(model, ["first"], pooling="none", folder=tmp_path, clips_per_second=6)
    assert (found.forward, found.forward_and_backward) == (6, 2)


def test_widths_are_those_after_pooling() -> None:
    model = load_model("planted:swin")
    layer = model.card.default_layers[-1]
    (info,) = (info for info in model.layers() if info.name == layer)
    whole, pooled = (widths(model, [layer], pooling=pooling)[layer] for pooling in ("none", "space"))
    time, height, width = (info.shape or ())[1:4]
    assert whole == time * height * width * (info.shape or ())[4]
    assert pooled * height * width == whole
