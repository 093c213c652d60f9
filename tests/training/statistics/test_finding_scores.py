"""Areas by type and size of finding: which images are compared, and what the report shows."""

import json

import numpy as np
import pandas as pd
import pytest
from html_page import Page
from sklearn.metrics import roc_auc_score

from data_prep.labels import FINDING_TYPES, MAMMOGRAM_LABELS
from training.runs.run_folder import write_report
from training.statistics.finding_scores import (
    SIZE_COLUMN,
    SIZE_THRESHOLDS_PX,
    TYPE_COLUMN,
    area_scores,
    subsets_of_findings,
)
from training.statistics.predictions import (
    predictions_frame,
    read_predictions,
    write_evaluation,
)
from training.tasks.single_label import SingleLabel

COUNT = 240


@pytest.fixture(name="images")
def scored_images():
    """Labels, scores and ids; every third positive image has no box, and no image has a focal asymmetry."""
    generator = np.random.default_rng(0)
    labels = (np.arange(COUNT) % 4 == 0).astype(int)
    scores = 1 / (1 + np.exp(-generator.normal(1.5 * labels, 1)))
    with_box = labels.astype(bool) & (np.arange(COUNT) % 12 != 0)
    ids = pd.DataFrame({
        "source_id": [f"image_{i}" for i in range(COUNT)],
        **{column: [f"{column}_{i // 4}" for i in range(COUNT)] for column in ("patient_id", "study_id")},
        "series_id": "",
        "position_mm": np.nan,
        TYPE_COLUMN: np.where(with_box, np.arange(COUNT) // 8 % 3, -1),
        SIZE_COLUMN: np.where(with_box, generator.integers(60, 500, COUNT), -1),
        "extra_laterality": np.arange(COUNT) % 2,
    })  # fmt: skip
    return labels, scores, ids


def test_each_kind_is_held_against_all_negative_images(images):
    labels, scores, ids = images
    found = area_scores(labels, scores, ids, "malignant", draws=50)
    json.dumps(found, allow_nan=False)

    def area(positives):
        kept = positives | (labels == 0)
        return pytest.approx(roc_auc_score(labels[kept], scores[kept]))

    types, sizes = ids[TYPE_COLUMN].to_numpy(), ids[SIZE_COLUMN].to_numpy()
    assert found["auc"] == area(labels == 1) and found["positives"] == COUNT // 4
    assert list(found["by_finding_type"]) == list(FINDING_TYPES)
    for index, name in enumerate(FINDING_TYPES[:3]):
        of_type = found["by_finding_type"][name]
        assert of_type["auc"] == area((types == index) & (labels == 1))
        assert (
            of_type["negatives"] == 3 * COUNT // 4
            and of_type["auc_interval"]["unit"] == "patient"
        )
    absent = found["by_finding_type"][FINDING_TYPES[3]]
    assert (
        absent["auc"] is None
        and absent["undefined"]["auc"] == "there are no positive images"
    )
    for each in found["by_finding_size"]["smaller_than"]:
        kept = (sizes >= 0) & (sizes < each["threshold_px"]) & (labels == 1)
        assert each["positives"] == kept.sum() and each["auc"] == area(kept)
    assert [
        each["threshold_px"] for each in found["by_finding_size"]["smaller_than"]
    ] == [
        100,
        150,
        200,
        250,
        300,
        350,
        400,
    ]
    thirds = list(found["by_finding_size"]["thirds"].values())
    assert sum(third["positives"] for third in thirds) == (types >= 0).sum() == 40
    assert max(third["positives"] for third in thirds) <= 15
    assert [third["from_px"] for third in thirds[1:]] == [
        third["to_px"] for third in thirds[:2]
    ]
    assert found["auc_over_images_interval"]["unit"] == "image"


def test_findings_of_equal_size_are_in_one_third(images):
    labels, _, ids = images
    sizes = np.where(ids[SIZE_COLUMN] >= 0, 200, -1)
    subsets = subsets_of_findings(ids.assign(**{SIZE_COLUMN: sizes}), labels)
    assert [
        int(subsets[SIZE_COLUMN, name][labels == 1].sum())
        for name in ("small", "medium", "large")
    ] == [
        40,
        0,
        0,
    ]


def test_what_is_not_known_is_not_divided(images):
    labels, scores, ids = images
    columns = [TYPE_COLUMN, SIZE_COLUMN]
    for known in (ids.drop(columns=columns), ids.assign(**dict.fromkeys(columns, -1))):
        found = area_scores(labels, scores, known, "malignant", draws=10)
        assert "by_finding_type" not in found and "by_finding_size" not in found


@pytest.fixture(name="run_dir")
def evaluated_run(images, tmp_path):
    labels, scores, ids = images
    probabilities = np.stack([1 - scores, scores], axis=1)
    one_hot = np.eye(2, dtype=int)[labels]
    predictions_frame(ids, one_hot, probabilities, MAMMOGRAM_LABELS).to_csv(
        tmp_path / "predictions.csv", index=False
    )
    evaluation = SingleLabel(MAMMOGRAM_LABELS).evaluate(
        one_hot,
        probabilities,
        ids,
        [0.75, 0.25],
        dataset="mammography",
        draws=20,
        auc_draws=50,
    )
    write_evaluation(tmp_path, evaluation)
    (tmp_path / "metrics.jsonl").write_text(
        json.dumps({"epoch": 1, "loss": 1.2, "val_log_loss": 1.1}) + "\n"
    )
    return tmp_path


def test_evaluation_and_predictions_keep_what_is_known_of_findings(run_dir, images):
    table, names = read_predictions(run_dir / "predictions.csv")
    assert names == list(MAMMOGRAM_LABELS)
    for column in (TYPE_COLUMN, SIZE_COLUMN, "extra_laterality"):
        assert table[column].tolist() == images[2][column].tolist()
    evaluation = json.loads((run_dir / "evaluation.json").read_text())
    assert evaluation["auc"]["positive_label"] == "malignant"
    assert evaluation["auc"]["auc"] == pytest.approx(
        evaluation["images"]["labels"]["malignant"]["auroc"]
    )
    assert evaluation["auc"]["auc_interval"]["draws"] == 50


def test_report_has_the_areas_and_their_pictures(run_dir):
    mammogram = np.random.default_rng(0).integers(0, 4096, (52, 40, 1), dtype="uint16")
    mammograms = {f"image_{i}": mammogram for i in range(COUNT)}
    page = Page(
        write_report(run_dir, SingleLabel(MAMMOGRAM_LABELS), mammograms).read_text()
    )
    area = json.loads((run_dir / "evaluation.json").read_text())["auc"]
    low, high = (
        area["by_finding_type"]["calcifications"]["auc_interval"][end]
        for end in ("low", "high")
    )
    assert (
        f"{low:.3f} to {high:.3f}" in page.text
        and "architectural distortion" in page.text
    )
    assert (
        "by patient" in page.text
        and "by image" in page.text
        and "medium third" in page.text
    )
    assert {
        "auc_by_finding_type.png",
        "auc_by_finding_size.png",
        "roc.png",
        "examples.png",
    } <= {path.name for path in (run_dir / "figures").iterdir()}
    assert f"smaller than {SIZE_THRESHOLDS_PX[0]} px" in page.text
