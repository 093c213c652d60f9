"""Loss and metrics of a network with a hemorrhage and a location decoder.

Labels and logits have one column per class, see `training.tasks.two_tasks`.

Reference: Fan et al., DTViT, section 3.1: cross-entropy. Slices without hemorrhage have no location to learn.
"""

from collections.abc import Sequence

import keras
from keras import ops

from training.tasks.two_tasks import CLASSES_OF_TASKS, columns_of


def cross_entropies(y_true, y_pred, task):
    """A task's cross-entropy of each slice, float32 `(batch,)`; 0 where the slice has no label of it.

    Args:
        y_true: Labels, `(batch, classes)`.
        y_pred: Logits, the same shape.
        task: Name of the task.
    """
    columns = columns_of(task)
    y_true = ops.cast(y_true, "float32")[:, columns]
    return -ops.sum(
        y_true * ops.log_softmax(ops.cast(y_pred, "float32")[:, columns]), axis=-1
    )


def labelled(y_true, task):
    """1 for slices that have a label of the task, else 0; float32 `(batch,)`."""
    return ops.sum(ops.cast(y_true, "float32")[:, columns_of(task)], axis=-1)


@keras.saving.register_keras_serializable("training")
class TwoTaskLoss(keras.losses.Loss):
    """Weighted sum of the tasks' cross-entropies, each a mean over the slices of the batch that have a label.

    Args:
        task_weights: Weight of each task.
        reduction: As in `keras.losses.Loss`; the mean over the batch is the sum described above.
        name: Name of the loss.
    """

    def __init__(
        self,
        task_weights: Sequence[float] = (1.0,) * len(CLASSES_OF_TASKS),
        reduction: str | None = "sum_over_batch_size",
        name: str = "two_task_loss",
    ):
        super().__init__(name=name, reduction=reduction, dtype="float32")
        self.task_weights = tuple(task_weights)

    def call(self, y_true, y_pred):
        """Returns each slice's share of the loss, float32 `(batch,)`."""
        size = ops.cast(ops.shape(y_true)[0], "float32")
        total = 0.0
        for task, weight in zip(CLASSES_OF_TASKS, self.task_weights, strict=True):
            count = ops.maximum(ops.sum(labelled(y_true, task)), 1.0)
            total += weight * size / count * cross_entropies(y_true, y_pred, task)
        return total

    def get_config(self) -> dict:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "task_weights": list(self.task_weights)}


class TaskLoss(keras.metrics.Mean):
    """Mean cross-entropy of a task over the slices that have a label of it.

    Args:
        task: Name of the task.
    """

    def __init__(self, task):
        super().__init__(name=f"{task}_loss")
        self.task = task

    def update_state(self, y_true, y_pred, sample_weight=None):
        super().update_state(
            cross_entropies(y_true, y_pred, self.task), labelled(y_true, self.task)
        )


class TaskAccuracy(keras.metrics.Mean):
    """Share of right answers of a task among the slices that have a label of it.

    Args:
        task: Name of the task.
    """

    def __init__(self, task):
        super().__init__(name=f"{task}_accuracy")
        self.task = task

    def update_state(self, y_true, y_pred, sample_weight=None):
        columns = columns_of(self.task)
        right = keras.metrics.categorical_accuracy(
            y_true[:, columns], y_pred[:, columns]
        )
        super().update_state(right, labelled(y_true, self.task))
