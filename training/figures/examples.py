"""Sheets of example images with what was predicted for them."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from training.figures.canvas import GREY, INK, VERMILION, style_axes

SHEET_PX = 640
"""Longer side of a picture at most; larger ones are made smaller."""

COLUMNS = 4


class Example(NamedTuple):
    """An image to show.

    Attributes:
        title: A line or two above the picture.
        image: The picture, uint8 of shape `(height, width, 3)`; see `Modality.to_picture`.
        labels: 0 or 1 per label.
        probabilities: Predicted probability per label.
    """

    title: str
    image: np.ndarray
    labels: Sequence[int]
    probabilities: Sequence[float]


def example_sheet(
    groups: Mapping[str, Sequence[Example]],
    label_names: Sequence[str],
    threshold: float | None = None,
) -> Figure:
    """Images, each above its predicted probabilities, in rows of four, group by group.

    Args:
        groups: Examples by the group's title; groups without examples are left out.
        label_names: Names of the labels.
        threshold: Where a prediction becomes positive, marked in each chart; None if the highest one counts.

    Returns:
        The figure.
    """
    rows = [
        (title if start == 0 else "", examples[start : start + COLUMNS])
        for title, examples in groups.items()
        for start in range(0, len(examples), COLUMNS)
    ]
    chart_inches = max(1.2, 0.24 * len(label_names) + 0.2)
    height = sum(2.6 + chart_inches + (0.4 if title else 0.1) for title, _ in rows)
    figure = Figure(figsize=(2.75 * COLUMNS, height + 0.4), layout="constrained")
    for row, (title, examples) in zip(
        np.ravel(figure.subfigures(len(rows), 1)), rows, strict=True
    ):
        if title:
            row.suptitle(title, fontsize=13, fontweight="bold", color=INK)
        axes = row.subplots(2, COLUMNS, height_ratios=(2.6, chart_inches))
        for column in range(COLUMNS):
            if column < len(examples):
                show_image(axes[0, column], examples[column].image)
                axes[0, column].set_title(examples[column].title, fontsize=9, color=INK)
                _draw_probabilities(
                    axes[1, column],
                    examples[column],
                    label_names,
                    threshold,
                    column == 0,
                )
            else:
                axes[0, column].set_axis_off()
                axes[1, column].set_axis_off()

    if threshold is None:
        handles = [
            Patch(color=VERMILION, label="true class"),
            Patch(color=GREY, label="other classes"),
        ]
    else:
        handles = [
            Patch(color=VERMILION, label="label present"),
            Patch(color=GREY, label="label absent"),
            Line2D([], [], color=INK, linestyle=":", label=f"threshold {threshold:g}"),
        ]

    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False)
    return figure


def show_image(axes: Axes, picture: np.ndarray) -> None:
    """Puts a picture into axes without frame.

    Args:
        axes: Where it is shown.
        picture: uint8 of shape `(height, width, 3)`, or grey of shape `(height, width)`.
    """
    axes.imshow(
        _not_longer_than(SHEET_PX, picture),
        cmap="gray",
        vmin=0,
        vmax=255,
        interpolation="antialiased",
    )
    axes.set_anchor("N")
    axes.set_axis_off()


def _not_longer_than(longest_px: int, picture: np.ndarray) -> np.ndarray:
    """A picture, made smaller by area averaging if a side is longer."""
    height, width = picture.shape[:2]
    scale = longest_px / max(height, width)
    if scale >= 1:
        return picture
    size = max(1, round(scale * width)), max(1, round(scale * height))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def _draw_probabilities(
    axes: Axes,
    example: Example,
    label_names: Sequence[str],
    threshold: float | None,
    with_names: bool,
) -> None:
    style_axes(axes)
    rows = np.arange(len(label_names))
    present = np.asarray(example.labels) == 1
    axes.barh(
        rows,
        example.probabilities,
        color=np.where(present, VERMILION, GREY),
        height=0.7,
    )

    for row, (probability, there) in enumerate(
        zip(example.probabilities, present, strict=True)
    ):
        axes.text(
            1.06,
            row,
            f"{probability:.2f}",
            va="center",
            fontsize=8,
            fontweight="bold" if there else "normal",
        )

    if threshold is not None:
        axes.axvline(threshold, color=INK, linewidth=1, linestyle=":")
    axes.set(xlim=(0, 1), ylim=(len(label_names) - 0.5, -0.5), xticks=(0, 0.5, 1))
    axes.set_xticklabels(("0", "0.5", "1"))
    axes.set_yticks(rows, label_names if with_names else [])
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False)
