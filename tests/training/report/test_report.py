"""The report: whole, without outside resources, escaped, and with pictures that show what they should."""

import base64
import io
import json
import re

import numpy as np
import pandas as pd
import pytest
from html_page import Page
from PIL import Image

from training.runs.run_folder import read_epochs, write_report
from training.statistics.predictions import (
    predictions_frame,
    read_predictions,
    write_evaluation,
)
from training.tasks.examples import RIGHT, WRONG
from training.tasks.multilabel import MultiLabel
from training.tasks.tasks import task_of_evaluation
from training.tasks.words import words_of

NAMES = ("any", "epidural", "<b>sub</b>dural")
TASK = MultiLabel(NAMES, (2, 1, 1), words_of("ct"))


@pytest.fixture
def run_dir(tmp_path):
    generator = np.random.default_rng(0)
    labels = (generator.random((60, 3)) < 0.4).astype(int)
    labels[:, 1] = 0
    probabilities = 1 / (1 + np.exp(-generator.normal(labels * 3 - 1.5, 1.5)))
    ids = pd.DataFrame(
        {
            "source_id": [f"ID_{i:03d}" for i in range(60)],
            "patient_id": [f"p{i // 10}" for i in range(60)],
            "study_id": [f"s{i // 5}" for i in range(60)],
            "series_id": "r",
            "position_mm": 0.0,
        }
    )
    predictions_frame(ids, labels, probabilities, NAMES).to_csv(
        tmp_path / "predictions.csv", index=False
    )
    evaluation = TASK.evaluate(
        labels,
        probabilities,
        ids,
        [0.4, 0.1, 0.4],
        dataset="phantom<script>alert(1)</script>",
        notes=["trained on phantoms", "untrained backbones & heads"],
        draws=20,
    )
    write_evaluation(tmp_path, evaluation)
    rows = [
        {"epoch": 1, "loss": 0.5, "val_log_loss": 0.6},
        {"epoch": 2, "loss": 0.9, "val_log_loss": 0.9},
        {"epoch": 2, "loss": 0.4, "val_log_loss": 0.5},
    ]
    (tmp_path / "metrics.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in rows)
    )
    (tmp_path / "config.json").write_text(
        json.dumps({"model": "a_model", "note": "</table><i>"})
    )
    return tmp_path


@pytest.fixture
def slices_hu(run_dir):
    table, _ = read_predictions(run_dir / "predictions.csv")
    chosen = [
        source_id for ids in TASK.choose_examples(table).values() for source_id in ids
    ]
    return {source_id: np.full((32, 32, 1), 40, "int16") for source_id in chosen}


def test_page_is_whole_and_stands_alone(run_dir, slices_hu):
    path = write_report(run_dir, TASK, slices_hu)
    assert path == run_dir / "report.html"
    html = path.read_text()
    page = Page(html)
    assert "script" not in page.tags and "link" not in page.tags
    sources = [value for name, value in page.attributes if name in ("src", "href")]
    assert len(sources) == 5 and all(
        value.startswith("data:image/png;base64,") for value in sources
    )
    assert "url(" not in html and "@import" not in html
    written = sorted(path.name for path in (run_dir / "figures").iterdir())
    assert written == [
        "calibration.png", "examples.png", "learning_curves.png", "precision_recall.png", "roc.png",
    ]  # fmt: skip
    embedded = {base64.b64decode(value.split(",")[1]) for value in sources}
    assert embedded == {(run_dir / "figures" / name).read_bytes() for name in written}
    for png in embedded:
        picture = np.asarray(Image.open(io.BytesIO(png)).convert("L"))
        assert picture.shape[1] > 600 and picture.std() > 5


def test_text_is_escaped(run_dir):
    page = Page(write_report(run_dir, TASK).read_text())
    assert not {"script", "i"} & set(page.tags)
    for text in (
        "phantom<script>alert(1)</script>",
        "<b>sub</b>dural",
        "</table><i>",
        "backbones & heads",
    ):
        assert text in page.text


