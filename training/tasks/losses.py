"""The weighted multi-label log loss of the RSNA hemorrhage challenge.

Reference: Barhoumi et al., "Efficient scopeformer", section III.G, equation (3): binary cross-entropy of each
    label,
averaged with weight 2 for "any hemorrhage" and 1 for each of its five kinds. Equation (3) prints the sum; the
text and the challenge's metric are the weighted average, which is what stands here.
"""

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

LABEL_WEIGHTS = (2.0, 1.0, 1.0, 1.0, 1.0, 1.0)
"""Weights of any, epidural, intraparenchymal, intraventricular, subarachnoid, subdural."""

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


def weighted_log_loss(
    y_true, y_pred, label_weights: Sequence[float], from_logits: bool = True
):
    """Weighted average over the labels of the binary cross-entropies, computed in float32.

    Args:
        y_true: Labels in [0, 1], tensor of shape `(batch, labels)` and any type.
        y_pred: Logits, or probabilities if not `from_logits`, tensor of the same shape.
        label_weights: One weight per label.
        from_logits: Whether `y_pred` holds logits.

    Returns:
        float32 tensor of shape `(batch,)`, in nats.

    Raises:
        ValueError: If the last axis of `y_pred` is not as long as `label_weights`.
    """
    y_true = ops.cast(y_true, "float32")
    y_pred = ops.cast(y_pred, "float32")
    if len(y_pred.shape) != 2 or y_pred.shape[-1] != len(label_weights):
        raise ValueError(
            f"`y_pred` must have shape (batch, {len(label_weights)}), one column per label weight. "
            f"Received: y_pred.shape={tuple(y_pred.shape)}, label_weights={tuple(label_weights)}"
        )
    shares = np.asarray(label_weights, "float32") / np.sum(
        label_weights, dtype="float32"
    )
    return ops.sum(
        ops.binary_crossentropy(y_true, y_pred, from_logits=from_logits) * shares,
        axis=-1,
    )


@keras.saving.register_keras_serializable("training")
class WeightedMultiLabelLogLoss(keras.losses.Loss):
    """Weighted multi-label log loss, one value per sample before the reduction.

    Computes in float32 whatever the model's precision, and from logits without overflow.

    Args:
        label_weights: One weight per label, in the order of the model's outputs.
        from_logits: Whether the model gives logits (the default) or probabilities.
        reduction: As in `keras.losses.Loss`.
        name: Name of the loss.

    Reference:
        Efficient scopeformer, section III.G, equation (3).
    """

    def __init__(
        self,
        label_weights: Sequence[float] = LABEL_WEIGHTS,
        from_logits: bool = True,
        reduction: str | None = "sum_over_batch_size",
        name: str = "weighted_multi_label_log_loss",
    ):
        super().__init__(name=name, reduction=reduction, dtype="float32")
        self.label_weights = check_label_weights(label_weights)
        self.from_logits = from_logits

    def call(self, y_true, y_pred):
        """Returns float32 losses of shape `(batch,)`."""
        return weighted_log_loss(y_true, y_pred, self.label_weights, self.from_logits)

    def get_config(self) -> dict:
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "label_weights": list(self.label_weights),
            "from_logits": self.from_logits,
        }


def constant_prevalence_score(
    prevalence: Sequence[float],
    label_weights: Sequence[float] = LABEL_WEIGHTS,
    observed: Sequence[float] | None = None,
) -> float:
    """Weighted log loss of always predicting each label's prevalence: what a model has to beat.

    Args:
        prevalence: Share of positive samples per label, each in [0, 1]: the constant prediction.
        label_weights: One weight per label.
        observed: Prevalences among the samples that are scored; those of `prevalence` if not given. For a
            score on the test split, `prevalence` is the training split's and `observed` is the test split's.

    Returns:
        The loss in nats. Predictions are kept 1e-7 away from 0 and 1.

    Raises:
        ValueError: If lengths differ or a prevalence lies outside [0, 1].
    """
    weights = np.asarray(check_label_weights(label_weights))
    predicted = np.asarray(prevalence, "float64")
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
