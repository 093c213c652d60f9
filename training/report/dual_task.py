"""The report of a run that tells whether there is a hemorrhage, and where.

Reference: Fan et al., DTViT, sections 3.2 and 3.3, Table 3, Figs. 3 and 4.
"""

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
import pandas as pd

from training import figures
from training.evaluation import DUAL_TASK, arrays_of
from training.report.examples import examples_of
from training.report.page import (
    FOOTER,
    Report,
    card,
    cards,
    cell,
    config_section,
    constant_card,
    header,
    heading_of,
    interval_text,
    number,
    page,
    picture_section,
    table,
)
from training.report.seen import SEEN
from training.report.single_label import class_section
from training.two_tasks import CLASSES_OF_TASKS, HEMORRHAGE, columns_of

_PER_TASK = (
    ("count", "slices", "{:,}"),
    ("accuracy", "accuracy", "{:.1%}"),
    ("precision", "precision", "{:.1%}"),
    ("recall", "recall", "{:.1%}"),
    ("f1", "F1", "{:.1%}"),
    ("specificity", "specificity", "{:.1%}"),
    ("log_loss", "log loss", "{:.4f}"),
    ("constant_prevalence_score", "constant prevalence's", "{:.4f}"),
    ("majority_accuracy", "always the commonest", "{:.1%}"),
)


def render_dual_task(
    evaluation: Mapping,
    predictions: pd.DataFrame,
    label_names: Sequence[str],
    epochs: Sequence[Mapping],
    images: Mapping[str, np.ndarray] | None = None,
    config: Mapping | None = None,
    seen: Mapping[str, bytes] | None = None,
) -> Report:
    """Draws the pictures and puts the page together.

    Args:
        evaluation: Content of `evaluation.json`.
        predictions: The table of `predictions.csv`.
        label_names: Its labels.
        epochs: Rows of `metrics.jsonl`.
        images: Slices in HU by source id.
        config: Content of `config.json`.
        seen: PNG files of what the network sees, named as in `SEEN`.

    Returns:
        The page and its pictures.
    """
    config = config or {}
    tasks = {task: evaluation[task] for task in CLASSES_OF_TASKS if task in evaluation}
    drawn = {"learning_curves.png": figures.task_curves(epochs, list(tasks))}
    for task, scores in tasks.items():
        names = CLASSES_OF_TASKS[task]
        drawn[f"confusion_{task}.png"] = figures.confusion_matrix(scores["confusion"], names)
        drawn[f"roc_{task}.png"] = _roc(task, *arrays_of(predictions, label_names))
    labels, probabilities = arrays_of(predictions, label_names)
    ich = columns_of(HEMORRHAGE).start + 1
    drawn["calibration.png"] = figures.calibration(
        labels[:, ich], probabilities[:, ich], "share with hemorrhage", "predicted probability of hemorrhage"
    )
    examples = examples_of(predictions, label_names, images or {}, task=DUAL_TASK)
    if any(examples.values()):
        drawn["examples.png"] = figures.example_sheet(examples, label_names)
    pictures = {name: figures.to_png(figure) for name, figure in drawn.items()} | dict(seen or {})
    heading = heading_of(evaluation, config)
    together = evaluation["slices"]
    sections = [
        header(heading, evaluation, f"{together['count']:,} slices of {together['patients']:,} patients"),
        _summary(evaluation, tasks),
        _task_section(tasks),
        *(class_section(f"Per class: {task}", scores) for task, scores in tasks.items()),
        picture_section(
            "Which classes are taken for which",
            pictures,
            {
                f"confusion_{task}.png": f"{task.capitalize()}: number of slices, and below it the share of "
                "the true class."
                for task in tasks
            },
        ),
        picture_section("Training", pictures, {"learning_curves.png": "Loss and accuracy by epoch."}),
        picture_section(
            "How well classes are told apart",
            pictures,
            {
                f"roc_{task}.png": f"{task.capitalize()}: ROC curve of "
                + ("hemorrhage against none." if task == HEMORRHAGE else "each class against the others.")
                for task in tasks
            },
        ),
        picture_section(
            "Whether probabilities mean what they say",
            pictures,
            {
                "calibration.png": "Observed against predicted share of slices with hemorrhage, with "
                "intervals that take slices as independent; below, the number of slices."
            },
        ),
        picture_section(
            "Examples",
            pictures,
            {
                "examples.png": "The slices of which the model was most certain, in the brain window (level "
                "40, width 80 HU); bars are predicted probabilities, of the location also where there is no "
                "hemorrhage."
            },
        ),
        picture_section("What the network sees", pictures, SEEN),
        config_section(config),
        FOOTER,
    ]
    return Report(page(heading, sections), pictures)


def _roc(task, labels, probabilities):
    """ROC curves of a task over the slices that have a label of it; of two classes the second's alone."""
    names, columns = CLASSES_OF_TASKS[task], columns_of(task)
    rows = labels[:, columns].sum(axis=1) == 1
    mirrored = 1 if len(names) == 2 else 0
    shown = slice(columns.start + mirrored, columns.stop)
    return figures.roc_curves(labels[rows, shown], probabilities[rows, shown], names[mirrored:])


def _summary(evaluation: Mapping, tasks: Mapping) -> str:
    contents = [
        card(
            f"accuracy: {task}",
            number(scores["accuracy"], "{:.1%}"),
            interval_text(scores["accuracy_interval"], "{:.1%}"),
        )
        for task, scores in tasks.items()
    ]
    together = evaluation["slices"]
    for key, name, form in (
        ("accuracy", "all of a slice right", "{:.1%}"),
        ("log_loss", "log losses, summed", "{:.4f}"),
    ):
        contents.append(
            card(name, number(together[key], form), interval_text(together[f"{key}_interval"], form))
        )
    return cards("Summary", [*contents, constant_card(evaluation)])


def _task_section(tasks: Mapping) -> str:
    rows = []
    for task, scores in tasks.items():
        cells = [
            cell(scores[key], form, scores["undefined"].get(key), scores.get(f"{key}_interval"))
            for key, _, form in _PER_TASK
        ]
        rows.append(f"<td>{escape(task)}</td>{''.join(cells)}")
    return (
        f"<h2>Per task</h2>\n{table(['task', *(name for _, name, _ in _PER_TASK)], rows)}\n"
        '<p class="quiet">Location is scored over the slices with hemorrhage. Precision, recall, F1 and '
        "specificity are means over the classes; those of each class stand below.</p>"
    )
