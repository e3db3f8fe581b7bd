from __future__ import annotations

import pickle
from collections.abc import Iterator

import pytest

from videotcav import errors

TAKES = {
    errors.VideoError: lambda: errors.VideoError("a.mp4", "is cut off"),
    errors.VideosError: lambda: errors.VideosError({"a.mp4": "is cut off", "b.mp4": "is empty"}),
    errors.StudyFileError: lambda: errors.StudyFileError("study.toml", ["seed: is missing", "layers: none"]),
    errors.UnreadableText: lambda: errors.UnreadableText("a.csv", "is not CSV"),
    errors.MissingExtra: lambda: errors.MissingExtra("ray", extra="ray", purpose="--engine ray"),
}


def tree(top: type[errors.VideotcavError]) -> Iterator[type[errors.VideotcavError]]:
    yield top
    for below in top.__subclasses__():
        yield from tree(below)


@pytest.mark.parametrize("kind", sorted(set(tree(errors.VideotcavError)), key=lambda kind: kind.__name__))
def test_an_error_is_the_same_in_another_process(kind: type[errors.VideotcavError]) -> None:
    error = TAKES[kind]() if kind in TAKES else kind("what was wrong")
    arrived = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert type(arrived) is kind
    assert str(arrived) == str(error)
    assert vars(arrived) == vars(error)
