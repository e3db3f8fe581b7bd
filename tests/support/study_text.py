"""The text of a study file that is good, for tests to add to or to spoil."""

from __future__ import annotations

import json


def study_text(*, model: str = "planted:swin", videos: str | list[str] = "swing/*.mp4", of: str = "swing") -> str:
    """The least that a study says; its concepts and random clips lie in `concepts` and `random` beside it."""
    return f"""\
question = "Does it see the {of}?"
[model]
name = "{model}"
[classes.{of}]
videos = {json.dumps([videos] if isinstance(videos, str) else videos)}
[concepts]
folder = "concepts"
[random]
folder = "random"
"""
