"""What every task has: how it is learned, scored and told of.

A task is asked for everything that depends on what is learned; nobody asks for its name.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from keras_medformers.support.errors import UserError
from keras_medformers.tasks import TaskSpec
from training.figures import Example, example_sheet
from training.report.frame import Contents, Run
from training.report.scores import Score
from training.statistics.predictions import arrays_of
from training.statistics.prevalence import PROBABILITY_MARGIN
from training.tasks.words import IMAGES, Words


class Task:
    """What is learned.

    A subclass says what stands here without a body, and the attributes that are only
    named here.

    Args:
        spec: What the network's outputs say.
        words: What the images are called.

    Attributes:
        activation: What an export puts on top of the logits.
        monitor: Key of an epoch's row that tells which epoch is the best.
        higher_is_better: Whether it is the one with the highest value.
        stored_labels: Labels of the records that are read.
        num_classes: As models take it.
        exported_labels: As an export takes it.
        table_columns: Scores in tables of runs.
        table_note: What to know about them.
        examples_per_group: How many right and how many wrong images a report shows.
        positive_label: Of two classes the one that the other is told from by rank, in
            `predictions.csv`; None where there is no such pair.
        threshold: From which probability on a label is taken as present; None where the
            likeliest one is.
    """

    activation: str
    monitor: str
    higher_is_better: bool
    stored_labels: Sequence[str]
    num_classes: int | Mapping[str, int]
    exported_labels: Sequence[str] | Mapping[str, Sequence[str]]
    table_columns: Sequence[Score]
    table_note = ""
    examples_per_group = 8
    positive_label: str | None = None
    threshold: float | None = None

    def __init__(self, spec: TaskSpec, words: Words = IMAGES):
        self.spec = spec
        self.words = words
        self.label_names = spec.label_names

    @classmethod
    def of_run(cls, config) -> "Task":
        """The task of a run's `Config`.

        Raises:
            UserError: If its model cannot learn it.
        """
        raise NotImplementedError

    @classmethod
    def of_evaluation(cls, evaluation: Mapping, words: Words) -> "Task":
        """The task of a content of `evaluation.json`.

        Raises:
            ValueError: If it cannot be told from that.
        """
        raise NotImplementedError

    @property
    def name(self) -> str:
        """Its name in configurations and results."""
        return self.spec.name

    @property
    def level(self) -> str:
        """Key of `evaluation.json` under which the scores over all images stand."""
        return self.words.level

    # Learning.

    def label_names_of(self, info) -> tuple[str, ...]:
        """Names of the labels that a network learns from records.

        Raises:
            UserError: If the records do not have what it learns from.
        """
        raise NotImplementedError

    @classmethod
    def why_no_label_weights(cls, label_names: Sequence[str]) -> str:
        """Why these labels have no weights in the loss; "" where they have."""
        return ""

    def weights_of_labels(self, given: Sequence[float]) -> Sequence[float]:
        """`Config.label_weights` of a run for which these were given."""
        return given

    def check_weights(
        self, label_weights: Sequence[float], task_weights: Sequence[float]
    ) -> None:
        """Looks whether a `Config`'s weights fit the task.

        Raises:
            UserError: If they do not.
        """
        raise NotImplementedError

    def labels(self, record):
        """The labels of a parsed record, a column each; for TensorFlow's graphs."""
        raise NotImplementedError

    def with_one_output(self, model):
        """The model with all logits side by side; it shares the weights."""
        return model

    def loss(self):
        """The Keras loss of logits."""
        raise NotImplementedError

    def metrics(self):
        """Keras metrics of logits on what is trained on."""
        raise NotImplementedError

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Probabilities of logits `(..., labels)`, float64 of the same shape."""
        raise NotImplementedError

    def answer(self, probabilities: np.ndarray) -> np.ndarray:
        """Column of the label that a picture shows by default, shape `(n,)`."""
        return np.argmax(probabilities, axis=-1)

    def answers_by_task(self, probabilities: np.ndarray) -> dict[str, np.ndarray]:
        """Columns of the likeliest labels by output; -1 where an output says nothing."""
        return {"label": self.answer(probabilities)}

    def sureness(self, probabilities: np.ndarray) -> np.ndarray:
        """How sure it is that an image shows each label, for the one that a report shows.

        Returns:
            Shape `(n, labels)`; minus infinity for labels that it does not look for.
        """
        return probabilities

    def first_bias(self, prevalence: np.ndarray, count: int) -> np.ndarray | None:
        """Biases with which training starts; None for the model's own.

        Args:
            prevalence: What `prevalence` gives for what is trained on.
            count: Its number of images.
        """
        return None

    def prevalence(self, info, split: str = "train") -> np.ndarray:
        """Share of images with each label, among those that have one of its output."""
        positives = info.positives(split)
        shares = [positives[name] for name in self.label_names]
        return np.array(shares) / info.count(split)

    def validation_scores(
        self, labels: np.ndarray, probabilities: np.ndarray
    ) -> dict[str, float | None]:
        """Scores of an epoch by name; None where one cannot be had."""
        raise NotImplementedError

    # Scoring.

    def evaluate(
        self,
        labels: np.ndarray,
        probabilities: np.ndarray,
        ids: pd.DataFrame,
        train_prevalence: Sequence[float],
        *,
        dataset: str,
        split: str = "test",
        records: str = "",
        notes: Sequence[str] = (),
        **drawing,
    ) -> dict:
        """Scores predictions against what always predicting the prevalence would score.

        Args:
            labels: 0 or 1, shape `(n, labels)`.
            probabilities: Same shape.
            ids: The columns of `training.statistics.predictions.ID_COLUMNS` and others,
                one row per image; patients are resampled for intervals.
            train_prevalence: Share of each label in the training split.
            dataset: Name of the data set.
            split: Name of the split that is scored.
            records: Folder of the records that were read.
            notes: What a reader has to know, such as "trained on phantoms".
            **drawing: Arguments of `scores`: `draws` and `seed` of the bootstrap, and the
                task's own.

        Returns:
            The content of `evaluation.json`: `task`, `dataset`, `split`, `records`,
            `label_names`, what `scores` gives, and `notes`.
        """
        scores = self.scores(labels, probabilities, ids, train_prevalence, **drawing)
        own_notes = scores.pop("notes")
        return {
            "task": self.name,
            "dataset": dataset,
            "split": split,
            "records": str(records),
            "label_names": list(self.label_names),
            **scores,
            "notes": [*notes, *own_notes],
        }

    def scores(
        self,
        labels: np.ndarray,
        probabilities: np.ndarray,
        ids: pd.DataFrame,
        train_prevalence: Sequence[float],
        **drawing,
    ) -> dict:
        """The task's own part of `evaluate`, with its own `notes`."""
        raise NotImplementedError

    # Telling.

    def summary_lines(self, best: Mapping, scores: Mapping, info) -> list[str]:
        """What a log says at the end of a run.

        Args:
            best: The row of `metrics.jsonl` of the epoch whose weights were kept.
            scores: The content of `evaluation.json`.
            info: `DatasetInfo` of the records.
        """
        raise NotImplementedError

    def contents(self, run: Run) -> Contents:
        """What a report says of a run."""
        raise NotImplementedError

    def choose_examples(
        self, predictions: pd.DataFrame, per_group: int | None = None
    ) -> dict[str, list[str]]:
        """Images on which the model was most sure, right and wrong; no two are of one study.

        Args:
            predictions: The table of `predictions.csv`.
            per_group: Most images in a group; `examples_per_group` if not given.

        Returns:
            Source ids by the group's title.
        """
        raise NotImplementedError

    def example_titles(
        self, labels: np.ndarray, probabilities: np.ndarray
    ) -> list[str]:
        """What stands below the id of each image that a report shows; empty for nothing."""
        return [""] * len(labels)

    def example_figures(self, run: Run) -> dict[str, Figure]:
        """The sheet of examples among the run's images by its file name; none without images."""
        table = run.predictions
        table = table[table["source_id"].isin(list(run.images))]
        labels, probabilities = arrays_of(table, self.label_names)
        said = self.example_titles(labels, probabilities)
        rows = {source_id: i for i, source_id in enumerate(table["source_id"])}

        def example(source_id: str) -> Example:
            row = rows[source_id]
            title = "\n".join(filter(None, (source_id, said[row])))
            return Example(
                title, run.images[source_id], labels[row], probabilities[row]
            )

        examples = {
            title: [example(source_id) for source_id in ids]
            for title, ids in self.choose_examples(table).items()
        }
        if not any(examples.values()):
            return {}
        sheet = example_sheet(examples, self.label_names, self.threshold)
        return {"examples.png": sheet}


