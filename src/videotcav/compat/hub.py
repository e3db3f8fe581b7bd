"""Models of the Hugging Face hub where it cannot be reached: loaders answer at once, and with an OSError.

The hub's client asks again for half a minute for each file that is not here, and what it raises then is an error of the
library that it speaks through, another one in each version.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from safetensors import SafetensorError

LOADING_ERRORS = (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError, UnpicklingError)
"""What loaders raise of files that are missing, damaged or of something else, and where another library is needed."""

_SECONDS = 5.0


def local_only(name: str) -> dict[str, bool]:
    """What loaders are told beside a name: nothing for a folder and where the hub answers, else to look here alone."""
    if Path(name).expanduser().exists():
        return {}
    constants: Any = importlib.import_module("huggingface_hub.constants")
    client: Any = importlib.import_module("huggingface_hub.utils")
    try:
        if not constants.HF_HUB_OFFLINE:
            client.get_session().head(constants.ENDPOINT, timeout=_SECONDS)
            return {}
    except Exception:  # noqa: BLE001, S110 - see above
        pass
    return {"local_files_only": True}


@contextmanager
def hub_errors() -> Iterator[None]:
    """What the hub's client raises in the body is an OSError, as the loaders' own errors are."""
    try:
        yield
    except Exception as error:
        if any(kind.__module__.startswith(("httpx", "httpcore")) for kind in type(error).__mro__):
            raise OSError(f"the Hugging Face hub does not answer: {error}") from error
        raise
