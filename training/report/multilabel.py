"""The report of a run whose images have any number of labels.

Reference: Barhoumi et al., "Efficient scopeformer", sections III.G and III.H.
"""

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
import pandas as pd

from training import figures
from training.evaluation import arrays_of
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


def render_multilabel(
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
    labels, probabilities = arrays_of(predictions, label_names)
    threshold = evaluation["slices"]["threshold"]
    drawn = {
        "learning_curves.png": figures.learning_curves(
            epochs, evaluation["constant_prevalence_score"], evaluation["split"]
        ),
        "roc.png": figures.roc_curves(labels, probabilities, label_names),
        "precision_recall.png": figures.precision_recall_curves(labels, probabilities, label_names),
        "calibration.png": figures.calibration(
            labels[:, 0],
            probabilities[:, 0],
            f"share with {label_names[0]}",
            f"predicted probability of {label_names[0]}",
        ),
    }
    examples = examples_of(predictions, label_names, images or {}, threshold)
    if any(examples.values()):
        drawn["examples.png"] = figures.example_sheet(examples, label_names, threshold)
    pictures = {name: figures.to_png(figure) for name, figure in drawn.items()} | dict(seen or {})
    heading = heading_of(evaluation, config)
    amount = f"{evaluation['slices']['count']:,} slices of {evaluation['studies']['count']:,} studies"
    sections = [
        header(heading, evaluation, amount),
        _summary(evaluation),
        _label_section("Per slice", evaluation["slices"]),
        _label_section(
            f"Per study ({evaluation.get('study_rule', 'max')} over its slices)", evaluation["studies"]
        ),
        picture_section("Training", pictures, {"learning_curves.png": "Loss by epoch."}),
        picture_section(
            "How well labels are told apart",
            pictures,
            {
                "roc.png": "ROC curve of each label, per slice.",
                "precision_recall.png": "Precision against recall of each label, per slice.",
            },
        ),
        picture_section(
            "Whether probabilities mean what they say",
            pictures,
            {
                "calibration.png": "Observed against predicted share, per slice, with intervals that take "
                "slices as independent; below, the number of slices."
            },
        ),
        picture_section(
            "Examples",
            pictures,
            {"examples.png": "Brain window (level 40, width 80 HU); bars are predicted probabilities."},
        ),
        picture_section("What the network sees", pictures, SEEN),
        config_section(config),
        FOOTER,
    ]
    return Report(page(heading, sections), pictures)


def _summary(evaluation: Mapping) -> str:
    slices = evaluation["slices"]
    contents = [
        card(name, number(slices[key], form), interval_text(slices.get(f"{key}_interval"), form))
        for key, name, form in _OVERALL
    ]
    contents.insert(1, constant_card(evaluation))
    return cards("Summary, per slice", contents)


def _label_section(title: str, scores: Mapping) -> str:
    rows = []
    for name, label in scores["labels"].items():
        cells = [cell(label[key], form, label["undefined"].get(key)) for key, _, form in _PER_LABEL]
        counts = label["confusion"]
        cells += [
            f"<td>{counts[key]:,}</td>"
            for key in ("true_positive", "false_positive", "false_negative", "true_negative")
        ]
        rows.append(f"<td>{escape(name)}</td>{''.join(cells)}")
    heads = ["label", *(name for _, name, _ in _PER_LABEL), "TP", "FP", "FN", "TN"]
    return (
        f"<h2>{escape(title)}</h2>\n{table(heads, rows)}\n"
        f'<p class="quiet">{scores["count"]:,} in all; a probability of {scores["threshold"]:g} or more '
        f"counts as positive. Weighted log loss {scores['log_loss']:.4f}.</p>"
    )
