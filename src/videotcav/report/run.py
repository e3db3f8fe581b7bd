"""A run that shows itself: its page, its figure."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from videotcav.report.effects import effects_figure
from videotcav.report.page import write_report
from videotcav.results.read import RunResults


class Run(RunResults):
    """A run as it lies on disk, with its page and its figure."""

    def report(self) -> Path:
        """Writes the run's page anew, from its results alone; where it lies."""
        return write_report(self.folder)

    def plot(self) -> Figure:
        """Effects with their intervals over their nulls, in the primary statistic."""
        return effects_figure([row for row in self.results if row.statistic == self.manifest.tests.primary])


def read_run(folder: Path | str) -> Run:
    """The run in a folder. Raises RunFolderError where it is none or is damaged."""
    return Run.read(folder)
