from __future__ import annotations

import threading

import pytest

from videotcav.engine.local import batched, load_ahead


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
