"""The tests under other Pythons, without any extra, and with the oldest versions that pyproject.toml allows.

pip install nox uv; nox --list; nox -s "tests-3.11(core, newest)" -- tests/explain
"""

from __future__ import annotations

import nox

nox.options.default_venv_backend = "uv"
nox.options.error_on_missing_interpreters = False

EXTRAS = {"core": "test", "all": "dev,detect,generate,hub,pandas,ray,review,s3,zarr"}
RESOLUTIONS = {"newest": "highest", "lowest": "lowest-direct"}


@nox.session(python=["3.11", "3.12", "3.13", "3.14"])
@nox.parametrize("versions", list(RESOLUTIONS), ids=list(RESOLUTIONS))
@nox.parametrize("extras", list(EXTRAS), ids=list(EXTRAS))
def tests(session: nox.Session, extras: str, versions: str) -> None:
    """The test suite, or what stands behind --."""
    # Wheels only: the sources of a version that is older than the Python do not build with it.
    wheels = ("--only-binary", ":all:", "--resolution", RESOLUTIONS[versions])
    session.install(*wheels, "--editable", f".[{EXTRAS[extras]}]")
    # What old versions warn of, and newer ones that call them, is not ours.
    silent = ("DeprecationWarning", "FutureWarning", "ResourceWarning") if versions == "lowest" else ()
    lenient = [word for kind in silent for word in ("-W", f"ignore::{kind}")]
    session.run("pytest", *lenient, *session.posargs, env={"OMP_NUM_THREADS": "1"})
