"""The class token: its place, its gradient, unknown lengths."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_medformers.layers import ClassToken

TOKENS = np.random.default_rng(0).normal(size=(2, 6, 10)).astype("float32")


@pytest.fixture
def layer():
    layer = ClassToken()
    layer.build(TOKENS.shape)
    layer.token.assign(np.arange(10).reshape(1, 1, 10))
    return layer


def test_stands_before_the_tokens_of_each_sample(layer):
    result = np.asarray(layer(TOKENS))

    np.testing.assert_array_equal(result[:, 0], np.stack([np.arange(10)] * 2))
    np.testing.assert_array_equal(result[:, 1:], TOKENS)


def test_starts_at_zero():
    assert np.all(np.asarray(ClassToken()(TOKENS))[:, 0] == 0)


def test_gets_the_gradients_of_all_samples(layer):
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(
            layer(TOKENS) * np.array([1.0, 2.0], "float32").reshape(2, 1, 1)
        )

    gradient = tape.gradient(total, layer.token.value)

    np.testing.assert_array_equal(gradient, np.full((1, 1, 10), 3.0))


def test_length_and_batch_may_be_unknown():
    tokens = keras.Input((None, 10))
    model = keras.Model(tokens, ClassToken()(tokens))

    assert model.output_shape == (None, None, 10)
    assert model(TOKENS).shape == (2, 7, 10)
