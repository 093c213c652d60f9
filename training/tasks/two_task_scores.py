"""What `evaluation.json` holds of a network that answers whether there is a hemorrhage, and where.

Reference: Fan et al., DTViT, section 3.2, equations (1) to (6). Equation (6) is misprinted: specificity is
TN / (TN + FP).
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from training.statistics.bootstrap import DRAWS, cluster_indices, percentile_intervals
from training.statistics.prevalence import PROBABILITY_MARGIN
from training.tasks.evaluation import DUAL_TASK, evaluate_single_label
from training.tasks.two_tasks import (
    CLASS_NAMES,
    CLASSES_OF_TASKS,
    answers,
    columns_of,
    truth,
)

OF_A_TASK = (
    "beats_majority",
    "train_prevalence",
    "prevalence",
    "constant_prevalence_score",
    "improvement",
)


def evaluate_two_tasks(
    labels: np.ndarray,
    probabilities: np.ndarray,
    ids: pd.DataFrame,
    train_prevalence: Sequence[float],
    *,
    task_weights: Sequence[float],
    dataset: str,
    split: str = "test",
    records: str = "",
    notes: Sequence[str] = (),
    draws: int = DRAWS,
    seed: int = 0,
) -> dict:
    """Scores each task over the slices that have a label of it, and both together.

    Args:
        labels: One column per class, see `training.tasks.two_tasks`, shape `(n, classes)`.
        probabilities: The same shape.
        ids: The columns of `evaluation.ID_COLUMNS`, one row per slice; patients are resampled.
        train_prevalence: Share of each class among the training split's slices with a label of its task.
        task_weights: Weight of each task in the loss.
        dataset: Name of the data set.
        split: Name of the split that is scored.
        records: Folder of the records that were read.
        notes: What a reader has to know, such as "trained on phantoms".
        draws: Bootstrap draws.
        seed: Seed of the bootstrap.

    Returns:
        The content of `evaluation.json`: `task` ("dual_task"), `dataset`, `split`, `records`, `label_names`;
        `slices`: `count`, `patients`, `accuracy` (share of slices of which everything is right: hemorrhage,
        and of those that have one the location) and `log_loss` (weighted sum of the tasks'), with intervals;
        by task what `single_label_metrics` gives, and `beats_majority`, `train_prevalence`, `prevalence`,
        `constant_prevalence_score` and `improvement` as in `evaluate_single_label`;
        `constant_prevalence_score` (weighted sum), `improvement` and `notes`. A task that no slice has a
        label of is left out.
    """
    labels, probabilities = np.asarray(labels), np.asarray(probabilities, "float64")
    parts, said, losses = {}, list(notes), {}
    for task, names in CLASSES_OF_TASKS.items():
        columns = columns_of(task)
        rows = labels[:, columns].sum(axis=1) == 1
        losses[task] = rows, _losses(labels[:, columns], probabilities[:, columns])
        if not rows.any():
            said.append(
                f"no slice of this split has a label of {task}, which is not scored"
            )
            continue
        found = evaluate_single_label(
            labels[rows, columns],
            probabilities[rows, columns],
            ids[rows],
            names,
            train_prevalence[columns],
            dataset=dataset,
            draws=draws,
            seed=seed,
        )
        parts[task] = found["images"] | {key: found[key] for key in OF_A_TASK}
        said += [f"{task}: {note}" for note in found["notes"]]
    weights = dict(zip(CLASSES_OF_TASKS, task_weights, strict=True))
    constant_score = sum(
        weights[task] * part["constant_prevalence_score"]
        for task, part in parts.items()
    )
    together = _together(
        labels, probabilities, losses, weights, ids["patient_id"], draws, seed
    )
    return {
        "task": DUAL_TASK,
        "dataset": dataset,
        "split": split,
        "records": str(records),
        "label_names": list(CLASS_NAMES),
        "slices": together,
        **parts,
        "constant_prevalence_score": constant_score,
        "improvement": 1 - together["log_loss"] / constant_score
        if constant_score > 0
        else None,
        "notes": said,
    }


def _losses(labels, probabilities):
    """Cross-entropy of each slice, 0 where it has no label."""
    return -np.log(
        np.clip((labels * probabilities).sum(axis=1), PROBABILITY_MARGIN, 1)
    ) * labels.sum(axis=1)


def _together(labels, probabilities, losses, weights, patient_ids, draws, seed):
    """Scores of both tasks at once, with intervals from the same draws of patients."""
    patients = cluster_indices(patient_ids.astype(str), len(labels))
    true, found = truth(labels), answers(probabilities)
    # A hemorrhage without a known location counts by the first task alone.
    right = np.all(
        [(true[task] == found[task]) | (true[task] < 0) for task in CLASSES_OF_TASKS],
        axis=0,
    )
    sizes, rights = np.bincount(patients), np.bincount(patients, weights=right)
    sums = {
        task: (
            np.bincount(patients, weights=rows),
            np.bincount(patients, weights=of_task),
        )
        for task, (rows, of_task) in losses.items()
        if rows.any()
    }

    def scores_of(drawn):
        with np.errstate(invalid="ignore", divide="ignore"):
            means = [
                weights[task] * (drawn @ total) / (drawn @ rows)
                for task, (rows, total) in sums.items()
            ]
        return {
            "accuracy": (drawn @ rights) / (drawn @ sizes),
            "log_loss": np.sum(means, axis=0),
        }

    all_of_them = scores_of(np.ones((1, len(sizes))))
    intervals = percentile_intervals(
        scores_of, patients, "group", draws=draws, seed=seed
    )
    return {
        "count": len(labels),
        "patients": len(sizes),
        **{key: float(values[0]) for key, values in all_of_them.items()},
        **{f"{key}_interval": interval for key, interval in intervals.items()},
    }
