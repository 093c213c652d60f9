"""Window attention against its definition, position by position; masks, windows, refusals."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_medformers.layers import WindowAttention
from keras_medformers.layers.window_attention import (
    join_windows,
    partition_windows,
    relative_position_index,
    shift_mask,
)

MAP = np.random.default_rng(0).normal(size=(2, 8, 12, 6)).astype("float32")


def attend_one_by_one(layer, feature_map, window, shift):
    """The attention of one query after the other, over those keys that share its window and its side."""
    height, width, channels = feature_map.shape
    kernel, bias = (
        np.asarray(w, "float64") for w in (layer.qkv.kernel, layer.qkv.bias)
    )
    heads = layer.num_heads
    qkv = (feature_map @ kernel + bias).reshape(
        height, width, 3, heads, channels // heads
    )
    table = np.asarray(layer.relative_position_bias).reshape(
        2 * window - 1, 2 * window - 1, heads
    )

    def group(size, position):
        """Window of a position after the roll, and whether the roll carried it over the edge."""
        rolled = (position - shift) % size
        return rolled // window, position < shift

    result = np.zeros_like(feature_map, "float64")
    for row, column in np.ndindex(height, width):
        keys = [
            (r, c)
            for r, c in np.ndindex(height, width)
            if group(height, r) == group(height, row)
            and group(width, c) == group(width, column)
        ]
        for head in range(heads):
            query = qkv[row, column, 0, head] / np.sqrt(channels // heads)
            scores = [
                query @ qkv[r, c, 1, head]
                + table[row - r + window - 1, column - c + window - 1, head]
                for r, c in keys
            ]
            weights = np.exp(scores - np.max(scores))
            mixed = (weights / weights.sum()) @ np.array(
                [qkv[r, c, 2, head] for r, c in keys]
            )
            result[row, column, head * len(mixed) : (head + 1) * len(mixed)] = mixed
    return result @ np.asarray(layer.proj.kernel) + np.asarray(layer.proj.bias)


@pytest.mark.parametrize("shift", [0, 2, 1])
def test_equals_attention_computed_one_by_one(shift):
    keras.utils.set_random_seed(0)
    layer = WindowAttention(3, window_size=4, shift_size=shift)
    layer.build(MAP.shape)
    for variable in layer.trainable_variables:
        variable.assign(np.random.default_rng(1).normal(size=variable.shape))

    result = np.asarray(layer(MAP))

    for ours, feature_map in zip(result, MAP):
        expected = attend_one_by_one(layer, feature_map, window=4, shift=shift)
        np.testing.assert_allclose(ours, expected, atol=1e-4 * np.abs(expected).max())


def test_windows_are_taken_row_by_row_and_joined_again():
    numbers = np.arange(2 * 4 * 6, dtype="float32").reshape(2, 4, 6, 1)

    windows = np.asarray(partition_windows(numbers, 2))

    assert windows.shape == (12, 4, 1)
    assert windows[1, :, 0].tolist() == [2, 3, 8, 9]
    np.testing.assert_array_equal(join_windows(windows, 4, 6), numbers)


def test_relative_positions_share_a_row_of_the_table():
    index = relative_position_index(3)

    assert index.shape == (9, 9) and index.min() == 0 and index.max() == 24
    assert index[0, 8] == 0 and index[8, 0] == 24
    assert index[0, 1] == index[4, 5] == index[7, 8]
    assert len(np.unique(index)) == 25


def test_map_of_one_window_is_masked_too():
    mask = shift_mask(4, 4, window_size=4, shift_size=2)

    assert mask.shape == (1, 1, 16, 16)
    assert (mask == 0).sum() == 4 * 4 * 4  # four quarters that see only themselves
    assert shift_mask(4, 4, 4, 0) is None


@pytest.mark.parametrize(
    "arguments, shape, message",
    [
        ((2, 4), (1, 8, 10, 4), "divide by window_size=4"),
        ((2, 4), (1, None, 8, 4), "divide by window_size=4"),
        ((3, 4), (1, 8, 8, 4), "divide by num_heads=3"),
    ],
)
def test_refuses_maps_that_do_not_fit(arguments, shape, message):
    with pytest.raises(ValueError, match=message):
        WindowAttention(*arguments).build(shape)


def test_refuses_a_shift_of_a_whole_window():
    with pytest.raises(ValueError, match="shift_size=4"):
        WindowAttention(2, window_size=4, shift_size=4)


def test_bias_gradient_is_dense():
    """Optimizers and replicas sum gradients; a sparse one would need care everywhere."""
    tf = pytest.importorskip("tensorflow")
    layer = WindowAttention(3, window_size=4, shift_size=2)
    with tf.GradientTape() as tape:
        loss = ops.sum(ops.square(layer(MAP)))
    gradient = tape.gradient(loss, layer.relative_position_bias.value)

    assert isinstance(gradient, tf.Tensor) and np.abs(gradient).max() > 0
