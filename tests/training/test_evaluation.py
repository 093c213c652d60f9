"""What stands in evaluation.json and predictions.csv."""

import json

import numpy as np
import pandas as pd
import pytest

from training.evaluation import (
    arrays_of,
    evaluate_predictions,
    predictions_frame,
    read_predictions,
    write_evaluation,
)
from training.losses import constant_prevalence_score

NAMES = ("any", "epidural")
WEIGHTS = (2, 1)


@pytest.fixture
def ids():
    return pd.DataFrame(
        {
            "source_id": [f"ID_{i:03d}" for i in range(12)],
            "patient_id": np.repeat(["0012", "1e5", "c"], 4),
            "study_id": np.repeat(["s1", "s2", "s3", "s4"], 3),
            "series_id": "r",
            "position_mm": np.arange(12) * 5.0,
        }
    )


@pytest.fixture
def labels():
    return np.array([[1, 1], [0, 0]] * 3 + [[0, 0]] * 6)


def evaluate(labels, probabilities, ids, prevalence, **options):
    return evaluate_predictions(
        labels,
        probabilities,
        ids,
        NAMES,
        prevalence,
        dataset="made_up",
        label_weights=WEIGHTS,
        draws=20,
        **options,
    )


def test_constant_predictions_improve_nothing(ids, labels):
    prevalence = labels.mean(axis=0)
    evaluation = evaluate(labels, np.tile(prevalence, (12, 1)), ids, prevalence)
    assert evaluation["improvement"] == pytest.approx(0, abs=1e-9)
    assert evaluation["constant_prevalence_score"] == pytest.approx(
        constant_prevalence_score(prevalence, WEIGHTS)
    )
    assert evaluation["slices"]["count"] == 12 and evaluation["slices"]["patients"] == 3
    assert evaluation["studies"]["count"] == 4


def test_scores_slices_and_studies_and_keeps_the_notes(ids, labels):
    probabilities = np.where(labels == 1, 0.9, 0.05)
    evaluation = evaluate(
        labels, probabilities, ids, [0.5, 0.25], split="validation", notes=["trained on phantoms"]
    )
    assert evaluation["improvement"] > 0.5
    assert evaluation["split"] == "validation"
    assert evaluation["notes"] == ["trained on phantoms"]
    assert evaluation["slices"]["labels"]["any"]["positives"] == 3
    assert evaluation["studies"]["labels"]["any"]["positives"] == 2


def test_says_when_the_constant_score_is_inflated(ids, labels):
    evaluation = evaluate(labels, np.full(labels.shape, 0.5), ids, [0.25, 0.0])
    assert "inflated: no training positives of epidural" in evaluation["notes"][0]


def test_files_come_back_as_written(ids, labels, tmp_path):
    probabilities = np.random.default_rng(0).random(labels.shape)
    predictions_frame(ids, labels, probabilities, NAMES).to_csv(tmp_path / "predictions.csv", index=False)
    table, names = read_predictions(tmp_path / "predictions.csv")
    assert names == list(NAMES)
    assert table["patient_id"].tolist() == ids["patient_id"].tolist()
    read_labels, read_probabilities = arrays_of(table, names)
    np.testing.assert_array_equal(read_labels, labels)
    np.testing.assert_array_equal(read_probabilities, probabilities)
    evaluation = evaluate(labels, probabilities, ids, [0.2, 0.2])
    path = write_evaluation(tmp_path, evaluation)
    assert json.loads(path.read_text()) == evaluation
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["evaluation.json", "predictions.csv"]


def test_a_table_without_its_columns_is_refused(ids, labels, tmp_path):
    with pytest.raises(ValueError, match="Absent: study_id"):
        predictions_frame(ids.drop(columns="study_id"), labels, labels, NAMES)
    ids.to_csv(tmp_path / "predictions.csv", index=False)
    with pytest.raises(ValueError, match="predictions.csv is not a table of predictions"):
        read_predictions(tmp_path / "predictions.csv")
