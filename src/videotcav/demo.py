"""The bundled scenes through both routes: rendered, cut into concepts, studied."""

from __future__ import annotations

from pathlib import Path

from videotcav.concepts.propose import propose
from videotcav.concepts.sets import accept
from videotcav.planted.render import render_demo
from videotcav.records import Progress, silent
from videotcav.report.run import RunResults
from videotcav.study import Study


def run_demo(folder: Path, *, progress: Progress = silent) -> RunResults:
    """The results of the study on the bundled scenes.

    `folder` gets the scenes, the concept clips cut from them, the study file and the run folder `run`; what an
    earlier demo left there is replaced.
    """
    render_demo(folder, progress=progress)
    for pool, labels in (("concepts", ("racket", "ball")), ("random", None)):
        propose(...)
        accept(folder / pool)
    return Study.from_file(folder / "study.toml").run(folder / "run", replace=True, progress=progress)
