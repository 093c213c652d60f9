"""The report of a run whose images have any number of labels.

Reference: Barhoumi et al., "Efficient scopeformer", sections III.G and III.H.
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
from training.tasks.evaluation import MULTILABEL, arrays_of

_PER_LABEL = (
    ("positives", "positives", "{:,}"),
    ("log_loss", "log loss", "{:.4f}"),
    ("accuracy", "accuracy", "{:.1%}"),
    ("recall", "recall", "{:.1%}"),
    ("specificity", "specificity", "{:.1%}"),
    ("precision", "precision", "{:.1%}"),
    ("f1", "F1", "{:.3f}"),
    ("auroc", "AUROC", "{:.3f}"),
    ("average_precision", "average precision", "{:.3f}"),
)
_OVERALL = (
    ("log_loss", "weighted log loss", "{:.4f}"),
    ("auroc_any", "AUROC of any", "{:.3f}"),
    ("accuracy", "accuracy, mean over labels", "{:.1%}"),
    ("weighted_accuracy", "weighted accuracy", "{:.1%}"),
    ("recall", "recall, mean over labels", "{:.1%}"),
)


def multilabel_contents(run: Run) -> Contents:
    """Scores by label, per slice and per study, with their curves."""
    slices, studies = run.evaluation["slices"], run.evaluation["studies"]
    labels, probabilities = arrays_of(run.predictions, run.label_names)
    first = run.label_names[0]
    drawn = {
        "learning_curves.png": figures.learning_curves(
            run.epochs,
            run.evaluation["constant_prevalence_score"],
            run.evaluation["split"],
        ),
        "roc.png": figures.roc_curves(labels, probabilities, run.label_names),
        "precision_recall.png": figures.precision_recall_curves(
            labels, probabilities, run.label_names
        ),
        "calibration.png": figures.calibration(
            labels[:, 0],
            probabilities[:, 0],
            f"share with {first}",
            f"predicted probability of {first}",
        ),
        **example_figures(run, MULTILABEL, slices["threshold"]),
    }
    sections = [
        _summary(run.evaluation),
        _label_section("Per slice", slices),
        _label_section(
            f"Per study ({run.evaluation.get('study_rule', 'max')} over its slices)",
            studies,
        ),
        Pictures("Training", {"learning_curves.png": "Loss by epoch."}),
        Pictures(
            "How well labels are told apart",
            {
                "roc.png": "ROC curve of each label, per slice.",
                "precision_recall.png": "Precision against recall of each label, per slice.",
            },
        ),
        Pictures(
            "Whether probabilities mean what they say",
            {
                "calibration.png": "Observed against predicted share, per slice, with intervals that take "
                "slices as independent; below, the number of slices."
            },
        ),
        Pictures(
            "Examples",
            {
                "examples.png": "Brain window (level 40, width 80 HU); bars are predicted probabilities."
            },
        ),
    ]
    return Contents(
        f"{slices['count']:,} slices of {studies['count']:,} studies", drawn, sections
    )


def _summary(evaluation: Mapping) -> str:
    slices = evaluation["slices"]
    contents = [
        card(
            name,
            number(slices[key], form),
            interval_text(slices.get(f"{key}_interval"), form),
        )
        for key, name, form in _OVERALL
    ]
    contents.insert(1, constant_card(evaluation))
    return cards("Summary, per slice", contents)


def _label_section(title: str, scores: Mapping) -> str:
    rows = []
    for name, label in scores["labels"].items():
        cells = [
            cell(label[key], form, label["undefined"].get(key))
            for key, _, form in _PER_LABEL
        ]
        counts = label["confusion"]
        cells += [
            f"<td>{counts[key]:,}</td>"
            for key in (
                "true_positive",
                "false_positive",
                "false_negative",
                "true_negative",
            )
        ]
        rows.append(f"<td>{escape(name)}</td>{''.join(cells)}")
    heads = ["label", *(name for _, name, _ in _PER_LABEL), "TP", "FP", "FN", "TN"]
    return (
        f"<h2>{escape(title)}</h2>\n{table(heads, rows)}\n"
        f'<p class="quiet">{scores["count"]:,} in all; a probability of {scores["threshold"]:g} or more '
        f"counts as positive. Weighted log loss {scores['log_loss']:.4f}.</p>"
    )
