"""The report of hemorrhage and location: its numbers, its pictures, and the slices it shows."""

import json

import numpy as np
import pandas as pd
import pytest
from html_page import Page

from data_prep.labels import HEMORRHAGE_AND_LOCATION
from keras_medformers.tasks import TaskSpec
from training import figures
from training.runs.run_folder import write_report
from training.statistics.predictions import (
    predictions_frame,
    read_predictions,
    write_evaluation,
)
from training.tasks.examples import RIGHT, WRONG
from training.tasks.multi_task import MultiTask
from training.tasks.words import words_of

TASK = MultiTask(HEMORRHAGE_AND_LOCATION, words=words_of("ct"))

EPOCHS = [
    {"epoch": epoch, "loss": 1.8 / epoch, "val_log_loss": 1.7 / epoch}
    | {
        f"{task}_{key}": 0.5
        for task in ("hemorrhage", "location")
        for key in ("loss", "accuracy")
    }
    | {
        f"val_{task}_{key}": 0.4
        for task in ("hemorrhage", "location")
        for key in ("log_loss", "accuracy")
    }
    for epoch in (1, 2)
]


@pytest.fixture
def run_dir(tmp_path):
    generator = np.random.default_rng(0)
    location = generator.integers(-3, 3, 90).clip(-1)
    labels = np.concatenate(
        [np.eye(2)[(location >= 0) * 1], np.eye(4)[location][:, :3]], axis=1
    )
    logits = generator.normal(0, 1, (90, 5)) + 2 * labels
    powers = np.exp(logits)
    parts = powers[:, :2], powers[:, 2:]
    probabilities = np.concatenate(
        [part / part.sum(axis=1, keepdims=True) for part in parts], axis=1
    )
    ids = pd.DataFrame(
        {"source_id": [f"ID_{i:02d}" for i in range(90)], "position_mm": 0.0}
        | {
            key: [f"{key}{i // 3}" for i in range(90)]
            for key in ("patient_id", "study_id", "series_id")
        }
    )
    table = predictions_frame(ids, labels, probabilities, TASK.label_names)
    table.to_csv(tmp_path / "predictions.csv", index=False)
    evaluation = TASK.evaluate(
        labels,
        probabilities,
        ids,
        np.array([0.5, 0.5, 0.4, 0.3, 0.3]),
        dataset="phantom_ich_location",
        notes=["trained on phantoms"],
        draws=50,
    )
    write_evaluation(tmp_path, evaluation)
    (tmp_path / "metrics.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in EPOCHS)
    )
    (tmp_path / "config.json").write_text(json.dumps({"model": "dtvit_small"}))
    return tmp_path


def test_page_has_every_score_and_picture(run_dir):
    table, _ = read_predictions(run_dir / "predictions.csv")
    chosen = TASK.choose_examples(table)
    slices = {
        source_id: np.full((20, 20, 1), 40, "int16")
        for ids in chosen.values()
        for source_id in ids
    }
    page = Page(write_report(run_dir, TASK, slices).read_text())
    assert "dtvit_small on phantom_ich_location: trained on phantoms" in page.text
    assert "90 slices of 30 patients" in page.text
    scores = json.loads((run_dir / "evaluation.json").read_text())
    for task in ("hemorrhage", "location"):
        assert f"accuracy: {task}" in page.text and f"Per class: {task}" in page.text
        for key in ("accuracy", "precision", "recall", "f1", "specificity"):
            assert f"{scores[task][key]:.1%}" in page.text, (task, key)
            low, high = (
                scores[task][f"{key}_interval"][end] for end in ("low", "high")
            )
            assert f"{low:.1%} to {high:.1%}" in page.text, (task, key)
    assert sorted(path.stem for path in (run_dir / "figures").iterdir()) == [
        "calibration", "confusion_hemorrhage", "confusion_location", "examples", "learning_curves",
        "roc_hemorrhage", "roc_location",
    ]  # fmt: skip


