from __future__ import annotations

import threading

import numpy as np
import pytest

from videotcav.engine.local import batched, load_ahead
from videotcav.engine.rows import Rows


def test_items_come_back_in_order_with_what_was_loaded() -> None:
    assert list(load_ahead(range(50), lambda n: n * n, ahead=4)) == [(n, n * n) for n in range(50)]


def test_no_more_items_wait_than_asked_for() -> None:
    started: list[int] = []
    lock = threading.Lock()

    def load(item: int) -> int:
        with lock:
            started.append(item)
        return item

    stream = load_ahead(range(100), load, threads=2, ahead=5)
    for taken in range(1, 20):
        next(stream)
        assert len(started) <= taken + 5
    stream.close()


def test_what_load_raises_is_raised_at_the_items_turn() -> None:
    def load(item: int) -> int:
        if item == 3:
            raise OSError("broken")
        return item

    stream = load_ahead(range(6), load)
    assert [next(stream)[0] for _ in range(3)] == [0, 1, 2]
    with pytest.raises(OSError, match="broken"):
        next(stream)


def test_batches_hold_every_item_once() -> None:
    assert list(batched(iter(range(7)), 3)) == [[0, 1, 2], [3, 4, 5], [6]]


@pytest.mark.parametrize("memory_bytes", [0, 5 * 11 * 4, 10**9])
def test_rows_read_by_columns_equal_the_matrix_wherever_they_lie(memory_bytes: int) -> None:
    matrix = np.random.default_rng(0).normal(size=(17, 11)).astype(np.float32)
    with Rows(memory_bytes=memory_bytes) as rows:
        for start in range(0, 17, 4):
            rows.append(matrix[start : start + 4])
        assert len(rows) == 17
        np.testing.assert_array_equal(np.concatenate(list(rows.column_blocks(3)), axis=1), matrix)


def test_rows_of_another_width_are_refused() -> None:
    with Rows(memory_bytes=100) as rows:
        rows.append(np.zeros((1, 3), dtype=np.float32))
        with pytest.raises(ValueError, match="3 columns, got 4"):
            rows.append(np.zeros((1, 4), dtype=np.float32))
