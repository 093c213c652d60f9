"""Effective receptive fields: profiles of several networks in one picture, and maps."""

from collections.abc import Mapping

import cv2
import numpy as np
from matplotlib.figure import Figure

from training.figures.canvas import BLUE, GREEN, INK, LABEL_STYLES, style_axes, wrapped

_ORANGE = "#E69F00"
LINES = ((BLUE, "-"), (_ORANGE, "-"), (GREEN, "--"), *LABEL_STYLES[4:])
STRIDE_PX, PLACES = 4, 64
"""Profiles are shown as means over a multiple of the stem's stride, about as many of them."""

_PANELS = (
    ("across rows", "by_column", False),
    ("across columns", "by_row", False),
    ("across rows, square root", "by_column", True),
    ("across columns, square root", "by_row", True),
)
"""Sums across rows are a profile from left to right."""


def receptive_field_profiles(fields: Mapping[str, Mapping], title: str = "") -> Figure:
    """A row per kind of images; sums of the map's rows and columns, plain and of its square root.

    Args:
        fields: By network, `ReceptiveField`s by kind of images.
        title: What stands above.

    Returns:
        The figure; each curve sums to 1, the dotted line is the middle.

    Reference:
        Taha et al., HCT, Tables 1 and A2.
    """
    kinds = list(
        dict.fromkeys(kind for of_network in fields.values() for kind in of_network)
    )
    figure = Figure(
        figsize=(3.1 * len(_PANELS), 2.5 * len(kinds) + 0.9), layout="constrained"
    )
    panels = figure.subplots(len(kinds), len(_PANELS), squeeze=False)
    for kind, row in zip(kinds, panels, strict=True):
        for (name, profile, root), axes in zip(_PANELS, row, strict=True):
            style_axes(axes)
            for place, (network, of_network) in enumerate(fields.items()):
                if kind not in of_network:
                    continue
                field = of_network[kind].square_root() if root else of_network[kind]
                colour, dashes = LINES[place % len(LINES)]
                positions, values = _smooth(getattr(field, profile))
                axes.plot(
                    positions,
                    values,
                    color=colour,
                    linestyle=dashes,
                    linewidth=1.4,
                    label=wrapped(network, 30),
                )
                axes.axvline(
                    len(getattr(field, profile)) / 2,
                    color=INK,
                    linewidth=0.8,
                    linestyle=":",
                )
            axes.set_ylim(bottom=0)
            axes.set_yticks([])
            axes.set_title(name, fontsize=9, color=INK)
            edge = "top" if profile == "by_row" else "left"
            axes.set_xlabel(f"pixels from the {edge}", fontsize=8)
        images = next(
            of_network[kind].images
            for of_network in fields.values()
            if kind in of_network
        )
        row[0].set_ylabel(f"{kind},\n{images} images", fontsize=9)

    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=min(4, len(labels)),
        frameon=False,
    )
    figure.suptitle(title, fontsize=11)

    return figure


def receptive_field_maps(fields: Mapping[str, Mapping], title: str = "") -> Figure:
    """The square roots of the maps: a row per network, a column per kind of images.

    Args:
        fields: As in `receptive_field_profiles`.
        title: What stands above.

    Returns:
        The figure; each map goes from 0 to its 99.9th percentile.

    Reference:
        Taha et al., HCT, Table 1, "Sqrt ERF".
    """
    kinds = list(
        dict.fromkeys(kind for of_network in fields.values() for kind in of_network)
    )
    figure = Figure(
        figsize=(max(7.6, 2.6 * len(kinds)), 3.3 * len(fields) + 0.6),
        layout="constrained",
    )
    panels = figure.subplots(len(fields), len(kinds), squeeze=False)
    for (network, of_network), row in zip(fields.items(), panels, strict=True):
        for kind, axes in zip(kinds, row, strict=True):
            axes.set(xticks=[], yticks=[])
            if kind not in of_network:
                axes.set_axis_off()
                continue
            shown = _small(of_network[kind].map)
            axes.imshow(
                shown,
                cmap="magma",
                vmin=0,
                vmax=max(np.percentile(shown, 99.9), 1e-300),
            )
            images, side = of_network[kind].images, of_network[kind].side_px
            axes.set_title(
                f"{kind}, {images} images\n{side:.0f} px wide", fontsize=9, color=INK
            )
        row[0].set_ylabel(wrapped(network, 26), fontsize=9)

    figure.suptitle(title, fontsize=11)
    return figure


def _smooth(profile: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means of neighbouring places, as shares of the sum, and where they lie."""
    width = STRIDE_PX * max(1, round(len(profile) / (STRIDE_PX * PLACES)))
    starts = np.arange(0, len(profile), width)
    ends = np.minimum(starts + width, len(profile))
    sums = np.add.reduceat(profile, starts)
    total = profile.sum()
    means = sums / (ends - starts)
    return (starts + ends - 1) / 2, means / total if total > 0 else means


def _small(field_map: np.ndarray, longest_px: int = 320) -> np.ndarray:
    """The square root of the map, averaged over areas before, so that single pixels do not vanish."""
    scale = min(1, longest_px / max(field_map.shape))
    height, width = (max(1, round(scale * side)) for side in field_map.shape)
    return np.sqrt(cv2.resize(field_map, (width, height), interpolation=cv2.INTER_AREA))