def test_split_without_hemorrhages_has_a_page_too(run_dir):
    table, names = read_predictions(run_dir / "predictions.csv")
    normal = table[table["label_normal"] == 1]
    normal.to_csv(run_dir / "predictions.csv", index=False)
    labels, probabilities = (
        normal[[f"{kind}_{name}" for name in names]].to_numpy("float64")
        for kind in ("label", "probability")
    )
    evaluation = TASK.evaluate(
        labels,
        probabilities,
        normal.reset_index(),
        np.array([0.5, 0.5, 0.4, 0.3, 0.3]),
        dataset="phantom_ich_location",
        draws=50,
    )
    write_evaluation(run_dir, evaluation)
    page = Page(write_report(run_dir, TASK).read_text())
    assert "no slice of this split has a label of location" in page.text.lower()
    assert not (run_dir / "figures" / "confusion_location.png").exists()


def test_examples_are_of_each_place_in_turn(run_dir):
    table, _ = read_predictions(run_dir / "predictions.csv")
    chosen = TASK.choose_examples(table)
    rows = table.set_index("source_id")
    said_ich = rows["probability_ich"] > rows["probability_normal"]
    said_place, true_place = (
        rows[[f"{kind}_{name}" for name in TASK.label_names[2:]]]
        .idxmax(axis=1)
        .str.removeprefix(f"{kind}_")
        for kind in ("probability", "label")
    )
    ill = rows["label_ich"] == 1
    right = (said_ich == ill) & (~ill | (said_place == true_place))
    assert (
        len(chosen[RIGHT]) == 8
        and right[chosen[RIGHT]].all()
        and not right[chosen[WRONG]].any()
    )
    kinds = np.where(ill, true_place, "normal")
    kinds = pd.Series(kinds, rows.index)[chosen[RIGHT]]
    assert kinds.value_counts().to_dict() == {
        "normal": 2,
        "deep": 2,
        "lobar": 2,
        "subtentorial": 2,
    }


def test_curves_are_of_both_tasks():
    figure = figures.task_curves(EPOCHS, ["hemorrhage", "location"])
    assert len(figure.axes) == 4
    assert [axes.get_title() for axes in figure.axes[:2]] == ["hemorrhage", "location"]
    for axes in figure.axes:
        names = [text.get_text() for text in axes.get_legend().get_texts()]
        assert names[:2] == ["training", "validation"]


def test_outputs_that_do_not_depend_on_each_other(tmp_path):
    spec = TaskSpec({"side": ("left", "right"), "view": ("cc", "mlo", "other")})
    task = MultiTask(spec, words=words_of("mammogram"))
    generator = np.random.default_rng(1)
    side, view = generator.integers(0, 2, 60), generator.integers(0, 3, 60)
    labels = np.concatenate([np.eye(2)[side], np.eye(3)[view]], axis=1)
    labels[:5, 2:] = 0  # views that nobody knows
    probabilities = task.probabilities(generator.normal(0, 1, (60, 5)) + 2 * labels)
    ids = pd.DataFrame(
        {"source_id": [f"image_{i:02d}" for i in range(60)], "position_mm": np.nan}
        | {
            key: [f"{key}{i // 4}" for i in range(60)]
            for key in ("patient_id", "study_id", "series_id")
        }
    )
    table = predictions_frame(ids, labels, probabilities, task.label_names)
    table.to_csv(tmp_path / "predictions.csv", index=False)
    evaluation = task.evaluate(
        labels, probabilities, ids, np.full(5, 0.4), dataset="mine", draws=20
    )
    assert evaluation["images"]["count"] == evaluation["side"]["count"] == 60
    assert evaluation["view"]["count"] == 55 and "slices" not in evaluation
    write_evaluation(tmp_path, evaluation)
    row = {"epoch": 1, "side_loss": 0.5, "side_accuracy": 0.7}
    row |= {"view_loss": 0.9, "view_accuracy": 0.5}
    (tmp_path / "metrics.jsonl").write_text(json.dumps(row))

    text = Page(write_report(tmp_path, task).read_text()).text
    assert "60 mammograms of 15 patients" in text
    assert "slice" not in text and "none" not in text
    names = {path.stem for path in (tmp_path / "figures").iterdir()}
    assert {"calibration_side", "calibration_view", "roc_side", "roc_view"} <= names
    assert (task.sureness(probabilities) == probabilities).all()
    chosen = task.choose_examples(table)
    assert len(chosen[RIGHT]) == 8
