"""The report's pictures, drawn with matplotlib's objects, without pyplot and its global state.

Colours are Okabe and Ito's, which readers with any colour vision tell apart; lines differ in dashes too.
"""

import io
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from sklearn import metrics as sklearn_metrics

BLUE, VERMILION, GREY = "#0072B2", "#D55E00", "#8a8f98"
LABEL_STYLES = (
    ("#000000", "-"),
    ("#E69F00", "-"),
    ("#0072B2", "--"),
    ("#009E73", "-."),
    ("#D55E00", (0, (5, 1, 1, 1, 1, 1))),
    ("#CC79A7", (0, (2, 1))),
)
BRAIN_WINDOW_HU = (40, 80)
"""Level and width."""

CALIBRATION_BINS = 10
_INK, _GRID = "#24292f", "#e3e6ea"


class ExampleSlice(NamedTuple):
    """A slice to show.

    Attributes:
        title: A line above the picture.
        hu: The slice in HU, shape `(height, width)` or `(height, width, 1)`.
        labels: 0 or 1 per label.
        probabilities: Predicted probability per label.
    """

    title: str
    hu: np.ndarray
    labels: Sequence[int]
    probabilities: Sequence[float]


def to_png(figure: Figure, dpi: int = 120) -> bytes:
    """The figure as a PNG file's bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, facecolor="white")
    return buffer.getvalue()


def learning_curves(epochs: Sequence[Mapping], constant_score: float, split: str) -> Figure:
    """Training loss and validation log loss by epoch, with the score of constant predictions.

    Args:
        epochs: Rows of `metrics.jsonl`: `epoch`, and where they have them `loss` and `val_log_loss`.
        constant_score: The loss of always predicting the prevalences.
        split: The split of `constant_score`.

    Returns:
        The figure.
    """
    figure, axes = _figure_and_axes((8.4, 4.2))
    marker = "o" if len(epochs) <= 40 else None
    for key, name, colour, dashes in (
        ("loss", "training loss", BLUE, "--"),
        ("val_log_loss", "validation log loss", VERMILION, "-"),
    ):
        rows = [row for row in epochs if row.get(key) is not None]
        if not rows:
            continue
        steps, values = [row["epoch"] for row in rows], [row[key] for row in rows]
        axes.plot(steps, values, color=colour, linestyle=dashes, marker=marker, markersize=4, label=name)
        if key == "val_log_loss":
            best = int(np.argmin(values))
            axes.plot(
                steps[best],
                values[best],
                "o",
                markersize=10,
                markerfacecolor="none",
                markeredgecolor=VERMILION,
                label=f"lowest: {values[best]:.4f}, epoch {steps[best]}",
            )
    axes.axhline(
        constant_score,
        color=_INK,
        linewidth=1.2,
        linestyle=":",
        label=f"constant prevalence, {split} split: {constant_score:.4f}",
    )
    axes.set_ylim(bottom=0)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set(xlabel="epoch", ylabel="weighted log loss")
    _legend_outside(axes)
    return figure


def roc_curves(labels: np.ndarray, probabilities: np.ndarray, label_names: Sequence[str]) -> Figure:
    """ROC curve of each label that has positives and negatives, with its area.

    Args:
        labels: 0 or 1, shape `(n, labels)`.
        probabilities: Same shape.
        label_names: Names of the columns.

    Returns:
        The figure.
    """
    figure, axes = _figure_and_axes((8.4, 4.8), square=True)
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=":")
    for i, name, (colour, dashes) in _labels_of_two_classes(labels, label_names):
        false_rate, true_rate, _ = sklearn_metrics.roc_curve(labels[:, i], probabilities[:, i])
        area = sklearn_metrics.auc(false_rate, true_rate)
        axes.plot(false_rate, true_rate, color=colour, linestyle=dashes, label=f"{name}: {area:.3f}")
    axes.set(xlabel="1 - specificity", ylabel="recall (sensitivity)")
    _legend_outside(axes, "area under the curve")
    return figure


def precision_recall_curves(
    labels: np.ndarray, probabilities: np.ndarray, label_names: Sequence[str]
) -> Figure:
    """Precision against recall of each label that has positives and negatives, with its average precision.

    Args:
        labels: 0 or 1, shape `(n, labels)`.
        probabilities: Same shape.
        label_names: Names of the columns.

    Returns:
        The figure.
    """
    figure, axes = _figure_and_axes((8.4, 4.8), square=True)
    for i, name, (colour, dashes) in _labels_of_two_classes(labels, label_names):
        precision, recall, _ = sklearn_metrics.precision_recall_curve(
            labels[:, i], probabilities[:, i], drop_intermediate=True
        )
        average = sklearn_metrics.average_precision_score(labels[:, i], probabilities[:, i])
        share = labels[:, i].mean()
        axes.step(
            recall,
            precision,
            where="post",
            color=colour,
            linestyle=dashes,
            label=f"{name}: {average:.3f} ({share:.1%})",
        )
    axes.set(xlabel="recall (sensitivity)", ylabel="precision")
    _legend_outside(axes, "average precision (prevalence)")
    return figure


def calibration(labels: np.ndarray, probabilities: np.ndarray, name: str) -> Figure:
    """How often a label was there, against how probable it was said to be; below, how often that was said.

    Bars are Wilson 95% intervals of the observed share, slices taken as independent.

    Args:
        labels: 0 or 1, shape `(n,)`.
        probabilities: Shape `(n,)`.
        name: The label's name.

    Returns:
        The figure.
    """
    figure = Figure(figsize=(7.2, 5.4), layout="constrained")
    axes, histogram = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    for each in (axes, histogram):
        _style(each)
    edges = np.linspace(0, 1, CALIBRATION_BINS + 1)
    bins = np.clip(np.digitize(probabilities, edges) - 1, 0, CALIBRATION_BINS - 1)
    counts = np.bincount(bins, minlength=CALIBRATION_BINS)
    positives = np.bincount(bins, weights=labels, minlength=CALIBRATION_BINS)
    filled = counts > 0
    predicted = np.bincount(bins, weights=probabilities, minlength=CALIBRATION_BINS)[filled] / counts[filled]
    observed = positives[filled] / counts[filled]
    low, high = _wilson_interval(observed, counts[filled])
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=":", label="perfect calibration")
    axes.errorbar(
        predicted,
        observed,
        yerr=np.clip([observed - low, high - observed], 0, None),
        color=BLUE,
        marker="o",
        capsize=3,
        label=f"{name}, 95% interval",
    )
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), ylabel=f"share with {name}")
    axes.legend(frameon=False, loc="upper left")
    centres, width = (edges[:-1] + edges[1:]) / 2, 0.8 / CALIBRATION_BINS
    histogram.bar(centres, counts, width, color=BLUE)
    for centre, count in zip(centres[filled], counts[filled], strict=True):
        histogram.annotate(
            f"{count:,}", (centre, count), xytext=(0, 2), textcoords="offset points", ha="center", fontsize=8
        )
    histogram.set_yscale("log")
    histogram.set_ylim(0.7, counts.max() * 6)
    histogram.set(xlabel=f"predicted probability of {name}", ylabel="slices")
    return figure


def example_sheet(
    groups: Mapping[str, Sequence[ExampleSlice]], label_names: Sequence[str], threshold: float = 0.5
) -> Figure:
    """Slices in the brain window, each above its predicted probabilities, a row per group.

    Args:
        groups: Slices by the group's title; groups without slices are left out.
        label_names: Names of the labels.
        threshold: Where a prediction becomes positive; marked in each chart.

    Returns:
        The figure.
    """
    groups = {title: examples for title, examples in groups.items() if len(examples)}
    columns = max(4, *(len(examples) for examples in groups.values()))
    figure = Figure(figsize=(2.75 * columns, 4.4 * len(groups) + 0.4), layout="constrained")
    rows = np.ravel(figure.subfigures(len(groups), 1))
    for row, (title, examples) in zip(rows, groups.items(), strict=True):
        row.suptitle(title, fontsize=13, fontweight="bold", color=_INK)
        axes = row.subplots(2, columns, height_ratios=(5.4, 3))
        for column in range(columns):
            if column < len(examples):
                _draw_slice(axes[0, column], examples[column])
                _draw_probabilities(axes[1, column], examples[column], label_names, threshold, column == 0)
            else:
                axes[0, column].set_axis_off()
                axes[1, column].set_axis_off()
    figure.legend(
        handles=[
            Patch(color=VERMILION, label="label present"),
            Patch(color=GREY, label="label absent"),
            Line2D([], [], color=_INK, linestyle=":", label=f"threshold {threshold:g}"),
        ],
        loc="outside lower center",
        ncols=3,
        frameon=False,
    )
    return figure


def _draw_slice(axes: Axes, example: ExampleSlice) -> None:
    level, width = BRAIN_WINDOW_HU
    hu = np.asarray(example.hu)
    axes.imshow(
        hu.reshape(hu.shape[:2]),
        cmap="gray",
        vmin=level - width / 2,
        vmax=level + width / 2,
        interpolation="nearest",
    )
    axes.set_title(example.title, fontsize=9, color=_INK)
    axes.set_axis_off()


def _draw_probabilities(
    axes: Axes, example: ExampleSlice, label_names: Sequence[str], threshold: float, with_names: bool
) -> None:
    _style(axes)
    rows = np.arange(len(label_names))
    present = np.asarray(example.labels) == 1
    axes.barh(rows, example.probabilities, color=np.where(present, VERMILION, GREY), height=0.7)
    for row, (probability, there) in enumerate(zip(example.probabilities, present, strict=True)):
        axes.text(
            1.06, row, f"{probability:.2f}", va="center", fontsize=8, fontweight="bold" if there else "normal"
        )
    axes.axvline(threshold, color=_INK, linewidth=1, linestyle=":")
    axes.set(xlim=(0, 1), ylim=(len(label_names) - 0.5, -0.5), xticks=(0, 0.5, 1))
    axes.set_xticklabels(("0", "0.5", "1"))
    axes.set_yticks(rows, label_names if with_names else [])
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False)


def _figure_and_axes(size: tuple[float, float], square: bool = False) -> tuple[Figure, Axes]:
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    _style(axes)
    if square:
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    return figure, axes


def _style(axes: Axes) -> None:
    axes.grid(color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=9, colors=_INK)


def _legend_outside(axes: Axes, title: str | None = None) -> None:
    if axes.get_legend_handles_labels()[0]:
        axes.legend(
            title=title,
            frameon=False,
            fontsize=9,
            loc="upper left",
            bbox_to_anchor=(1.02, 1),
            alignment="left",
        )


def _labels_of_two_classes(labels: np.ndarray, label_names: Sequence[str]):
    for i, name in enumerate(label_names):
        if 0 < labels[:, i].sum() < len(labels):
            yield i, name, LABEL_STYLES[i % len(LABEL_STYLES)]


def _wilson_interval(
    shares: np.ndarray, counts: np.ndarray, z: float = 1.96
) -> tuple[np.ndarray, np.ndarray]:
    centre = (shares + z**2 / (2 * counts)) / (1 + z**2 / counts)
    half = z / (1 + z**2 / counts) * np.sqrt(shares * (1 - shares) / counts + z**2 / (4 * counts**2))
    return centre - half, centre + half
