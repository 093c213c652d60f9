"""What a model can be trained for, and what follows: loss, probabilities, scores, the best epoch.

`"multilabel"`: any number of labels per image, each with a probability of its own. `"single_label"`: an
image has exactly one of the labels. `"dual_task"`: hemorrhage or not, and where.
"""

import keras
import numpy as np

from keras_medformers import registry
from keras_medformers.modalities import get_modality
from training.statistics.exclusive_classes import single_label_metrics
from training.statistics.several_labels import multilabel_metrics
from training.tasks import evaluation
from training.tasks.dual_task import DualTask
from training.tasks.losses import WeightedLogLoss, WeightedMultiLabelLogLoss


class _OneOutput:
    """What tasks have in common whose model gives one logit per label of the records.

    Args:
        config: The run's `Config`.
    """

    def __init__(self, config):
        self.label_names = self.stored_labels = self.exported_labels = (
            config.label_names
        )
        self.num_classes = len(config.label_names)

    @staticmethod
    def label_names_of(info):
        """Names of the labels that a network learns from records."""
        return tuple(info.label_names)

    def labels(self, record):
        """The labels of a parsed record."""
        return record["labels"]

    def with_one_output(self, model):
        """The model as it is."""
        return model

    def answer(self, probabilities):
        """Index of the likeliest label of each image."""
        return np.argmax(probabilities, axis=-1)

    def answers_by_task(self, probabilities):
        """The like, by the name of the only task."""
        return {"label": self.answer(probabilities)}

    def prevalence(self, info, split="train"):
        """Share of images with each label, an array."""
        positives = info.positives(split)
        return np.array([positives[name] for name in self.label_names]) / info.count(
            split
        )


class MultiLabel(_OneOutput):
    """Sigmoids under the weighted log loss; the best epoch has the lowest log loss on validation.

    Args:
        config: The run's `Config`.
    """

    activation = "sigmoid"
    monitor = "val_log_loss"
    higher_is_better = False

    def __init__(self, config):
        super().__init__(config)
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
        scores = multilabel_metrics(
            labels, probabilities, self.label_names, self.label_weights, draws=1
        )
        named = {
            key: scores[key]
            for key in ("log_loss", "accuracy", "weighted_accuracy", "recall")
        }
        for label, of_label in scores["labels"].items():
            named.update(
                {
                    f"{key}_{label}": of_label[key]
                    for key in ("auroc", "accuracy", "recall")
                }
            )
        return named

    def evaluate(self, labels, probabilities, ids, train_prevalence, **about):
        """The content of `evaluation.json`."""
        return evaluation.evaluate_predictions(
            labels,
            probabilities,
            ids,
            self.label_names,
            train_prevalence,
            label_weights=self.label_weights,
            **about,
        )


class SingleLabel(_OneOutput):
    """A softmax under the cross-entropy; the best epoch has the highest accuracy on validation.

    Of mammograms, few of which are malignant, it has the largest area under the ROC curve (AUC).

    Args:
        config: The run's `Config`.

    Reference:
        HiFuse, section 4.3, equation (10); the best epoch is chosen as its published code does.
        HCT, section 3, whose score is the AUC.
    """

    activation = "softmax"
    higher_is_better = True

    def __init__(self, config):
        super().__init__(config)
        self.ranks = get_modality(config.modality).few_positive
        self.monitor = "val_auc" if self.ranks else "val_accuracy"

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
        named = {
            key: scores[key]
            for key in ("log_loss", "accuracy", "f1", "precision", "recall")
        }
        if self.ranks:
            named["auc"] = scores["labels"][self.label_names[-1]]["auroc"]
        return named

    def evaluate(self, labels, probabilities, ids, train_prevalence, **about):
        """The content of `evaluation.json`."""
        return evaluation.evaluate_single_label(
            labels, probabilities, ids, self.label_names, train_prevalence, **about
        )


TASKS = {
    evaluation.MULTILABEL: MultiLabel,
    evaluation.SINGLE_LABEL: SingleLabel,
    evaluation.DUAL_TASK: DualTask,
}


def task_name(model, info):
    """Name of the task of a model, by its name, on records with this `DatasetInfo`."""
    if registry.list_tasks(model):
        return evaluation.DUAL_TASK
    return evaluation.SINGLE_LABEL if info.exclusive_labels else evaluation.MULTILABEL


def task_of(config):
    """The task of a run."""
    return TASKS[config.task](config)
