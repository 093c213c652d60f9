"""Scores of classifiers that give exactly one of several classes to an image.

Reference: Huo et al., "HiFuse", section 4.2, equations (6) to (9). The paper's tables give F1, precision and
recall as means over the classes, however rare each is. Specificity is TN / (TN + FP) of each class against
all others.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from sklearn import metrics as sklearn_metrics

from training.statistics.bootstrap import DRAWS, cluster_indices, percentile_intervals
from training.statistics.prevalence import PROBABILITY_MARGIN

MACRO_SCORES = ("f1", "precision", "recall", "specificity")
"""Scores of each class that are averaged over the classes."""

PROBABILITY_SUM_TOLERANCE = 1e-3
"""How far from 1 the probabilities of an image may sum, for networks that compute in half precision."""


def single_label_metrics(
    labels: np.ndarray,
    probabilities: np.ndarray,
    label_names: Sequence[str],
    group_ids: Sequence | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> dict:
    """Scores predictions of exclusive classes; the most probable class is the predicted one.

    Means over classes are over those that have images here. A class that is never predicted has no precision;
    it counts as 0 in the mean, as in scikit-learn.

    Args:
        labels: One-hot, shape `(n, classes)`, or class indices, shape `(n,)`.
        probabilities: Predicted probabilities, shape `(n, classes)`; each row sums to 1.
        label_names: Names of the classes.
        group_ids: The group of each image, such as its lesion or patient, for intervals by resampling groups;
            images are resampled if not given.
        draws: Bootstrap draws; every interval comes from the same ones.
        seed: Seed of the bootstrap.

    Returns:
        A dict that `json.dumps(..., allow_nan=False)` takes: `count`, `patients` (the number of groups; None
        if not known), `log_loss`, `accuracy`, `f1`, `precision`, `recall`, `specificity` (means over
        classes), each with `<key>_interval`; `majority_label` and `majority_accuracy` (the commonest class
        here and its share); `labels`: per name `support`, `predicted` (their numbers of images), `recall`,
        `precision`, `f1`, `specificity`, each with its interval, and `auroc` (against all others); and
        `confusion` (numbers of images, rows true, columns predicted). A score that cannot be had is None, and
        its reason stands under `undefined`, at the same level.

    Raises:
        ValueError: If shapes do not agree, there are no rows, labels are no classes, or probabilities are not
            in [0, 1] or do not sum to 1.
    """
    classes = len(label_names)
    true, probabilities = _checked(labels, probabilities, classes)
    predicted = probabilities.argmax(axis=1)
    losses = -np.log(
        np.clip(probabilities[np.arange(len(true)), true], PROBABILITY_MARGIN, 1)
    )
    confusion = sklearn_metrics.confusion_matrix(
        true, predicted, labels=np.arange(classes)
    )
    precision, recall, f1, support = sklearn_metrics.precision_recall_fscore_support(
        true, predicted, labels=np.arange(classes), zero_division=0
    )
    scores = confusion_scores(confusion[np.newaxis])
    specificity = scores["label_specificity"][0]
    intervals = _intervals(true, predicted, losses, classes, group_ids, draws, seed)
    per_label = {
        name: _label_metrics(
            confusion, i,
            {"recall": recall[i], "precision": precision[i], "f1": f1[i], "specificity": specificity[i]},
            _auroc(true == i, probabilities[:, i]), intervals,
        )
        for i, name in enumerate(label_names)
    }  # fmt: skip
    overall = {
        "log_loss": losses.mean(),
        "accuracy": sklearn_metrics.accuracy_score(true, predicted),
        "f1": f1[support > 0].mean(),
        "precision": precision[support > 0].mean(),
        "recall": recall[support > 0].mean(),
        "specificity": scores["specificity"][0],
    }

    return {
        "count": len(true),
        "patients": None if group_ids is None else len(set(group_ids)),
        **{
            key: float(score) if np.isfinite(score) else None
            for key, score in overall.items()
        },
        **{f"{key}_interval": intervals[key] for key in overall},
        "majority_label": label_names[int(support.argmax())],
        "majority_accuracy": float(support.max() / len(true)),
        "labels": per_label,
        "confusion": confusion.tolist(),
        "undefined": {}
        if np.isfinite(overall["specificity"])
        else {"specificity": "only one class is here"},
    }


def confusion_scores(confusion: np.ndarray) -> dict[str, np.ndarray]:
    """Scores of many confusion matrices at once.

    Args:
        confusion: Weights of images, rows true, columns predicted, shape `(matrices, classes, classes)`.

    Returns:
        `accuracy`, `f1`, `precision`, `recall`, `specificity` of shape `(matrices,)`, the last four means
        over the classes that have images; and `label_f1`, `label_precision`, `label_recall`,
        `label_specificity` of shape `(matrices, classes)`. What is not defined is NaN; an absent precision
        counts as 0 in the mean.

    Reference:
        HiFuse, section 4.2, equations (6) to (9).
    """
    hits = np.einsum("mcc->mc", confusion)
    support, predicted = confusion.sum(axis=2), confusion.sum(axis=1)
    others = support.sum(axis=1, keepdims=True) - support
    with np.errstate(invalid="ignore", divide="ignore"):
        scores = {
            "recall": hits / support,
            "precision": hits / predicted,
            "f1": 2 * hits / (support + predicted),
            "specificity": (others - (predicted - hits)) / others,
        }
        present = support > 0
        means = {
            key: np.where(present, np.nan_to_num(score), 0).sum(axis=1)
            / present.sum(axis=1)
            for key, score in scores.items()
        }
        means["specificity"][present.sum(axis=1) < 2] = np.nan
        accuracy = hits.sum(axis=1) / support.sum(axis=1)

    return {
        "accuracy": accuracy,
        **means,
        **{f"label_{key}": score for key, score in scores.items()},
    }


def _intervals(
    true: np.ndarray,
    predicted: np.ndarray,
    losses: np.ndarray,
    classes: int,
    group_ids: Sequence | None,
    draws: int,
    seed: int,
) -> dict:
    """Intervals by score, and by (score, class index) for the classes."""
    groups = cluster_indices(group_ids, len(true))
    cells = classes * classes
    sums = np.bincount(
        groups * cells + true * classes + predicted,
        minlength=(groups.max() + 1) * cells,
    ).reshape(-1, cells)
    loss_sums, sizes = np.bincount(groups, weights=losses), np.bincount(groups)

    def scores_of(drawn: np.ndarray) -> dict:
        scores = confusion_scores((drawn @ sums).reshape(-1, classes, classes))
        return {
            "log_loss": (drawn @ loss_sums) / (drawn @ sizes),
            "accuracy": scores["accuracy"],
            **{key: scores[key] for key in MACRO_SCORES},
            **{
                (key, i): scores[f"label_{key}"][:, i]
                for key in MACRO_SCORES
                for i in range(classes)
            },
        }

    unit = "image" if len(sizes) == len(true) else "group"
    return percentile_intervals(scores_of, groups, unit, draws=draws, seed=seed)


def _label_metrics(
    confusion: np.ndarray,
    index: int,
    scores: Mapping,
    auroc: float | None,
    intervals: Mapping,
) -> dict:
    count, support, predicted = (
        confusion.sum(),
        confusion[index].sum(),
        confusion[:, index].sum(),
    )
    others = count - support
    undefined = {}
    if support == 0:
        undefined["recall"] = undefined["auroc"] = (
            "no images of this class; not in the means"
        )

    if others == 0:
        undefined["specificity"] = undefined["auroc"] = "no images of other classes"
    if predicted == 0:
        undefined["precision"] = "never predicted; counts as 0 in the mean"
    if support == predicted == 0:
        undefined["precision"] = undefined["f1"] = (
            "no images of this class, true or predicted"
        )

    found = {**scores, "auroc": auroc}
    return {
        "support": int(support),
        "predicted": int(predicted),
        **{
            key: None if key in undefined else float(score)
            for key, score in found.items()
        },
        **{f"{key}_interval": intervals[key, index] for key in MACRO_SCORES},
        "undefined": undefined,
    }


def _auroc(is_class: np.ndarray, probabilities: np.ndarray) -> float | None:
    if not 0 < is_class.sum() < len(is_class):
        return None
    return sklearn_metrics.roc_auc_score(is_class, probabilities)


def _checked(labels, probabilities, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Class indices and float64 probabilities."""
    labels, probabilities = np.asarray(labels), np.asarray(probabilities, "float64")
    expected = (len(labels), classes)
    if (
        probabilities.shape != expected
        or labels.shape not in (expected, expected[:1])
        or classes < 2
    ):
        raise ValueError(
            "`labels` must have shape (n, classes) or (n,) and `probabilities` (n, classes), with a name per "
            f"class, at least two. Received: {labels.shape}, {probabilities.shape}, {classes} names"
        )
    if not len(labels):
        raise ValueError("There is nothing to score: `labels` has no rows")

    if labels.ndim == 2:
        wrong = ~(np.isin(labels, (0, 1)).all(axis=1) & (labels.sum(axis=1) == 1))
        if wrong.any():
            raise ValueError(
                f"`labels` must name exactly one class per image. Received: {int(wrong.sum())} rows that do "
                f"not, the first is row {int(wrong.argmax())}: {labels[wrong.argmax()].tolist()}"
            )
        true = labels.argmax(axis=1)
    else:
        true = labels.astype("int64")
        if (true != labels).any() or true.min() < 0 or true.max() >= classes:
            raise ValueError(
                f"`labels` must be class indices from 0 to {classes - 1}. "
                f"Received: {np.unique(labels)[:8].tolist()}"
            )

    inside = ((probabilities >= 0) & (probabilities <= 1)).all(axis=1)
    wrong = ~(
        inside & (np.abs(probabilities.sum(axis=1) - 1) <= PROBABILITY_SUM_TOLERANCE)
    )
    if wrong.any():
        raise ValueError(
            "`probabilities` must lie in [0, 1] and sum to 1 for each image, as a softmax gives them. "
            f"Received: {int(wrong.sum())} of {len(wrong)} rows that do not, the first is row "
            f"{int(wrong.argmax())}: {np.round(probabilities[wrong.argmax()], 4).tolist()}"
        )

    return true, probabilities
