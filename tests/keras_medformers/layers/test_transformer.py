"""Attention layers and blocks: BatchNorm over heads, what is refused."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_medformers.layers import (
    ReAttention,
    SelfAttention,
    TransformerBlock,
)

TOKENS = np.random.default_rng(0).normal(size=(2, 6, 10)).astype("float32")


@pytest.mark.parametrize(
    "policy, tolerance", [("mixed_bfloat16", 0.04), ("mixed_float16", 0.005)]
)
def test_re_attention_of_nearly_uniform_maps_is_near_float32_in_half_precision(
    policy, tolerance
):
    """As before training: maps differ from uniform ones by a hundredth, which the norm magnifies."""
    keras.utils.set_random_seed(0)
    tokens = np.random.default_rng(0).normal(size=(4, 64, 48)).astype("float32")
    single, half = ReAttention(8), ReAttention(8, dtype=policy)
    for layer in (single, half):
        layer.build(tokens.shape)
    half.set_weights(single.get_weights())

    results = []
    for layer in (single, half):
        with tf.GradientTape() as tape:
            output = tf.cast(layer(tokens, training=True), "float32")
            loss = tf.reduce_sum(
                output * np.random.default_rng(1).normal(size=tokens.shape)
            )
        weights = [
            v for v in layer.trainable_variables if v.name != "head_bias"
        ]  # see above
        results.append([output, *tape.gradient(loss, weights)])

    for expected, result in zip(*results, strict=True):
        assert np.linalg.norm(result - expected) < tolerance * np.linalg.norm(expected)


def test_re_attention_in_training_equals_a_convolution_and_batch_norm():
    keras.utils.set_random_seed(0)
    layer = ReAttention(4)
    layer.build(TOKENS.shape)
    rng = np.random.default_rng(2)
    for variable in (layer.head_bias, layer.norm.gamma, layer.norm.beta):
        variable.assign(rng.normal(size=4))
    layer.qkv.kernel.assign(
        rng.normal(size=layer.qkv.kernel.shape)
    )  # maps that are not uniform
    softmax = SelfAttention.transform_attention
    layer.transform_attention = lambda maps, training: softmax(layer, maps, training)
    maps, _ = layer.attend(TOKENS)
    del layer.transform_attention
    norm = keras.layers.BatchNormalization(axis=1, momentum=0.9, epsilon=1e-5)
    norm.build((None, 4, None, None))
    norm.gamma.assign(layer.norm.gamma)
    norm.beta.assign(layer.norm.beta)

    def plain(maps):
        mixed = tf.einsum("bhqk,hg->bgqk", maps, layer.head_mixing.value)
        return norm(
            mixed + tf.reshape(layer.head_bias.value, (1, 4, 1, 1)), training=True
        )

    ours, our_gradient = _value_and_gradient(
        lambda x: layer.transform_attention(x, True), maps
    )
    theirs, their_gradient = _value_and_gradient(plain, maps)

    np.testing.assert_allclose(ours, theirs, atol=1e-4 * np.abs(theirs).max())
    # Both are defined on maps whose rows sum to 1, so gradients agree along such changes.
    centred = [
        g - np.mean(g, -1, keepdims=True) for g in (our_gradient, their_gradient)
    ]
    np.testing.assert_allclose(
        centred[0], centred[1], atol=1e-3 * np.abs(centred[1]).max()
    )
    np.testing.assert_allclose(layer.norm.moving_mean, norm.moving_mean, rtol=1e-5)
    np.testing.assert_allclose(
        layer.norm.moving_variance, norm.moving_variance, rtol=1e-4
    )


def _value_and_gradient(function, maps):
    weights = np.random.default_rng(3).normal(size=maps.shape).astype("float32")
    maps = tf.convert_to_tensor(maps)
    with tf.GradientTape() as tape:
        tape.watch(maps)
        value = function(maps)
        total = tf.reduce_sum(value * weights)
    return np.asarray(value), np.asarray(tape.gradient(total, maps))


def test_frozen_re_attention_keeps_its_statistics():
    layer = ReAttention(4)
    layer.build(TOKENS.shape)
    layer.trainable = False

    layer(TOKENS, training=True)

    assert np.all(np.asarray(layer.norm.moving_variance) == 1)


@pytest.mark.parametrize(
    "arguments", [{"num_heads": 0}, {"num_heads": 2, "head_dim": 0}]
)
def test_refuses_sizes_below_one(arguments):
    with pytest.raises(ValueError, match="at least 1"):
        SelfAttention(**arguments)


def test_refuses_an_unknown_attention():
    with pytest.raises(ValueError, match="mhxa"):
        TransformerBlock(2, 8, attention="mhxa")
