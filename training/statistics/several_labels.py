"""Scores of multi-label predictions, per label and over all labels.

Reference: Barhoumi et al., "Efficient scopeformer", sections III.G and III.H, tables 3 to 5.
"""

from collections.abc import Sequence

import numpy as np
from sklearn import metrics as sklearn_metrics

from training.statistics.auc import mean_auc_with_interval
from training.statistics.bootstrap import DRAWS, log_loss_interval
from training.statistics.prevalence import (
    PROBABILITY_MARGIN,
    check_label_weights,
)


def multilabel_metrics(
    labels: np.ndarray,
    probabilities: np.ndarray,
    label_names: Sequence[str],
    label_weights: Sequence[float] | None = None,
    threshold: float = 0.5,
    patient_ids: Sequence | None = None,
    draws: int = DRAWS,
    seed: int = 0,
    main_label: str | None = None,
) -> dict:
    """Scores predictions of several labels at once.

    Args:
        labels: 0 or 1, shape `(n, labels)`.
        probabilities: Predicted probabilities, same shape.
        label_names: Names of the columns.
        label_weights: One weight per label; all the same if not given.
        threshold: A probability at or above it counts as a positive prediction.
        patient_ids: The patient of each row, for intervals by resampling patients; rows are resampled if not
            given.
        draws: Bootstrap draws.
        seed: Seed of the bootstrap.
        main_label: The label whose AUROC stands for all of them, such as "any"; their mean does if not given.

    Returns:
        A dict that `json.dumps(..., allow_nan=False)` takes: `count`, `patients` (None if not known),
        `threshold`, `log_loss` (weighted), `log_loss_interval`, `accuracy` (mean over labels),
        `weighted_accuracy` (by the label weights), `recall` (mean over the labels that have positives; the
        paper's table 3), `auroc` (mean over the labels that have one; of a main label `auroc_<name>`) with
        its interval, and `labels`: per name `positives`, `log_loss`,
        `accuracy`, `recall`, `precision`, `specificity`, `f1`, `auroc`, `average_precision`, `confusion`. A
        score that cannot be had is None, and its reason stands under `undefined`, at the same level.

    Raises:
        ValueError: If shapes do not agree, there are no rows, labels are not 0 or 1, or probabilities not in
            [0, 1].
    """
    if label_weights is None:
        label_weights = (1.0,) * len(label_names)
    weights = np.asarray(check_label_weights(label_weights))
    labels, probabilities = _checked(labels, probabilities, label_names, weights)
    cross_entropies = _cross_entropies(labels, probabilities)
    losses = np.average(cross_entropies, axis=1, weights=weights)
    per_label = {
        name: _label_metrics(
            labels[:, i],
            probabilities[:, i],
            float(cross_entropies[:, i].mean()),
            threshold,
        )
        for i, name in enumerate(label_names)
    }
    accuracies = [scores["accuracy"] for scores in per_label.values()]
    recalls = [
        scores["recall"]
        for scores in per_label.values()
        if scores["recall"] is not None
    ]
    undefined = {}
    if not recalls:
        undefined["recall"] = "no label has positives"

    area_key, counted = "auroc", list(label_names)
    if main_label is not None:
        area_key, counted = f"auroc_{main_label}", [main_label]
    areas = [per_label[name]["auroc"] for name in counted]
    areas = [area for area in areas if area is not None]
    columns = [list(label_names).index(name) for name in counted]
    interval = mean_auc_with_interval(
        labels[:, columns],
        probabilities[:, columns],
        patient_ids,
        draws=draws,
        seed=seed,
    )["auc_interval"]
    if not areas:
        reasons = {per_label[name]["undefined"]["auroc"] for name in counted}
        reason = reasons.pop() if len(reasons) == 1 else "no label has both classes"
        undefined[area_key] = undefined[f"{area_key}_interval"] = reason

    return {
        "count": len(labels),
        "patients": None if patient_ids is None else len(set(patient_ids)),
        "threshold": threshold,
        "log_loss": float(losses.mean()),
        "log_loss_interval": log_loss_interval(
            losses, patient_ids, draws=draws, seed=seed
        ),
        "accuracy": float(np.mean(accuracies)),
        "weighted_accuracy": float(np.average(accuracies, weights=weights)),
        "recall": float(np.mean(recalls)) if recalls else None,
        area_key: float(np.mean(areas)) if areas else None,
        f"{area_key}_interval": interval,
        "labels": per_label,
        "undefined": undefined,
    }


def _checked(
    labels, probabilities, label_names, weights
) -> tuple[np.ndarray, np.ndarray]:
    labels = np.asarray(labels, "float64")
    probabilities = np.asarray(probabilities, "float64")
    columns = len(label_names)
    if (
        labels.ndim != 2
        or labels.shape != probabilities.shape
        or labels.shape[1] != columns
        or columns != len(weights)
    ):
        raise ValueError(
            f"`labels` and `probabilities` must have shape (n, {columns}), a name and a weight per column. "
            f"Received: {labels.shape}, {probabilities.shape}, {columns} names, {len(weights)} weights"
        )
    if not len(labels):
        raise ValueError("There is nothing to score: `labels` has no rows")
    if not np.isin(labels, (0, 1)).all():
        raise ValueError(
            f"`labels` must hold 0 and 1 only. Received: {np.unique(labels)[:8].tolist()}"
        )

    outside = ~((probabilities >= 0) & (probabilities <= 1))
    if outside.any():
        raise ValueError(
            f"`probabilities` must lie in [0, 1]. Received: {int(outside.sum())} of {outside.size} outside "
            f"or not a number, the first in row {int(np.argwhere(outside)[0, 0])}"
        )

    return labels, probabilities


def _cross_entropies(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    clipped = np.clip(probabilities, PROBABILITY_MARGIN, 1 - PROBABILITY_MARGIN)
    return -np.where(labels == 1, np.log(clipped), np.log1p(-clipped))


def _label_metrics(
    labels: np.ndarray, probabilities: np.ndarray, log_loss: float, threshold: float
) -> dict:
    predicted = probabilities >= threshold
    (true_negative, false_positive), (false_negative, true_positive) = (
        sklearn_metrics.confusion_matrix(labels, predicted, labels=[0, 1]).tolist()
    )
    positives, negatives = (
        true_positive + false_negative,
        true_negative + false_positive,
    )
    undefined = {}

    def ratio(name: str, part: float, whole: float, reason: str) -> float | None:
        if whole == 0:
            undefined[name] = reason
            return None
        return part / whole

    scores = {
        "positives": positives,
        "log_loss": log_loss,
        "accuracy": (true_positive + true_negative) / len(labels),
        "recall": ratio("recall", true_positive, positives, "no positives"),
        "precision": ratio(
            "precision",
            true_positive,
            true_positive + false_positive,
            "no positive predictions",
        ),
        "specificity": ratio("specificity", true_negative, negatives, "no negatives"),
        "f1": ratio(
            "f1",
            2 * true_positive,
            positives + true_positive + false_positive,
            "no positives, true or predicted",
        ),
        "auroc": None,
        "average_precision": None,
    }
    if positives and negatives:
        scores["auroc"] = float(sklearn_metrics.roc_auc_score(labels, probabilities))
        scores["average_precision"] = float(
            sklearn_metrics.average_precision_score(labels, probabilities)
        )
    else:
        undefined["auroc"] = undefined["average_precision"] = (
            "no negatives" if positives else "no positives"
        )
    scores["confusion"] = {
        "true_positive": true_positive,
        "false_positive": false_positive,
        "false_negative": false_negative,
        "true_negative": true_negative,
    }
    return {**scores, "undefined": undefined}
