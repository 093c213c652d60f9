"""Loss, probabilities and scores of each task against plain NumPy."""

import keras
import numpy as np
import pytest

from keras_medformers.tasks import TASK_NAMES
from training.runs.config import Config
from training.tasks.multi_task import MultiTask
from training.tasks.tasks import TASKS, MultiLabel, SingleLabel, task_of

NAMES = ("MEL", "NV", "BCC")


def make_task(task, **values):
    weights = {"label_weights": (2.0, 1.0, 1.0)} if task == "multilabel" else {}
    return task_of(
        Config(
            dataset="isic2018",
            records="records",
            task=task,
            **{
                "model": "hifuse_tiny",
                "label_names": NAMES,
                "modality": "photograph",
            }
            | weights
            | values,
        )
    )


@pytest.fixture
def logits():
    return np.random.default_rng(0).normal(0, 3, (12, 3)).astype("float32")


@pytest.fixture
def one_hot():
    return np.eye(3, dtype="float32")[np.arange(12) % 3]


def test_the_configuration_names_the_task():
    assert isinstance(make_task("multilabel"), MultiLabel)
    assert isinstance(make_task("single_label"), SingleLabel)
    assert isinstance(make_task("multi_task", model="dtvit"), MultiTask)
    assert set(TASKS) == set(TASK_NAMES)


@pytest.mark.parametrize("task", ["multilabel", "single_label"])
def test_probabilities_are_those_of_the_exported_activation(task, logits):
    task = make_task(task)
    extreme = np.concatenate([logits, [[1000, -1000, 0], [-1000, -1000, -1000]]])
    expected = keras.activations.get(task.activation)(
        keras.ops.convert_to_tensor(extreme, "float32")
    )
    found = task.probabilities(extreme)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert found.dtype == np.float64


def test_loss_of_exclusive_labels_is_the_cross_entropy(logits, one_hot):
    task = make_task("single_label")
    exact = logits.astype("float64")
    expected = np.log(np.exp(exact).sum(axis=1)) - exact[one_hot == 1]
    loss = task.loss()
    np.testing.assert_allclose(loss(one_hot, logits), expected.mean(), rtol=1e-5)
    half = keras.ops.convert_to_tensor(logits, "bfloat16")
    assert keras.backend.standardize_dtype(loss(one_hot, half).dtype) == "float32"
    assert np.isfinite(loss(one_hot, 1e4 * logits))


def test_training_accuracy_of_exclusive_labels_is_logged(logits, one_hot):
    (accuracy,) = make_task("single_label").metrics()
    accuracy.update_state(one_hot, logits)
    assert accuracy.name == "accuracy"
    assert float(accuracy.result()) == pytest.approx(
        np.mean(logits.argmax(1) == one_hot.argmax(1))
    )


def test_best_epoch_of_exclusive_labels_is_that_of_the_highest_accuracy():
    task = make_task("single_label")
    assert (task.monitor, task.higher_is_better) == ("val_accuracy", True)
    task = make_task("multilabel")
    assert (task.monitor, task.higher_is_better) == ("val_log_loss", False)


def test_best_epoch_of_mammograms_is_that_of_the_largest_area():
    task = make_task(
        "single_label", modality="mammogram", label_names=("non_malignant", "malignant")
    )
    assert (task.monitor, task.higher_is_better) == ("val_auc", True)
    labels, malignant = np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.3, 0.9])
    scores = task.validation_scores(
        np.eye(2)[labels], np.stack([1 - malignant, malignant], axis=1)
    )
    assert scores["auc"] == 0.75 and scores["accuracy"] == 0.75


def test_validation_scores_of_exclusive_labels(one_hot):
    task = make_task("single_label")
    probabilities = np.where(one_hot == 1, 0.8, 0.1)
    scores = task.validation_scores(one_hot, probabilities)
    assert scores == pytest.approx(
        {"log_loss": -np.log(0.8), "accuracy": 1, "f1": 1, "precision": 1, "recall": 1}
    )
    # One of the four images of the first class is called the second.
    probabilities[0] = [0.1, 0.8, 0.1]
    scores = task.validation_scores(one_hot, probabilities)
    assert scores["accuracy"] == pytest.approx(11 / 12)
    assert scores["recall"] == pytest.approx((3 / 4 + 1 + 1) / 3)
    assert scores["precision"] == pytest.approx((1 + 4 / 5 + 1) / 3)


def test_only_labels_that_occur_together_start_from_their_prevalence():
    prevalence = np.array([0.5, 0.1, 0.0])
    bias = make_task("multilabel").first_bias(prevalence, 100)
    np.testing.assert_allclose(1 / (1 + np.exp(-bias)), [0.5, 0.1, 0.005])
    assert make_task("single_label").first_bias(prevalence, 100) is None
