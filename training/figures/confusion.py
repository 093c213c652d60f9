"""Confusion matrices."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from training.figures.canvas import GREY, INK

_DARK_FROM = 0.55


def confusion_matrix(confusion: np.ndarray, label_names: Sequence[str]) -> Figure:
    """Numbers of images by true and predicted class, each above its share of the true class.

    Args:
        confusion: Numbers of images, rows true, columns predicted, shape `(classes, classes)`.
        label_names: Names of the classes.

    Returns:
        The figure; colour is the share of the row.
    """
    counts = np.asarray(confusion)
    support, predicted = counts.sum(axis=1), counts.sum(axis=0)
    shares = counts / np.maximum(support, 1)[:, np.newaxis]
    classes = len(label_names)
    side = 2.2 + 0.85 * max(classes, 3)
    figure = Figure(figsize=(side + 1.2, side), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)

    for row in range(classes):
        for column in range(classes):
            colour = "white" if shares[row, column] > _DARK_FROM else INK
            if counts[row, column] == 0:
                axes.text(
                    column, row, "0", ha="center", va="center", fontsize=9, color=GREY
                )
                continue
            weight = "bold" if row == column else "normal"
            for text, points, size in (
                (f"{counts[row, column]:,}", 7, 11),
                (f"{shares[row, column]:.1%}", -8, 8),
            ):
                axes.annotate(
                    text, (column, row), xytext=(0, points), textcoords="offset points",
                    ha="center", va="center", fontsize=size, fontweight=weight, color=colour,
                )  # fmt: skip

    longest = max(map(len, label_names))
    axes.set_xticks(
        range(classes),
        [
            f"{name}\n{count:,}"
            for name, count in zip(label_names, predicted, strict=True)
        ],
        rotation=40 if longest > 8 else 0,
        ha="right" if longest > 8 else "center",
        rotation_mode="anchor" if longest > 8 else "default",
    )
    axes.set_yticks(
        range(classes),
        [
            f"{name}\n{count:,}"
            for name, count in zip(label_names, support, strict=True)
        ],
    )
    axes.set_xticks(np.arange(classes + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(classes + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=2)
    axes.tick_params(which="both", length=0, labelsize=9, colors=INK)
    axes.spines[:].set_visible(False)
    axes.set(xlabel="predicted class, with its number of images")
    axes.set(ylabel="true class, with its number of images")
    colours = figure.colorbar(image, ax=axes, shrink=0.8, pad=0.02)
    colours.ax.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    colours.ax.tick_params(length=0, labelsize=8, colors=INK)
    colours.set_label("share of the true class", fontsize=9)
    colours.outline.set_visible(False)

    return figure
