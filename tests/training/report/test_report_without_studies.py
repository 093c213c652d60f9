"""Several labels on images of no series: results speak of what the data have, of nothing else."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from html_page import Page

from training import figures
from training.average import as_markdown, average
from training.runs.run_folder import write_report
from training.statistics.predictions import predictions_frame, write_evaluation
from training.statistics.several_labels import multilabel_metrics
from training.tasks.examples import RIGHT, WRONG
from training.tasks.multilabel import MultiLabel
from training.tasks.tasks import task_of_evaluation
from training.tasks.words import words_of

LABELS = ("atelectasis", "effusion", "mass")
UNTRUE = re.compile(
    r"\b(slices?|stud(y|ies)|series|brain|HU|Hounsfield|any|window)\b", re.IGNORECASE
)
COUNT = 80


def write_run(run_dir, seed=0, modality="photograph"):
    """A run folder of made-up predictions of chest X-rays, two of each patient."""
    run_dir.mkdir(parents=True, exist_ok=True)
    task = MultiLabel(LABELS, words=words_of(modality))
    generator = np.random.default_rng(seed)
    labels = (generator.random((COUNT, len(LABELS))) < (0.4, 0.3, 0.1)).astype(int)
    probabilities = 1 / (1 + np.exp(-generator.normal(labels * 3 - 1.5, 1.5)))
    patients = [f"patient_{i // 2}" for i in range(COUNT)]
    ids = pd.DataFrame(
        {"source_id": [f"xray_{i:03d}" for i in range(COUNT)], "position_mm": np.nan}
        | dict.fromkeys(("patient_id", "study_id", "series_id"), patients)
    )

    table = predictions_frame(ids, labels, probabilities, LABELS)
    table.to_csv(run_dir / "predictions.csv", index=False)
    about = {"dataset": "chest_xrays", "records": "records", "draws": 20}
    shares = labels.mean(axis=0)
    evaluation = task.evaluate(labels, probabilities, ids, shares, **about)
    write_evaluation(run_dir, evaluation)
    rows = [
        {"epoch": 1, "loss": 0.7, "val_log_loss": 0.6},
        {"epoch": 2, "loss": 0.5, "val_log_loss": 0.55},
    ]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (run_dir / "metrics.jsonl").write_text(lines)
    config = {"model": "foo", "modality": modality, "records": str(run_dir), "seed": 0}
    (run_dir / "config.json").write_text(json.dumps(config))
    return task, table, evaluation


@pytest.fixture
def run(tmp_path):
    return tmp_path / "run", *write_run(tmp_path / "run")


def test_evaluation_has_images_alone(run):
    _, _, _, evaluation = run
    assert not {"slices", "studies", "study_rule"} & set(evaluation)
    images = evaluation["images"]
    assert (images["count"], images["patients"]) == (COUNT, COUNT // 2)
    assert not [key for key in images if "any" in key]
    areas = [label["auroc"] for label in images["labels"].values()]
    assert images["auroc"] == pytest.approx(np.mean(areas))
    interval = images["auroc_interval"]
    assert interval["low"] < images["auroc"] < interval["high"]
    json.dumps(evaluation, allow_nan=False)


def test_report_says_nothing_that_the_data_have_not(run):
    run_dir, task, table, evaluation = run
    chosen = task.choose_examples(table)
    pictures = {
        source_id: np.full((40, 50, 3), 90, "uint8")
        for ids in chosen.values()
        for source_id in ids
    }
    page = Page(write_report(run_dir, task, pictures).read_text())
    assert not UNTRUE.findall(page.text)
    assert "80 photographs of 40 groups" in page.text
    assert "Summary, per photograph" in page.text and "Per photograph" in page.text
    assert f"{evaluation['images']['auroc']:.3f}AUROC, mean over labels" in page.text
    assert page.tags.count("img") == 5


def test_pictures_say_nothing_that_the_data_have_not(run, monkeypatch):
    run_dir, task, _, _ = run
    drawn = []

    def keep(figure):
        drawn.append(figure)
        return b""

    monkeypatch.setattr(figures, "to_png", keep)
    write_report(run_dir, task)
    texts = [
        text.get_text()
        for figure in drawn
        for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))
    ]
    assert "photographs' labels" in texts and "share with a label" in texts
    assert not UNTRUE.findall("\n".join(texts))


def test_tables_of_runs_and_logs_have_the_mean_area(run, tmp_path):
    run_dir, task, _, evaluation = run
    other = tmp_path / "other"
    write_run(other, seed=1)
    text = as_markdown(average([run_dir, other]))
    assert "mean AUROC" in text
    assert not UNTRUE.findall(text.replace(str(tmp_path), ""))

    class Info:
        def count(self, split):
            return 100

        def positives(self, split):
            return dict.fromkeys(LABELS, 20)

    best = {"epoch": 2, "val_log_loss": 0.4}
    lines = task.summary_lines(best, evaluation, Info())
    assert len(lines) == 2 and not UNTRUE.findall("\n".join(lines))


def test_task_is_told_from_the_evaluation(run):
    task = task_of_evaluation(run[3])
    assert (task.level, task.words.one, task.main_label) == ("images", "image", None)
    assert task_of_evaluation(run[3], "photograph").words.one == "photograph"


def test_images_of_studies_of_their_own_are_scored_per_study_too(tmp_path):
    task, table, _ = write_run(tmp_path / "run")
    ids = table.assign(study_id=[f"study_{i // 4}" for i in range(COUNT)])
    labels, probabilities = (
        table[[f"{kind}_{name}" for name in LABELS]].to_numpy()
        for kind in ("label", "probability")
    )
    found = task.scores(labels, probabilities, ids, [0.4, 0.3, 0.1], draws=10)
    assert (found["images"]["count"], found["studies"]["count"]) == (COUNT, COUNT // 4)


def test_examples_without_a_main_label_are_right_or_wrong_as_a_whole():
    table = pd.DataFrame(
        {
            "source_id": list("abcdef"),
            "study_id": list("123456"),
            "label_x": [1, 1, 0, 0, 0, 1],
            "probability_x": [0.9, 0.6, 0.1, 0.2, 0.9, 0.4],
            "label_y": [0, 1, 0, 0, 0, 1],
            "probability_y": [0.2, 0.9, 0.1, 0.4, 0.1, 0.9],
        }
    )
    # Of a right one the least sure label counts: a 0.3, b 0.1, c 0.4, d 0.1; of a wrong one the fault.
    groups = MultiLabel(("x", "y")).choose_examples(table, per_group=2)
    assert groups == {RIGHT: ["a", "c"], WRONG: ["f", "e"]}


def test_mean_area_counts_labels_that_have_both_classes():
    labels = np.array([[1, 0, 1], [0, 0, 0], [1, 0, 0], [0, 0, 1]])
    probabilities = np.array(
        [[0.9, 0.1, 0.2], [0.2, 0.1, 0.3], [0.8, 0.1, 0.1], [0.1, 0.1, 0.9]]
    )
    scores = multilabel_metrics(labels, probabilities, LABELS, (1, 1, 1), draws=20)
    assert scores["labels"]["effusion"]["auroc"] is None
    assert scores["auroc"] == pytest.approx((1 + 0.75) / 2)
    nothing = multilabel_metrics(0 * labels, probabilities, LABELS, (1, 1, 1), draws=20)
    assert nothing["auroc"] is None and nothing["auroc_interval"] is None
    assert nothing["undefined"]["auroc"] == "no positives"
