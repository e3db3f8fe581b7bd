"""What `tcav` found, as a notebook shows, draws and saves it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from torch import Tensor

from videotcav.compat.captum import captum_scores
from videotcav.errors import ArgumentError
from videotcav.outputs import MARK
from videotcav.records import Outcome, Result, Statistic
from videotcav.report.effects import effects_figure, write_results_page
from videotcav.results.saved import save_rows, saved_rows
from videotcav.results.table import data_frame, results_html, results_table_text

if TYPE_CHECKING:
    from pandas import DataFrame

_ABOUT = "videotcav"


@dataclass(frozen=True)
class TcavResults:
    """Rows of results that print as a table, in a terminal and in Jupyter.

    `ids` are captum's numbers of concepts, `outcomes` what became of each hypothesis, `unmoved` the share of the class
    clips, by layer, whose gradient meets no clip's activation: S = 0 for every concept.
    """

    results: tuple[Result, ...]
    ids: Mapping[str, int] = field(default_factory=dict)
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    unmoved: Mapping[str, float] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Result]:
        return iter(self.results)

    def __len__(self) -> int:
        return len(self.results)

    def as_captum(self) -> dict[str, dict[str, dict[str, Tensor]]]:
        """The scores as `captum.concept.TCAV.interpret` gives them, see `captum_scores`.

        Raises VideotcavError where no classic scores were asked for.
        """
        if not any(row.statistic == "sign_count" for row in self.results):
            raise ArgumentError(
                "captum's scores are the classic ones, which were not asked for: "
                'tcav(…, settings=AnalysisSettings(scores="classic"))'
            )
        return captum_scores(self.results, self.ids, self.unmoved)

    def to_pandas(self) -> DataFrame:
        """One row a result. Raises MissingExtra without pandas."""
        return data_frame(row.as_row() for row in self.results)

    def plot(self, statistic: Statistic | None = None) -> Figure:
        """Effects with their intervals over their nulls: of the first statistic that there is, or of another."""
        shown = statistic or self.results[0].statistic
        return effects_figure([row for row in self.results if row.statistic == shown])

    def save(self, path: Path | str) -> Path:
        """Writes everything to one Parquet file, which `TcavResults.read` reads back. Raises OutputError."""
        about = {"from": MARK, "ids": dict(self.ids), "outcomes": dict(self.outcomes), "unmoved": dict(self.unmoved)}
        return save_rows(path, self.results, key=_ABOUT, about=json.dumps(about))

    @classmethod
    def read(cls, path: Path | str) -> TcavResults:
        """What `save` wrote. Raises RunFolderError where the file is another one."""
        rows, about = saved_rows(path, Result, key=_ABOUT, writer="TcavResults")
        facts = json.loads(about)
        return cls(rows, facts["ids"], facts["outcomes"], facts["unmoved"])

    def report(self, path: Path | str) -> Path:
        """Writes a page with the figure and the table, one file that needs nothing else. Raises OutputError."""
        return write_results_page(path, self.results, [f"“{text}”: {became}" for text, became in self.outcomes.items()])

    def __repr__(self) -> str:
        return results_table_text(self.results)

    def _repr_html_(self) -> str:
        return results_html(self.results)
