from __future__ import annotations

import pickle
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch

from videotcav.engine import tiles
from videotcav.engine.store import Store
from videotcav.engine.tiles import (
    BLOCK_ROWS,
    Multiplier,
    ProductMatrix,
    RowBlock,
    blocks_a_panel,
    pairs_of_panels,
    row_blocks,
)

COLUMNS = 8192 + 3
SMALLEST = 0
MEMORIES = [pytest.param(SMALLEST, id="a block a panel"), pytest.param(2**26, id="two"), pytest.param(2**31, id="all")]


def stored(store: Store, kind: str, rows: np.ndarray) -> tuple[str, ...]:
    """The keys of rows that are put into the store in shards of another size than any block."""
    keys = [f"{kind} {number}" for number in range(len(rows))]
    for start in range(0, len(rows), 100):
        store.put({"rows": kind}, keys[start : start + 100], rows[start : start + 100])
    return tuple(keys)


def products(store: Store, rows: list[RowBlock], memory_bytes: int) -> np.ndarray:
    """The upper half of all products as the pieces of work give it, and its mirror image."""
    count = sum(len(block.clips) for block in rows)
    found = np.full((count, count), np.nan)
    for pair, block in Multiplier(store)(pairs_of_panels(rows, memory_bytes=memory_bytes)):
        height, width = block.shape
        here = np.s_[pair.first_start : pair.first_start + height, pair.second_start : pair.second_start + width]
        assert np.isnan(found[here]).all()  # every piece once
        found[here] = block
        found.T[here] = block
    return found


@pytest.fixture(scope="module")
def matrix() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(2 * BLOCK_ROWS + 77, COLUMNS)).astype(np.float32)


@pytest.mark.parametrize("memory_bytes", MEMORIES)
def test_products_are_those_of_the_whole_matrix(tmp_path: Path, matrix: np.ndarray, memory_bytes: int) -> None:
    store = Store(tmp_path)
    found = products(store, row_blocks({"rows": "x"}, stored(store, "x", matrix)), memory_bytes)
    exact = matrix.astype(np.float64)
    np.testing.assert_allclose(found, exact @ exact.T, rtol=0, atol=1e-9)
    np.testing.assert_array_equal(found, found.T)


def test_memory_threads_and_shards_leave_every_bit_as_it_is(tmp_path: Path, matrix: np.ndarray) -> None:
    matrix = matrix[: BLOCK_ROWS + 44]
    one, other = Store(tmp_path / "one"), Store(tmp_path / "other")
    keys = stored(one, "x", matrix)
    for number in np.random.default_rng(1).permutation(len(matrix)):  # a row a shard, in any order
        other.put({"rows": "x"}, [keys[number]], matrix[number : number + 1])
    rows = row_blocks({"rows": "x"}, keys)
    whole = products(one, rows, 2**31)
    np.testing.assert_array_equal(products(one, rows, SMALLEST), whole)
    np.testing.assert_array_equal(products(other, rows, 2**31), whole)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        np.testing.assert_array_equal(products(one, rows, 2**31), whole)
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("memory_bytes", MEMORIES)
def test_products_between_groups_are_not_computed(tmp_path: Path, matrix: np.ndarray, memory_bytes: int) -> None:
    store = Store(tmp_path)
    keys = stored(store, "x", matrix[:120])
    groups = [None] * 40 + ["a"] * 50 + ["b"] * 30
    rows = [
        block
        for name, part in ((None, keys[:40]), ("a", keys[40:90]), ("b", keys[90:]))
        for block in row_blocks({"rows": "x"}, part, name)
    ]
    exact = matrix[:120].astype(np.float64)
    wanted = np.array([[one is None or other is None or one == other for other in groups] for one in groups])
    found = np.nan_to_num(products(store, rows, memory_bytes))
    np.testing.assert_allclose(found, np.where(wanted, exact @ exact.T, 0), rtol=0, atol=1e-9)


@pytest.mark.parametrize("memory_bytes", MEMORIES)
def test_products_within_a_group_that_nobody_reads_are_not_computed(
    tmp_path: Path, matrix: np.ndarray, memory_bytes: int
) -> None:
    store = Store(tmp_path)
    keys = stored(store, "x", matrix[: 2 * BLOCK_ROWS + 20])
    sets, of_class = keys[: 2 * BLOCK_ROWS - 30], keys[2 * BLOCK_ROWS - 30 :]
    of_a = row_blocks({"rows": "x"}, of_class, "a")
    all_read, some_read = (
        products(store, row_blocks({"rows": "x"}, sets, within=within) + of_a, memory_bytes) for within in (True, False)
    )
    count = len(sets)
    np.testing.assert_array_equal(some_read[:, count:], all_read[:, count:])
    assert all_read[:count, :count].all()
    assert not np.nan_to_num(some_read[:count, :count]).any()


