"""Attention maps of an encoder's heads."""

from collections.abc import Mapping

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from training.figures.canvas import INK, TITLE_INCHES

HEADS_PER_ROW = 8
SIGNED_COLOURS, POSITIVE_COLOURS = "PuOr_r", "cividis"
PANEL_INCHES = 1.62


def attention_heads(
    maps: np.ndarray,
    title: str = "",
    groups: Mapping[str, int] | None = None,
    tokens: str = "token",
) -> Figure:
    """Every head's map: rows are the tokens that attend, columns those attended to.

    Colours reach from the 1st to the 99th percentile of the head's map, whose values stand above it; where
    weights are negative, as after re-attention, white is 0.

    Args:
        maps: `(heads, tokens, tokens)`.
        title: What stands above.
        groups: Names of groups of neighbouring tokens with their sizes, in order, marked at the axes.
        tokens: What a token is.

    Returns:
        The figure.

    Reference:
        Barhoumi et al., "Efficient scopeformer", Fig. 9.
    """
    heads = len(maps)
    columns = min(heads, HEADS_PER_ROW)
    rows = -(-heads // columns)
    margin = 0.95 if groups else 0.6
    width = max(PANEL_INCHES * columns + margin + 0.5, TITLE_INCHES)
    height = (PANEL_INCHES + 0.3) * rows + margin + 0.5
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.03, wspace=0.02, hspace=0.02)
    panels = figure.subplots(rows, columns, squeeze=False)
    signed = maps.min() < 0
    colours = SIGNED_COLOURS if signed else POSITIVE_COLOURS
    for number, axes in enumerate(panels.flat):
        if number >= heads:
            axes.set_axis_off()
            continue
        low, high = np.percentile(maps[number], (1, 99))
        limit = max(abs(low), abs(high)) or 1.0
        limits = (-limit, limit) if signed else (low, high if high > low else low + 1.0)
        axes.imshow(
            maps[number],
            cmap=colours,
            vmin=limits[0],
            vmax=limits[1],
            interpolation="antialiased",
            interpolation_stage="data",
        )
        axes.set_title(
            f"head {number + 1}: {_short(low)} to {_short(high)}",
            fontsize=7,
            color=INK,
            pad=3,
        )
        _mark_groups(
            axes, groups, left=number % columns == 0, below=number + columns >= heads
        )

    scale = ScalarMappable(Normalize(0, 1), colours)
    bar = figure.colorbar(scale, ax=panels, shrink=0.6, aspect=30, pad=0.01)
    bar.set_ticks(
        (0, 0.5, 1) if signed else (0, 1), labels="−0+" if signed else ("low", "high")
    )
    bar.ax.tick_params(length=0, labelsize=9, colors=INK)
    bar.set_label("weight, each head on its own scale", fontsize=8, color=INK)
    bar.outline.set_visible(False)
    figure.supxlabel(f"{tokens} attended to", fontsize=9, color=INK)
    figure.supylabel(f"{tokens} that attends", fontsize=9, color=INK)
    figure.suptitle(title, fontsize=11)

    return figure


def _mark_groups(axes, groups, left, below):
    """Ticks between the groups, and their names at the outer axes."""
    axes.spines[:].set_color(INK)
    axes.spines[:].set_linewidth(0.5)
    if not groups:
        axes.tick_params(
            labelsize=6, colors=INK, length=2, labelleft=left, labelbottom=below
        )
        return

    ends = np.cumsum(list(groups.values()))
    middles = ends - np.array(list(groups.values())) / 2 - 0.5
    for axis, named, turn in ((axes.xaxis, below, 90), (axes.yaxis, left, 0)):
        axis.set_ticks(ends[:-1] - 0.5, [""] * (len(ends) - 1))
        axis.set_ticks(
            middles,
            list(groups) if named else [""] * len(middles),
            minor=True,
            rotation=turn,
        )

    axes.tick_params(which="major", length=4, colors=INK)
    axes.tick_params(which="minor", length=0, labelsize=6.5, colors=INK)


def _short(value: float) -> str:
    return f"{value:#.2g}".rstrip(".").replace("e-0", "e-").replace("-", "−")
