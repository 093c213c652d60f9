"""Cosine similarity of encoders' outputs to the last one's."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from training.figures.canvas import (
    BLUE,
    GREEN,
    LABEL_STYLES,
    VERMILION,
    figure_and_axes,
    legend_outside,
    wrapped,
)

LINES = (
    (BLUE, "-"),
    (VERMILION, "--"),
    (GREEN, "-."),
    *LABEL_STYLES[5:],
    *LABEL_STYLES[:2],
)
MARKERS = "osD^vP*X"


def encoder_similarity(
    similarities: Mapping[str, Sequence[float]], title: str = ""
) -> Figure:
    """One line per model: how alike each encoder's output is to the last encoder's.

    Args:
        similarities: By name, one cosine per encoder, from the input up; the last is 1.
        title: What stands above.

    Returns:
        The figure.

    Reference:
        Barhoumi et al., "Efficient scopeformer", Fig. 5.
    """
    figure, axes = figure_and_axes((8.4, 4.6))
    for i, (name, values) in enumerate(similarities.items()):
        colour, dashes = LINES[i % len(LINES)]
        axes.plot(
            np.arange(1, len(values) + 1),
            values,
            color=colour,
            linestyle=dashes,
            marker=MARKERS[i % len(MARKERS)],
            markersize=6,
            label=wrapped(name, 34),
        )

    lowest = min((min(values) for values in similarities.values()), default=0)
    axes.set_ylim(min(0, 1.08 * lowest), 1.04)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set(
        xlabel="encoder, from the input up", ylabel="cosine similarity to the last"
    )
    figure.suptitle(title, fontsize=11)
    if len(similarities) > 1:
        legend_outside(axes)

    return figure
