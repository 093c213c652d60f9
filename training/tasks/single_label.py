"""Exactly one of several classes per image.

References:
    Huo et al., "HiFuse", sections 4.2 and 4.3, equations (6) to (10); the best epoch is
    chosen as its published code does.
    Taha et al., HCT, section 3, whose score is the area under the ROC curve (AUC).
"""

from collections.abc import Mapping, Sequence
from html import escape

import keras
import numpy as np
import pandas as pd
from scipy.special import softmax

from keras_medformers.modalities import get_modality
from keras_medformers.support.errors import UserError
from keras_medformers.tasks import TaskSpec
from training import figures
from training.report.areas import CAPTIONS, area_cards, area_figures, finding_sections
from training.report.frame import Contents, Pictures, Run
from training.report.page import card, cards, constant_card
from training.report.scores import Score, score_card, score_cells, score_table
from training.statistics.auc import AUC_DRAWS
from training.statistics.bootstrap import DRAWS
from training.statistics.exclusive_classes import single_label_metrics
from training.statistics.finding_scores import area_scores
from training.statistics.predictions import arrays_of
from training.statistics.prevalence import PROBABILITY_MARGIN
from training.tasks.base import (
    Task,
    improvement,
    notes_of_unseen,
    percent_with_ends,
    refuse_task_weights,
)
from training.tasks.examples import of_each_class, taken_for
from training.tasks.words import IMAGES, Words, words_of

OUTPUT = "probabilities"

OVERALL = (
    Score("accuracy", "accuracy", "{:.1%}"),
    Score("f1", "F1, mean over classes", "{:.1%}"),
    Score("precision", "precision, mean over classes", "{:.1%}"),
    Score("recall", "recall, mean over classes", "{:.1%}"),
    Score("log_loss", "log loss", "{:.4f}"),
)

PER_CLASS = (
    Score("support", "images", "{:,}"),
    Score("predicted", "predicted", "{:,}"),
    Score("recall", "recall", "{:.1%}"),
    Score("precision", "precision", "{:.1%}"),
    Score("f1", "F1", "{:.1%}"),
    Score("specificity", "specificity", "{:.1%}"),
    Score("auroc", "AUROC, against the others", "{:.3f}"),
)

SUMMARY_SCORES = {
    "accuracy": "accuracy",
    "f1": "macro F1",
    "precision": "precision",
    "recall": "recall",
}


