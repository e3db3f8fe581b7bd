"""The command line as a shell runs it, in this process."""

from __future__ import annotations

import sys

import pytest

from videotcav.cli.main import main

OWN_MODEL = """\
from torch import nn
from videotcav.records import ClipSpec, ModelCard
def build():
    net = nn.Sequential(nn.Conv3d(3, 2, 3), nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(2, 2))
    spec = ClipSpec(frames=4, seconds_between_frames=0.1, height=8, width=8, resize=8)
    return net, ModelCard(name='own', clip_spec=spec, classes=('yes', 'no'), layouts={'[01]': 'b c t h w'},
                          default_layers=('0',))
"""
"""A module that `--model file:build` names."""


def videotcav(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    """The exit code of `videotcav` with these words."""
    monkeypatch.setattr(sys, "argv", ["videotcav", *map(str, words)])
    monkeypatch.setattr(sys, "path", list(sys.path))
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)
