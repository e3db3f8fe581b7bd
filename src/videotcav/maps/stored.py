"""Maps in a folder: their arrays as safetensors, all else as a typed manifest; the folder is whole or not there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from videotcav.errors import RunFolderError
from videotcav.outputs import file_sha256
from videotcav.results.folder import MEDIA, new_run_folder
from videotcav.results.manifest import MANIFEST, AnyFacts, Facts, read_manifest, write_manifest

ARRAYS = "maps.safetensors"


def write_arrays(folder: Path | str, manifest: Facts, arrays: Mapping[str, NDArray[Any]]) -> Path:
    """Writes a new folder of arrays and what is known of them. Raises PathTaken where something is there."""
    with new_run_folder(Path(folder)) as unfinished:
        (unfinished / MEDIA).rmdir()
        # A view that is not in C's order would be written as if it were.
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, unfinished / ARRAYS)
        write_manifest(unfinished, manifest, results=ARRAYS)
    return Path(folder)


def read_arrays(folder: Path | str, kind: type[AnyFacts]) -> tuple[AnyFacts, dict[str, NDArray[Any]]]:
    """What `write_arrays` wrote. Raises RunFolderError where it is something else, or damaged."""
    manifest_path, path = Path(folder) / MANIFEST, Path(folder) / ARRAYS
    if not manifest_path.is_file():
        raise RunFolderError(f"{folder} holds no saved maps: it has no {MANIFEST}; maps.save(folder) writes it")
    manifest = read_manifest(manifest_path, kind)
    try:
        if file_sha256(path) != manifest.results_sha256:
            raise RunFolderError(f"{path} is not what was saved: its checksum is another one; save the maps again")
        return manifest, load_file(path)
    except (OSError, SafetensorError) as error:
        raise RunFolderError(f"{path} cannot be read: {error}; save the maps again") from error
