"""Evaluation of hemorrhage and location against cases worked out by hand and a bootstrap in a loop."""

import json

import numpy as np
import pandas as pd
import pytest

from data_prep.labels import HEMORRHAGE_AND_LOCATION as PAIR
from training.tasks.multi_task import MultiTask
from training.tasks.words import words_of

SHARES = np.array([0.5, 0.5, 0.5, 0.3, 0.2])


def flat(hemorrhage, location):
    """Labels of slices; a location of -1 is none."""
    return np.concatenate([np.eye(2)[hemorrhage], np.eye(4)[location][:, :3]], axis=1)


def certain(labels_like, share=0.8):
    """Probabilities with `share` on the classes of these labels, deep where they have no location."""
    hemorrhage, location = labels_like[:, :2], labels_like[:, 2:].copy()
    location[location.sum(axis=1) == 0, 0] = 1
    rest = [(1 - share), (1 - share) / 2]
    return np.concatenate(
        [
            np.where(part == 1, share, other)
            for part, other in zip((hemorrhage, location), rest, strict=True)
        ],
        axis=1,
    )


def ids_of(patients):
    names = [f"patient_{patient}" for patient in patients]
    return pd.DataFrame(
        {"source_id": [str(i) for i in range(len(names))], "patient_id": names}
    )


def evaluate(labels, probabilities, patients, **options):
    task = MultiTask(PAIR, options.pop("task_weights", ()), words_of("ct"))
    settings = {"dataset": "phantom_ich_location", "draws": 20} | options
    return task.evaluate(labels, probabilities, ids_of(patients), SHARES, **settings)


def test_columns_and_answers():
    assert PAIR.label_names == ("normal", "ich", "deep", "lobar", "subtentorial")
    assert (PAIR.columns("hemorrhage"), PAIR.columns("location")) == (
        slice(0, 2),
        slice(2, 5),
    )
    labels = flat([0, 1, 1], [-1, 2, -1])
    assert PAIR.truth(labels)["location"].tolist() == [-1, 2, -1]
    found = PAIR.answers(certain(flat([0, 1, 1], [-1, 2, 1])))
    assert found["hemorrhage"].tolist() == [0, 1, 1] and found["location"].tolist() == [
        -1,
        2,
        1,
    ]


def test_scores_worked_out_by_hand():
    labels = flat([0, 0, 0, 1, 1, 1, 1, 1], [-1, -1, -1, 0, 0, 1, 2, -1])
    said = flat([0, 0, 1, 1, 1, 1, 0, 1], [-1, -1, 2, 0, 1, 1, 2, 0])
    scores = evaluate(labels, certain(said), range(8))
    hemorrhage, location = scores["hemorrhage"], scores["location"]
    assert hemorrhage["confusion"] == [[2, 1], [1, 4]]
    assert hemorrhage["accuracy"] == 6 / 8 and hemorrhage["count"] == 8
    assert hemorrhage["labels"]["ich"]["precision"] == 4 / 5
    assert hemorrhage["labels"]["ich"]["recall"] == 4 / 5
    assert hemorrhage["labels"]["ich"]["specificity"] == pytest.approx(2 / 3)
    assert hemorrhage["labels"]["normal"]["specificity"] == 4 / 5
    assert hemorrhage["specificity"] == pytest.approx((2 / 3 + 4 / 5) / 2)
    # Of the four slices with a location; the last one's is right although its hemorrhage was missed.
    assert location["confusion"] == [[1, 1, 0], [0, 1, 0], [0, 0, 1]]
    assert location["accuracy"] == 3 / 4 and location["count"] == 4
    assert location["specificity"] == pytest.approx((1 + 2 / 3 + 1) / 3)
    # All right: two normal ones, one deep, the lobar one, and the hemorrhage of no known location.
    assert scores["slices"]["accuracy"] == 5 / 8
    first = -(6 * np.log(0.8) + 2 * np.log(0.2)) / 8
    second = -(3 * np.log(0.8) + np.log(0.1)) / 4
    assert scores["slices"]["log_loss"] == pytest.approx(first + second)
    constant = np.log(2), -(2 * np.log(0.5) + np.log(0.3) + np.log(0.2)) / 4
    assert hemorrhage["constant_prevalence_score"] == pytest.approx(constant[0])
    assert location["constant_prevalence_score"] == pytest.approx(constant[1])
    assert scores["constant_prevalence_score"] == pytest.approx(sum(constant))
    assert scores["improvement"] == pytest.approx(1 - (first + second) / sum(constant))
    assert scores["task"] == "multi_task" and scores["label_names"] == list(
        PAIR.label_names
    )
    json.dumps(scores, allow_nan=False)


def test_tasks_are_weighted():
    labels = flat([0, 1, 1], [-1, 0, 1])
    scores = evaluate(labels, certain(labels), range(3), task_weights=(2.0, 0.5))
    assert scores["slices"]["log_loss"] == pytest.approx(-2.5 * np.log(0.8))


def test_intervals_equal_a_bootstrap_of_patients_in_a_loop():
    generator = np.random.default_rng(3)
    patients = generator.integers(0, 30, 200)
    location = generator.integers(-1, 3, 200)
    labels = flat((location >= 0).astype(int), location)
    logits = generator.normal(0, 1, (200, 5)) + 1.5 * labels
    probabilities = np.concatenate(
        [
            np.exp(part) / np.exp(part).sum(axis=1, keepdims=True)
            for part in (logits[:, :2], logits[:, 2:])
        ],
        axis=1,
    )
    scores = evaluate(labels, probabilities, patients, draws=50, seed=5)
    names, patient = np.unique([f"patient_{p}" for p in patients], return_inverse=True)
    generator, count = np.random.default_rng(5), len(names)
    draws = [
        np.bincount(generator.integers(count, size=count), minlength=count)
        for _ in range(50)
    ]
    found = {"accuracy": [], "log_loss": []}
    for times in draws:
        rows = np.repeat(np.arange(200), times[patient])
        true, said = labels[rows], probabilities[rows]
        ill = true[:, 1] == 1
        right = said[:, :2].argmax(1) == true[:, :2].argmax(1)
        right[ill] &= said[ill, 2:].argmax(1) == true[ill, 2:].argmax(1)
        found["accuracy"].append(right.mean())
        first = -np.log((true[:, :2] * said[:, :2]).sum(1)).mean()
        second = -np.log((true[ill, 2:] * said[ill, 2:]).sum(1)).mean()
        found["log_loss"].append(first + second)
    for key, values in found.items():
        interval = scores["slices"][f"{key}_interval"]
        np.testing.assert_allclose(
            [interval["low"], interval["high"]],
            np.quantile(values, [0.025, 0.975]),
            err_msg=key,
        )
    assert scores["slices"]["patients"] == len(names)


def test_split_without_hemorrhages_is_scored_by_the_first_task():
    labels = flat([0, 0, 0], [-1, -1, -1])
    scores = evaluate(labels, certain(labels), range(3))
    assert "location" not in scores
    assert "no slice of this split has a label of location" in scores["notes"][-1]
    assert scores["slices"]["accuracy"] == 1
    assert scores["slices"]["log_loss"] == pytest.approx(-np.log(0.8))
    json.dumps(scores, allow_nan=False)
