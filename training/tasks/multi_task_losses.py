"""Loss and metrics of a network of several outputs, of each of which one label holds.

Labels and logits have one column per label, output by output, see
`keras_medformers.tasks.TaskSpec`. An image without a label of an output has zeros there, and
does not count for it.

Reference: Fan et al., DTViT, section 3.1: cross-entropy; slices without hemorrhage have no
location to learn.
"""

from collections.abc import Sequence

import keras
from keras import ops


def cross_entropies(y_true, y_pred, columns: slice):
    """An output's cross-entropy of each image; 0 where the image has no label of it.

    Args:
        y_true: Labels, `(batch, labels)`.
        y_pred: Logits, the same shape.
        columns: The output's columns.

    Returns:
        float32 tensor `(batch,)`.
    """
    y_true = ops.cast(y_true, "float32")[:, columns]
    return -ops.sum(
        y_true * ops.log_softmax(ops.cast(y_pred, "float32")[:, columns]), axis=-1
    )


def labelled(y_true, columns: slice):
    """1 for images that have a label of the output, else 0; float32 `(batch,)`."""
    return ops.sum(ops.cast(y_true, "float32")[:, columns], axis=-1)


@keras.saving.register_keras_serializable("training")
class MultiTaskLoss(keras.losses.Loss):
    """Weighted sum of the outputs' cross-entropies.

    Each is a mean over the images of the batch that have a label of it.

    Args:
        sizes: Number of labels of each output.
        task_weights: Weight of each output; all the same by default.
        reduction: As in `keras.losses.Loss`; the mean over the batch is the sum described
            above.
        name: Name of the loss.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        task_weights: Sequence[float] | None = None,
        reduction: str | None = "sum_over_batch_size",
        name: str = "multi_task_loss",
    ):
        super().__init__(name=name, reduction=reduction, dtype="float32")
        self.sizes = tuple(sizes)
        self.task_weights = tuple(task_weights or (1.0,) * len(self.sizes))

    def call(self, y_true, y_pred):
        """Returns each image's share of the loss, float32 `(batch,)`."""
        batch = ops.cast(ops.shape(y_true)[0], "float32")
        total, start = 0.0, 0
        for size, weight in zip(self.sizes, self.task_weights, strict=True):
            columns = slice(start, start + size)
            count = ops.maximum(ops.sum(labelled(y_true, columns)), 1.0)
            losses = cross_entropies(y_true, y_pred, columns)
            total += weight * batch / count * losses
            start += size
        return total

    def get_config(self) -> dict:
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "sizes": list(self.sizes),
            "task_weights": list(self.task_weights),
        }


class OutputLoss(keras.metrics.Mean):
    """Mean cross-entropy of an output over the images that have a label of it.

    Args:
        output: Name of the output.
        columns: Its columns.
    """

    def __init__(self, output: str, columns: slice):
        super().__init__(name=f"{output}_loss")
        self.columns = columns

    def update_state(self, y_true, y_pred, sample_weight=None):
        super().update_state(
            cross_entropies(y_true, y_pred, self.columns),
            labelled(y_true, self.columns),
        )


class OutputAccuracy(keras.metrics.Mean):
    """Share of right answers of an output among the images that have a label of it.

    Args:
        output: Name of the output.
        columns: Its columns.
    """

    def __init__(self, output: str, columns: slice):
        super().__init__(name=f"{output}_accuracy")
        self.columns = columns

    def update_state(self, y_true, y_pred, sample_weight=None):
        right = keras.metrics.categorical_accuracy(
            y_true[:, self.columns], y_pred[:, self.columns]
        )
        super().update_state(right, labelled(y_true, self.columns))
