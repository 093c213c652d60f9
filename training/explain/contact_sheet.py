"""Sheets of pictures, each beside its heat map."""

from typing import NamedTuple

import cv2
import numpy as np
from matplotlib.figure import Figure

from training.figures.canvas import INK

SHEET_COLUMNS = 3
TILE_PX = 240
NAME_LETTERS = 36


class Pair(NamedTuple):
    """A picture and the same with its heat map over it, both small, below a caption."""

    caption: str
    picture: np.ndarray
    overlay: np.ndarray


def pair_of(name: str, row: dict, picture: np.ndarray, overlay: np.ndarray) -> Pair:
    """Makes a pair for the sheet.

    Args:
        name: The picture's name.
        row: What was found: `predicted`, `label` and its `probability`.
        picture: uint8 array `(height, width, 3)`.
        overlay: The picture under the model's heat map, as `picture`.
    """
    name = name if len(name) <= NAME_LETTERS else f"{name[: NAME_LETTERS - 1]}…"
    caption = f"{name}\n{row['label']} {row['probability']:.1%}"
    if row["label"] != row["predicted"]:
        caption += f" (predicted: {row['predicted']})"
    return Pair(caption, _tile(picture), _tile(overlay))


def contact_sheet(pairs: list[Pair], title: str = "") -> Figure:
    """Pictures beside their overlays, `SHEET_COLUMNS` pairs a row, as in HiFuse's Fig. 4, below a title."""
    rows = -(-len(pairs) // SHEET_COLUMNS)
    columns = min(SHEET_COLUMNS, len(pairs))
    heading = 0.3 + 0.2 * title.count("\n") if title else 0
    height = 2.6 * rows + heading
    figure = Figure(figsize=(4.4 * columns, height), layout="none")
    figure.suptitle(title, fontsize=11, y=1 - 0.08 / height)
    cells = figure.add_gridspec(
        rows,
        columns,
        left=0.01,
        right=0.99,
        bottom=0.1 / height,
        top=1 - (0.45 + heading) / height,
        hspace=0.22,
        wspace=0.04,
    )

    for (caption, *pictures), cell in zip(pairs, cells, strict=False):
        halves = cell.subgridspec(1, 2, wspace=0.02).subplots()
        for axes, picture in zip(halves, pictures, strict=True):
            axes.imshow(picture, interpolation="antialiased")
            axes.set_anchor("SW")
            axes.set_axis_off()
        halves[0].set_title(
            caption, fontsize=9, color=INK, loc="left", parse_math=False
        )

    return figure


def _tile(picture):
    scale = TILE_PX / max(picture.shape[:2])
    size = [max(1, round(side * scale)) for side in picture.shape[1::-1]]
    return cv2.resize(
        picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    )
