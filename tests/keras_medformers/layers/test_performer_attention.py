"""Performer attention: the original's kernels, random directions, linear memory."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from golden_files import GoldenModel, recipe

from keras_medformers.layers import (
    PerformerAttention,
    performer_attention,
    redraw_random_features,
)
from keras_medformers.layers.performer_attention import (
    linear_attention,
    relu_features,
    softmax_features,
)
from keras_medformers.layers.random_features import orthogonal_features

MAP = np.random.default_rng(0).normal(size=(2, 3, 4, 16)).astype("float32")
TOLERANCE = 5e-5


@pytest.fixture(scope="module")
def golden():
    return GoldenModel("performer_kernels")


@pytest.mark.parametrize("case", ["main", "large"])
@pytest.mark.parametrize("kernel", ["relu", "softmax"])
def test_kernels_match_the_original(golden, case, kernel):
    query, key, value = golden.inputs(case).values()
    directions = golden.weights["projection_matrix"]
    if kernel == "relu":
        features = relu_features(query, directions), relu_features(key, directions)
    else:
        features = (
            softmax_features(query, directions, True),
            softmax_features(key, directions, False),
        )

    golden.check(case, f"{kernel}_q", features[0])
    golden.check(case, f"{kernel}_k", features[1])
    golden.check(case, f"{kernel}_out", linear_attention(*features, value))


def test_the_layer_is_the_kernels_between_dense_layers():
    layer = PerformerAttention(4, num_features=6)
    result = layer(MAP)

    def heads(dense):
        tokens = MAP.reshape(2, 12, 16) @ np.asarray(dense.kernel)
        return tokens.reshape(2, 12, 4, 4).transpose(0, 2, 1, 3)

    directions = np.asarray(layer.projection)
    query, key = (
        np.maximum(heads(dense) * 4**-0.25 @ directions.T, 0) + 1e-3
        for dense in (layer.query, layer.key)
    )
    weights = query @ key.swapaxes(2, 3)
    mixed = weights / weights.sum(-1, keepdims=True) @ heads(layer.value)
    expected = mixed.transpose(0, 2, 1, 3).reshape(2, 3, 4, 16) @ np.asarray(
        layer.proj.kernel
    )

    np.testing.assert_allclose(
        result, expected, atol=TOLERANCE * np.abs(expected).max()
    )


def test_but_for_its_constant_the_softmax_kernel_comes_near_softmax_attention(
    monkeypatch,
):
    monkeypatch.setattr(performer_attention, "SOFTMAX_EPSILON", 0.0)
    rng = np.random.default_rng(0)
    query, key, value = 0.5 * rng.normal(size=(3, 1, 1, 20, 32)).astype("float32")
    directions = orthogonal_features(32 * 512, 32, 0).astype("float32")
    scores = np.exp(query @ key.swapaxes(2, 3) / np.sqrt(32))
    expected = scores / scores.sum(-1, keepdims=True) @ value

    features = (
        softmax_features(query, directions, True),
        softmax_features(key, directions, False),
    )
    result = np.asarray(linear_attention(*features, value))

    uniform = value.mean(axis=2, keepdims=True)
    assert (
        np.square(result - expected).mean() < 0.1 * np.square(uniform - expected).mean()
    )


@pytest.mark.parametrize("features, dim", [(5, 4), (16, 8), (44, 16), (110, 32)])
def test_directions_are_those_of_the_golden_files_rule(features, dim):
    expected = recipe._orthogonal_rows(np.random.default_rng(3), features, dim)

    directions = orthogonal_features(features, dim, seed=3)

    np.testing.assert_allclose(directions, expected, atol=1e-12)
    block = directions[:dim]
    np.testing.assert_allclose(block @ block.T, dim * np.eye(dim), atol=1e-12)


@pytest.mark.parametrize(
    "channels, features", [(32, 5), (64, 16), (128, 44), (256, 110)]
)
def test_number_of_features_of_eight_heads(channels, features):
    layer = PerformerAttention(8)
    layer.build((None, None, None, channels))

    assert layer.projection.shape == (features, channels // 8)
    assert not layer.projection.trainable


def test_redraws_by_seed_and_each_layer_differently():
    model = keras.Sequential(
        [keras.Input(MAP.shape[1:]), PerformerAttention(4), PerformerAttention(4)]
    )
    first, second = model.layers

    def directions():
        return [layer.projection.numpy() for layer in model.layers]

    before = directions()
    redraw_random_features(model, 7)
    drawn = directions()
    redraw_random_features(model, 7)
    again = directions()

    assert not np.array_equal(before[0], drawn[0])
    assert not np.array_equal(drawn[0], drawn[1])
    np.testing.assert_array_equal(drawn, again)
    first.redraw(1)
    second.redraw(1)
    np.testing.assert_array_equal(*directions())


def test_keras_seed_decides_on_the_first_draw():
    def draw():
        keras.utils.set_random_seed(5)
        layer = PerformerAttention(4)
        layer.build(MAP.shape)
        return np.asarray(layer.projection)

    np.testing.assert_array_equal(draw(), draw())


@pytest.mark.parametrize("kernel", ["relu", "softmax"])
def test_no_tensor_grows_with_the_square_of_the_tokens(kernel):
    tokens = 1009
    layer = PerformerAttention(2, kernel=kernel)
    layer.build((1, tokens, 8))
    x = tf.constant(
        np.random.default_rng(0).normal(size=(1, tokens, 8)).astype("float32")
    )

    @tf.function
    def gradient():
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(layer(x) ** 2)
        return tape.gradient(loss, x)

    graph = gradient.get_concrete_function().graph
    shapes = [
        output.shape
        for operation in graph.get_operations()
        for output in operation.outputs
    ]
    sizes = [np.prod(shape.as_list()) for shape in shapes if shape.is_fully_defined()]
    assert len(sizes) > 20
    assert max(sizes) <= tokens * 8 * 4


def test_a_sequence_is_a_map_in_rows():
    layer = PerformerAttention(4)

    result = layer(MAP)

    np.testing.assert_array_equal(
        layer(MAP.reshape(2, 12, 16)), np.reshape(result, (2, 12, 16))
    )


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("kernel", ["relu", "softmax"])
def test_half_precision_stays_near_single(policy, kernel):
    half = PerformerAttention(4, kernel=kernel, dtype=policy)
    single = PerformerAttention(4, kernel=kernel)
    many = np.random.default_rng(1).normal(size=(1, 300, 300, 16)).astype("float32")
    half.build(many.shape)
    single.build(many.shape)
    single.set_weights(half.get_weights())

    result = half(many)

    assert keras.backend.standardize_dtype(result.dtype) == policy.removeprefix(
        "mixed_"
    )
    assert {weight.dtype for weight in half.weights} == {"float32"}
    expected = np.asarray(single(many))
    error = np.abs(np.asarray(result, "float32") - expected).mean()
    assert error < 0.02 * np.abs(expected).mean()


def test_features_of_large_half_precision_tokens_are_those_of_their_values():
    tokens = keras.ops.cast(
        6 * np.random.default_rng(0).normal(size=(1, 2, 40, 8)), "bfloat16"
    )
    directions = keras.ops.convert_to_tensor(orthogonal_features(16, 8, 0), "float32")

    for is_query in (True, False):
        features = softmax_features(tokens, directions, is_query)

        expected = softmax_features(
            keras.ops.cast(tokens, "float32"), directions, is_query
        )
        np.testing.assert_allclose(features, expected, rtol=1e-5)


def test_drops_out_in_training_only():
    layer = PerformerAttention(4, dropout_rate=0.5)

    assert np.mean(np.asarray(layer(MAP, training=True)) == 0) > 0.3
    assert np.all(np.asarray(layer(MAP, training=False)) != 0)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"num_heads": 4, "kernel": "exp"}, "kernel='exp'"),
        ({"num_heads": 5}, "num_heads=5"),
        ({"num_heads": 0}, "num_heads=0"),
        ({"num_heads": 4, "num_features": -1}, "num_features=-1"),
    ],
)
def test_refuses_what_does_not_fit(arguments, message):
    with pytest.raises(ValueError, match=message):
        PerformerAttention(**arguments).build(MAP.shape)
