"""Any number of labels per image, each with a probability of its own.

Reference: Barhoumi et al., "Efficient scopeformer", sections III.G and III.H.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.special import expit

from data_prep.labels import ANY
from keras_medformers.support.errors import UserError
from keras_medformers.tasks import TaskSpec
from training import figures
from training.report.frame import Contents, Pictures, Run
from training.report.page import cards, constant_card
from training.report.scores import Score, score_card, score_cells, score_table
from training.statistics.bootstrap import DRAWS
from training.statistics.predictions import arrays_of
from training.statistics.prevalence import constant_prevalence_score
from training.statistics.several_labels import multilabel_metrics
from training.statistics.studies import by_study
from training.tasks.base import (
    Task,
    improvement,
    notes_of_unseen,
    refuse_task_weights,
)
from training.tasks.examples import with_and_without
from training.tasks.losses import WeightedLogLoss, WeightedMultiLabelLogLoss
from training.tasks.words import IMAGES, Words, words_of

OUTPUT = "probabilities"

PER_LABEL = (
    Score("positives", "positives", "{:,}"),
    Score("log_loss", "log loss", "{:.4f}"),
    Score("accuracy", "accuracy", "{:.1%}"),
    Score("recall", "recall", "{:.1%}"),
    Score("specificity", "specificity", "{:.1%}"),
    Score("precision", "precision", "{:.1%}"),
    Score("f1", "F1", "{:.3f}"),
    Score("auroc", "AUROC", "{:.3f}"),
    Score("average_precision", "average precision", "{:.3f}"),
)

CONFUSION = {
    "true_positive": "TP",
    "false_positive": "FP",
    "false_negative": "FN",
    "true_negative": "TN",
}


class MultiLabel(Task):
    """Sigmoids under the weighted log loss; the best epoch has the lowest one on validation.

    Of data with a label for "at least one of the others" that one stands for them in
    summaries; else the mean over the labels does.

    Args:
        label_names: Names of the labels.
        label_weights: One weight per label in the loss; all the same by default.
        words: What the images are called.
        threshold: A probability at or above it counts as a positive prediction.
    """

    activation = "sigmoid"
    monitor = "val_log_loss"
    higher_is_better = False
    examples_per_group = 4

    def __init__(
        self,
        label_names: Sequence[str],
        label_weights: Sequence[float] = (),
        words: Words = IMAGES,
        threshold: float = 0.5,
    ):
        super().__init__(TaskSpec({OUTPUT: tuple(label_names)}, exclusive=False), words)
        self.stored_labels = self.exported_labels = self.label_names
        self.num_classes = len(self.label_names)
        self.label_weights = tuple(self.weights_of_labels(label_weights))
        self.threshold = threshold
        self.main_label = ANY if ANY in self.label_names else None

    @classmethod
    def of_run(cls, config):
        return cls(config.label_names, config.label_weights, words_of(config.modality))

    @classmethod
    def of_evaluation(cls, evaluation, words):
        threshold = evaluation.get(words.level, {}).get("threshold", 0.5)
        return cls(evaluation["label_names"], words=words, threshold=threshold)

    # Learning.

    def label_names_of(self, info):
        return tuple(info.label_names)

    def weights_of_labels(self, given):
        """The weights that were given, or as many of one."""
        return given or (1.0,) * len(self.label_names)

    def check_weights(self, label_weights, task_weights):
        if len(label_weights) != len(self.label_names):
            raise UserError(
                f"expected one label weight for each of {', '.join(self.label_names)}, "
                f"received label_weights={list(label_weights)}"
            )
        refuse_task_weights(task_weights)

    def labels(self, record):
        return record["labels"]

    def loss(self):
        return WeightedMultiLabelLogLoss(self.label_weights)

    def metrics(self):
        return [WeightedLogLoss(self.label_weights)]

    def probabilities(self, logits):
        return expit(np.asarray(logits, "float64"))

    def sureness(self, probabilities):
        if self.main_label is None:
            return probabilities
        main = np.array(self.label_names) == self.main_label
        return np.where(main, probabilities, -np.inf)

    def first_bias(self, prevalence, count):
        """Log odds of each label's share: where training starts, not at one half."""
        share = np.clip(prevalence, 0.5 / count, 1 - 0.5 / count)
        return np.log(share / (1 - share))

    def validation_scores(self, labels, probabilities):
        scores = multilabel_metrics(
            labels, probabilities, self.label_names, self.label_weights, draws=1
        )
        named = {
            key: scores[key]
            for key in ("log_loss", "accuracy", "weighted_accuracy", "recall")
        }
        for label, of_label in scores["labels"].items():
            named |= {
                f"{key}_{label}": of_label[key]
                for key in ("auroc", "accuracy", "recall")
            }
        return named

    # Scoring.

    def scores(
        self,
        labels: np.ndarray,
        probabilities: np.ndarray,
        ids: pd.DataFrame,
        train_prevalence: Sequence[float],
        *,
        study_rule: str = "max",
        draws: int = DRAWS,
        seed: int = 0,
    ) -> dict:
        """Scores per image, and per study where the data have studies.

        Args:
            labels: As in `evaluate`, like the next three.
            probabilities: See there.
            ids: See there.
            train_prevalence: See there.
            study_rule: How images become studies, see `by_study`.
            draws: Bootstrap draws.
            seed: Seed of the bootstrap.

        Returns:
            Under `level` what `multilabel_metrics` gives; of data with studies the same of
            them under `studies`, and `study_rule`; `train_prevalence`, `prevalence` (of this
            split), `constant_prevalence_score`, `improvement` (share of that score that the
            model's loss is below it; negative if it is above) and `notes`.
        """
        patients = ids["patient_id"].astype(str).to_numpy()
        images = self._metrics(labels, probabilities, patients, draws, seed)
        found = {self.level: images}

        study_ids = ids["study_id"].astype(str).to_numpy()
        # Where the data know no studies, each image's is named like its patient or group.
        if self.words.in_series or (study_ids != patients).any():
            studies = by_study(probabilities, labels, study_ids, study_rule)
            patients = patients[studies.first_rows]
            found["studies"] = self._metrics(
                studies.labels, studies.probabilities, patients, draws, seed
            )
            found["study_rule"] = study_rule

        prevalence = np.asarray(labels, "float64").mean(axis=0)
        constant_score = constant_prevalence_score(
            train_prevalence, self.label_weights, observed=prevalence
        )
        return found | {
            "train_prevalence": [float(share) for share in train_prevalence],
            "prevalence": prevalence.tolist(),
            "constant_prevalence_score": constant_score,
            "improvement": improvement(images["log_loss"], constant_score),
            "notes": notes_of_unseen(self.label_names, train_prevalence, prevalence),
        }

    def _metrics(self, labels, probabilities, patients, draws, seed) -> dict:
        return multilabel_metrics(
            labels,
            probabilities,
            self.label_names,
            self.label_weights,
            self.threshold,
            patients,
            draws,
            seed,
            main_label=self.main_label,
        )

    # Telling.

    @property
    def area_key(self) -> str:
        """Key of the area under the ROC curve that stands for all labels."""
        return f"auroc_{self.main_label}" if self.main_label else "auroc"

    @property
    def table_columns(self):
        """Scores in tables of runs."""
        area = f"AUROC of {self.main_label}" if self.main_label else "mean AUROC"
        return (
            Score("log_loss", "weighted log loss", "{:.4f}"),
            Score(self.area_key, area, "{:.3f}"),
            Score("accuracy", "accuracy", "{:.2%}"),
            Score("weighted_accuracy", "weighted accuracy", "{:.2%}"),
            Score("recall", "recall", "{:.2%}"),
        )

    def summary_lines(self, best, scores, info):
        trained, observed = (
            self.prevalence(info, split) for split in ("train", "validation")
        )
        constant = constant_prevalence_score(
            trained, self.label_weights, observed=observed
        )
        images = scores[self.level]
        return [
            f"validation: log loss {best['val_log_loss']:.4f} (epoch {best['epoch']}), "
            f"{1 - best['val_log_loss'] / constant:.1%} below the constant prevalence's "
            f"{constant:.4f}",
            f"{scores['split']}: log loss {images['log_loss']:.4f}, constant prevalence "
            f"{scores['constant_prevalence_score']:.4f}, accuracy {images['accuracy']:.1%}",
        ]

    def contents(self, run: Run) -> Contents:
        """Scores by label, per image and where there are studies per study, with curves."""
        evaluation, one, many = run.evaluation, self.words.one, self.words.many
        images, studies = evaluation[self.level], evaluation.get("studies")
        labels, probabilities = arrays_of(run.predictions, self.label_names)
        drawn = {
            "learning_curves.png": figures.learning_curves(
                run.epochs,
                evaluation["constant_prevalence_score"],
                evaluation["split"],
            ),
            "roc.png": figures.roc_curves(labels, probabilities, self.label_names),
            "precision_recall.png": figures.precision_recall_curves(
                labels, probabilities, self.label_names
            ),
            "calibration.png": self._calibration(labels, probabilities),
            **self.example_figures(run),
        }

        per_study = []
        if studies:
            rule = evaluation.get("study_rule", "max")
            title = f"Per study ({rule} over its {many})"
            per_study = [_label_section(title, studies)]
        bars = "bars are predicted probabilities."
        shown = f"{self.words.shown}; {bars}" if self.words.shown else bars
        of_one_label = f", per {one}," if self.main_label else ", all labels together,"
        sections = [
            self._summary(evaluation),
            _label_section(f"Per {one}", images),
            *per_study,
            Pictures("Training", {"learning_curves.png": "Loss by epoch."}),
            Pictures(
                "How well labels are told apart",
                {
                    "roc.png": f"ROC curve of each label, per {one}.",
                    "precision_recall.png": "Precision against recall of each label, "
                    f"per {one}.",
                },
            ),
            Pictures(
                "Whether probabilities mean what they say",
                {
                    "calibration.png": f"Observed against predicted share{of_one_label} "
                    f"with intervals that take {many} as independent; below, the number "
                    f"of {self._counted}."
                },
            ),
            Pictures("Examples", {"examples.png": shown[:1].upper() + shown[1:]}),
        ]
        amount = f"{images['count']:,} {many}"
        if studies:
            amount += f" of {studies['count']:,} studies"
        elif images["patients"] not in (None, images["count"]):
            amount += f" of {images['patients']:,} {self.words.group}s"
        return Contents(amount, drawn, sections)

    @property
    def _counted(self) -> str:
        return self.words.many if self.main_label else f"{self.words.many}' labels"

    def _calibration(self, labels, probabilities):
        """Of the main label; of all labels together where there is none."""
        if self.main_label:
            column, label = self.label_names.index(self.main_label), self.main_label
            labels, probabilities = labels[:, column], probabilities[:, column]
        else:
            label = "a label"
        return figures.calibration(
            labels.ravel(),
            probabilities.ravel(),
            f"share with {label}",
            f"predicted probability of {label}",
            self._counted,
        )

    def _summary(self, evaluation: Mapping) -> str:
        area = (
            f"AUROC of {self.main_label}"
            if self.main_label
            else "AUROC, mean over labels"
        )
        shown = (
            Score("log_loss", "weighted log loss", "{:.4f}"),
            Score(self.area_key, area, "{:.3f}"),
            Score("accuracy", "accuracy, mean over labels", "{:.1%}"),
            Score("weighted_accuracy", "weighted accuracy", "{:.1%}"),
            Score("recall", "recall, mean over labels", "{:.1%}"),
        )
        contents = [score_card(evaluation[self.level], score) for score in shown]
        contents.insert(1, constant_card(evaluation))
        return cards(f"Summary, per {self.words.one}", contents)

    def choose_examples(self, predictions, per_group=None):
        """As in `Task`; half of each group are images with the main label, or with any."""
        labels, probabilities = arrays_of(predictions, self.label_names)
        if self.main_label:
            column = self.label_names.index(self.main_label)
            labels, probabilities = labels[:, [column]], probabilities[:, [column]]

        margins = np.abs(probabilities - self.threshold)
        rights = (labels == 1) == (probabilities >= self.threshold)
        right = rights.all(axis=1)
        # As sure as of the least sure label where all are right, else as of the worst fault.
        confidence = np.where(
            right, margins.min(axis=1), np.where(rights, 0, margins).max(axis=1)
        )
        return with_and_without(
            predictions,
            (labels == 1).any(axis=1),
            right,
            confidence,
            self.examples_per_group if per_group is None else per_group,
        )


def _label_section(title: str, scores: Mapping) -> str:
    rows = {
        name: score_cells(label, PER_LABEL)
        + "".join(f"<td>{label['confusion'][key]:,}</td>" for key in CONFUSION)
        for name, label in scores["labels"].items()
    }
    note = (
        f"{scores['count']:,} in all; a probability of {scores['threshold']:g} or more "
        f"counts as positive. Weighted log loss {scores['log_loss']:.4f}."
    )
    return score_table(title, "label", PER_LABEL, rows, note, tuple(CONFUSION.values()))
