"""The smallest manifest of a run, as tests of folders write it."""

from __future__ import annotations

from pathlib import Path

from videotcav.results.manifest import Manifest, ModelFacts, stamp, write_manifest


def write_seed(folder: Path, seed: int) -> None:
    """Writes the manifest of a run that is known by its seed."""
    write_manifest(folder, Manifest(**stamp(), question="?", model=ModelFacts(name="none"), seed=seed))
