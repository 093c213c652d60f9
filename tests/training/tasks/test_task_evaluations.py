"""What stands in evaluation.json and predictions.csv."""

import json

import numpy as np
import pandas as pd
import pytest

from training.statistics.predictions import (
    arrays_of,
    predictions_frame,
    read_predictions,
    write_evaluation,
)
from training.statistics.prevalence import constant_prevalence_score
from training.tasks.multilabel import MultiLabel
from training.tasks.single_label import SingleLabel
from training.tasks.words import words_of

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
    return MultiLabel(NAMES, WEIGHTS, words_of("ct")).evaluate(
        labels,
        probabilities,
        ids,
        prevalence,
        dataset="made_up",
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
        labels,
        probabilities,
        ids,
        [0.5, 0.25],
        split="validation",
        notes=["trained on phantoms"],
    )
    assert evaluation["improvement"] > 0.5
    assert evaluation["split"] == "validation"
    assert evaluation["notes"] == ["trained on phantoms"]
    assert evaluation["slices"]["labels"]["any"]["positives"] == 3
    assert evaluation["studies"]["labels"]["any"]["positives"] == 2


def test_says_when_the_constant_score_is_inflated(ids, labels):
    evaluation = evaluate(labels, np.full(labels.shape, 0.5), ids, [0.25, 0.0])
    assert "inflated: no training positives of epidural" in evaluation["notes"][0]


def evaluate_classes(true, probabilities, ids, prevalence, **options):
    return SingleLabel(NAMES).evaluate(
        np.eye(2, dtype=int)[true],
        probabilities,
        ids,
        prevalence,
        dataset="made_up",
        **options,
    )


def test_exclusive_classes_are_compared_with_the_majority_and_the_prevalence(ids):
    true = np.array([0] * 8 + [1] * 4)
    right = np.where(np.eye(2)[true] == 1, 0.9, 0.1)
    evaluation = evaluate_classes(
        true, right, ids, [0.5, 0.5], notes=["trained on phantoms"]
    )
    assert evaluation["task"] == "single_label"
    assert (
        evaluation["images"]["accuracy"] == 1 and evaluation["images"]["patients"] == 3
    )
    assert evaluation["images"]["majority_accuracy"] == pytest.approx(2 / 3)
    assert evaluation["beats_majority"] is True
    assert evaluation["prevalence"] == pytest.approx([2 / 3, 1 / 3])
    assert evaluation["constant_prevalence_score"] == pytest.approx(np.log(2))
    assert evaluation["improvement"] == pytest.approx(1 + np.log(0.9) / np.log(2))
    assert evaluation["notes"] == ["trained on phantoms"]
    json.dumps(evaluation, allow_nan=False)


def test_the_majority_class_does_not_beat_itself(ids):
    true = np.array([0] * 8 + [1] * 4)
    evaluation = evaluate_classes(true, np.tile([0.9, 0.1], (12, 1)), ids, [1.0, 0.0])
    assert evaluation["images"]["accuracy"] == evaluation["images"]["majority_accuracy"]
    assert evaluation["beats_majority"] is False
    assert evaluation["constant_prevalence_score"] == pytest.approx(-np.log(1e-7) / 3)
    assert "no training positives of epidural" in evaluation["notes"][0]
    one_patient = ids.assign(patient_id="p")
    right = np.where(np.eye(2)[true] == 1, 0.9, 0.1)
    assert (
        evaluate_classes(true, right, one_patient, [0.5, 0.5])["beats_majority"]
        is False
    )


def test_files_come_back_as_written(ids, labels, tmp_path):
    probabilities = np.random.default_rng(0).random(labels.shape)
    predictions_frame(ids, labels, probabilities, NAMES).to_csv(
        tmp_path / "predictions.csv", index=False
    )
    table, names = read_predictions(tmp_path / "predictions.csv")
    assert names == list(NAMES)
    assert table["patient_id"].tolist() == ids["patient_id"].tolist()
    read_labels, read_probabilities = arrays_of(table, names)
    np.testing.assert_array_equal(read_labels, labels)
    np.testing.assert_array_equal(read_probabilities, probabilities)
    evaluation = evaluate(labels, probabilities, ids, [0.2, 0.2])
    path = write_evaluation(tmp_path, evaluation)
    assert json.loads(path.read_text()) == evaluation
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [
        "evaluation.json",
        "predictions.csv",
    ]


def test_a_table_without_its_columns_is_refused(ids, labels, tmp_path):
    with pytest.raises(ValueError, match="Absent: study_id"):
        predictions_frame(ids.drop(columns="study_id"), labels, labels, NAMES)
    ids.to_csv(tmp_path / "predictions.csv", index=False)
    with pytest.raises(
        ValueError, match="predictions.csv is not a table of predictions"
    ):
        read_predictions(tmp_path / "predictions.csv")


def test_ids_that_read_like_missing_values_stay(ids, labels, tmp_path):
    ids = ids.assign(
        source_id=["NA", "None", "nan", *ids["source_id"][3:]], position_mm=np.nan
    )
    predictions_frame(ids, labels, labels, NAMES).to_csv(
        tmp_path / "predictions.csv", index=False
    )
    table, _ = read_predictions(tmp_path / "predictions.csv")
    assert table["source_id"].tolist() == ids["source_id"].tolist()
    assert table["position_mm"].isna().all()