class SingleLabel(Task):
    """A softmax under the cross-entropy; the best epoch has the highest validation accuracy.

    Of two classes one of which is rare, it has the largest area under the ROC curve.

    Args:
        label_names: Names of the classes.
        ranks: Whether the area under the ROC curve tells which epoch is the best.
        words: What the images are called.
    """

    activation = "softmax"
    higher_is_better = True
    table_columns = (
        Score("accuracy", "accuracy", "{:.2%}"),
        Score("f1", "F1", "{:.2%}"),
        Score("precision", "precision", "{:.2%}"),
        Score("recall", "recall", "{:.2%}"),
        Score("log_loss", "log loss", "{:.4f}"),
        Score("majority_accuracy", "commonest class", "{:.2%}"),
    )
    table_note = "F1, precision, recall and specificity are means over the classes."
    level = "images"

    def __init__(
        self, label_names: Sequence[str], ranks: bool = False, words: Words = IMAGES
    ):
        super().__init__(TaskSpec({OUTPUT: tuple(label_names)}), words)
        self.stored_labels = self.exported_labels = self.label_names
        self.num_classes = len(self.label_names)
        self.ranks = ranks
        self.monitor = "val_auc" if ranks else "val_accuracy"
        self.positive_label = self.label_names[1] if self.num_classes == 2 else None

    @classmethod
    def of_run(cls, config):
        ranks = get_modality(config.modality).few_positive
        return cls(config.label_names, ranks, words_of(config.modality))

    @classmethod
    def of_evaluation(cls, evaluation, words):
        return cls(evaluation["label_names"], words=words)

    # Learning.

    def label_names_of(self, info):
        return tuple(info.label_names)

    @classmethod
    def why_no_label_weights(cls, label_names):
        return f"an image has exactly one of {', '.join(label_names)}"

    def check_weights(self, label_weights, task_weights):
        if label_weights:
            raise UserError(
                "expected no label weights, since "
                f"{self.why_no_label_weights(self.label_names)}; "
                f"received label_weights={list(label_weights)}"
            )
        refuse_task_weights(task_weights)

    def labels(self, record):
        return record["labels"]

    def loss(self):
        return keras.losses.CategoricalCrossentropy(from_logits=True, dtype="float32")

    def metrics(self):
        return [keras.metrics.CategoricalAccuracy(name="accuracy")]

    def probabilities(self, logits):
        return softmax(np.asarray(logits, "float64"), axis=-1)

    def validation_scores(self, labels, probabilities):
        """As in `Task`; F1, precision and recall are means over the classes."""
        scores = single_label_metrics(labels, probabilities, self.label_names, draws=1)
        named = {
            key: scores[key]
            for key in ("log_loss", "accuracy", "f1", "precision", "recall")
        }
        if self.ranks:
            named["auc"] = scores["labels"][self.label_names[-1]]["auroc"]
        return named

    # Scoring.

    def scores(
        self,
        labels: np.ndarray,
        probabilities: np.ndarray,
        ids: pd.DataFrame,
        train_prevalence: Sequence[float],
        *,
        draws: int = DRAWS,
        auc_draws: int = AUC_DRAWS,
        seed: int = 0,
    ) -> dict:
        """Scores against the majority class and the constant prevalence.

        Args:
            labels: As in `evaluate`, like the next three; or class indices, shape `(n,)`.
            probabilities: See there; each row sums to 1.
            ids: See there; of two classes also the columns of
                `training.statistics.finding_scores`, where they are known.
            train_prevalence: See there.
            draws: Bootstrap draws.
            auc_draws: Bootstrap draws for the area under the ROC curve.
            seed: Seed of the bootstrap.

        Returns:
            `images` (see `single_label_metrics`); of two classes `auc`, of the second
            against the first (see `area_scores`); and what `scores_of_classes` gives.
        """
        labels = np.asarray(labels)
        images, others = self.scores_of_classes(
            labels, probabilities, ids, train_prevalence, draws, seed
        )
        areas = {}
        if self.positive_label:
            areas["auc"] = area_scores(
                labels[:, 1] if labels.ndim == 2 else labels,
                probabilities[:, 1],
                ids,
                self.positive_label,
                draws=auc_draws,
                seed=seed,
            )

        return {self.level: images} | areas | others

    def scores_of_classes(
        self, labels, probabilities, ids, train_prevalence, draws, seed
    ) -> tuple[dict, dict]:
        """Scores over all images, and how they stand against predictions that never change.

        Returns:
            What `single_label_metrics` gives; and `beats_majority` (whether accuracy's whole
            interval lies above the share of the commonest class of this split),
            `train_prevalence`, `prevalence` (of this split), `constant_prevalence_score`
            (log loss of always predicting the training split's shares), `improvement`
            (share of that score that the model's loss is below it; negative if it is above)
            and `notes`.
        """
        names = self.label_names
        groups = ids["patient_id"].astype(str).to_numpy()
        images = single_label_metrics(
            labels, probabilities, names, groups, draws=draws, seed=seed
        )

        supports = [images["labels"][name]["support"] for name in names]
        prevalence = [support / images["count"] for support in supports]
        predicted = np.clip(
            np.asarray(train_prevalence, "float64"), PROBABILITY_MARGIN, 1
        )
        constant_score = float(-np.sum(prevalence * np.log(predicted)))
        lowest_accuracy = images["accuracy_interval"]["low"]
        return images, {
            "beats_majority": lowest_accuracy is not None
            and lowest_accuracy > images["majority_accuracy"],
            "train_prevalence": [float(share) for share in train_prevalence],
            "prevalence": prevalence,
            "constant_prevalence_score": constant_score,
            "improvement": improvement(images["log_loss"], constant_score),
            "notes": notes_of_unseen(names, train_prevalence, prevalence),
        }

    # Telling.

    def summary_lines(self, best, scores, info):
        split, areas = scores["split"], []
        if scores.get("auc", {}).get("auc") is not None:
            area = percent_with_ends(scores["auc"], "auc")
            areas = [f"{split}: area under the ROC curve {area}"]
        validated = f"AUC {best['val_auc']:.1%}, " if "val_auc" in best else ""
        found, majority = lines_of_classes(scores[self.level])
        return [
            f"validation: {validated}accuracy {best['val_accuracy']:.1%}, "
            f"macro F1 {best['val_f1']:.1%} (epoch {best['epoch']})",
            *areas,
            f"{split}: {found}",
            f"{split}: always predicting {majority}",
        ]

    def contents(self, run: Run) -> Contents:
        """Scores as a whole, by class, and of findings where these are known, with curves."""
        scores = run.evaluation[self.level]
        labels, probabilities = arrays_of(run.predictions, self.label_names)
        right = labels.argmax(axis=1) == probabilities.argmax(axis=1)
        drawn = {
            "confusion.png": figures.confusion_matrix(
                scores["confusion"], self.label_names
            ),
            "learning_curves.png": figures.learning_curves(
                run.epochs,
                run.evaluation["constant_prevalence_score"],
                run.evaluation["split"],
                "cross-entropy",
                _validation_scores(run.epochs),
            ),
            "roc.png": roc_of_classes(labels, probabilities, self.label_names),
            "calibration.png": figures.calibration(
                right,
                probabilities.max(axis=1),
                "share of right predictions",
                "predicted probability of the predicted class",
                "images",
            ),
            **area_figures(run.evaluation),
            **self.example_figures(run),
        }
        sections = [
            self._summary(run.evaluation),
            class_section("Per class", scores),
            Pictures(
                "Which classes are taken for which",
                {
                    "confusion.png": "Number of images, and below it the share of the true "
                    "class."
                },
            ),
            Pictures(
                "Training",
                {
                    "learning_curves.png": "Loss, and scores of the validation split, by "
                    "epoch."
                },
            ),
            Pictures(
                "How well each class is told from the others",
                {"roc.png": "ROC curve of each class against all others."},
            ),
            *finding_sections(run.evaluation),
            Pictures("Findings of each type and size", CAPTIONS),
            Pictures(
                "Whether probabilities mean what they say",
                {
                    "calibration.png": "Share of right predictions against the probability "
                    "of the predicted class, with intervals that take images as "
                    "independent; below, the number of images."
                },
            ),
            Pictures(
                "Examples",
                {
                    "examples.png": "The images of which the model was most certain, of each "
                    "true class in turn; bars are predicted probabilities."
                },
            ),
        ]
        amount = f"{scores['count']:,} images"
        if scores["patients"] not in (None, scores["count"]):
            amount += f" of {scores['patients']:,} patients or lesions"

        return Contents(amount, drawn, sections)

    def _summary(self, evaluation: Mapping) -> str:
        scores = evaluation[self.level]
        contents = [score_card(scores, score) for score in OVERALL]
        verdict = "above" if evaluation["beats_majority"] else "not wholly above"
        majority = card(
            f"always saying {scores['majority_label']}, the commonest class",
            f"{scores['majority_accuracy']:.1%}",
            f"accuracy's interval lies {verdict} it",
        )
        contents.insert(1, majority)
        return cards(
            "Summary", [*area_cards(evaluation), *contents, constant_card(evaluation)]
        )

    def choose_examples(self, predictions, per_group=None):
        """As in `Task`; the surest of each true class come before the second of any."""
        labels, probabilities = arrays_of(predictions, self.label_names)
        return of_each_class(
            predictions,
            labels.argmax(axis=1),
            probabilities.argmax(axis=1),
            probabilities.max(axis=1),
            self.examples_per_group if per_group is None else per_group,
        )

    def example_titles(self, labels, probabilities):
        return taken_for(
            *(
                [self.label_names[i] for i in each.argmax(axis=1)]
                for each in (labels, probabilities)
            )
        )


