"""What a report says of several outputs, of each of which exactly one label holds.

Reference: Fan et al., DTViT, section 3.3, Table 3, Figs. 3 and 4.
"""

from collections.abc import Mapping

from training import figures
from training.report.frame import Contents, Pictures, Run
from training.report.page import cards, constant_card
from training.report.scores import Score, score_card, score_cells, score_table
from training.statistics.predictions import arrays_of
from training.tasks.base import Task
from training.tasks.single_label import class_section, roc_of_classes

TOGETHER = (
    ("accuracy", "all of {article} {one} right", "{:.1%}"),
    ("log_loss", "log losses, summed", "{:.4f}"),
)


def multi_task_contents(task: Task, run: Run) -> Contents:
    """Scores of each output, as a whole and by class, with their curves.

    Args:
        task: The `MultiTask`.
        run: What is reported on.
    """
    many = task.words.many
    by_output = {
        output: run.evaluation[output]
        for output in task.spec.outputs
        if output in run.evaluation
    }
    labels, probabilities = arrays_of(run.predictions, task.label_names)
    curves = figures.task_curves(run.epochs, list(by_output))
    drawn = {"learning_curves.png": curves}
    for output, scores in by_output.items():
        names, columns = task.spec.outputs[output], task.spec.columns(output)
        rows = labels[:, columns].sum(axis=1) == 1
        drawn[f"confusion_{output}.png"] = figures.confusion_matrix(
            scores["confusion"], names
        )
        drawn[f"roc_{output}.png"] = roc_of_classes(
            labels[rows, columns], probabilities[rows, columns], names
        )
    calibrations, calibration_captions = _calibrations(task, labels, probabilities)
    drawn |= calibrations | task.example_figures(run)

    sections = [
        _summary(task, run.evaluation, by_output),
        _output_section(task, by_output),
        *(
            class_section(f"Per class: {output}", scores)
            for output, scores in by_output.items()
        ),
        Pictures(
            "Which classes are taken for which",
            {
                f"confusion_{output}.png": f"{output.capitalize()}: number of {many}, "
                "and below it the share of the true class."
                for output in by_output
            },
        ),
        Pictures("Training", {"learning_curves.png": "Loss and accuracy by epoch."}),
        Pictures(
            "How well classes are told apart",
            {
                f"roc_{output}.png": f"{output.capitalize()}: ROC curve of "
                + (
                    f"{output} against none."
                    if output in _conditions(task)
                    else "each class against the others."
                )
                for output in by_output
            },
        ),
        Pictures("Whether probabilities mean what they say", calibration_captions),
        Pictures("Examples", {"examples.png": _caption_of_examples(task)}),
    ]
    together = run.evaluation[task.level]
    groups = f"{together['patients']:,} {task.words.group}s"
    amount = f"{together['count']:,} {many} of {groups}"
    return Contents(amount, drawn, sections)


def _conditions(task: Task) -> dict[str, str]:
    """Outputs on which others depend, with the label that these need there."""
    return dict(task.spec.depends_on.values())


def _calibrations(task: Task, labels, probabilities) -> tuple[dict, dict]:
    """Figures by file name, and their captions: of what others depend on, else of each."""
    many, drawn, captions = task.words.many, {}, {}
    independent = f"with intervals that take {many} as independent; below, the number"
    conditions = _conditions(task)
    for output, label in conditions.items():
        name = (
            "calibration.png" if len(conditions) == 1 else f"calibration_{output}.png"
        )
        column = task.spec.column_of(output, label)
        drawn[name] = figures.calibration(
            labels[:, column],
            probabilities[:, column],
            f"share with {output}",
            f"predicted probability of {output}",
            many,
        )
        captions[name] = (
            f"Observed against predicted share of {many} with {output}, {independent} "
            f"of {many}."
        )

    for output in task.spec.outputs if not conditions else ():
        columns = task.spec.columns(output)
        rows = labels[:, columns].sum(axis=1) == 1
        if not rows.any():
            continue
        name = f"calibration_{output}.png"
        of_output = probabilities[rows, columns]
        drawn[name] = figures.calibration(
            labels[rows, columns].argmax(axis=1) == of_output.argmax(axis=1),
            of_output.max(axis=1),
            "share of right predictions",
            "predicted probability of the predicted class",
            many,
        )
        captions[name] = (
            f"{output.capitalize()}: share of right predictions against the "
            f"probability of the predicted class, {independent} of {many}."
        )

    return drawn, captions


def _caption_of_examples(task: Task) -> str:
    shown = task.words.shown
    shown = f", in the {shown[:1].lower()}{shown[1:]}" if shown else ""
    also = [
        f", of the {output} also where there is no {other}"
        for output, (other, _) in task.spec.depends_on.items()
    ]
    return (
        f"The {task.words.many} of which the model was most certain{shown}; bars are "
        f"predicted probabilities{''.join(also)}."
    )


def _summary(task: Task, evaluation: Mapping, by_output: Mapping) -> str:
    contents = [
        score_card(scores, Score("accuracy", f"accuracy: {output}", "{:.1%}"))
        for output, scores in by_output.items()
    ]
    one = task.words.one
    article = "an" if one[0] in "aeiou" else "a"
    contents += [
        score_card(
            evaluation[task.level],
            Score(key, name.format(article=article, one=one), form),
        )
        for key, name, form in TOGETHER
    ]
    return cards("Summary", [*contents, constant_card(evaluation)])


def _output_section(task: Task, by_output: Mapping) -> str:
    columns = (
        Score("count", task.words.many, "{:,}"),
        Score("accuracy", "accuracy", "{:.1%}"),
        Score("precision", "precision", "{:.1%}"),
        Score("recall", "recall", "{:.1%}"),
        Score("f1", "F1", "{:.1%}"),
        Score("specificity", "specificity", "{:.1%}"),
        Score("log_loss", "log loss", "{:.4f}"),
        Score("constant_prevalence_score", "constant prevalence's", "{:.4f}"),
        Score("majority_accuracy", "always the commonest", "{:.1%}"),
    )
    rows = {
        output: score_cells(scores, columns) for output, scores in by_output.items()
    }
    scored_over = [
        f"{output.capitalize()} is scored over the {task.words.many} with {other}. "
        for output, (other, _) in task.spec.depends_on.items()
    ]
    note = (
        f"{''.join(scored_over)}Precision, recall, F1 and specificity are means over "
        "the classes; those of each class stand below."
    )

    return score_table("Per task", "task", columns, rows, note)
