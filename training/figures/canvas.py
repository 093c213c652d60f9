"""What the pictures have in common: colours, axes, legends, and the way to a PNG file.

Colours are Okabe and Ito's, which readers with any colour vision tell apart; lines differ in dashes too.
"""

import io
import textwrap

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

BLUE, VERMILION, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#8a8f98"
TITLE_INCHES = 7.6
"""Least width of a figure whose title has lines of 96 letters."""
INK, GRID = "#24292f", "#e3e6ea"
LABEL_STYLES = (
    ("#000000", "-"),
    ("#E69F00", "-"),
    ("#0072B2", "--"),
    ("#009E73", "-."),
    ("#D55E00", (0, (5, 1, 1, 1, 1, 1))),
    ("#CC79A7", (0, (2, 1))),
    ("#56B4E9", "-"),
    ("#8a8f98", (0, (6, 2))),
)


def to_png(figure: Figure, dpi: int = 120, palette: int | None = None) -> bytes:
    """The figure as a PNG file's bytes.

    Args:
        figure: The figure.
        dpi: Pixels per inch.
        palette: Number of colours it is reduced to, 256 at most, which takes a third of the space where there
            is much noise; None keeps them all.

    Returns:
        The file.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, facecolor="white")
    if palette is None:
        return buffer.getvalue()
    reduced = io.BytesIO()
    picture = Image.open(buffer).convert("RGB")
    picture.quantize(palette, dither=Image.Dither.NONE).save(
        reduced, "PNG", optimize=True
    )
    return reduced.getvalue()


def figure_and_axes(
    size: tuple[float, float], square: bool = False
) -> tuple[Figure, Axes]:
    """A figure of `size` inches with one styled axes; `square` ones are for two shares."""
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    style_axes(axes)
    if square:
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    return figure, axes


def style_axes(axes: Axes) -> None:
    """Gives axes a pale grid and no frame above and to the right."""
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=9, colors=INK)


def legend_outside(axes: Axes, title: str | None = None) -> None:
    """Puts the legend to the right of the axes, if there is anything to name."""
    if axes.get_legend_handles_labels()[0]:
        axes.legend(
            title=title,
            frameon=False,
            fontsize=9,
            loc="upper left",
            bbox_to_anchor=(1.02, 1),
            alignment="left",
        )


def wrapped(text: str, width: int) -> str:
    """The text in lines of at most `width` characters."""
    return "\n".join(textwrap.wrap(text, width, break_on_hyphens=False))
