from __future__ import annotations

import pickle
from collections.abc import Iterator

import pytest

from videotcav import errors
from videotcav.video import apart  # noqa: F401 - has errors of its own

TAKES = {
    errors.VideoError: lambda kind: kind("a.mp4", "is cut off"),
    errors.VideosError: lambda kind: kind({"a.mp4": "is cut off", "b.mp4": "is empty"}),
    errors.StudyFileError: lambda kind: kind("study.toml", ["seed: is missing", "layers: none"]),
    errors.UnreadableText: lambda kind: kind("a.csv", "is not CSV"),
    errors.MissingExtra: lambda kind: kind("ray", extra="ray", purpose="--engine ray"),
    errors.VideotcavError: lambda kind: kind("what was wrong"),
}


def tree(top: type[errors.VideotcavError]) -> Iterator[type[errors.VideotcavError]]:
    yield top
    for below in top.__subclasses__():
        yield from tree(below)


@pytest.mark.parametrize("kind", sorted(set(tree(errors.VideotcavError)), key=lambda kind: kind.__name__))
def test_an_error_is_the_same_in_another_process(kind: type[errors.VideotcavError]) -> None:
    error = next(TAKES[base] for base in kind.__mro__ if base in TAKES)(kind)
    arrived = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert type(arrived) is kind
    assert str(arrived) == str(error)
    assert vars(arrived) == vars(error)
