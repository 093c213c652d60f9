"""What a network with two decoders is trained for: labels, probabilities, scores by epoch."""

import dataclasses
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_medformers
from data_prep.labels import HEMORRHAGE_AND_LOCATION
from data_prep.records.schema import DatasetInfo
from keras_medformers.support.errors import UserError
from training.runs.config import Config
from training.tasks.multi_task import MultiTask
from training.tasks.tasks import task_of, task_of_records

CLASS_NAMES = HEMORRHAGE_AND_LOCATION.label_names

SMALL = dict(
    patch_size=8, num_layers=1, embed_dim=16, mlp_dim=16, num_heads=2, classifier_dim=8
)


@pytest.fixture(scope="module")
def task():
    return task_of(
        Config(
            model="dtvit_small",
            dataset="ich_location",
            records="r",
            task="multi_task",
            modality="ct",
            task_weights=(1.0, 2.0),
        )
    )


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return keras_medformers.create_model(
        "dtvit_small", input_shape=(16, 16, 3), **SMALL
    )


@pytest.mark.parametrize(
    "present, location, expected",
    [
        (0, -1, [1, 0, 0, 0, 0]),
        (1, 0, [0, 1, 1, 0, 0]),
        (1, 2, [0, 1, 0, 0, 1]),
        (1, -1, [0, 1, 0, 0, 0]),
        (0, 1, [1, 0, 0, 0, 0]),
    ],
)
def test_labels_of_a_record(task, present, location, expected):
    record = {
        "labels": tf.constant([present, location], "float32"),
    }
    labels = tf.function(task.labels)(record)
    assert labels.dtype == tf.float32 and labels.numpy().tolist() == expected


def test_one_output_holds_both_tasks_logits(task, model):
    images = np.random.default_rng(0).normal(size=(3, 16, 16, 3)).astype("float32")
    by_task = model(images)
    joined = task.with_one_output(model)(images)
    assert joined.shape == (3, len(CLASS_NAMES))
    np.testing.assert_array_equal(joined[:, :2], by_task["hemorrhage"])
    np.testing.assert_array_equal(joined[:, 2:], by_task["location"])


def test_probabilities_of_each_task_sum_to_one(task):
    logits = np.array([[1000, -1000, 0, 0, 0], [0, 0, 1, 2, 3]])
    found = task.probabilities(logits)
    np.testing.assert_allclose(found[:, :2].sum(axis=1), 1)
    np.testing.assert_allclose(found[:, 2:].sum(axis=1), 1)
    np.testing.assert_allclose(found[0], [1, 0, 1 / 3, 1 / 3, 1 / 3])
    np.testing.assert_allclose(
        found[1, 2:], np.exp([1, 2, 3]) / np.exp([1, 2, 3]).sum()
    )
    assert logits[0, 0] == 1000


def test_answer_is_the_location_of_a_hemorrhage(task):
    found = task.answer(
        np.array([[0.9, 0.1, 0.1, 0.1, 0.8], [0.2, 0.8, 0.1, 0.1, 0.8]])
    )
    assert [CLASS_NAMES[index] for index in found] == ["normal", "subtentorial"]


def test_scores_of_an_epoch_are_by_task(task):
    labels = np.array([[1, 0, 0, 0, 0], [0, 1, 1, 0, 0], [0, 1, 0, 1, 0]])
    probabilities = np.array(
        [
            [0.8, 0.2, 0.2, 0.2, 0.6],
            [0.8, 0.2, 0.5, 0.3, 0.2],
            [0.2, 0.8, 0.2, 0.5, 0.3],
        ]
    )
    scores = task.validation_scores(labels, probabilities)
    assert (
        scores["hemorrhage_accuracy"] == pytest.approx(2 / 3)
        and scores["location_accuracy"] == 1
    )
    first, second = -(2 * np.log(0.8) + np.log(0.2)) / 3, -np.log(0.5)
    assert scores["hemorrhage_log_loss"] == pytest.approx(first)
    assert scores["log_loss"] == pytest.approx(first + 2 * second)
    without = task.validation_scores(labels[:1], probabilities[:1])
    assert (
        without["log_loss"] == pytest.approx(-np.log(0.8))
        and "location_accuracy" not in without
    )


def test_prevalence_is_among_the_slices_that_have_a_label(task, phantom_info):
    shares = task.prevalence(phantom_info)
    split = phantom_info.splits["train"]
    counts = [
        split["extra_labels"]["location"].get(str(index), 0) for index in range(3)
    ]
    ill = phantom_info.positives("train")["any"]
    assert shares[:2].tolist() == pytest.approx(
        [1 - ill / split["records"], ill / split["records"]]
    )
    assert shares[2:].tolist() == pytest.approx(
        [count / sum(counts) for count in counts]
    )


def test_records_without_locations_are_refused(task, noise_info):
    with pytest.raises(UserError, match="labels 'any' and 'location'.*rsna_ich in "):
        task.label_names_of(noise_info)
    unnamed = dataclasses.replace(
        noise_info,
        label_names=("subdural",),
        extra_label_names=("location",),
        dataset="mine",
    )
    with pytest.raises(UserError, match="mine in .* has subdural"):
        task.label_names_of(unnamed)


def test_facts_name_the_model_that_is_registered_with_tasks(phantom_info):
    assert keras_medformers.registry.list_tasks("dtvit") == {
        "hemorrhage": 2,
        "location": 3,
    }
    assert keras_medformers.registry.list_tasks("scopeformer") == {}
    assert (
        isinstance(phantom_info, DatasetInfo)
        and task_of_records("dtvit", phantom_info).label_names_of(phantom_info)
        == CLASS_NAMES
    )
    json.dumps(MultiTask.of_model("dtvit").num_classes)
