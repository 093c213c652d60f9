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

from training.statistics.prevalence import check_label_weights


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
        label_weights: Sequence[float],
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


@keras.saving.register_keras_serializable("training")
class WeightedLogLoss(keras.metrics.Mean):
    """Mean weighted multi-label log loss over the samples seen: the challenge's metric.

    Unlike the loss that `fit` shows, it weighs every sample alike (or by `sample_weight`) however unequal
    batches are.

    Args:
        label_weights: One weight per label, in the order of the model's outputs.
        from_logits: Whether the model gives logits (the default) or probabilities.
        name: Name of the metric.
    """

    def __init__(
        self,
        label_weights: Sequence[float],
        from_logits: bool = True,
        name: str = "log_loss",
    ):
        super().__init__(name=name, dtype="float32")
        self.label_weights = check_label_weights(label_weights)
        self.from_logits = from_logits

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds a batch: labels and outputs `(batch, labels)`, weights `(batch,)` or `(batch, 1)`."""
        losses = weighted_log_loss(y_true, y_pred, self.label_weights, self.from_logits)
        return super().update_state(losses, sample_weight=sample_weight)

    def get_config(self) -> dict:
        """Returns the constructor's arguments."""
        return {
            "name": self.name,
            "label_weights": list(self.label_weights),
            "from_logits": self.from_logits,
        }
