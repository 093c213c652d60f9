"""The report of exclusive classes: its numbers, its pictures, and the photographs it shows."""

import base64
import json
import re

import numpy as np
import pandas as pd
import pytest
from html_page import Page

from training import figures
from training.runs.run_folder import write_report
from training.statistics.predictions import (
    predictions_frame,
    read_predictions,
    write_evaluation,
)
from training.tasks.examples import RIGHT, WRONG
from training.tasks.single_label import SingleLabel

NAMES = ("MEL", "NV", "<i>BCC</i>", "DF")


@pytest.fixture
def run_dir(tmp_path):
    generator = np.random.default_rng(0)
    true = generator.choice(3, 120, p=[0.3, 0.5, 0.2])
    logits = generator.normal(0, 1, (120, 4)) + 1.5 * np.eye(4)[true]
    logits[:, 3] = -9
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    lesions = [f"lesion_{i // 2}" for i in range(120)]
    ids = pd.DataFrame(
        {
            "source_id": [f"ISIC_{i:03d}" for i in range(120)],
            "patient_id": lesions,
            "study_id": lesions,
            "series_id": lesions,
            "position_mm": np.nan,
        }
    )
    labels = np.eye(4, dtype="int64")[true]
    predictions_frame(ids, labels, probabilities, NAMES).to_csv(
        tmp_path / "predictions.csv", index=False
    )
    evaluation = SingleLabel(NAMES).evaluate(
        labels,
        probabilities,
        ids,
        [0.3, 0.5, 0.1, 0.1],
        dataset="skin<script>",
        notes=["trained on phantoms"],
        draws=50,
    )
    write_evaluation(tmp_path, evaluation)
    rows = [
        {
            "epoch": 1,
            "loss": 1.2,
            "val_log_loss": 1.1,
            "val_accuracy": 0.5,
            "val_f1": 0.3,
        },
        {
            "epoch": 2,
            "loss": 0.9,
            "val_log_loss": 0.9,
            "val_accuracy": 0.6,
            "val_f1": 0.4,
        },
    ]
    (tmp_path / "metrics.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in rows)
    )
    (tmp_path / "config.json").write_text(json.dumps({"model": "hifuse_tiny"}))
    return tmp_path


def test_page_is_whole_and_shows_all_pictures(run_dir):
    table, _ = read_predictions(run_dir / "predictions.csv")
    chosen = SingleLabel(NAMES).choose_examples(table)
    photographs = {
        source_id: np.full((20 + 7 * i, 40, 3), 20 * i % 256, "uint8")
        for i, source_id in enumerate(
            source_id for ids in chosen.values() for source_id in ids
        )
    }
    page = Page(write_report(run_dir, SingleLabel(NAMES), photographs).read_text())
    assert not {"script", "i", "link"} & set(page.tags)
    assert "skin<script>" in page.text and "<i>BCC</i>" in page.text
    written = sorted(path.name for path in (run_dir / "figures").iterdir())
    assert written == [
        "calibration.png",
        "confusion.png",
        "examples.png",
        "learning_curves.png",
        "roc.png",
    ]
    embedded = {
        base64.b64decode(value.removeprefix("data:image/png;base64,"))
        for name, value in page.attributes
        if name == "src"
    }
    assert embedded == {(run_dir / "figures" / name).read_bytes() for name in written}


def test_page_has_the_scores_with_their_intervals(run_dir):
    html = write_report(run_dir, SingleLabel(NAMES)).read_text()
    evaluation = json.loads((run_dir / "evaluation.json").read_text())
    scores = evaluation["images"]
    for key in ("accuracy", "f1", "precision", "recall"):
        interval = scores[f"{key}_interval"]
        assert f"<b>{scores[key]:.1%}</b>" in html
        assert (
            f"95% interval {interval['low']:.1%} to {interval['high']:.1%}, by group"
            in html
        )
    melanoma = scores["labels"]["MEL"]
    interval = melanoma["recall_interval"]
    ends = f"{interval['low']:.1%} to {interval['high']:.1%}"
    assert f"<td>{melanoma['recall']:.1%}<br><span>{ends}</span></td>" in html
    page = Page(html)
    assert "120 images of 60 patients or lesions" in page.text
    assert (
        f"{scores['majority_accuracy']:.1%}always saying NV, the commonest class"
        in page.text
    )
    assert "accuracy's interval lies above it" in page.text
    assert f"{evaluation['improvement']:.1%} below" in page.text
    assert "DF: no images of this class; not in the means." in page.text
    assert html.count("Not for clinical use.") == 2
    assert "Examples" not in page.text and page.tags.count("img") == 4
    assert "nan" not in re.sub('base64,[^"]*', "", html).lower()


def test_page_says_when_the_majority_is_not_beaten(run_dir):
    evaluation = json.loads((run_dir / "evaluation.json").read_text())
    write_evaluation(run_dir, {**evaluation, "beats_majority": False})
    assert (
        "not wholly above it"
        in Page(write_report(run_dir, SingleLabel(NAMES)).read_text()).text
    )


def test_two_classes_have_one_curve(run_dir):
    ids = pd.DataFrame(
        {
            "source_id": list("abcd"),
            "patient_id": list("abcd"),
            "study_id": list("abcd"),
        }
    )
    ids = ids.assign(series_id="r", position_mm=np.nan)
    labels, second = np.array([[1, 0], [0, 1]] * 2), np.array([0.2, 0.7, 0.6, 0.9])
    probabilities = np.column_stack([1 - second, second])
    names = ("NonCOVID", "COVID")
    predictions_frame(ids, labels, probabilities, names).to_csv(
        run_dir / "predictions.csv", index=False
    )
    about = {"dataset": "covid19_ct", "draws": 20}
    write_evaluation(
        run_dir,
        SingleLabel(names).evaluate(labels, probabilities, ids, [0.5, 0.5], **about),
    )
    assert (
        "4 images." in Page(write_report(run_dir, SingleLabel(names)).read_text()).text
    )
    curve = figures.to_png(
        figures.roc_curves(labels[:, 1:], probabilities[:, 1:], ["COVID"])
    )
    assert (run_dir / "figures" / "roc.png").read_bytes() == curve


def test_examples_take_the_true_classes_in_turn():
    confidence = [0.99, 0.98, 0.97, 0.9, 0.8, 0.7, 0.95, 0.6, 0.65]
    true = [1, 1, 1, 0, 0, 2, 1, 0, 2]
    predicted = [1, 1, 1, 0, 0, 2, 0, 1, 0]
    probabilities = np.full((9, 3), np.nan)
    for row, (share, index) in enumerate(zip(confidence, predicted, strict=True)):
        probabilities[row] = (1 - share) / 2
        probabilities[row, index] = share
    table = pd.DataFrame(
        {"source_id": list("abcdefghi"), "study_id": list("112345678")}
    )
    for i, name in enumerate(NAMES[:3]):
        table[f"label_{name}"] = (np.array(true) == i).astype(int)
        table[f"probability_{name}"] = probabilities[:, i]
    groups = SingleLabel(NAMES[:3]).choose_examples(table, per_group=3)
    assert groups == {RIGHT: ["d", "a", "f"], WRONG: ["h", "g", "i"]}
    groups = SingleLabel(NAMES[:3]).choose_examples(table, per_group=4)
    assert groups[RIGHT] == [
        "d",
        "a",
        "c",
        "f",
    ]  # b is of a's lesion, and c is surer than e
    assert SingleLabel(NAMES[:3]).choose_examples(table[:1]) == {
        RIGHT: ["a"],
        WRONG: [],
    }
