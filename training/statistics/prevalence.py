"""Weights of labels, and what always predicting the prevalence would score."""

from collections.abc import Sequence

import numpy as np

PROBABILITY_MARGIN = 1e-7
"""Probabilities are kept this far from 0 and 1 before their logarithm is taken, as Keras does."""


def check_label_weights(label_weights: Sequence[float]) -> tuple[float, ...]:
    """Returns `label_weights` as floats; ValueError unless all are finite, none negative and one positive."""
    weights = tuple(float(weight) for weight in label_weights)
    if (
        not weights
        or not np.all(np.isfinite(weights))
        or min(weights) < 0
        or sum(weights) == 0
    ):
        raise ValueError(
            "`label_weights` must be finite, not negative and not all zero. "
            f"Received: label_weights={label_weights}"
        )
    return weights


def constant_prevalence_score(
    prevalence: Sequence[float],
    label_weights: Sequence[float] | None = None,
    observed: Sequence[float] | None = None,
) -> float:
    """Weighted log loss of always predicting each label's prevalence: what a model has to beat.

    Args:
        prevalence: Share of positive samples per label, each in [0, 1]: the constant prediction.
        label_weights: One weight per label; all the same if not given.
        observed: Prevalences among the samples that are scored; those of `prevalence` if not given. For a
            score on the test split, `prevalence` is the training split's and `observed` is the test split's.

    Returns:
        The loss in nats. Predictions are kept 1e-7 away from 0 and 1.

    Raises:
        ValueError: If lengths differ or a prevalence lies outside [0, 1].
    """
    predicted = np.asarray(prevalence, "float64")
    if label_weights is None:
        label_weights = np.ones(predicted.shape)
    weights = np.asarray(check_label_weights(label_weights))
    observed = predicted if observed is None else np.asarray(observed, "float64")
    for name, shares in (("prevalence", predicted), ("observed", observed)):
        if shares.shape != weights.shape or not np.all((shares >= 0) & (shares <= 1)):
            raise ValueError(
                f"`{name}` must hold {len(weights)} shares in [0, 1], one per label weight. "
                f"Received: {name}={shares.tolist()}"
            )

    predicted = np.clip(predicted, PROBABILITY_MARGIN, 1 - PROBABILITY_MARGIN)
    losses = -(observed * np.log(predicted) + (1 - observed) * np.log1p(-predicted))
    return float(np.average(losses, weights=weights))
