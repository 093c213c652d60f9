"""Several outputs learned together, of each of which exactly one label holds.

Reference: Fan et al., DTViT, sections 2.3, 3.1 to 3.3, equations (1) to (6), Table 3, Figs. 3
and 4: hemorrhage or not, and its location. Equation (6) is misprinted: specificity is
TN / (TN + FP).
"""

from collections.abc import Mapping, Sequence

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from scipy.special import softmax

from keras_medformers import registry
from keras_medformers.support.errors import UserError
from keras_medformers.tasks import TaskSpec, spec_of_labels, spec_of_outputs
from training.report.frame import Contents, Run
from training.report.scores import Score
from training.statistics.bootstrap import DRAWS, cluster_indices, percentile_intervals
from training.statistics.exclusive_classes import single_label_metrics
from training.statistics.predictions import arrays_of
from training.statistics.prevalence import PROBABILITY_MARGIN
from training.tasks.base import Task, improvement
from training.tasks.examples import of_each_class, taken_for
from training.tasks.multi_task_losses import MultiTaskLoss, OutputAccuracy, OutputLoss
from training.tasks.multi_task_report import multi_task_contents
from training.tasks.single_label import (
    SingleLabel,
    lines_of_classes,
)
from training.tasks.words import IMAGES, Words, words_of

VALIDATION_SCORES = ("log_loss", "accuracy", "f1", "precision", "recall", "specificity")


