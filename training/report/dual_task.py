"""The report of a run that tells whether there is a hemorrhage, and where.

Reference: Fan et al., DTViT, sections 3.2 and 3.3, Table 3, Figs. 3 and 4.
"""

from collections.abc import Mapping
from html import escape

from training import figures
from training.report.examples import example_figures
from training.report.frame import Contents, Pictures, Run
from training.report.page import (
    card,
    cards,
    cell,
    constant_card,
    interval_text,
    number,
    table,
)
from training.report.single_label import class_section
from training.tasks.evaluation import DUAL_TASK, arrays_of
from training.tasks.two_tasks import CLASSES_OF_TASKS, HEMORRHAGE, columns_of

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


def dual_task_contents(run: Run) -> Contents:
    """Scores of each task, as a whole and by class, with their curves."""
    tasks = {
        task: run.evaluation[task]
        for task in CLASSES_OF_TASKS
        if task in run.evaluation
    }
    labels, probabilities = arrays_of(run.predictions, run.label_names)
    drawn = {"learning_curves.png": figures.task_curves(run.epochs, list(tasks))}
    for task, scores in tasks.items():
        names = CLASSES_OF_TASKS[task]
        drawn[f"confusion_{task}.png"] = figures.confusion_matrix(
            scores["confusion"], names
        )
        drawn[f"roc_{task}.png"] = _roc(task, labels, probabilities)
    ich = columns_of(HEMORRHAGE).start + 1
    drawn["calibration.png"] = figures.calibration(
        labels[:, ich],
        probabilities[:, ich],
        "share with hemorrhage",
        "predicted probability of hemorrhage",
    )
    drawn |= example_figures(run, DUAL_TASK)
    sections = [
        _summary(run.evaluation, tasks),
        _task_section(tasks),
        *(
            class_section(f"Per class: {task}", scores)
            for task, scores in tasks.items()
        ),
        Pictures(
            "Which classes are taken for which",
            {
                f"confusion_{task}.png": f"{task.capitalize()}: number of slices, and below it the share of "
                "the true class."
                for task in tasks
            },
        ),
        Pictures("Training", {"learning_curves.png": "Loss and accuracy by epoch."}),
        Pictures(
            "How well classes are told apart",
            {
                f"roc_{task}.png": f"{task.capitalize()}: ROC curve of "
                + (
                    "hemorrhage against none."
                    if task == HEMORRHAGE
                    else "each class against the others."
                )
                for task in tasks
            },
        ),
        Pictures(
            "Whether probabilities mean what they say",
            {
                "calibration.png": "Observed against predicted share of slices with hemorrhage, with "
                "intervals that take slices as independent; below, the number of slices."
            },
        ),
        Pictures(
            "Examples",
            {
                "examples.png": "The slices of which the model was most certain, in the brain window (level "
                "40, width 80 HU); bars are predicted probabilities, of the location also where there is no "
                "hemorrhage."
            },
        ),
    ]
    together = run.evaluation["slices"]
    amount = f"{together['count']:,} slices of {together['patients']:,} patients"
    return Contents(amount, drawn, sections)


def _roc(task, labels, probabilities):
    """ROC curves of a task over the slices that have a label of it; of two classes the second's alone."""
    names, columns = CLASSES_OF_TASKS[task], columns_of(task)
    rows = labels[:, columns].sum(axis=1) == 1
    mirrored = 1 if len(names) == 2 else 0
    shown = slice(columns.start + mirrored, columns.stop)
    return figures.roc_curves(
        labels[rows, shown], probabilities[rows, shown], names[mirrored:]
    )


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
            card(
                name,
                number(together[key], form),
                interval_text(together[f"{key}_interval"], form),
            )
        )
    return cards("Summary", [*contents, constant_card(evaluation)])


def _task_section(tasks: Mapping) -> str:
    rows = []
    for task, scores in tasks.items():
        cells = [
            cell(
                scores[key],
                form,
                scores["undefined"].get(key),
                scores.get(f"{key}_interval"),
            )
            for key, _, form in _PER_TASK
        ]
        rows.append(f"<td>{escape(task)}</td>{''.join(cells)}")
    return (
        f"<h2>Per task</h2>\n{table(['task', *(name for _, name, _ in _PER_TASK)], rows)}\n"
        '<p class="quiet">Location is scored over the slices with hemorrhage. Precision, recall, F1 and '
        "specificity are means over the classes; those of each class stand below.</p>"
    )
