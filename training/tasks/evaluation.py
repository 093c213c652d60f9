"""What `predictions.csv` and `evaluation.json` of a run folder hold."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from keras_medformers.support.whole_files import write_json
from training.statistics.auc import AUC_DRAWS
from training.statistics.bootstrap import DRAWS
from training.statistics.exclusive_classes import single_label_metrics
from training.statistics.finding_scores import area_scores
from training.statistics.prevalence import (
    LABEL_WEIGHTS,
    PROBABILITY_MARGIN,
    constant_prevalence_score,
)
from training.statistics.several_labels import multilabel_metrics
from training.statistics.studies import by_study

MULTILABEL, SINGLE_LABEL, DUAL_TASK = "multilabel", "single_label", "dual_task"
"""Tasks: any number of labels per image, each with a probability of its own; exactly one of them; or
hemorrhage and its location, see `training.tasks.two_tasks`."""

ID_COLUMNS = ("source_id", "patient_id", "study_id", "series_id", "position_mm")

EXTRA = "extra_"
"""How columns begin that hold what else the records say of an image, such as the type of its finding."""


def predictions_frame(
    ids: pd.DataFrame,
    labels: np.ndarray,
    probabilities: np.ndarray,
    label_names: Sequence[str],
) -> pd.DataFrame:
    """The table of `predictions.csv`: one row per image.

    Args:
        ids: Columns `source_id`, `patient_id`, `study_id`, `series_id` and `position_mm`, and those that
            begin with `EXTRA`; others are left out.
        labels: 0 or 1, shape `(n, labels)`; one-hot where classes exclude each other.
        probabilities: Shape `(n, labels)`.
        label_names: Names of the columns of both.

    Returns:
        The id columns, the extra ones, then `label_<name>` for each label, then `probability_<name>`.

    Raises:
        ValueError: If an id column is absent.
    """
    absent = [column for column in ID_COLUMNS if column not in ids]
    if absent:
        raise ValueError(
            f"`ids` must have the columns {', '.join(ID_COLUMNS)}. Absent: {', '.join(absent)}"
        )
    extra = [column for column in ids if column.startswith(EXTRA)]
    table = ids.loc[:, [*ID_COLUMNS, *extra]].reset_index(drop=True)
    label_table = pd.DataFrame(
        np.asarray(labels).astype("int64"),
        columns=[f"label_{name}" for name in label_names],
    )
    probability_table = pd.DataFrame(
        probabilities, columns=[f"probability_{name}" for name in label_names]
    )
    return pd.concat([table, label_table, probability_table], axis=1)


def read_predictions(path: str | Path) -> tuple[pd.DataFrame, list[str]]:
    """Reads `predictions.csv`.

    Returns:
        The table, and the label names in its order.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it has not the columns of `predictions_frame`.
    """
    table = pd.read_csv(
        path,
        dtype={column: str for column in ID_COLUMNS if column != "position_mm"},
        keep_default_na=False,  # an id may read "NA"
        na_values={"position_mm": [""]},
    )
    label_names = [
        column.removeprefix("label_") for column in table if column.startswith("label_")
    ]
    needed = [*ID_COLUMNS, *(f"probability_{name}" for name in label_names)]
    absent = [column for column in needed if column not in table]
    if absent or not label_names:
        raise ValueError(
            f"{path} is not a table of predictions. Absent: {', '.join(absent) or 'label_<name>'}"
        )
    return table, label_names


def arrays_of(
    table: pd.DataFrame, label_names: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities of a table of predictions, both of shape `(n, labels)`."""
    return (
        table[[f"label_{name}" for name in label_names]].to_numpy("int64"),
        table[[f"probability_{name}" for name in label_names]].to_numpy("float64"),
    )


def evaluate_predictions(
    labels: np.ndarray,
    probabilities: np.ndarray,
    ids: pd.DataFrame,
    label_names: Sequence[str],
    train_prevalence: Sequence[float],
    *,
    dataset: str,
    split: str = "test",
    records: str = "",
    label_weights: Sequence[float] = LABEL_WEIGHTS,
    threshold: float = 0.5,
    study_rule: str = "max",
    notes: Sequence[str] = (),
    draws: int = DRAWS,
    seed: int = 0,
) -> dict:
    """Scores predictions per slice and per study against what always predicting the prevalence would score.

    Args:
        labels: 0 or 1, shape `(n, labels)`.
        probabilities: Shape `(n, labels)`.
        ids: The columns of `ID_COLUMNS`, one row per slice.
        label_names: Names of the labels.
        train_prevalence: Share of positive slices per label in the training split.
        dataset: Name of the data set.
        split: Name of the split that is scored.
        records: Folder of the records that were read.
        label_weights: One weight per label.
        threshold: A probability at or above it counts as a positive prediction.
        study_rule: How slices become studies, see `by_study`.
        notes: What a reader has to know, such as "trained on phantoms".
        draws: Bootstrap draws.
        seed: Seed of the bootstrap.

    Returns:
        The content of `evaluation.json`: `task` ("multilabel"), `dataset`, `split`, `records`, `label_names`,
        `slices` and `studies` (see `multilabel_metrics`), `study_rule`, `train_prevalence`, `prevalence` (of
        this split), `constant_prevalence_score`, `improvement` (share of that score that the model's loss is
        below it; negative if it is above) and `notes`.
    """
    scoring = {
        "label_weights": label_weights,
        "threshold": threshold,
        "draws": draws,
        "seed": seed,
    }
    patients = ids["patient_id"].astype(str).to_numpy()
    slices = multilabel_metrics(
        labels, probabilities, label_names, patient_ids=patients, **scoring
    )
    studies = by_study(
        probabilities, labels, ids["study_id"].astype(str).to_numpy(), study_rule
    )
    prevalence = np.asarray(labels, "float64").mean(axis=0)
    constant_score = constant_prevalence_score(
        train_prevalence, label_weights, observed=prevalence
    )
    return {
        "task": MULTILABEL,
        "dataset": dataset,
        "split": split,
        "records": str(records),
        "label_names": list(label_names),
        "slices": slices,
        "studies": multilabel_metrics(
            studies.labels,
            studies.probabilities,
            label_names,
            patient_ids=patients[studies.first_rows],
            **scoring,
        ),
        "study_rule": study_rule,
        "train_prevalence": [float(share) for share in train_prevalence],
        "prevalence": prevalence.tolist(),
        "constant_prevalence_score": constant_score,
        "improvement": 1 - slices["log_loss"] / constant_score
        if constant_score > 0
        else None,
        "notes": [*notes, *_unseen_labels(label_names, train_prevalence, prevalence)],
    }


