"""Curves: training by epoch, ROC, and precision against recall."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn import metrics as sklearn_metrics

from training.figures.canvas import (
    BLUE,
    GREEN,
    GREY,
    INK,
    LABEL_STYLES,
    VERMILION,
    figure_and_axes,
    legend_outside,
    style_axes,
)


def learning_curves(
    epochs: Sequence[Mapping],
    constant_score: float,
    split: str,
    loss_name: str = "weighted log loss",
    scores: Mapping[str, str] | None = None,
) -> Figure:
    """Training loss and validation log loss by epoch, with the score of constant predictions.

    Args:
        epochs: Rows of `metrics.jsonl`: `epoch`, and where they have them `loss`, `val_log_loss` and the keys
            of `scores`.
        constant_score: The loss of always predicting the prevalences.
        split: The split of `constant_score`.
        loss_name: Name of the loss's axis.
        scores: Names by key of two scores at most that are the better the higher; drawn below the losses.

    Returns:
        The figure.
    """
    scores = {
        key: name
        for key, name in (scores or {}).items()
        if any(key in row for row in epochs)
    }
    figure = Figure(figsize=(8.4, 7.4 if scores else 4.2), layout="constrained")
    panels = np.ravel(figure.subplots(2 if scores else 1, 1, sharex=True))
    for axes in panels:
        style_axes(axes)
        axes.xaxis.get_major_locator().set_params(integer=True)

    losses = panels[0]
    _plot_epochs(losses, epochs, "loss", "training loss", BLUE, "--")
    _plot_epochs(
        losses,
        epochs,
        "val_log_loss",
        "validation log loss",
        VERMILION,
        "-",
        np.argmin,
        "lowest",
    )
    losses.axhline(
        constant_score,
        color=INK,
        linewidth=1.2,
        linestyle=":",
        label=f"constant prevalence, {split} split: {constant_score:.4f}",
    )
    losses.set_ylim(bottom=0)
    losses.set_ylabel(loss_name)

    for (key, name), (colour, dashes) in zip(
        scores.items(), ((GREEN, "-"), (BLUE, "-.")), strict=False
    ):
        _plot_epochs(panels[1], epochs, key, name, colour, dashes, np.argmax, "highest")

    if scores:
        panels[1].set_ylim(0, 1.02)
        panels[1].set_ylabel("score on the validation split")

    panels[-1].set_xlabel("epoch")
    for axes in panels:
        legend_outside(axes)
    return figure


def task_curves(
    epochs: Sequence[Mapping], tasks: Sequence[str], split: str = "validation"
) -> Figure:
    """Loss and accuracy of each task by epoch, of training and validation; a column per task.

    Args:
        epochs: Rows of `metrics.jsonl` with `TASK_loss`, `TASK_accuracy`, `val_TASK_log_loss` and
            `val_TASK_accuracy` where they have them.
        tasks: Names of the tasks.
        split: Name of the split that is not trained on.

    Returns:
        The figure.

    Reference:
        Fan et al., DTViT, Fig. 3.
    """
    figure = Figure(figsize=(4.9 * len(tasks), 6.6), layout="constrained")
    panels = figure.subplots(2, len(tasks), sharex=True, squeeze=False)
    for task, (losses, accuracies) in zip(tasks, panels.T, strict=True):
        for axes, trained, validated, best_of, best in (
            (losses, f"{task}_loss", f"val_{task}_log_loss", np.argmin, "lowest"),
            (
                accuracies,
                f"{task}_accuracy",
                f"val_{task}_accuracy",
                np.argmax,
                "highest",
            ),
        ):
            style_axes(axes)
            axes.xaxis.get_major_locator().set_params(integer=True)
            _plot_epochs(axes, epochs, trained, "training", BLUE, "--")
            _plot_epochs(axes, epochs, validated, split, VERMILION, "-", best_of, best)
            axes.legend(frameon=False, fontsize=8)
        losses.set_title(task, fontsize=11, color=INK)
        losses.set_ylim(bottom=0)
        accuracies.set(ylim=(0, 1.02), xlabel="epoch")

    panels[0, 0].set_ylabel("cross-entropy")
    panels[1, 0].set_ylabel("accuracy")
    return figure


def roc_curves(
    labels: np.ndarray, probabilities: np.ndarray, label_names: Sequence[str]
) -> Figure:
    """ROC curve of each label that has positives and negatives, with its area.

    Args:
        labels: 0 or 1, shape `(n, labels)`.
        probabilities: Same shape.
        label_names: Names of the columns.

    Returns:
        The figure.
    """
    figure, axes = figure_and_axes((8.4, 4.8), square=True)
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=":")
    for i, name, (colour, dashes) in _labels_of_two_classes(labels, label_names):
        false_rate, true_rate, _ = sklearn_metrics.roc_curve(
            labels[:, i], probabilities[:, i]
        )
        area = sklearn_metrics.auc(false_rate, true_rate)
        axes.plot(
            false_rate,
            true_rate,
            color=colour,
            linestyle=dashes,
            label=f"{name}: {area:.3f}",
        )

    axes.set(xlabel="1 - specificity", ylabel="recall (sensitivity)")
    legend_outside(axes, "area under the curve")
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
    figure, axes = figure_and_axes((8.4, 4.8), square=True)
    for i, name, (colour, dashes) in _labels_of_two_classes(labels, label_names):
        precision, recall, _ = sklearn_metrics.precision_recall_curve(
            labels[:, i], probabilities[:, i], drop_intermediate=True
        )
        average = sklearn_metrics.average_precision_score(
            labels[:, i], probabilities[:, i]
        )
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
    legend_outside(axes, "average precision (prevalence)")
    return figure


def _plot_epochs(
    axes: Axes,
    epochs: Sequence[Mapping],
    key: str,
    name: str,
    colour: str,
    dashes: str,
    best_of=None,
    best_name: str = "",
) -> None:
    """Plots one key of the rows, with a ring around the epoch that `best_of` picks."""
    rows = [row for row in epochs if row.get(key) is not None]
    if not rows:
        return

    steps, values = [row["epoch"] for row in rows], [row[key] for row in rows]
    marker = "o" if len(epochs) <= 40 else None
    axes.plot(
        steps,
        values,
        color=colour,
        linestyle=dashes,
        marker=marker,
        markersize=4,
        label=name,
    )

    if best_of:
        best = int(best_of(values))
        axes.plot(
            steps[best],
            values[best],
            "o",
            markersize=10,
            markerfacecolor="none",
            markeredgecolor=colour,
            label=f"{best_name}: {values[best]:.4f}, epoch {steps[best]}",
        )


def _labels_of_two_classes(labels: np.ndarray, label_names: Sequence[str]):
    for i, name in enumerate(label_names):
        if 0 < labels[:, i].sum() < len(labels):
            yield i, name, LABEL_STYLES[i % len(LABEL_STYLES)]
