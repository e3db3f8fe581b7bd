"""What a result was taken on: the commit of the code, the machine, and the versions of what ran."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
CODE = ("src", "benchmarks/*.py", "validation", "requirements.lock")
PACKAGES = ("videotcav", "torch", "torchvision", "numpy", "scipy", "scikit-learn", "av")


def commit() -> str:
    """The commit that the code stands at, with a + where it was changed since; `unknown` outside of a repository."""
    git = shutil.which("git")
    if git is None:
        return "unknown"

    def said(*words: str) -> str:
        done = subprocess.run([git, *words], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - git
        return done.stdout.strip()

    head = said("rev-parse", "--short=10", "HEAD")
    return head + "+" * bool(said("status", "--porcelain", "--", *CODE)) if head else "unknown"


def machine(packages: tuple[str, ...] = ()) -> dict[str, Any]:
    """The device, its load at this moment, and the versions of what runs on it."""
    import torch  # noqa: PLC0415 - rows are listed without it

    found = {}
    for package in (*PACKAGES, *packages):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "absent"
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "system": f"{platform.system()} {platform.machine()}",
        "threads": torch.get_num_threads(),
        "load": os.getloadavg()[0],
        "versions": {"python": platform.python_version(), **found},
    }


def in_words(machine: Mapping[str, Any]) -> str:
    """A machine and its versions in a line, without its load."""
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items() if number != "absent")
    threads = f"{machine['threads']} thread{'s' * (machine['threads'] > 1)}"
    device = ", ".join(filter(None, (machine["processor"], machine["gpu"])))
    return f"{device}, {threads} of {machine['cores']} cores; {versions}"


def _processor() -> str:
    """The processor's model, where the system says it."""
    table = Path("/proc/cpuinfo")
    lines = table.read_text(encoding="utf-8").splitlines() if table.is_file() else []
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())
