"""Loss and metrics of hemorrhage and location against plain NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from training.tasks.multi_task_losses import MultiTaskLoss, OutputAccuracy, OutputLoss

SIZES = (2, 3)

# Normal; ICH deep; ICH subtentorial; ICH of no known location.
LABELS = np.array(
    [[1, 0, 0, 0, 0], [0, 1, 1, 0, 0], [0, 1, 0, 0, 1], [0, 1, 0, 0, 0]], "float32"
)


@pytest.fixture
def logits():
    return np.random.default_rng(0).normal(0, 2, (4, 5)).astype("float32")


def cross_entropies(logits):
    """Of each slice: of hemorrhage, and of location where there is one."""
    exact = logits.astype("float64")

    def of_group(columns):
        group, labels = exact[:, columns], LABELS[:, columns]
        return np.log(np.exp(group).sum(axis=1)) * labels.sum(axis=1) - (
            group * labels
        ).sum(axis=1)

    return of_group(slice(0, 2)), of_group(slice(2, 5))


def test_location_is_averaged_over_the_slices_that_have_one(logits):
    hemorrhage, location = cross_entropies(logits)
    expected = hemorrhage.mean() + location[[1, 2]].mean()
    assert float(MultiTaskLoss(SIZES)(LABELS, logits)) == pytest.approx(
        expected, rel=1e-5
    )


def test_tasks_are_weighted(logits):
    hemorrhage, location = cross_entropies(logits)
    expected = 0.5 * hemorrhage.mean() + 2 * location[[1, 2]].mean()
    assert float(MultiTaskLoss(SIZES, (0.5, 2))(LABELS, logits)) == pytest.approx(
        expected, rel=1e-5
    )


def test_slices_without_a_location_do_not_move_it(logits):
    # TensorFlow's own cross-entropy of all-zero labels is 0, its gradient is not.
    x = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = MultiTaskLoss(SIZES)(LABELS, x)
    gradient = tape.gradient(loss, x).numpy()
    np.testing.assert_array_equal(gradient[[0, 3], 2:], 0)
    assert np.all(np.abs(gradient[[1, 2], 2:]) > 1e-4) and np.all(
        np.abs(gradient[:, :2]) > 1e-4
    )


def test_batch_without_hemorrhage_has_the_first_loss_alone(logits):
    normal = np.repeat(LABELS[:1], 4, axis=0)
    loss = float(MultiTaskLoss(SIZES)(normal, logits))
    expected = np.mean(np.log(np.exp(logits[:, :2]).sum(axis=1)) - logits[:, 0])
    assert loss == pytest.approx(expected, rel=1e-5)


def test_loss_is_float32_and_finite_whatever_the_logits(logits):
    half = keras.ops.convert_to_tensor(1e4 * logits, "bfloat16")
    loss = MultiTaskLoss(SIZES)(LABELS, half)
    assert keras.backend.standardize_dtype(loss.dtype) == "float32" and np.isfinite(
        loss
    )


def test_loss_comes_back_from_its_config():
    loss = MultiTaskLoss(SIZES, (1.0, 3.0))
    assert MultiTaskLoss.from_config(loss.get_config()).task_weights == (1.0, 3.0)


def test_metrics_are_over_all_labelled_slices_of_the_epoch(logits):
    metrics = [
        metric(output, columns)
        for output, columns in (("hemorrhage", slice(0, 2)), ("location", slice(2, 5)))
        for metric in (OutputLoss, OutputAccuracy)
    ]
    for metric in metrics:
        metric.update_state(LABELS[:2], logits[:2])
        metric.update_state(LABELS[2:], logits[2:])
    found = {metric.name: float(metric.result()) for metric in metrics}
    hemorrhage, location = cross_entropies(logits)
    right = logits[:, :2].argmax(1) == LABELS[:, :2].argmax(1)
    found_there = (logits[:, 2:].argmax(1) == LABELS[:, 2:].argmax(1))[[1, 2]]
    assert found == pytest.approx(
        {
            "hemorrhage_loss": hemorrhage.mean(),
            "hemorrhage_accuracy": right.mean(),
            "location_loss": location[[1, 2]].mean(),
            "location_accuracy": found_there.mean(),
        },
        rel=1e-5,
    )
