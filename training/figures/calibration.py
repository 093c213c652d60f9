"""Whether probabilities mean what they say."""

import numpy as np
from matplotlib.figure import Figure

from training.figures.canvas import BLUE, GREY, style_axes

CALIBRATION_BINS = 10


def calibration(
    outcomes: np.ndarray,
    probabilities: np.ndarray,
    outcome_name: str,
    probability_name: str,
    unit: str = "images",
) -> Figure:
    """How often something was so, against how probable it was said to be; below, how often that was said.

    Bars are Wilson 95% intervals of the observed share, images taken as independent.

    Args:
        outcomes: 0 or 1, shape `(n,)`.
        probabilities: Shape `(n,)`.
        outcome_name: What the share of ones is called, such as "share with subdural".
        probability_name: What the probability is called, such as "predicted probability of subdural".
        unit: What is counted.

    Returns:
        The figure.
    """
    figure = Figure(figsize=(7.2, 5.4), layout="constrained")
    axes, histogram = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    for each in (axes, histogram):
        style_axes(each)
    edges = np.linspace(0, 1, CALIBRATION_BINS + 1)
    bins = np.clip(np.digitize(probabilities, edges) - 1, 0, CALIBRATION_BINS - 1)
    counts = np.bincount(bins, minlength=CALIBRATION_BINS)
    positives = np.bincount(bins, weights=outcomes, minlength=CALIBRATION_BINS)
    filled = counts > 0
    predicted = (
        np.bincount(bins, weights=probabilities, minlength=CALIBRATION_BINS)[filled]
        / counts[filled]
    )
    observed = positives[filled] / counts[filled]
    low, high = _wilson_interval(observed, counts[filled])
    axes.plot(
        [0, 1],
        [0, 1],
        color=GREY,
        linewidth=1,
        linestyle=":",
        label="perfect calibration",
    )
    axes.errorbar(
        predicted,
        observed,
        yerr=np.clip([observed - low, high - observed], 0, None),
        color=BLUE,
        marker="o",
        capsize=3,
        label="observed, 95% interval",
    )
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), ylabel=outcome_name)
    axes.legend(frameon=False, loc="upper left")
    centres, width = (edges[:-1] + edges[1:]) / 2, 0.8 / CALIBRATION_BINS
    histogram.bar(centres, counts, width, color=BLUE)

    for centre, count in zip(centres[filled], counts[filled], strict=True):
        histogram.annotate(
            f"{count:,}",
            (centre, count),
            xytext=(0, 2),
            textcoords="offset points",
            ha="center",
            fontsize=8,
        )

    histogram.set_yscale("log")
    histogram.set_ylim(0.7, counts.max() * 6)
    histogram.set(xlabel=probability_name, ylabel=unit)
    return figure


def _wilson_interval(
    shares: np.ndarray, counts: np.ndarray, z: float = 1.96
) -> tuple[np.ndarray, np.ndarray]:
    centre = (shares + z**2 / (2 * counts)) / (1 + z**2 / counts)
    half = (
        z
        / (1 + z**2 / counts)
        * np.sqrt(shares * (1 - shares) / counts + z**2 / (4 * counts**2))
    )
    return centre - half, centre + half
