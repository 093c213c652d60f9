"""The task of DTViT: hemorrhage or not, and its location, learned together.

Reference: Fan et al., DTViT, sections 2.3 and 3.1.
"""

import keras
import numpy as np
import tensorflow as tf

from data_prep.labels import ICH_LABELS
from data_prep.records import balance
from keras_medformers.support.errors import UserError
from training.statistics.exclusive_classes import single_label_metrics
from training.tasks.two_task_losses import TaskAccuracy, TaskLoss, TwoTaskLoss
from training.tasks.two_task_scores import evaluate_two_tasks
from training.tasks.two_tasks import (
    CLASS_NAMES,
    CLASSES_OF_TASKS,
    HEMORRHAGE,
    LOCATION,
    answers,
    columns_of,
)

VALIDATION_SCORES = ("log_loss", "accuracy", "f1", "precision", "recall", "specificity")


class DualTask:
    """A softmax per task, cross-entropies summed; the best epoch has the lowest sum on validation.

    Args:
        config: The run's `Config`.
    """

    activation = "softmax"
    monitor = "val_log_loss"
    higher_is_better = False
    stored_labels = ICH_LABELS
    num_classes = {task: len(names) for task, names in CLASSES_OF_TASKS.items()}
    label_names = CLASS_NAMES
    exported_labels = CLASSES_OF_TASKS

    def __init__(self, config):
        self.task_weights = config.task_weights or (1.0,) * len(CLASSES_OF_TASKS)

    @staticmethod
    def label_names_of(info):
        """Names of the labels that a network learns from records.

        Raises:
            UserError: If the records do not have what it learns from.
        """
        (first,) = ICH_LABELS
        if (
            first not in info.label_names
            or balance.LOCATION not in info.extra_label_names
        ):
            raise UserError(
                f"expected records with the label {first!r} and locations of hemorrhages, such as those of "
                f"ich_location; {info.dataset} in {info.records_dir} has {', '.join(info.label_names)}"
            )
        return CLASS_NAMES

    def labels(self, record):
        """The labels of a parsed record, one column per class; for TensorFlow's graphs."""
        present = tf.cast(record["labels"][0], "int32")
        location = tf.where(
            present == 1, tf.cast(record[balance.LOCATION], "int32"), -1
        )
        classes = zip((present, location), self.num_classes.values(), strict=True)
        return tf.concat([tf.one_hot(index, count) for index, count in classes], axis=0)

    @staticmethod
    def with_one_output(model):
        """The model with its tasks' logits side by side; it shares the weights."""
        logits = [model.output[task] for task in CLASSES_OF_TASKS]
        joined = keras.layers.Concatenate(dtype="float32", name="logits")(logits)
        return keras.Model(model.input, joined, name=model.name)

    def loss(self):
        return TwoTaskLoss(self.task_weights)

    def metrics(self):
        return [
            metric(task)
            for task in CLASSES_OF_TASKS
            for metric in (TaskLoss, TaskAccuracy)
        ]

    def probabilities(self, logits):
        logits = np.array(logits, "float64")
        for task in CLASSES_OF_TASKS:
            of_task = logits[..., columns_of(task)]
            powers = np.exp(of_task - of_task.max(axis=-1, keepdims=True))
            logits[..., columns_of(task)] = powers / powers.sum(axis=-1, keepdims=True)
        return logits

    def answer(self, probabilities):
        """Column of the class that a picture shows by default: of a hemorrhage its location, else normal."""
        found = self.answers_by_task(probabilities)
        return np.where(found[LOCATION] >= 0, found[LOCATION], found[HEMORRHAGE])

    def answers_by_task(self, probabilities):
        """Columns of the likeliest class by task; -1 for the location of no hemorrhage."""
        found = answers(probabilities)
        located = found[LOCATION] >= 0
        return {
            HEMORRHAGE: found[HEMORRHAGE],
            LOCATION: np.where(
                located, columns_of(LOCATION).start + found[LOCATION], -1
            ),
        }

    def first_bias(self, prevalence, count):
        """None: training starts where the model's own initialisation puts it."""
        return None

    def prevalence(self, info, split="train"):
        """Share of each class among the slices that have a label of its task; 0 where none has."""
        count, bleeding = info.count(split), info.positives(split)[ICH_LABELS[0]]
        located = info.splits[split]["extra_labels"][balance.LOCATION]
        locations = [
            located.get(str(index), 0)
            for index in range(len(CLASSES_OF_TASKS[LOCATION]))
        ]
        return np.array(
            [
                1 - bleeding / count,
                bleeding / count,
                *(each / max(sum(locations), 1) for each in locations),
            ]
        )

    def validation_scores(self, labels, probabilities):
        """Scores of an epoch by name; a task that no slice has a label of has none."""
        scores = {"log_loss": 0.0}
        for (task, names), weight in zip(
            CLASSES_OF_TASKS.items(), self.task_weights, strict=True
        ):
            columns = columns_of(task)
            rows = labels[:, columns].sum(axis=1) == 1
            if rows.any():
                of_task = single_label_metrics(
                    labels[rows, columns], probabilities[rows, columns], names, draws=1
                )
                scores["log_loss"] += weight * of_task["log_loss"]
                scores |= {f"{task}_{key}": of_task[key] for key in VALIDATION_SCORES}
        return scores

    def evaluate(self, labels, probabilities, ids, train_prevalence, **about):
        """The content of `evaluation.json`."""
        return evaluate_two_tasks(
            labels,
            probabilities,
            ids,
            train_prevalence,
            task_weights=self.task_weights,
            **about,
        )
