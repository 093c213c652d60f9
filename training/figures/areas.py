"""Areas under ROC curves with their intervals, by the type and the size of what is found."""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from training.figures.canvas import (
    BLUE,
    GREY,
    INK,
    LABEL_STYLES,
    VERMILION,
    legend_outside,
    style_axes,
)

AXIS = "area under the ROC curve"


def areas_by_type(areas: Mapping[str, Mapping], overall: float | None = None) -> Figure:
    """One row per type of finding: its area and interval.

    Args:
        areas: By type `positives`, `auc` (None: left out) and `auc_interval`.
        overall: The area of all positive images, drawn as a line.

    Returns:
        The figure.

    Reference:
        Taha et al., HCT, Table A1.
    """
    figure = Figure(figsize=(8.4, 1.6 + 0.55 * len(areas)), layout="constrained")
    axes = figure.subplots()
    style_axes(axes)
    names = list(areas)
    for place, name in enumerate(names):
        _point(axes, place, areas[name], horizontal=True)
    axes.set_yticks(
        range(len(names)),
        [f"{name}\n{areas[name]['positives']:,} images" for name in names],
    )
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlabel(AXIS)
    _overall(axes, overall, horizontal=True)
    legend_outside(axes)
    return figure


def areas_by_size(
    smaller_than: Sequence[Mapping],
    thirds: Mapping[str, Mapping],
    overall: float | None = None,
) -> Figure:
    """Two panels: findings smaller than each threshold, and the thirds of all sizes.

    Args:
        smaller_than: `threshold_px`, `positives`, `auc` (None: left out) and `auc_interval` of each.
        thirds: By name, `from_px`, `to_px`, `positives`, `auc` and `auc_interval` of each.
        overall: The area of all positive images, drawn as a line.

    Returns:
        The figure.

    Reference:
        Taha et al., HCT, Fig. A2, whose left panel shows differences of two models instead.
    """
    figure = Figure(figsize=(10.4, 4.2), layout="constrained")
    growing, parts = figure.subplots(1, 2, sharey=True, width_ratios=(5, 4))
    for axes in (growing, parts):
        style_axes(axes)
        _overall(axes, overall)

    known = [each for each in smaller_than if each["auc"] is not None]
    thresholds = [each["threshold_px"] for each in known]
    with_ends = [each for each in known if each["auc_interval"]["low"] is not None]
    growing.plot(
        thresholds, [each["auc"] for each in known], "-o", color=BLUE, markersize=5
    )
    growing.fill_between(
        [each["threshold_px"] for each in with_ends],
        [each["auc_interval"]["low"] for each in with_ends],
        [each["auc_interval"]["high"] for each in with_ends],
        color=BLUE, alpha=0.18, linewidth=0,
    )  # fmt: skip
    growing.set_xticks(
        [each["threshold_px"] for each in smaller_than],
        [f"{each['threshold_px']}\n{each['positives']:,}" for each in smaller_than],
    )
    growing.set(xlabel="findings smaller than, pixels; number of images", ylabel=AXIS)
    for place, each in enumerate(thirds.values()):
        _point(parts, place, each)
    parts.set_xticks(
        range(len(thirds)),
        [
            f"{name}, {each['from_px']:.0f} to {each['to_px']:.0f}\n{each['positives']:,}"
            for name, each in thirds.items()
        ],
    )
    parts.set_xlim(-0.6, len(thirds) - 0.4)
    parts.set_xlabel("thirds of sizes, pixels; number of images")
    growing.legend(frameon=False, fontsize=9, loc="lower right")

    return figure


def area_differences(
    differences: Mapping[str, Sequence[Mapping]], title: str = ""
) -> Figure:
    """How much larger one model's area is than another's, by the greatest size of the findings.

    Args:
        differences: By pair of models `threshold_px`, `difference` (None: left out) and `difference_interval`
            of each threshold.
        title: What stands above.

    Returns:
        The figure.

    Reference:
        Taha et al., HCT, Fig. A2a.
    """
    figure = Figure(figsize=(8.4, 4.2), layout="constrained")
    axes = figure.subplots()
    style_axes(axes)
    axes.axhline(0, color=GREY, linewidth=1.2, linestyle="--")
    styles = itertools.cycle(((BLUE, "-"), *LABEL_STYLES[3:]))
    for (name, of_pair), (colour, dashes) in zip(
        differences.items(), styles, strict=False
    ):
        known = [each for each in of_pair if each["difference"] is not None]
        places = [each["threshold_px"] for each in known]
        values = [each["difference"] for each in known]
        axes.plot(
            places, values, linestyle=dashes, color=colour, marker="o", label=name
        )
        with_ends = [
            each for each in known if each["difference_interval"]["low"] is not None
        ]
        axes.fill_between(
            [each["threshold_px"] for each in with_ends],
            [each["difference_interval"]["low"] for each in with_ends],
            [each["difference_interval"]["high"] for each in with_ends],
            color=colour, alpha=0.18, linewidth=0,
        )  # fmt: skip

    axes.set(xlabel="findings smaller than, pixels", ylabel="difference of the areas")
    figure.suptitle(title, fontsize=11)
    legend_outside(axes)
    return figure


def _point(axes: Axes, place: int, area: Mapping, horizontal: bool = False) -> None:
    """An area at `place` with its interval; nothing if there is no area."""
    value, interval = area["auc"], area["auc_interval"]
    if value is None:
        return

    if interval["low"] is not None:
        draw = axes.hlines if horizontal else axes.vlines
        draw(place, interval["low"], interval["high"], color=BLUE, linewidth=2)

    axes.plot(
        *((value, place) if horizontal else (place, value)),
        "o",
        color=BLUE,
        markersize=7,
    )
    text = {"fontsize": 9, "color": INK, "textcoords": "offset points"}
    if horizontal:
        axes.annotate(
            f"{value:.3f}", (value, place), xytext=(0, 7), ha="center", **text
        )
    else:
        axes.annotate(
            f"{value:.3f}", (place, value), xytext=(8, 0), va="center", **text
        )


def _overall(axes: Axes, overall: float | None, horizontal: bool = False) -> None:
    if overall is None or not np.isfinite(overall):
        return
    draw = axes.axvline if horizontal else axes.axhline
    draw(
        overall,
        color=VERMILION,
        linewidth=1.2,
        linestyle="--",
        label=f"all images: {overall:.3f}",
    )