class MultiTask(Task):
    """A softmax per output, cross-entropies summed; the best epoch has the lowest sum.

    Args:
        spec: What the outputs say. Images of which an output says nothing, since it depends
            on another, do not count for it.
        task_weights: Weight of each output in the loss; all the same by default.
        words: What the images are called.
    """

    activation = "softmax"
    monitor = "val_log_loss"
    higher_is_better = False
    table_note = SingleLabel.table_note

    def __init__(
        self,
        spec: TaskSpec,
        task_weights: Sequence[float] = (),
        words: Words = IMAGES,
    ):
        super().__init__(spec, words)
        self.num_classes = {name: len(labels) for name, labels in spec.outputs.items()}
        self.exported_labels = dict(spec.outputs)
        self.stored_labels = tuple(
            spec.stored_as.get(output, output) for output in spec.outputs
        )
        self.task_weights = tuple(task_weights or (1.0,) * len(spec.outputs))

    @classmethod
    def of_model(cls, model: str, task_weights=(), words=IMAGES) -> "MultiTask":
        """What a registered model of several outputs learns.

        Raises:
            UserError: If it has one output, or outputs that nobody has registered.
        """
        outputs = registry.list_tasks(model)
        try:
            return cls(spec_of_outputs(outputs), task_weights, words)
        except ValueError as error:
            raise UserError(f"model {model!r}: {error}") from error

    @classmethod
    def of_run(cls, config):
        words = words_of(config.modality)
        return cls.of_model(config.model, config.task_weights, words)

    @classmethod
    def of_evaluation(cls, evaluation, words):
        return cls(spec_of_labels(evaluation["label_names"]), words=words)

    # Learning.

    def label_names_of(self, info):
        known = {*info.label_names, *info.extra_label_names}
        if not known.issuperset(self.stored_labels):
            needed = " and ".join(map(repr, self.stored_labels))
            raise UserError(
                f"expected records with the labels {needed}, from which "
                f"{' and '.join(self.spec.outputs)} are learned; {info.dataset} in "
                f"{info.records_dir} has {', '.join(info.label_names)}"
            )
        return self.label_names

    def check_weights(self, label_weights, task_weights):
        if label_weights:
            raise UserError(
                "expected no label weights for a model of several tasks, which "
                f"task_weights weighs; received label_weights={list(label_weights)}"
            )
        if len(task_weights) not in (0, len(self.spec.outputs)):
            raise UserError(
                f"expected task_weights: a weight for each of "
                f"{', '.join(self.spec.outputs)}, received {list(task_weights)}"
            )

    def labels(self, record):
        """As in `Task`; all 0 in the columns of an output that the image has no label of."""
        stored = tf.cast(record["labels"], "int32")
        indices = {}
        for column, output in enumerate(self.spec.outputs):
            indices[output] = stored[column]
            if output in self.spec.depends_on:
                other, label = self.spec.depends_on[output]
                holds = indices[other] == self.spec.outputs[other].index(label)
                indices[output] = tf.where(holds, indices[output], -1)

        return tf.concat(
            [
                tf.one_hot(index, self.num_classes[output])
                for output, index in indices.items()
            ],
            axis=0,
        )

    def with_one_output(self, model):
        logits = [model.output[output] for output in self.spec.outputs]
        joined = keras.layers.Concatenate(dtype="float32", name="logits")(logits)
        return keras.Model(model.input, joined, name=model.name)

    def loss(self):
        return MultiTaskLoss(tuple(self.num_classes.values()), self.task_weights)

    def metrics(self):
        return [
            metric(output, self.spec.columns(output))
            for output in self.spec.outputs
            for metric in (OutputLoss, OutputAccuracy)
        ]

    def probabilities(self, logits):
        logits = np.asarray(logits, "float64")
        parts = [
            softmax(logits[..., self.spec.columns(output)], axis=-1)
            for output in self.spec.outputs
        ]
        return np.concatenate(parts, axis=-1)

    def answer(self, probabilities):
        """As in `Task`: of the last output that says something."""
        shown = None
        for columns in self.answers_by_task(probabilities).values():
            shown = columns if shown is None else np.where(columns >= 0, columns, shown)
        return shown

    def answers_by_task(self, probabilities):
        return {
            output: np.where(answer >= 0, self.spec.columns(output).start + answer, -1)
            for output, answer in self.spec.answers(probabilities).items()
        }

    def sureness(self, probabilities):
        """Of outputs that depend on another, both together; of all outputs if none does."""
        if not self.spec.depends_on:
            return probabilities
        sure = np.full(probabilities.shape, -np.inf)
        for output, (other, label) in self.spec.depends_on.items():
            columns = self.spec.columns(output)
            condition = self.spec.column_of(other, label)
            sure[:, columns] = probabilities[:, [condition]] * probabilities[:, columns]
        return sure

    def prevalence(self, info, split="train"):
        shares = []
        for stored, labels in zip(
            self.stored_labels, self.spec.outputs.values(), strict=True
        ):
            if stored in info.label_names:
                count, positives = info.count(split), info.positives(split)[stored]
                shares += [1 - positives / count, positives / count]
            else:
                by_value = info.splits[split]["extra_labels"][stored]
                counts = [by_value.get(str(i), 0) for i in range(len(labels))]
                shares += [count / max(sum(counts), 1) for count in counts]
        return np.array(shares)

    def validation_scores(self, labels, probabilities):
        """As in `Task`; an output that no image has a label of has none."""
        scores = {"log_loss": 0.0}
        for output, weight in self._weights().items():
            columns = self.spec.columns(output)
            rows = labels[:, columns].sum(axis=1) == 1
            if rows.any():
                of_output = single_label_metrics(
                    labels[rows, columns],
                    probabilities[rows, columns],
                    self.spec.outputs[output],
                    draws=1,
                )
                scores["log_loss"] += weight * of_output["log_loss"]
                scores |= {
                    f"{output}_{key}": of_output[key] for key in VALIDATION_SCORES
                }
        return scores

    def _weights(self) -> dict[str, float]:
        return dict(zip(self.spec.outputs, self.task_weights, strict=True))

    # Scoring.

    def scores(
        self,
        labels: np.ndarray,
        probabilities: np.ndarray,
        ids: pd.DataFrame,
        train_prevalence: Sequence[float],
        *,
        draws: int = DRAWS,
        seed: int = 0,
    ) -> dict:
        """Scores each output over the images that have a label of it, and all together.

        Args:
            labels: As in `evaluate`, like the next three.
            probabilities: See there.
            ids: See there.
            train_prevalence: Of each output among the images that have a label of it.
            draws: Bootstrap draws.
            seed: Seed of the bootstrap.

        Returns:
            Under `level`: `count`, `patients`, `accuracy` (share of images of which
            everything is right) and `log_loss` (weighted sum of the outputs'), with
            intervals; by output what `SingleLabel.scores_of_classes` gives, but for an
            output that no image has a label of; `constant_prevalence_score` (weighted sum),
            `improvement` and `notes`.
        """
        labels, probabilities = np.asarray(labels), np.asarray(probabilities, "float64")
        train_prevalence = np.asarray(train_prevalence)
        parts, notes, losses = {}, [], {}
        for output, names in self.spec.outputs.items():
            columns = self.spec.columns(output)
            rows = labels[:, columns].sum(axis=1) == 1
            losses[output] = (
                rows,
                _losses(labels[:, columns], probabilities[:, columns]),
            )
            if not rows.any():
                notes.append(
                    f"no {self.words.one} of this split has a label of {output}, "
                    "which is not scored"
                )
                continue
            scores, others = SingleLabel(names).scores_of_classes(
                labels[rows, columns],
                probabilities[rows, columns],
                ids[rows],
                train_prevalence[columns],
                draws,
                seed,
            )
            notes += [f"{output}: {note}" for note in others.pop("notes")]
            parts[output] = scores | others

        weights = self._weights()
        constant_score = sum(
            weights[output] * part["constant_prevalence_score"]
            for output, part in parts.items()
        )
        together = self._together(
            labels, probabilities, losses, ids["patient_id"], draws, seed
        )
        return {
            self.level: together,
            **parts,
            "constant_prevalence_score": constant_score,
            "improvement": improvement(together["log_loss"], constant_score),
            "notes": notes,
        }

    def _together(
        self, labels, probabilities, losses, patient_ids, draws, seed
    ) -> dict:
        """Scores of all outputs at once, with intervals from the same draws of patients."""
        patients = cluster_indices(patient_ids.astype(str), len(labels))
        true, said = self.spec.truth(labels), self.spec.answers(probabilities)
        # An image without a label of an output counts by the others alone.
        right = np.all(
            [
                (true[output] == said[output]) | (true[output] < 0)
                for output in self.spec.outputs
            ],
            axis=0,
        )
        sizes, rights = np.bincount(patients), np.bincount(patients, weights=right)
        sums = {
            output: (
                np.bincount(patients, weights=rows),
                np.bincount(patients, weights=of_output),
            )
            for output, (rows, of_output) in losses.items()
            if rows.any()
        }
        weights = self._weights()

        def scores_of(drawn):
            with np.errstate(invalid="ignore", divide="ignore"):
                means = [
                    weights[output] * (drawn @ total) / (drawn @ rows)
                    for output, (rows, total) in sums.items()
                ]
            return {
                "accuracy": (drawn @ rights) / (drawn @ sizes),
                "log_loss": np.sum(means, axis=0),
            }

        values = scores_of(np.ones((1, len(sizes))))
        intervals = percentile_intervals(
            scores_of, patients, "group", draws=draws, seed=seed
        )
        return {
            "count": len(labels),
            "patients": len(sizes),
            **{key: float(of_key[0]) for key, of_key in values.items()},
            **{f"{key}_interval": interval for key, interval in intervals.items()},
        }

    # Telling.

    @property
    def table_columns(self):
        """Scores in tables of runs."""
        how_many = {2: "both", 3: "all three"}.get(len(self.spec.outputs), "all")
        return (
            Score("accuracy", f"accuracy of {how_many} tasks", "{:.2%}"),
            *(
                Score(f"{output}.{key}", f"{output}: {name}", "{:.2%}")
                for output in self.spec.outputs
                for key, name in (
                    ("accuracy", "accuracy"),
                    ("f1", "F1"),
                    ("precision", "precision"),
                    ("recall", "recall"),
                    ("specificity", "specificity"),
                    ("majority_accuracy", "commonest class"),
                )
            ),
            Score("log_loss", "sum of log losses", "{:.4f}"),
        )

    def summary_lines(self, best, scores, info):
        outputs = [output for output in self.spec.outputs if output in scores]
        validated = [f"{name} {best[f'val_{name}_accuracy']:.1%}" for name in outputs]
        lines = [
            f"validation: accuracy of {', of '.join(validated)} (epoch {best['epoch']})"
        ]
        for output in outputs:
            found, majority = lines_of_classes(scores[output])
            lines += [
                f"{scores['split']}, {output}: {found}",
                f"{scores['split']}, {output}: always saying {majority}",
            ]
        return lines

    def contents(self, run: Run) -> Contents:
        """Scores of each output, as a whole and by class, with their curves."""
        return multi_task_contents(self, run)

    def choose_examples(self, predictions, per_group=None):
        """As in `Task`; all outputs together are taken as classes that exclude each other."""
        labels, probabilities = arrays_of(predictions, self.label_names)
        said = self.spec.answers(probabilities)
        confidence = np.ones(len(labels))
        for output, answer in said.items():
            highest = probabilities[:, self.spec.columns(output)].max(axis=1)
            confidence = confidence * np.where(answer >= 0, highest, 1)
        return of_each_class(
            predictions,
            self._joint_classes(self.spec.truth(labels)),
            self._joint_classes(said),
            confidence,
            self.examples_per_group if per_group is None else per_group,
        )

    def _joint_classes(self, of_outputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """A class for each combination of labels; one without a label of an output is last."""
        joint = 0
        for output, labels in self.spec.outputs.items():
            joint = joint * (len(labels) + 1) + of_outputs[output] % (len(labels) + 1)
        return joint

    def example_titles(self, labels, probabilities):
        return taken_for(
            self._joint_names(self.spec.truth(labels)),
            self._joint_names(self.spec.answers(probabilities)),
        )

    def _joint_names(self, of_outputs: Mapping[str, np.ndarray]) -> list[str]:
        count = len(next(iter(of_outputs.values())))
        return [
            ", ".join(
                labels[of_outputs[output][row]]
                for output, labels in self.spec.outputs.items()
                if of_outputs[output][row] >= 0
            )
            for row in range(count)
        ]


def _losses(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Cross-entropy of each image, 0 where it has no label."""
    likelihood = (labels * probabilities).sum(axis=1)
    return -np.log(np.clip(likelihood, PROBABILITY_MARGIN, 1)) * labels.sum(axis=1)
