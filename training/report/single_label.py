"""The report of a run whose images belong to exactly one of several classes.

Reference: Huo et al., "HiFuse", section 4.2.
"""

from collections.abc import Mapping, Sequence
from html import escape

from training import figures
from training.report.areas import CAPTIONS, area_cards, area_figures, finding_sections
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
from training.tasks.evaluation import SINGLE_LABEL, arrays_of

_OVERALL = (
    ("accuracy", "accuracy", "{:.1%}"),
    ("f1", "F1, mean over classes", "{:.1%}"),
    ("precision", "precision, mean over classes", "{:.1%}"),
    ("recall", "recall, mean over classes", "{:.1%}"),
    ("log_loss", "log loss", "{:.4f}"),
)
_PER_CLASS = (
    ("support", "images", "{:,}"),
    ("predicted", "predicted", "{:,}"),
    ("recall", "recall", "{:.1%}"),
    ("precision", "precision", "{:.1%}"),
    ("f1", "F1", "{:.1%}"),
    ("specificity", "specificity", "{:.1%}"),
    ("auroc", "AUROC, against the others", "{:.3f}"),
)


def single_label_contents(run: Run) -> Contents:
    """Scores as a whole and by class, and those of findings where these are known, with their curves."""
    scores = run.evaluation["images"]
    labels, probabilities = arrays_of(run.predictions, run.label_names)
    mirrored = (
        1 if len(run.label_names) == 2 else 0
    )  # of two classes, one has the other's curve turned round
    right = labels.argmax(axis=1) == probabilities.argmax(axis=1)
    drawn = {
        "confusion.png": figures.confusion_matrix(scores["confusion"], run.label_names),
        "learning_curves.png": figures.learning_curves(
            run.epochs,
            run.evaluation["constant_prevalence_score"],
            run.evaluation["split"],
            "cross-entropy",
            _validation_scores(run.epochs),
        ),
        "roc.png": figures.roc_curves(
            labels[:, mirrored:],
            probabilities[:, mirrored:],
            run.label_names[mirrored:],
        ),
        "calibration.png": figures.calibration(
            right,
            probabilities.max(axis=1),
            "share of right predictions",
            "predicted probability of the predicted class",
            "images",
        ),
        **area_figures(run.evaluation),
        **example_figures(run, SINGLE_LABEL),
    }
    sections = [
        _summary(run.evaluation),
        class_section("Per class", scores),
        Pictures(
            "Which classes are taken for which",
            {
                "confusion.png": "Number of images, and below it the share of the true class."
            },
        ),
        Pictures(
            "Training",
            {
                "learning_curves.png": "Loss, and scores of the validation split, by epoch."
            },
        ),
        Pictures(
            "How well each class is told from the others",
            {"roc.png": "ROC curve of each class against all others."},
        ),
        *finding_sections(run.evaluation),
        Pictures("Findings of each type and size", CAPTIONS),
        Pictures(
            "Whether probabilities mean what they say",
            {
                "calibration.png": "Share of right predictions against the probability of the predicted "
                "class, with intervals that take images as independent; below, the number of images."
            },
        ),
        Pictures(
            "Examples",
            {
                "examples.png": "The images of which the model was most certain, of each true class in turn; "
                "bars are predicted probabilities."
            },
        ),
    ]
    return Contents(_amount(scores), drawn, sections)


def _validation_scores(epochs: Sequence[Mapping]) -> dict[str, str]:
    """The two scores of the validation split that are drawn, by key: what chose the best epoch is one."""
    if any(row.get("val_auc") is not None for row in epochs):
        return {"val_auc": "area under the ROC curve", "val_accuracy": "accuracy"}
    return {"val_accuracy": "accuracy", "val_f1": "F1, mean over classes"}


def _amount(scores: Mapping) -> str:
    amount = f"{scores['count']:,} images"
    if scores["patients"] in (None, scores["count"]):
        return amount
    return f"{amount} of {scores['patients']:,} patients or lesions"


def _summary(evaluation: Mapping) -> str:
    scores = evaluation["images"]
    contents = [
        card(
            name,
            number(scores[key], form),
            interval_text(scores[f"{key}_interval"], form),
        )
        for key, name, form in _OVERALL
    ]
    verdict = "above" if evaluation["beats_majority"] else "not wholly above"
    majority = card(
        f"always saying {scores['majority_label']}, the commonest class",
        f"{scores['majority_accuracy']:.1%}",
        f"accuracy's interval lies {verdict} it",
    )
    contents.insert(1, majority)
    return cards(
        "Summary", [*area_cards(evaluation), *contents, constant_card(evaluation)]
    )


def class_section(title: str, scores: Mapping) -> str:
    """A table of each class's scores with their intervals.

    Args:
        title: The section's title.
        scores: What `single_label_metrics` gives.

    Returns:
        HTML.
    """
    rows, remarks = [], []
    for name, label in scores["labels"].items():
        cells = [
            cell(
                label[key],
                form,
                label["undefined"].get(key),
                label.get(f"{key}_interval"),
            )
            for key, _, form in _PER_CLASS
        ]
        rows.append(f"<td>{escape(name)}</td>{''.join(cells)}")
        remarks += [
            f"{name}: {reason}."
            for reason in dict.fromkeys(label["undefined"].values())
        ]
    heads = ["class", *(name for _, name, _ in _PER_CLASS)]
    below = "".join(f"<br>{escape(remark)}" for remark in remarks)
    return (
        f"<h2>{escape(title)}</h2>\n{table(heads, rows)}\n"
        '<p class="quiet">The most probable class is the predicted one. Below a score stands its 95% '
        f"interval, from the same draws as those above.{below}</p>"
    )
