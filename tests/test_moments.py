"""The films of the benchmark on events at different moments: what is made is what its table says."""

from __future__ import annotations

import pytest
import torch

from validation.moments.scenes import CONCEPTS, FIRST, LAST, LEAD, LENGTH
from validation.moments.study import Truth, is_opposite

SHAPE = (LENGTH, 3, 72, 128)


@pytest.mark.parametrize("event", [LEAD + FIRST, LEAD + LAST])
def test_each_event_is_on_its_frame_and_nowhere_else(event: int) -> None:
    generator = torch.Generator().manual_seed(0)
    one = torch.rand((1, *SHAPE[1:]), generator=generator).expand(SHAPE) * 200  # a film that stands still
    other = torch.rand((1, *SHAPE[1:]), generator=generator).expand(SHAPE) * 200
    changes = {}
    for name, make in CONCEPTS.items():
        film = make(one, other, event)
        assert film.shape == (LENGTH, 3, 54, 96)
        changes[name] = [at for at in range(1, LENGTH) if not torch.equal(film[at], film[at - 1])]
    assert changes["hard cut"] == [event]
    assert changes["flash"] == [event, event + 2]
    assert changes["still"] == []
    for gradual in ("dissolve", "pan"):  # half before the event, half from it on
        assert min(changes[gradual]) < event <= max(changes[gradual])
        assert abs(min(changes[gradual]) + max(changes[gradual]) - 2 * event) <= 1


def test_an_aligned_clip_of_any_event_lies_within_its_film() -> None:
    """50 frames with the event on frame 25 need 25 before it and 25 from it on."""
    assert LEAD + FIRST - 25 >= 0
    assert LEAD + LAST + 25 <= LENGTH


@pytest.mark.parametrize(
    ("verdict", "effect", "opposite"),
    [("positive", 1.0, False), ("negative", 1.0, True), ("positive", -1.0, True), ("undecided", 1.0, False)],
)
def test_a_verdict_is_opposite_by_its_sign(verdict: str, effect: float, opposite: bool) -> None:
    assert is_opposite(verdict, Truth(effect, effect - 0.1, effect + 0.1, 10)) is opposite
