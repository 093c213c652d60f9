"""A run folder's `report.html`: one page without outside resources, and its pictures as files.

Made from `evaluation.json`, `predictions.csv`, `metrics.jsonl`, and `config.json` if it is there.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from training import figures
from training.evaluation import arrays_of, read_predictions

RIGHT, WRONG = "Most confident, and right", "Most confident, and wrong"
EXAMPLES_PER_GROUP = 4

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
_STYLE = """
:root { color-scheme: light; }
body { margin: 0 auto; max-width: 70rem; padding: 1.5rem; background: #fff; color: #24292f;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .3rem; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 .6rem; padding-bottom: .2rem; border-bottom: 1px solid #d8dce1; }
p { margin: .4rem 0; max-width: 48rem; }
.quiet { color: #57606a; }
.notes { margin: 1rem 0; padding: .6rem 1rem; background: #fff4e5; border-left: 4px solid #d55e00;
  font-weight: 600; }
.cards { display: flex; flex-wrap: wrap; gap: .8rem; }
.card { flex: 1 1 17rem; border: 1px solid #d8dce1; border-radius: 6px; padding: .7rem .9rem; }
.card b { display: block; font-size: 1.5rem; line-height: 1.2; }
.card span { color: #57606a; font-size: .85rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; margin: .5rem 0; }
th, td { padding: .3rem .5rem; text-align: right; border-bottom: 1px solid #e3e6ea; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
thead th { border-bottom: 2px solid #8a8f98; vertical-align: bottom; white-space: normal; }
td.text { text-align: left; white-space: normal; overflow-wrap: anywhere; }
figure { margin: 1rem 0; }
img { max-width: 100%; height: auto; }
figcaption { color: #57606a; font-size: .9rem; max-width: 48rem; }
footer { margin-top: 3rem; padding-top: .6rem; border-top: 1px solid #d8dce1; }
"""


class Report(NamedTuple):
    """The page, and the PNG files of its pictures by name."""

    html: str
    pictures: dict[str, bytes]


def write_report(run_dir: str | Path, slices_hu: Mapping[str, np.ndarray] | None = None) -> Path:
    """Writes `report.html` and `figures/*.png` into a run folder that has been evaluated.

    Args:
        run_dir: The run folder.
        slices_hu: Slices in HU by source id, for the sheet of examples; take the ids from `choose_examples`.
            Without them the page has no such sheet.

    Returns:
        Path of `report.html`.

    Raises:
        FileNotFoundError: If the evaluation, the predictions or the metrics are not there.
        ValueError: If one of them cannot be read.
    """
    run_dir = Path(run_dir)
    predictions, label_names = read_predictions(_existing(run_dir / "predictions.csv"))
    config_path = run_dir / "config.json"
    report = render_report(
        _read_json(_existing(run_dir / "evaluation.json")),
        predictions,
        label_names,
        read_epochs(_existing(run_dir / "metrics.jsonl")),
        slices_hu,
        _read_json(config_path) if config_path.is_file() else {},
    )
    (run_dir / "figures").mkdir(exist_ok=True)
    for name, png in report.pictures.items():
        (run_dir / "figures" / name).write_bytes(png)
    path = run_dir / "report.html"
    path.write_text(report.html, encoding="utf-8")
    return path


def read_epochs(path: str | Path) -> list[dict]:
    """Reads `metrics.jsonl`; of an epoch that was run again after an interruption, the last row counts.

    Raises:
        ValueError: If a line is not a JSON object with an epoch; the message has its number.
    """
    rows = {}
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            rows[row["epoch"]] = row
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path}, line {number}, is not a JSON object with an epoch: {error}") from error
    return [rows[epoch] for epoch in sorted(rows)]


def choose_examples(
    predictions: pd.DataFrame,
    label_names: Sequence[str],
    threshold: float = 0.5,
    per_group: int = EXAMPLES_PER_GROUP,
) -> dict[str, list[str]]:
    """Source ids of the slices on which the model was most confident about the first label, right and wrong.

    Half of each group are slices with that label where there are such, and no two are of one study.

    Args:
        predictions: The table of `predictions.csv`.
        label_names: Its labels.
        threshold: A probability at or above it counts as a positive prediction.
        per_group: Most slices in a group.

    Returns:
        Ids by the group's title.
    """
    first = label_names[0]
    present = predictions[f"label_{first}"] == 1
    said_present = predictions[f"probability_{first}"] >= threshold
    confidence = (predictions[f"probability_{first}"] - threshold).abs()
    ranked = predictions.assign(present=present).loc[
        confidence.sort_values(ascending=False, kind="stable").index
    ]
    groups = {}
    for title, chosen in ((RIGHT, present == said_present), (WRONG, present != said_present)):
        candidates = ranked[chosen.loc[ranked.index]].drop_duplicates("study_id")
        with_label, without_label = candidates[candidates.present], candidates[~candidates.present]
        positives = min(len(with_label), max((per_group + 1) // 2, per_group - len(without_label)))
        picked = pd.concat([with_label.head(positives), without_label.head(per_group - positives)])
        groups[title] = picked["source_id"].tolist()
    return groups


def render_report(
    evaluation: Mapping,
    predictions: pd.DataFrame,
    label_names: Sequence[str],
    epochs: Sequence[Mapping],
    slices_hu: Mapping[str, np.ndarray] | None = None,
    config: Mapping | None = None,
) -> Report:
    """Draws the pictures and puts the page together.

    Args:
        evaluation: Content of `evaluation.json`.
        predictions: The table of `predictions.csv`.
        label_names: Its labels.
        epochs: Rows of `metrics.jsonl`.
        slices_hu: Slices in HU by source id.
        config: Content of `config.json`.

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
        "calibration.png": figures.calibration(labels[:, 0], probabilities[:, 0], label_names[0]),
    }
    examples = _examples(predictions, label_names, threshold, slices_hu or {})
    if any(examples.values()):
        drawn["examples.png"] = figures.example_sheet(examples, label_names, threshold)
    pictures = {name: figures.to_png(figure) for name, figure in drawn.items()}
    heading = f"{config.get('model', 'Model')} on {evaluation['dataset']}"
    if evaluation["notes"]:
        heading += f": {'; '.join(evaluation['notes'])}"
    sections = [
        _header(heading, evaluation),
        _summary(evaluation),
        _label_section("Per slice", evaluation["slices"]),
        _label_section(
            f"Per study ({evaluation.get('study_rule', 'max')} over its slices)", evaluation["studies"]
        ),
        _picture_section("Training", pictures, {"learning_curves.png": "Loss by epoch."}),
        _picture_section(
            "How well labels are told apart",
            pictures,
            {
                "roc.png": "ROC curve of each label, per slice.",
                "precision_recall.png": "Precision against recall of each label, per slice.",
            },
        ),
        _picture_section(
            "Whether probabilities mean what they say",
            pictures,
            {
                "calibration.png": "Observed against predicted share, per slice, with intervals that take "
                "slices as independent; below, the number of slices."
            },
        ),
        _picture_section(
            "Examples",
            pictures,
            {"examples.png": "Brain window (level 40, width 80 HU); bars are predicted probabilities."},
        ),
        _config_section(config),
        "<footer><p><strong>Not for clinical use.</strong></p></footer>",
    ]
    return Report(_page(heading, sections), pictures)


def _examples(
    predictions: pd.DataFrame,
    label_names: Sequence[str],
    threshold: float,
    slices_hu: Mapping[str, np.ndarray],
) -> dict[str, list[figures.ExampleSlice]]:
    table = predictions[predictions["source_id"].isin(list(slices_hu))]
    labels, probabilities = arrays_of(table, label_names)
    rows = {source_id: i for i, source_id in enumerate(table["source_id"])}
    return {
        title: [
            figures.ExampleSlice(
                source_id, slices_hu[source_id], labels[rows[source_id]], probabilities[rows[source_id]]
            )
            for source_id in ids
        ]
        for title, ids in choose_examples(table, label_names, threshold).items()
    }


def _page(title: str, sections: Sequence[str]) -> str:
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(section for section in sections if section)
        + "\n</body>\n</html>\n"
    )


def _header(heading: str, evaluation: Mapping) -> str:
    notes = "".join(f"<div>{escape(_sentence(note))}</div>" for note in evaluation["notes"])
    return (
        f"<h1>{escape(heading)}</h1>\n"
        f'<p class="quiet">{escape(evaluation["split"])} split, {evaluation["slices"]["count"]:,} slices of '
        f"{evaluation['studies']['count']:,} studies. <strong>Not for clinical use.</strong></p>\n"
        + (f'<div class="notes">{notes}</div>' if notes else "")
    )


def _summary(evaluation: Mapping) -> str:
    slices, improvement = evaluation["slices"], evaluation["improvement"]
    cards = [
        _card(name, _number(slices[key], form), _interval(slices.get(f"{key}_interval"), form))
        for key, name, form in _OVERALL
    ]
    against = (
        "not known"
        if improvement is None
        else f"{abs(improvement):.1%} {'below' if improvement >= 0 else 'above'}"
    )
    detail = (
        f"{evaluation['constant_prevalence_score']:.4f}, always predicting the training split's prevalences"
    )
    cards.insert(1, _card("the loss against the constant score", against, detail))
    return f'<h2>Summary, per slice</h2>\n<div class="cards">{"".join(cards)}</div>'


def _card(name: str, value: str, detail: str) -> str:
    return (
        f'<div class="card"><b>{escape(value)}</b>{escape(name)}'
        + (f"<br><span>{escape(detail)}</span>" if detail else "")
        + "</div>"
    )


def _interval(interval: Mapping | None, form: str) -> str:
    if not interval:
        return ""
    if interval["low"] is None:
        return f"no interval: {interval['reason']}"
    ends = f"{form.format(interval['low'])} to {form.format(interval['high'])}"
    return f"{interval['level']:.0%} interval {ends}, by {interval['unit']}"


def _label_section(title: str, scores: Mapping) -> str:
    rows = []
    for name, label in scores["labels"].items():
        cells = [_cell(label[key], form, label["undefined"].get(key)) for key, _, form in _PER_LABEL]
        counts = label["confusion"]
        cells += [
            f"<td>{counts[key]:,}</td>"
            for key in ("true_positive", "false_positive", "false_negative", "true_negative")
        ]
        rows.append(f"<tr><td>{escape(name)}</td>{''.join(cells)}</tr>")
    names = [name for _, name, _ in _PER_LABEL] + ["TP", "FP", "FN", "TN"]
    heads = "".join(f"<th>{escape(name)}</th>" for name in ["label", *names])
    return (
        f'<h2>{escape(title)}</h2>\n<div class="scroll"><table><thead><tr>{heads}</tr></thead>\n'
        f"<tbody>{''.join(rows)}</tbody></table></div>\n"
        f'<p class="quiet">{scores["count"]:,} in all; a probability of {scores["threshold"]:g} or more '
        f"counts as positive. Weighted log loss {scores['log_loss']:.4f}.</p>"
    )


def _cell(value: float | None, form: str, reason: str | None) -> str:
    hint = f' title="{escape(reason)}"' if reason else ""
    return f"<td{hint}>{escape(_number(value, form))}</td>"


def _picture_section(title: str, pictures: Mapping[str, bytes], captions: Mapping[str, str]) -> str:
    parts = []
    for name, caption in captions.items():
        if name in pictures:
            data = base64.b64encode(pictures[name]).decode("ascii")
            parts.append(
                f'<figure><img src="data:image/png;base64,{data}" alt="{escape(caption)}">'
                f"<figcaption>{escape(caption)}</figcaption></figure>"
            )
    return f"<h2>{escape(title)}</h2>\n" + "\n".join(parts) if parts else ""


def _config_section(config: Mapping) -> str:
    rows = "".join(
        f'<tr><td>{escape(str(key))}</td><td class="text">{escape(_plain(value))}</td></tr>'
        for key, value in config.items()
    )
    return f"<h2>Configuration</h2>\n<table><tbody>{rows}</tbody></table>" if rows else ""


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)


def _plain(value) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise FileNotFoundError(
            f"There is no {path}. Expected a run folder that has been trained and evaluated"
        )
    return path


def _read_json(path: Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not valid JSON: {error}") from error
