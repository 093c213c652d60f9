"""Backbones' feature maps of an image, and the correlations among them."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from training.figures.canvas import GREY, INK, TITLE_INCHES, wrapped
from training.figures.examples import show_image

MAP_COLOURS = "cividis"
COLUMNS, ROWS = 8, 12
BLOCKS_PER_ROW = 4
_DARK_UNTIL = 0.55


class Redundancy(NamedTuple):
    """Mean absolute correlations among maps.

    Attributes:
        maps: Which maps, such as "after projection".
        backbones: Names.
        values: `(backbones, backbones)`.
    """

    maps: str
    backbones: Sequence[str]
    values: np.ndarray


def feature_map_sheet(
    image: np.ndarray,
    maps: Mapping[str, np.ndarray],
    title: str = "",
    caption: str = "",
) -> Figure:
    """An image and maps of it, one block per backbone.

    Args:
        image: The picture, uint8, as for the sheet of examples.
        maps: By backbone, maps of shape `(height, width, maps)`. Of more than fit, evenly spaced ones are
            shown; each from its own lowest to its highest value.
        title: What stands above the figure.
        caption: What stands above the image.

    Returns:
        The figure; a map that is the same everywhere is grey.

    Reference:
        Barhoumi et al., "Efficient scopeformer", Figs. 6 to 8.
    """
    rows = -(-len(maps) // BLOCKS_PER_ROW)
    columns = min(len(maps), BLOCKS_PER_ROW)
    heights = [
        max(
            _block_rows(array.shape[-1])
            for array in list(maps.values())[start : start + BLOCKS_PER_ROW]
        )
        for start in range(0, len(maps), BLOCKS_PER_ROW)
    ]
    inches = [max(2.9, 0.29 * height) + 0.5 for height in heights]
    width = max(2.9 + 2.45 * columns, TITLE_INCHES)
    figure = Figure(figsize=(width, sum(inches) + 0.6), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(2.7, 2.45 * columns))
    slice_axes = left.subplots()
    show_image(slice_axes, image)
    slice_axes.set_title(wrapped(caption, 34), fontsize=9, color=INK)
    cells = np.ravel(
        right.subplots(rows, columns, height_ratios=heights, squeeze=False)
    )
    for axes in cells:
        axes.set_axis_off()
    for axes, (name, array) in zip(cells, maps.items(), strict=False):
        chosen = _evenly_spaced(array.shape[-1])
        axes.imshow(_mosaic(array[..., chosen]), interpolation="nearest")
        axes.set_anchor("N")
        total = array.shape[-1]
        amount = (
            f"{total:,} maps"
            if total == len(chosen)
            else f"{len(chosen)} of {total:,} maps"
        )
        axes.set_title(f"{name}\n{amount}", fontsize=9, color=INK)

    figure.suptitle(title, fontsize=11)
    return figure


def redundancy_matrices(redundancies: Sequence[Redundancy], title: str = "") -> Figure:
    """Mean absolute correlations between maps, within each backbone and between each two.

    Args:
        redundancies: One matrix each.
        title: What stands above.

    Returns:
        The figure; colours are shared.
    """
    count = max(len(each.backbones) for each in redundancies)
    side = 1.9 + 0.78 * max(count, 2)
    figure = Figure(
        figsize=(max(side * len(redundancies), TITLE_INCHES), side + 0.4),
        layout="constrained",
    )
    figure.get_layout_engine().set(h_pad=0.1)
    panels = np.ravel(figure.subplots(1, len(redundancies), squeeze=False))
    highest = max(np.nanmax(each.values, initial=0.0) for each in redundancies) or 1.0
    for axes, each in zip(panels, redundancies, strict=True):
        axes.imshow(each.values, cmap=MAP_COLOURS, vmin=0, vmax=highest)
        for (row, column), value in np.ndenumerate(each.values):
            colour = "white" if value < _DARK_UNTIL * highest else INK
            text = "–" if np.isnan(value) else f"{value:.3f}"
            weight = "bold" if row == column else "normal"
            axes.text(
                column,
                row,
                text,
                ha="center",
                va="center",
                fontsize=9,
                color=colour,
                weight=weight,
            )
        places = range(len(each.backbones))
        axes.set_xticks(
            places, each.backbones, rotation=35, ha="right", rotation_mode="anchor"
        )
        axes.set_yticks(places, each.backbones)
        axes.tick_params(length=0, labelsize=9, colors=INK)
        axes.spines[:].set_visible(False)
        axes.set_title(each.maps, fontsize=10, color=INK)

    figure.suptitle(title, fontsize=11)
    return figure


def _block_rows(maps: int) -> int:
    return min(ROWS, -(-maps // COLUMNS))


def _evenly_spaced(maps: int) -> np.ndarray:
    """Numbers of the maps that are shown: all, or as many as fit, from the first to the last."""
    return np.unique(
        np.linspace(0, maps - 1, min(maps, ROWS * COLUMNS)).round().astype(int)
    )


def _mosaic(maps: np.ndarray) -> np.ndarray:
    """Maps `(height, width, maps)` in rows of `COLUMNS`, coloured, with white between them."""
    height, width, count = maps.shape
    zoom = max(1, round(24 / max(height, width)))
    gap = max(1, zoom * max(height, width) // 12)
    rows = _block_rows(count)
    step_y, step_x = height * zoom + gap, width * zoom + gap
    mosaic = np.ones((rows * step_y - gap, min(COLUMNS, count) * step_x - gap, 3))
    low, high = maps.min((0, 1)), maps.max((0, 1))
    for i in range(count):
        top, left = i // COLUMNS * step_y, i % COLUMNS * step_x
        if high[i] > low[i]:
            coloured = colormaps[MAP_COLOURS](
                (maps[..., i] - low[i]) / (high[i] - low[i])
            )[..., :3]
        else:
            coloured = np.broadcast_to(to_rgb(GREY), (height, width, 3))
        tile = coloured.repeat(zoom, 0).repeat(zoom, 1)
        mosaic[top : top + height * zoom, left : left + width * zoom] = tile

    return mosaic
