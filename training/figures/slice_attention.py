"""Images with maps of attention over them."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from training.figures.canvas import INK

PANEL_INCHES = 1.9
ROWS_PER_COLUMN = 3


def slice_attention(
    panels: Sequence[Mapping[str, np.ndarray]], names: Sequence[str], title: str = ""
) -> Figure:
    """A row of pictures per image, each below its caption; half of the images beside the others.

    Args:
        panels: Per image, pictures by caption, uint8 of shape `(height, width, 3)`.
        names: Names of the images.
        title: What stands above.

    Returns:
        The figure.
    """
    sides = -(-len(panels) // ROWS_PER_COLUMN)
    rows, columns = min(len(panels), ROWS_PER_COLUMN), max(map(len, panels))
    size = (
        max((PANEL_INCHES * columns + 0.2) * sides, 6.4),
        (PANEL_INCHES + 0.5) * rows + 0.7,
    )
    figure = Figure(figsize=size, layout="constrained")
    figure.suptitle(title, fontsize=11, color=INK)
    cells = figure.subfigures(rows, sides, squeeze=False).T.ravel()
    for cell, pictures, name in zip(cells, panels, names, strict=False):
        cell.suptitle(name, fontsize=9, color=INK, x=0.01, ha="left")
        row = cell.subplots(1, columns, squeeze=False)[0]
        for axes in row:
            axes.set_axis_off()
        for axes, (caption, picture) in zip(row, pictures.items(), strict=False):
            axes.imshow(picture, interpolation="antialiased")
            axes.set_title(caption, fontsize=8, color=INK, pad=3)

    return figure