def improvement(loss: float, constant_score: float) -> float | None:
    """Share of the constant prevalence's score that a loss is below it; negative if above."""
    return 1 - loss / constant_score if constant_score > 0 else None


def notes_of_unseen(
    label_names: Sequence[str],
    train_prevalence: Sequence[float],
    prevalence: Sequence[float],
) -> list[str]:
    """The note on labels that are scored here and never occurred in training; else none."""
    unseen = [
        name
        for name, trained, observed in zip(
            label_names, train_prevalence, prevalence, strict=True
        )
        if trained <= PROBABILITY_MARGIN and observed > 0
    ]
    if not unseen:
        return []
    return [f"constant score inflated: no training positives of {', '.join(unseen)}"]


def refuse_task_weights(task_weights: Sequence[float]) -> None:
    """Raises UserError if a model of one task was given weights of several."""
    if task_weights:
        raise UserError(
            "expected task_weights: none for a model of one task, "
            f"received {list(task_weights)}"
        )


def percent_with_ends(scores: Mapping, key: str) -> str:
    """A score in percent with the ends of its interval, where it has one."""
    interval = scores[f"{key}_interval"]
    if interval["low"] is None:
        return f"{scores[key]:.1%}"
    return f"{scores[key]:.1%} ({interval['low']:.1%} to {interval['high']:.1%})"