def lines_of_classes(scores: Mapping) -> tuple[str, str]:
    """What a log says of exclusive classes: scores, and what their commonest one would score."""
    found = ", ".join(
        f"{words} {percent_with_ends(scores, key)}"
        for key, words in SUMMARY_SCORES.items()
    )
    majority = f"{scores['majority_label']} would be right in {scores['majority_accuracy']:.1%}"
    return found, majority


def roc_of_classes(
    labels: np.ndarray, probabilities: np.ndarray, label_names: Sequence[str]
):
    """The figure of each class against the others; of two the second's curve alone."""
    # Of two classes, one has the other's curve turned round.
    mirrored = 1 if len(label_names) == 2 else 0
    return figures.roc_curves(
        labels[:, mirrored:], probabilities[:, mirrored:], label_names[mirrored:]
    )


def class_section(title: str, scores: Mapping) -> str:
    """A table of each class's scores with their intervals.

    Args:
        title: The section's title.
        scores: What `single_label_metrics` gives.

    Returns:
        HTML.
    """
    rows = {
        name: score_cells(label, PER_CLASS) for name, label in scores["labels"].items()
    }
    remarks = [
        f"<br>{escape(f'{name}: {reason}.')}"
        for name, label in scores["labels"].items()
        for reason in dict.fromkeys(label["undefined"].values())
    ]
    note = (
        "The most probable class is the predicted one. Below a score stands its 95% "
        f"interval, from the same draws as those above.{''.join(remarks)}"
    )
    return score_table(title, "class", PER_CLASS, rows, note)


def _validation_scores(epochs: Sequence[Mapping]) -> dict[str, str]:
    """The two validation scores that are drawn: what chose the best epoch is one."""
    if any(row.get("val_auc") is not None for row in epochs):
        return {"val_auc": "area under the ROC curve", "val_accuracy": "accuracy"}
    return {"val_accuracy": "accuracy", "val_f1": "F1, mean over classes"}
