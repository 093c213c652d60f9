"""Nystrom attention: the original's numbers, landmarks of maps, unknown sizes."""

import numpy as np
import pytest
import tensorflow as tf
from golden_files import GoldenModel

from keras_medformers.layers import NystromAttention
from keras_medformers.layers.nystrom_attention import pseudo_inverse

MAP = np.random.default_rng(0).normal(size=(2, 3, 5, 16)).astype("float32")


def original(name):
    golden = GoldenModel(name)
    constructor, weights = golden.constructor, golden.weights
    layer = NystromAttention(
        constructor["heads"],
        num_landmarks=constructor["num_landmarks"],
        pinv_iterations=constructor["pinv_iterations"],
        residual_kernel_size=constructor.get("residual_conv_kernel"),
    )
    layer.build((None, None, constructor["dim"]))
    layer.qkv.kernel.assign(weights["to_qkv.weight"].T)
    layer.proj.set_weights([weights["to_out.0.weight"].T, weights["to_out.0.bias"]])
    if constructor["residual"]:
        layer.residual.kernel.assign(weights["res_conv.weight"].transpose(2, 3, 0, 1))
    return layer, golden


@pytest.mark.parametrize(
    "name, case",
    [("nystrom_attention", case) for case in ("64", "50", "batch")]
    + [("nystrom_attention_residual", "64")],
)
def test_matches_the_original(name, case):
    layer, golden = original(name)
    x = golden.inputs(case)["x"]
    query, key, value = layer.heads(x, 16)

    from_tokens, inverse, to_tokens = layer.factors(query, key, 16)

    joined = [
        np.transpose(part, (0, 2, 1, 3)).reshape(len(x), -1, 128)
        for part in (query, key, value)
    ]
    golden.check(case, "to_qkv", np.concatenate(joined, axis=-1))
    golden.check(case, "attn1", from_tokens)
    golden.check(case, "attn2_inverse", inverse)
    golden.check(case, "attn3", to_tokens)
    golden.check(case, "out", layer(x))


def test_more_iterations_approach_the_inverse():
    rng = np.random.default_rng(0)
    matrices = (np.eye(6) + 0.1 * rng.uniform(size=(2, 3, 6, 6))).astype("float32")

    inverse = pseudo_inverse(matrices, 20)

    np.testing.assert_allclose(inverse, np.linalg.inv(matrices), atol=1e-4)


def test_as_many_landmarks_as_tokens_give_softmax_attention():
    layer = NystromAttention(
        2, num_landmarks=15, pinv_iterations=30, residual_kernel_size=None
    )
    tokens = MAP.reshape(2, 15, 16)
    layer.build(tokens.shape)
    # Distinct tokens that look at themselves, so that the map has an inverse.
    layer.qkv.kernel.assign(
        np.concatenate([2 * np.eye(16), 2 * np.eye(16), np.eye(16)], axis=1)
    )
    query, key, value = (np.asarray(part) for part in layer.heads(tokens, 15))
    scores = np.exp(query @ key.swapaxes(2, 3) / np.sqrt(8))
    mixed = scores / scores.sum(-1, keepdims=True) @ value
    expected = mixed.transpose(0, 2, 1, 3).reshape(2, 15, 16) @ np.asarray(
        layer.proj.kernel
    )

    np.testing.assert_allclose(
        layer(tokens), expected, atol=1e-3 * np.abs(expected).max()
    )


def test_a_map_has_landmarks_by_its_longer_side_also_where_sizes_are_unknown():
    by_map = NystromAttention(4)
    expected = by_map(MAP)
    by_number = NystromAttention(4, num_landmarks=5)
    by_number.build(MAP.shape)
    by_number.set_weights(by_map.get_weights())
    unknown = tf.function(
        lambda x: by_map(x),
        input_signature=[tf.TensorSpec((None, None, None, 16), tf.float32)],
    )

    np.testing.assert_allclose(by_number(MAP), expected, atol=1e-6)
    np.testing.assert_allclose(unknown(MAP), expected, atol=1e-5)


def test_pads_sequences_of_unknown_length():
    layer = NystromAttention(4, num_landmarks=4)
    tokens = MAP.reshape(2, 15, 16)
    unknown = tf.function(
        lambda x: layer(x),
        input_signature=[tf.TensorSpec((None, None, 16), tf.float32)],
    )

    np.testing.assert_allclose(unknown(tokens), layer(tokens), atol=1e-5)


def test_drops_out_in_training_only():
    layer = NystromAttention(4, dropout_rate=0.5)

    assert np.mean(np.asarray(layer(MAP, training=True)) == 0) > 0.3
    assert np.all(np.asarray(layer(MAP, training=False)) != 0)


@pytest.mark.parametrize(
    "arguments, shape, message",
    [
        ({"num_heads": 3}, MAP.shape, "num_heads=3"),
        ({"num_heads": 4}, (None, 15, 16), "num_landmarks"),
        (
            {"num_heads": 4, "residual_kernel_size": 4},
            MAP.shape,
            "residual_kernel_size=4",
        ),
    ],
)
def test_refuses_what_does_not_fit(arguments, shape, message):
    with pytest.raises(ValueError, match=message):
        NystromAttention(**arguments).build(shape)
