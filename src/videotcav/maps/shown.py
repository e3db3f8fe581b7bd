"""What all maps of clips have in common where they are shown: in Jupyter, as a table, on a page."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from videotcav.report.render import write_figures_page
from videotcav.results.manifest import ModelFacts
from videotcav.results.shown_figure import png
from videotcav.results.table import data_frame, table_html
from videotcav.video.info import ClipOrigin

if TYPE_CHECKING:
    from pandas import DataFrame

CLIPS_SHOWN = 12
"""How many clips a page draws."""


@dataclass(frozen=True, eq=False)  # arrays do not compare to one truth value
class ShownMaps(ABC):
    """Maps of clips, by a model: a row a map and a figure a clip. Shows itself in Jupyter as the first clip."""

    model: ModelFacts
    clips: tuple[ClipOrigin, ...]

    @abstractmethod
    def plot(self, index: int = 0) -> Figure:
        """The contact sheet of clip `index`."""

    @abstractmethod
    def rows(self) -> Iterator[dict[str, Any]]:
        """A row a map; what is not there is None."""

    @property
    @abstractmethod
    def _heading(self) -> str:
        """What the page is headed by."""

    @property
    @abstractmethod
    def _sentences(self) -> Sequence[str]:
        """What the page says below its heading."""

    def __len__(self) -> int:
        return len(self.clips)

    def _repr_png_(self) -> bytes:
        return png(self.plot())

    def to_pandas(self) -> DataFrame:
        """The rows as a table, see `rows`. Raises MissingExtra without pandas."""
        return data_frame(self.rows())

    def report(self, page: Path | str) -> Path:
        """Writes a page of contact sheets and the table, one file that needs nothing else. Raises OutputError."""
        rows, left_out = (
            list(self.rows()),
            f"The first {CLIPS_SHOWN} of {len(self)} clips are drawn; the table has all.",
        )
        return write_figures_page(
            page,
            ((clip.video.path.name, self.plot(place)) for place, clip in enumerate(self.clips[:CLIPS_SHOWN])),
            kicker="videotcav maps",
            heading=self._heading,
            sentences=[*self._sentences, *([left_out] if len(self) > CLIPS_SHOWN else [])],
            table=table_html((name.replace("_", " ") for name in rows[0]), (map(_cell, row.values()) for row in rows)),
            dpi=80,
            are_charts=False,
        )


def _cell(value: object) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
