"""Batch normalisation with the unbiased running variance."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_medformers.layers import UnbiasedBatchNormalization

MAPS = np.random.default_rng(0).normal(2, 3, size=(2, 2, 3, 5)).astype("float32")


def test_running_variance_is_unbiased_and_all_else_as_in_keras():
    ours = UnbiasedBatchNormalization()
    theirs = keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5)

    for maps in (MAPS, MAPS[:, :1], 2 * MAPS):
        np.testing.assert_array_equal(
            ours(maps, training=True), theirs(maps, training=True)
        )

    expected = np.ones(5)
    for maps in (MAPS, MAPS[:, :1], 2 * MAPS):
        expected = 0.9 * expected + 0.1 * maps.reshape(-1, 5).var(axis=0, ddof=1)
    np.testing.assert_allclose(ours.moving_variance, expected, rtol=1e-5)
    np.testing.assert_array_equal(ours.moving_mean, theirs.moving_mean)
    assert (
        np.abs(
            np.asarray(ours.moving_variance) - np.asarray(theirs.moving_variance)
        ).min()
        > 0.1
    )


def test_other_axes_and_unknown_sizes():
    maps = np.moveaxis(MAPS, -1, 1)
    layer = UnbiasedBatchNormalization(axis=1)
    layer.build(maps.shape)
    unknown = tf.function(
        lambda x: layer(x, training=True),
        input_signature=[tf.TensorSpec((None, 5, None, None), tf.float32)],
    )

    unknown(maps)

    expected = 0.9 + 0.1 * MAPS.reshape(-1, 5).var(axis=0, ddof=1)
    np.testing.assert_allclose(layer.moving_variance, expected, rtol=1e-5)


def test_one_value_per_channel_gives_no_nan():
    layer = UnbiasedBatchNormalization()

    layer(MAPS[:1, :1, :1], training=True)

    np.testing.assert_allclose(layer.moving_variance, 0.9, rtol=1e-6)


@pytest.mark.parametrize("training, trainable", [(False, True), (True, False)])
def test_statistics_stay_in_inference_and_when_frozen(training, trainable):
    layer = UnbiasedBatchNormalization(trainable=trainable)

    layer(MAPS, training=training)

    assert np.all(np.asarray(layer.moving_variance) == 1)
