"""Multiply-adds against counts by hand, the reference's counter and the paper."""

import keras
import pytest
import tensorflow as tf
from golden_files import GoldenModel

from benchmarks.multiply_adds import FORMS, INPUT_SHAPE, PRINTED, multiply_adds
from keras_medformers import create_model
from keras_medformers.layers import SelfAttention


@pytest.mark.parametrize(
    "layer, input_shape, expected",
    [
        (keras.layers.Dense(7), (5,), 5 * 7),
        (keras.layers.Dense(7), (4, 3, 5), 4 * 3 * 5 * 7),
        (keras.layers.EinsumDense("bij,jk->bik", (3, 7)), (3, 5), 3 * 5 * 7),
        (
            keras.layers.Conv2D(8, 3, padding="same"),
            (10, 12, 5),
            10 * 12 * 8 * 3 * 3 * 5,
        ),
        (keras.layers.Conv2D(8, (3, 2), strides=2), (11, 12, 5), 5 * 6 * 8 * 3 * 2 * 5),
        (keras.layers.Conv2D(8, 3, groups=2), (10, 12, 4), 8 * 10 * 8 * 3 * 3 * 2),
        (
            keras.layers.DepthwiseConv2D(3, padding="same"),
            (10, 12, 5),
            10 * 12 * 5 * 3 * 3,
        ),
        (
            keras.layers.DepthwiseConv2D(3, depth_multiplier=2),
            (10, 12, 5),
            8 * 10 * 10 * 3 * 3,
        ),
        (keras.layers.LayerNormalization(), (10, 5), 0),
        # queries, keys, values and the result; then the two products of 9 tokens
        (SelfAttention(2), (9, 8), 4 * 9 * 8 * 8 + 2 * 9 * 9 * 8),
    ],
)
def test_layers_by_hand(layer, input_shape, expected):
    assert multiply_adds(layer, input_shape) == expected


def test_functions_within_the_model_are_counted():
    inner = tf.function(lambda x, training: tf.matmul(x, tf.ones((5, 7))))
    assert multiply_adds(inner, (5,)) == 35


def test_transposed_products():
    def product(x, training):
        return tf.matmul(x, x, transpose_a=True)

    assert multiply_adds(product, (6, 3)) == 3 * 3 * 6


def test_what_cannot_be_counted_is_an_error():
    def loop(x, training):
        return tf.while_loop(lambda x: tf.reduce_sum(x) < 9, lambda x: (x + 1,), (x,))

    with pytest.raises(ValueError, match="Expected no .*While"):
        multiply_adds(loop, (3,))
    any_size = keras.Sequential(
        [keras.Input((None, None, 3)), keras.layers.Conv2D(2, 3)]
    )
    with pytest.raises(ValueError, match="known shape"):
        multiply_adds(any_size, (None, 4, 3))


@pytest.mark.slow
@pytest.mark.parametrize("name", PRINTED)
def test_hifuse(name):
    """Dense: what the reference's counter says of the official code. Depthwise: what the paper prints."""
    reference = GoldenModel(name).info["multiply_adds"]["multiply_adds"]

    dense, depthwise = (
        multiply_adds(create_model(name, irmlp=form), INPUT_SHAPE) for form in FORMS
    )

    assert dense == pytest.approx(reference, rel=0.01)
    assert depthwise == pytest.approx(PRINTED[name], rel=0.02)
