"""Deformable convolution against loops over NumPy arrays, and the plain convolution it starts as."""

import itertools
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_medformers.layers import DeformableConv2D
from keras_medformers.layers.deformable_convolution import sample_bilinear

MAP = np.random.default_rng(0).normal(size=(2, 7, 9, 3)).astype("float32")


def value_at(image, row, column):
    """The image at a place between pixels: eq. (3) and (4), every pixel's share looked at, zeros outside."""
    total = np.zeros(image.shape[-1])
    for y, x in itertools.product(range(image.shape[0]), range(image.shape[1])):
        total += max(0, 1 - abs(row - y)) * max(0, 1 - abs(column - x)) * image[y, x]
    return total


def reference(images, offsets, kernel, bias, strides):
    """Section 2.1, eq. (2), pixel by pixel, tap by tap."""
    size = kernel.shape[0]
    result = np.zeros((*offsets.shape[:3], kernel.shape[-1]))
    for index in np.ndindex(offsets.shape[:3]):
        image, row, column = index
        for tap, (i, j) in enumerate(itertools.product(range(size), range(size))):
            down, right = offsets[index][2 * tap : 2 * tap + 2]
            y = row * strides + i - size // 2 + down
            x = column * strides + j - size // 2 + right
            result[index] += value_at(images[image], y, x) @ kernel[i, j]
    return result + bias


def bent(strides, kernel_size=3, scale=0.7, **kwargs):
    """A layer whose offsets reach over the edges."""
    layer = DeformableConv2D(4, kernel_size, strides, **kwargs)
    layer.build(MAP.shape)
    rng = np.random.default_rng(1)
    layer.offset.kernel.assign(scale * rng.normal(size=layer.offset.kernel.shape))
    layer.offset.bias.assign(scale * rng.normal(size=layer.offset.bias.shape))
    layer.bias.assign(rng.normal(size=4))
    return layer


@pytest.mark.parametrize("strides, kernel_size", [(1, 3), (2, 3), (3, 3), (1, 5)])
def test_equals_the_reference(strides, kernel_size):
    layer = bent(strides, kernel_size)
    margin = kernel_size // 2
    padded = np.pad(MAP, ((0, 0), (margin, margin), (margin, margin), (0, 0)))
    offsets = np.asarray(layer.offset(padded))
    assert np.abs(offsets).max() > 3

    expected = reference(
        MAP, offsets, np.asarray(layer.kernel), np.asarray(layer.bias), strides
    )

    np.testing.assert_allclose(layer(MAP), expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("strides", [1, 2])
def test_zero_offsets_give_the_plain_convolution(strides):
    layer = DeformableConv2D(4, 3, strides)
    result = layer(MAP)
    plain = keras.layers.Conv2D(4, 3, strides)
    padded = np.pad(MAP, ((0, 0), (1, 1), (1, 1), (0, 0)))
    plain.build(padded.shape)
    plain.set_weights([layer.kernel, layer.bias])

    np.testing.assert_allclose(result, plain(padded), atol=1e-5)
    assert result.shape == (2, math.ceil(7 / strides), math.ceil(9 / strides), 4)


def test_one_offset_for_all_moves_the_image():
    layer = DeformableConv2D(4, use_bias=False)
    expected = np.asarray(layer(MAP))
    layer.offset.bias.assign(np.tile([1.0, -2.0], 9))

    result = np.asarray(layer(MAP))

    np.testing.assert_allclose(
        result[:, 1:-2, 3:-1], expected[:, 2:-1, 1:-3], atol=1e-5
    )


def test_gradients_are_those_of_finite_differences():
    x = tf.constant(MAP)
    rows = tf.constant(
        np.random.default_rng(2).uniform(-1.5, 7.5, (2, 40)).astype("float32")
    )
    columns = tf.constant(
        np.random.default_rng(3).uniform(-1.5, 9.5, (2, 40)).astype("float32")
    )
    # A small step may not cross a pixel, where the slope changes.
    near = lambda places: tf.abs(places - tf.round(places)) < 0.02
    keep = tf.cast(~(near(rows) | near(columns)), "float32")[..., None]

    def total(rows, columns):
        return tf.reduce_sum(keep * sample_bilinear(x, rows, columns), axis=-1)

    with tf.GradientTape() as tape:
        tape.watch((rows, columns))
        value = total(rows, columns)
    by_row, by_column = tape.gradient(value, (rows, columns))

    step = 0.01
    down = (total(rows + step, columns) - total(rows - step, columns)) / (2 * step)
    right = (total(rows, columns + step) - total(rows, columns - step)) / (2 * step)
    np.testing.assert_allclose(by_row, down, atol=1e-3)
    np.testing.assert_allclose(by_column, right, atol=1e-3)


def test_takes_maps_of_unknown_size():
    layer = bent(2)
    unknown = tf.function(
        lambda x: layer(x),
        input_signature=[tf.TensorSpec((None, None, None, 3), tf.float32)],
    )

    np.testing.assert_allclose(unknown(MAP), layer(MAP), atol=1e-6)


@pytest.mark.parametrize("kernel_size", [0, 2])
def test_refuses_a_window_without_a_middle(kernel_size):
    with pytest.raises(ValueError, match=f"kernel_size={kernel_size}"):
        DeformableConv2D(4, kernel_size)