def evaluate_single_label(
    labels: np.ndarray,
    probabilities: np.ndarray,
    ids: pd.DataFrame,
    label_names: Sequence[str],
    train_prevalence: Sequence[float],
    *,
    dataset: str,
    split: str = "test",
    records: str = "",
    notes: Sequence[str] = (),
    draws: int = DRAWS,
    auc_draws: int = AUC_DRAWS,
    seed: int = 0,
) -> dict:
    """Scores predictions of exclusive classes against the majority class and the constant prevalence.

    Args:
        labels: One-hot, shape `(n, classes)`, or class indices, shape `(n,)`.
        probabilities: Shape `(n, classes)`; each row sums to 1.
        ids: The columns of `ID_COLUMNS`, one row per image; `patient_id` is the group that is resampled. Of
            two classes also those of `training.statistics.finding_scores`, where they are known.
        label_names: Names of the classes.
        train_prevalence: Share of each class in the training split.
        dataset: Name of the data set.
        split: Name of the split that is scored.
        records: Folder of the records that were read.
        notes: What a reader has to know, such as "trained on phantoms".
        draws: Bootstrap draws.
        auc_draws: The like for the area under the ROC curve.
        seed: Seed of the bootstrap.

    Returns:
        The content of `evaluation.json`: `task` ("single_label"), `dataset`, `split`, `records`,
        `label_names`, `images` (see `single_label_metrics`), `auc` (of two classes alone, the second against
        the first; see `training.statistics.finding_scores.area_scores`), `beats_majority` (whether
        accuracy's whole interval lies above the share of the commonest class of this split),
        `train_prevalence`, `prevalence` (of this split),
        `constant_prevalence_score` (log loss of always predicting the training split's
        shares), `improvement` (share of that score that the model's loss is below it; negative if it is
        above) and `notes`.
    """
    groups = ids["patient_id"].astype(str).to_numpy()
    images = single_label_metrics(
        labels, probabilities, label_names, groups, draws=draws, seed=seed
    )
    areas = {}
    if len(label_names) == 2:
        positive = (
            np.asarray(labels)[:, 1] if np.ndim(labels) == 2 else np.asarray(labels)
        )
        area_options = {"draws": auc_draws, "seed": seed}
        areas["auc"] = area_scores(
            positive, probabilities[:, 1], ids, label_names[1], **area_options
        )
    prevalence = [
        images["labels"][name]["support"] / images["count"] for name in label_names
    ]
    predicted = np.clip(np.asarray(train_prevalence, "float64"), PROBABILITY_MARGIN, 1)
    constant_score = float(-np.sum(prevalence * np.log(predicted)))
    lowest_accuracy = images["accuracy_interval"]["low"]
    return {
        "task": SINGLE_LABEL,
        "dataset": dataset,
        "split": split,
        "records": str(records),
        "label_names": list(label_names),
        "images": images,
        **areas,
        "beats_majority": lowest_accuracy is not None
        and lowest_accuracy > images["majority_accuracy"],
        "train_prevalence": [float(share) for share in train_prevalence],
        "prevalence": prevalence,
        "constant_prevalence_score": constant_score,
        "improvement": 1 - images["log_loss"] / constant_score
        if constant_score > 0
        else None,
        "notes": [*notes, *_unseen_labels(label_names, train_prevalence, prevalence)],
    }


def write_evaluation(run_dir: str | Path, evaluation: dict) -> Path:
    """Writes `evaluation.json` into the run folder, whole or not at all, and returns its path."""
    path = Path(run_dir) / "evaluation.json"
    write_json(path, evaluation, allow_nan=False)
    return path


def _unseen_labels(
    label_names: Sequence[str],
    train_prevalence: Sequence[float],
    prevalence: Sequence[float],
) -> list[str]:
    unseen = [
        name
        for name, trained, observed in zip(
            label_names, train_prevalence, prevalence, strict=True
        )
        if trained <= PROBABILITY_MARGIN and observed > 0
    ]
    return (
        [f"constant score inflated: no training positives of {', '.join(unseen)}"]
        if unseen
        else []
    )
