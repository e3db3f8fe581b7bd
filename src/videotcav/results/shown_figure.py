"""Figures that show themselves."""

from __future__ import annotations

from io import BytesIO

from matplotlib.figure import Figure

from videotcav.outputs import MARK


class ShownFigure(Figure):
    """A figure that Jupyter shows. A plain one it shows only where pyplot was imported."""

    def _repr_png_(self) -> bytes:
        return png(self)


def png(figure: Figure, *, dpi: float | None = None) -> bytes:
    """The figure as the bytes of a PNG file that are the same for the same figure."""
    picture = BytesIO()
    figure.savefig(picture, format="png", dpi=dpi or figure.dpi, metadata={"Software": None, "Comment": MARK})
    return picture.getvalue()
