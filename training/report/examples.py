"""Which images a report shows, and the sheet of them."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from training.figures import Example, example_sheet
from training.report.frame import Run
from training.tasks.evaluation import DUAL_TASK, MULTILABEL, SINGLE_LABEL, arrays_of
from training.tasks.two_tasks import (
    CLASSES_OF_TASKS,
    HEMORRHAGE,
    LOCATION,
    answers,
    columns_of,
    truth,
)

RIGHT, WRONG = "Most confident, and right", "Most confident, and wrong"
EXAMPLES_PER_GROUP = {MULTILABEL: 4, SINGLE_LABEL: 8, DUAL_TASK: 8}


def choose_examples(
    predictions: pd.DataFrame,
    label_names: Sequence[str],
    threshold: float = 0.5,
    per_group: int | None = None,
    task: str = MULTILABEL,
) -> dict[str, list[str]]:
    """Source ids of the images on which the model was most confident, right and wrong.

    With several labels per image, confidence is about the first label; half of each group are images with it
    where there are such. With exclusive classes it is about the predicted class; the most confident image of
    each true class comes before the second of any; hemorrhage and location together are taken as classes that
    exclude each other. No two are of one study.

    Args:
        predictions: The table of `predictions.csv`.
        label_names: Its labels.
        threshold: With several labels, a probability at or above it counts as a positive prediction.
        per_group: Most images in a group; `EXAMPLES_PER_GROUP` of the task if not given.
        task: `multilabel`, `single_label` or `dual_task`.

    Returns:
        Ids by the group's title.
    """
    per_group = EXAMPLES_PER_GROUP[task] if per_group is None else per_group
    if task in (SINGLE_LABEL, DUAL_TASK):
        labels, probabilities = arrays_of(predictions, label_names)
        find = _exclusive_classes if task == SINGLE_LABEL else _joint_classes
        return _of_exclusive_classes(
            predictions, *find(labels, probabilities), per_group
        )
    return _of_first_label(predictions, label_names[0], threshold, per_group)


def examples_of(
    predictions: pd.DataFrame,
    label_names: Sequence[str],
    images: Mapping[str, np.ndarray],
    threshold: float = 0.5,
    task: str = MULTILABEL,
) -> dict[str, list[Example]]:
    """The chosen ones among the images that are there, with their labels and probabilities.

    Args:
        predictions: The table of `predictions.csv`.
        label_names: Its labels.
        images: Images by source id.
        threshold: As in `choose_examples`.
        task: As in `choose_examples`.

    Returns:
        Examples by the group's title.
    """
    shown = predictions[predictions["source_id"].isin(list(images))]
    labels, probabilities = arrays_of(shown, label_names)
    rows = {source_id: i for i, source_id in enumerate(shown["source_id"])}
    if task == SINGLE_LABEL:
        true_names, predicted_names = (
            [label_names[i] for i in each.argmax(axis=1)]
            for each in (labels, probabilities)
        )
    elif task == DUAL_TASK:
        true_names, predicted_names = map(
            _joint_names, (truth(labels), answers(probabilities))
        )

    def example(source_id: str) -> Example:
        row = rows[source_id]
        title = source_id
        if task != MULTILABEL:
            true, predicted = true_names[row], predicted_names[row]
            title += f"\n{true}"
            title += "" if predicted == true else f",\ntaken for {predicted}"
        return Example(title, images[source_id], labels[row], probabilities[row])

    chosen = choose_examples(shown, label_names, threshold, task=task)
    return {
        title: [example(source_id) for source_id in ids]
        for title, ids in chosen.items()
    }


def example_figures(run: Run, task: str, threshold: float = 0.5) -> dict[str, Figure]:
    """The sheet of examples by its file name; none without images.

    Args:
        run: The run.
        task: As in `choose_examples`.
        threshold: As in `choose_examples`.

    Returns:
        The figure, or nothing.
    """
    examples = examples_of(
        run.predictions, run.label_names, run.images, threshold, task
    )
    if not any(examples.values()):
        return {}
    marked = threshold if task == MULTILABEL else None
    return {"examples.png": example_sheet(examples, run.label_names, marked)}


def _of_first_label(
    predictions: pd.DataFrame, first: str, threshold: float, per_group: int
) -> dict[str, list[str]]:
    present = predictions[f"label_{first}"] == 1
    said_present = predictions[f"probability_{first}"] >= threshold
    confidence = (predictions[f"probability_{first}"] - threshold).abs()
    ranked = predictions.assign(present=present).loc[
        confidence.sort_values(ascending=False, kind="stable").index
    ]
    groups = {}
    for title, chosen in (
        (RIGHT, present == said_present),
        (WRONG, present != said_present),
    ):
        candidates = ranked[chosen.loc[ranked.index]].drop_duplicates("study_id")
        with_label, without_label = (
            candidates[candidates.present],
            candidates[~candidates.present],
        )
        positives = min(
            len(with_label), max((per_group + 1) // 2, per_group - len(without_label))
        )
        picked = pd.concat(
            [with_label.head(positives), without_label.head(per_group - positives)]
        )
        groups[title] = picked["source_id"].tolist()
    return groups


def _exclusive_classes(
    labels: np.ndarray, probabilities: np.ndarray
) -> tuple[np.ndarray, ...]:
    """True and predicted class of each image, and the probability of the latter."""
    return (
        labels.argmax(axis=1),
        probabilities.argmax(axis=1),
        probabilities.max(axis=1),
    )


def _joint_classes(
    labels: np.ndarray, probabilities: np.ndarray
) -> tuple[np.ndarray, ...]:
    """The like where a class is no hemorrhage (0) or one at a location; a hemorrhage without one is last."""
    true, found = truth(labels), answers(probabilities)
    locations = len(CLASSES_OF_TASKS[LOCATION])
    true_class, predicted = (
        np.where(of_task[HEMORRHAGE] == 0, 0, 1 + of_task[LOCATION] % (locations + 1))
        for of_task in (true, found)
    )
    of_hemorrhage, of_location = (
        probabilities[:, columns_of(task)].max(axis=1) for task in CLASSES_OF_TASKS
    )
    return (
        true_class,
        predicted,
        of_hemorrhage * np.where(predicted > 0, of_location, 1),
    )


def _joint_names(of_tasks: Mapping[str, np.ndarray]) -> list[str]:
    """Names of what is true, or answered, for each slice: normal, or hemorrhage and its location."""
    names = CLASSES_OF_TASKS[LOCATION]
    return [
        CLASSES_OF_TASKS[HEMORRHAGE][hemorrhage]
        + (f", {names[location]}" if location >= 0 else "")
        for hemorrhage, location in zip(
            of_tasks[HEMORRHAGE], of_tasks[LOCATION], strict=True
        )
    ]


def _of_exclusive_classes(
    predictions: pd.DataFrame,
    true: np.ndarray,
    predicted: np.ndarray,
    confidence: np.ndarray,
    per_group: int,
) -> dict[str, list[str]]:
    ranked = predictions.assign(true=true, predicted=predicted, confidence=confidence)
    ranked = ranked.sort_values("confidence", ascending=False, kind="stable")
    groups = {}
    for title, chosen in (
        (RIGHT, ranked.true == ranked.predicted),
        (WRONG, ranked.true != ranked.predicted),
    ):
        candidates = ranked[chosen].drop_duplicates("study_id")
        turns = candidates.groupby("true").cumcount().sort_values(kind="stable")
        picked = candidates.loc[turns.index].head(per_group)
        groups[title] = picked.sort_values("true", kind="stable")["source_id"].tolist()
    return groups
