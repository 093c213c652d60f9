"""The weighted log loss against plain NumPy, at its extremes, and under mixed precision."""

import keras
import numpy as np
import pytest
from keras import ops

from training.papers.scopeformer import RSNA_LABEL_WEIGHTS
from training.statistics.prevalence import constant_prevalence_score
from training.tasks.losses import WeightedMultiLabelLogLoss

WEIGHTS = np.array([2, 1, 1, 1, 1, 1]) / 7


def numpy_loss(labels, logits):
    """Equation (3) in float64, by log(sigmoid(x)) = -log(1 + exp(-x))."""
    logits = np.asarray(logits, "float64")
    cross_entropy = labels * np.logaddexp(0, -logits) + (1 - labels) * np.logaddexp(
        0, logits
    )
    return cross_entropy @ WEIGHTS


@pytest.fixture
def batch():
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, (16, 6)).astype("float32")
    return labels, generator.normal(0, 3, (16, 6)).astype("float32")


def test_equals_numpy_per_sample_and_reduced(batch):
    labels, logits = batch
    per_sample = WeightedMultiLabelLogLoss(RSNA_LABEL_WEIGHTS, reduction=None)(
        labels, logits
    )
    np.testing.assert_allclose(per_sample, numpy_loss(labels, logits), rtol=1e-5)
    np.testing.assert_allclose(
        WeightedMultiLabelLogLoss(RSNA_LABEL_WEIGHTS)(labels, logits),
        numpy_loss(labels, logits).mean(),
        rtol=1e-5,
    )


def test_any_counts_twice():
    loss = WeightedMultiLabelLogLoss(RSNA_LABEL_WEIGHTS, reduction=None)
    wrong_once = np.where(np.eye(6, dtype=bool), 10.0, -10.0).astype("float32")
    losses = np.asarray(loss(np.zeros((6, 6)), wrong_once))
    np.testing.assert_allclose(losses[0] / losses[1:], 2, rtol=1e-3)


def test_extreme_logits_give_finite_losses_and_gradients():
    import tensorflow as tf

    logits = np.array(
        [[1e4, -1e4, 100, -100, 0, 88.8], [-1e4, 1e4, -100, 100, 0, -88.8]], "float32"
    )
    labels = np.array([[1, 0, 0, 1, 1, 0], [1, 0, 1, 0, 0, 1]], "float32")
    variable = tf.Variable(logits)
    with tf.GradientTape() as tape:
        losses = WeightedMultiLabelLogLoss(RSNA_LABEL_WEIGHTS, reduction=None)(
            labels, variable
        )
    np.testing.assert_allclose(losses, numpy_loss(labels, logits), rtol=1e-5)
    gradient = tape.gradient(losses, variable).numpy()
    with np.errstate(over="ignore"):
        sigmoid = 1 / (1 + np.exp(-logits.astype("float64")))
    np.testing.assert_allclose(gradient, (sigmoid - labels) * WEIGHTS, atol=1e-6)


def test_probabilities_give_the_same_as_logits(batch):
    labels, logits = batch
    from_probabilities = WeightedMultiLabelLogLoss(
        RSNA_LABEL_WEIGHTS, from_logits=False
    )(labels, ops.sigmoid(logits))
    np.testing.assert_allclose(
        from_probabilities, numpy_loss(labels, logits).mean(), rtol=1e-4
    )


def test_sample_weights_scale_the_samples(batch):
    labels, logits = batch
    sample_weight = np.arange(16, dtype="float32")
    weighted = WeightedMultiLabelLogLoss(RSNA_LABEL_WEIGHTS, reduction="sum")(
        labels, logits, sample_weight
    )
    np.testing.assert_allclose(
        weighted, numpy_loss(labels, logits) @ sample_weight, rtol=1e-5
    )


def test_half_precision_outputs_are_computed_in_float32(batch):
    labels, logits = batch
    half = logits.astype("float16")
    loss = WeightedMultiLabelLogLoss(RSNA_LABEL_WEIGHTS)(
        labels, ops.convert_to_tensor(half)
    )
    assert keras.backend.standardize_dtype(loss.dtype) == "float32"
    np.testing.assert_allclose(loss, numpy_loss(labels, half).mean(), rtol=1e-5)
    direct = WeightedMultiLabelLogLoss(RSNA_LABEL_WEIGHTS).call(
        labels, ops.convert_to_tensor(half)
    )
    assert keras.backend.standardize_dtype(direct.dtype) == "float32"


def test_trains_a_model_in_mixed_precision(batch):
    labels, _ = batch
    model = keras.Sequential(
        [keras.Input((6,)), keras.layers.Dense(6, dtype="mixed_bfloat16")]
    )
    model.compile("adam", loss=WeightedMultiLabelLogLoss(RSNA_LABEL_WEIGHTS))
    history = model.fit(labels, labels, epochs=2, verbose=0)
    assert np.all(np.isfinite(history.history["loss"]))


def test_config_round_trip():
    loss = WeightedMultiLabelLogLoss(
        (3, 1), from_logits=False, reduction="sum", name="other"
    )
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert isinstance(again, WeightedMultiLabelLogLoss)
    assert again.get_config() == loss.get_config()
    assert again.label_weights == (3.0, 1.0)


@pytest.mark.parametrize("weights", [(), (0, 0), (1, -1), (1, float("nan"))])
def test_refuses_weights_without_meaning(weights):
    with pytest.raises(ValueError, match="label_weights"):
        WeightedMultiLabelLogLoss(weights)


def test_refuses_outputs_of_another_width():
    with pytest.raises(ValueError, match=r"\(batch, 6\).*\(2, 5\)"):
        WeightedMultiLabelLogLoss(RSNA_LABEL_WEIGHTS)(
            np.zeros((2, 5)), np.zeros((2, 5))
        )


def test_constant_prevalence_score_of_the_rsna_set():
    positives = np.array([107_933, 3_145, 36_118, 26_205, 35_675, 47_166])
    assert constant_prevalence_score(
        positives / 752_803, RSNA_LABEL_WEIGHTS
    ) == pytest.approx(0.2311, abs=5e-5)


def test_constant_prevalence_score_is_the_loss_of_that_prediction(batch):
    labels, _ = batch
    predicted = np.array([0.3, 0.1, 0.2, 0.5, 0.6, 0.9])
    logits = np.broadcast_to(np.log(predicted / (1 - predicted)), labels.shape)
    score = constant_prevalence_score(predicted, RSNA_LABEL_WEIGHTS, labels.mean(0))
    assert score == pytest.approx(numpy_loss(labels, logits).mean(), rel=1e-6)


def test_constant_prevalence_score_at_the_edges():
    assert constant_prevalence_score([0, 1], [1, 1]) == pytest.approx(0, abs=1e-6)
    assert constant_prevalence_score([0.2, 0.3]) == constant_prevalence_score(
        [0.2, 0.3], [5, 5]
    )
    assert np.isfinite(constant_prevalence_score([0, 1], [1, 1], observed=[0.5, 0.5]))
    with pytest.raises(ValueError, match="prevalence"):
        constant_prevalence_score([0.1, 1.2], [1, 1])
    with pytest.raises(ValueError, match="observed"):
        constant_prevalence_score([0.1, 0.2], [1, 1], observed=[0.1])
