"""The two things a model is trained for, and what follows: loss, probabilities, scores, the best epoch.

`"multilabel"`: any number of labels per image, each with a probability of its own. `"single_label"`: an
image has exactly one of the labels.
"""

import keras
import numpy as np

from training import evaluation
from training.losses import WeightedMultiLabelLogLoss
from training.metrics import WeightedLogLoss, multilabel_metrics
from training.single_label import single_label_metrics


class MultiLabel:
    """Sigmoids under the weighted log loss; the best epoch has the lowest log loss on validation.

    Args:
        config: The run's `Config`.
    """

    activation = "sigmoid"
    monitor = "val_log_loss"
    higher_is_better = False

    def __init__(self, config):
        self.label_names = config.label_names
        self.label_weights = config.label_weights

    def loss(self):
        return WeightedMultiLabelLogLoss(self.label_weights)

    def metrics(self):
        return [WeightedLogLoss(self.label_weights)]

    def probabilities(self, logits):
        return 1.0 / (1.0 + np.exp(-np.asarray(logits, "float64")))

    def first_bias(self, prevalence, count):
        """Log odds of each label's share among `count` images: where training starts, not at one half."""
        share = np.clip(prevalence, 0.5 / count, 1 - 0.5 / count)
        return np.log(share / (1 - share))

    def validation_scores(self, labels, probabilities):
        """Scores of an epoch by name; None where one cannot be had."""
        scores = multilabel_metrics(labels, probabilities, self.label_names, self.label_weights, draws=1)
        named = {key: scores[key] for key in ("log_loss", "accuracy", "weighted_accuracy", "recall")}
        for label, of_label in scores["labels"].items():
            named.update({f"{key}_{label}": of_label[key] for key in ("auroc", "accuracy", "recall")})
        return named

    def evaluate(self, labels, probabilities, ids, train_prevalence, **about):
        """The content of `evaluation.json`."""
        return evaluation.evaluate_predictions(
            labels, probabilities, ids, self.label_names, train_prevalence,
            label_weights=self.label_weights, **about,
        )


class SingleLabel:
    """A softmax under the cross-entropy; the best epoch has the highest accuracy on validation.

    Args:
        config: The run's `Config`.

    Reference:
        HiFuse, section 4.3, equation (10); the best epoch is chosen as its published code does.
    """

    activation = "softmax"
    monitor = "val_accuracy"
    higher_is_better = True

    def __init__(self, config):
        self.label_names = config.label_names

    def loss(self):
        return keras.losses.CategoricalCrossentropy(from_logits=True, dtype="float32")

    def metrics(self):
        return [keras.metrics.CategoricalAccuracy(name="accuracy")]

    def probabilities(self, logits):
        logits = np.asarray(logits, "float64")
        powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return powers / powers.sum(axis=-1, keepdims=True)

    def first_bias(self, prevalence, count):
        """None: training starts where the model's own initialisation puts it."""
        return None

    def validation_scores(self, labels, probabilities):
        """Scores of an epoch by name; F1, precision and recall are means over the classes."""
        scores = single_label_metrics(labels, probabilities, self.label_names, draws=1)
        return {key: scores[key] for key in ("log_loss", "accuracy", "f1", "precision", "recall")}

    def evaluate(self, labels, probabilities, ids, train_prevalence, **about):
        """The content of `evaluation.json`."""
        return evaluation.evaluate_single_label(
            labels, probabilities, ids, self.label_names, train_prevalence, **about
        )


TASKS = {evaluation.MULTILABEL: MultiLabel, evaluation.SINGLE_LABEL: SingleLabel}


def task_of(config):
    """The task of a run."""
    return TASKS[config.task](config)