def test_half_of_the_pairs_is_work() -> None:
    pairs = pairs_of_panels(row_blocks({}, [str(number) for number in range(10 * BLOCK_ROWS)]), memory_bytes=SMALLEST)
    assert len(pairs) == 10 * 11 / 2


def test_a_row_is_read_once_where_the_memory_is_enough(
    tmp_path: Path, matrix: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    rows = row_blocks({"rows": "x"}, stored(store, "x", matrix[:400]))
    read = 0
    ranges = store.files.cat_ranges

    def counted(paths: list[str], starts: list[int], ends: list[int], **options: object) -> list[bytes]:
        nonlocal read
        found: list[bytes] = ranges(paths, starts, ends, **options)
        read += sum(map(len, found))
        return found

    monkeypatch.setattr(store.files, "cat_ranges", counted)
    products(store, rows, 2**31)
    shards_in_both_grains = 100
    assert read < (400 + shards_in_both_grains) * COLUMNS * 4 + 5 * 2**14


def peak_bytes(store: Store, rows: int, columns: int) -> int:
    """The most that is allocated at once while rows are multiplied, a small panel at a time."""
    matrix = np.random.default_rng(2).normal(size=(rows, columns)).astype(np.float32)
    keys = [str(number) for number in range(rows)]
    for start in range(0, rows, tiles.BLOCK_ROWS):
        store.put({"rows": "x"}, keys[start : start + tiles.BLOCK_ROWS], matrix[start : start + tiles.BLOCK_ROWS])
    del matrix
    kept = row_blocks({"rows": "x"}, keys)
    pairs = pairs_of_panels(kept, memory_bytes=SMALLEST)
    tracemalloc.start()
    for _ in Multiplier(store)(pairs):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_nothing_is_held_that_grows_with_the_width_of_rows_or_their_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiles, "BLOCK_ROWS", 64)
    narrow = peak_bytes(Store(tmp_path / "narrow"), 128, 2 * 8192)
    wide = peak_bytes(Store(tmp_path / "wide"), 128, 6 * 8192)
    many = peak_bytes(Store(tmp_path / "many"), 256, 2 * 8192)
    assert max(wide, many) < 1.1 * narrow, (narrow, wide, many)
    panels = 2 * 64 * (4 * 8192 + 8 * 2048)
    read = 64 * 4 * 8192
    assert narrow < 1.05 * (panels + read + 8 * 64 * 64)


@pytest.mark.parametrize("memory_bytes", [2**25, 2**28, 2**31, 2**35])
def test_panels_fit_the_memory_they_were_given(memory_bytes: int) -> None:
    rows = BLOCK_ROWS * blocks_a_panel(memory_bytes)
    taken = 8 * rows**2 + 2 * rows * (4 * 8192 + 8 * 2048)
    assert taken <= max(memory_bytes, 8 * BLOCK_ROWS**2 + 2 * BLOCK_ROWS * (4 * 8192 + 8 * 2048))


def test_work_can_be_sent_to_another_process(tmp_path: Path, matrix: np.ndarray) -> None:
    store = Store(tmp_path)
    rows = row_blocks({"rows": "x"}, stored(store, "x", matrix[:10]))
    pairs = pairs_of_panels(rows, memory_bytes=2**30)
    worker, sent = pickle.loads(pickle.dumps((Multiplier(store), pairs)))  # noqa: S301 - made a line above
    (_, block), (_, there) = next(Multiplier(store)(pairs)), next(worker(sent))
    np.testing.assert_array_equal(block, there)


@pytest.mark.parametrize("on_disk", [False, True])
def test_a_matrix_is_filled_block_by_block_wherever_it_lies(tmp_path: Path, on_disk: bool) -> None:
    matrix = ProductMatrix(5, 7, scratch=tmp_path if on_disk else None)
    block = np.arange(6.0).reshape(2, 3)
    matrix.put(1, 4, block)
    matrix.put(3, 0, block.T[:2])
    expected = np.zeros((5, 7))
    expected[1:3, 4:] = block
    expected[3:, :2] = block.T[:2]
    np.testing.assert_array_equal(matrix.array, expected)
    assert not list(tmp_path.iterdir())
