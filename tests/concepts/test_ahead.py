"""Work done ahead: the same items, in order, on another thread, no further than asked."""

from __future__ import annotations

import threading

import pytest

from videotcav.concepts.ahead import ahead


def test_items_come_in_order_from_one_other_thread():
    threads = set()

    def items():
        for number in range(20):
            threads.add(threading.get_ident())
            yield number

    assert list(ahead(items(), depth=3)) == list(range(20))
    assert len(threads) == 1
    assert threading.get_ident() not in threads


def test_an_error_comes_through_where_it_happened():
    def items():
        yield 1
        raise ValueError("broken")

    taken = ahead(items(), depth=4)
    assert next(taken) == 1
    with pytest.raises(ValueError, match="broken"):
        next(taken)


def test_it_looks_no_further_ahead_than_asked_and_stops_when_left():
    made = []

    def items():
        for number in range(100):
            made.append(number)
            yield number

    taken = ahead(items(), depth=2)
    assert [next(taken) for _ in range(5)] == [0, 1, 2, 3, 4]
    taken.close()
    assert len(made) <= 5 + 2