def test_page_says_what_it_is_about(run_dir):
    html = write_report(run_dir, TASK).read_text()
    title = re.search("<title>(.*)</title>", html)[1]
    heading = re.search("<h1>(.*)</h1>", html)[1]
    for text in (title, heading):
        assert (
            "trained on phantoms" in text
            and "untrained backbones" in text
            and "a_model" in text
        )
    assert html.count("Not for clinical use.") == 2
    scores = json.loads((run_dir / "evaluation.json").read_text())
    for value in (
        f"{scores['slices']['log_loss']:.4f}",
        f"{scores['constant_prevalence_score']:.4f}",
        f"{scores['improvement']:.1%} below",
        f"{scores['studies']['log_loss']:.4f}",
        f"{scores['slices']['labels']['any']['auroc']:.3f}",
    ):
        assert value in html
    assert '<td title="no positives">–</td>' in html
    assert "nan" not in re.sub('base64,[^"]*', "", html).lower()


def test_without_slices_there_is_no_sheet(run_dir):
    page = Page(write_report(run_dir, TASK).read_text())
    assert page.tags.count("img") == 4 and "Examples" not in page.text


def test_pictures_of_the_inside_have_a_section(run_dir):
    png = (
        write_report(run_dir, TASK)
        .with_name("figures")
        .joinpath("roc.png")
        .read_bytes()
    )
    assert "What the network sees" not in (run_dir / "report.html").read_text()
    page = Page(
        write_report(
            run_dir, TASK, seen={"similarity.png": png, "attention_last.png": png}
        ).read_text()
    )
    assert page.tags.count("img") == 6 and "What the network sees" in page.text
    assert (
        "attention of the last encoder" in page.text
        and "last encoder's: cosine" in page.text
    )
    assert (run_dir / "figures" / "similarity.png").read_bytes() == png


def test_says_above_when_the_model_is_worse_than_a_constant(run_dir):
    evaluation = json.loads((run_dir / "evaluation.json").read_text())
    write_evaluation(run_dir, {**evaluation, "improvement": -0.25})
    assert "25.0% above" in write_report(run_dir, TASK).read_text()


def test_last_row_of_an_epoch_counts(run_dir):
    assert [row["loss"] for row in read_epochs(run_dir / "metrics.jsonl")] == [0.5, 0.4]


@pytest.mark.parametrize(
    "name", ["evaluation.json", "predictions.csv", "metrics.jsonl"]
)
def test_missing_file_is_named(run_dir, name):
    (run_dir / name).unlink()
    with pytest.raises(FileNotFoundError, match=name):
        write_report(run_dir, TASK)


def test_damaged_line_is_named(run_dir):
    (run_dir / "metrics.jsonl").write_text('{"epoch": 1}\n{"epo')
    with pytest.raises(ValueError, match=r"metrics\.jsonl, line 2,"):
        write_report(run_dir, TASK)


def test_an_evaluation_without_task_is_of_several_labels(run_dir):
    evaluation = json.loads((run_dir / "evaluation.json").read_text())
    assert evaluation.pop("task") == "multilabel"
    task = task_of_evaluation(evaluation)
    assert isinstance(task, MultiLabel) and task.words == words_of("ct")
    assert "Per study" in write_report(run_dir, task).read_text()
    with pytest.raises(ValueError, match="unknown task 'regression'"):
        task_of_evaluation({**evaluation, "task": "regression"})


def test_examples_are_the_most_confident_one_per_study():
    table = pd.DataFrame(
        {
            "source_id": list("abcdefgh"),
            "study_id": list("11234567"),
            "label_any": [1, 1, 1, 0, 0, 1, 0, 1],
            "probability_any": [0.99, 0.98, 0.6, 0.05, 0.3, 0.1, 0.8, 0.4],
        }
    )
    groups = MultiLabel(["any"]).choose_examples(table, per_group=2)
    assert groups == {RIGHT: ["a", "d"], WRONG: ["f", "g"]}
    groups = MultiLabel(["any"]).choose_examples(table, per_group=4)
    assert groups == {RIGHT: ["a", "c", "d", "e"], WRONG: ["f", "h", "g"]}
    assert MultiLabel(["any"]).choose_examples(table[:1]) == {RIGHT: ["a"], WRONG: []}
