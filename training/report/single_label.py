"""The report of a run whose images belong to exactly one of several classes.

Reference: Huo et al., "HiFuse", section 4.2.
"""

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
import pandas as pd

from training import figures
from training.evaluation import SINGLE_LABEL, arrays_of
from training.report.areas import CAPTIONS, area_cards, area_figures, finding_sections
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


def render_single_label(
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
        images: Images by source id: photographs, uint8 of shape `(height, width, 3)`, or mammograms, uint16
            of shape `(height, width, 1)`.
        config: Content of `config.json`.
        seen: PNG files of what the network sees, named as in `SEEN`.

    Returns:
        The page and its pictures.
    """
    config = config or {}
    labels, probabilities = arrays_of(predictions, label_names)
    scores = evaluation["images"]
    mirrored = 1 if len(label_names) == 2 else 0  # of two classes, one has the other's curve turned around
    right = labels.argmax(axis=1) == probabilities.argmax(axis=1)
    drawn = {
        "confusion.png": figures.confusion_matrix(scores["confusion"], label_names),
        "learning_curves.png": figures.learning_curves(
            epochs,
            evaluation["constant_prevalence_score"],
            evaluation["split"],
            "cross-entropy",
            _validation_scores(epochs),
        ),
        "roc.png": figures.roc_curves(
            labels[:, mirrored:], probabilities[:, mirrored:], label_names[mirrored:]
        ),
        "calibration.png": figures.calibration(
            right,
            probabilities.max(axis=1),
            "share of right predictions",
            "predicted probability of the predicted class",
            "images",
        ),
        **area_figures(evaluation),
    }
    examples = examples_of(predictions, label_names, images or {}, task=SINGLE_LABEL)
    if any(examples.values()):
        drawn["examples.png"] = figures.example_sheet(examples, label_names)
    pictures = {name: figures.to_png(figure) for name, figure in drawn.items()} | dict(seen or {})
    heading = heading_of(evaluation, config)
    sections = [
        header(heading, evaluation, _amount(scores)),
        _summary(evaluation),
        class_section("Per class", scores),
        picture_section(
            "Which classes are taken for which",
            pictures,
            {"confusion.png": "Number of images, and below it the share of the true class."},
        ),
        picture_section(
            "Training",
            pictures,
            {"learning_curves.png": "Loss, and scores of the validation split, by epoch."},
        ),
        picture_section(
            "How well each class is told from the others",
            pictures,
            {"roc.png": "ROC curve of each class against all others."},
        ),
        *finding_sections(evaluation),
        picture_section("Findings of each type and size", pictures, CAPTIONS),
        picture_section(
            "Whether probabilities mean what they say",
            pictures,
            {
                "calibration.png": "Share of right predictions against the probability of the predicted "
                "class, with intervals that take images as independent; below, the number of images."
            },
        ),
        picture_section(
            "Examples",
            pictures,
            {
                "examples.png": "The images of which the model was most certain, of each true class in turn; "
                "bars are predicted probabilities."
            },
        ),
        picture_section("What the network sees", pictures, SEEN),
        config_section(config),
        FOOTER,
    ]
    return Report(page(heading, sections), pictures)


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
        card(name, number(scores[key], form), interval_text(scores[f"{key}_interval"], form))
        for key, name, form in _OVERALL
    ]
    verdict = "above" if evaluation["beats_majority"] else "not wholly above"
    majority = card(
        f"always saying {scores['majority_label']}, the commonest class",
        f"{scores['majority_accuracy']:.1%}",
        f"accuracy's interval lies {verdict} it",
    )
    contents.insert(1, majority)
    return cards("Summary", [*area_cards(evaluation), *contents, constant_card(evaluation)])


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
            cell(label[key], form, label["undefined"].get(key), label.get(f"{key}_interval"))
            for key, _, form in _PER_CLASS
        ]
        rows.append(f"<td>{escape(name)}</td>{''.join(cells)}")
        remarks += [f"{name}: {reason}." for reason in dict.fromkeys(label["undefined"].values())]
    heads = ["class", *(name for _, name, _ in _PER_CLASS)]
    below = "".join(f"<br>{escape(remark)}" for remark in remarks)
    return (
        f"<h2>{escape(title)}</h2>\n{table(heads, rows)}\n"
        '<p class="quiet">The most probable class is the predicted one. Below a score stands its 95% '
        f"interval, from the same draws as those above.{below}</p>"
    )
